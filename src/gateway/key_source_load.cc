// One attempt of the key source: fetching, reading and checking what came, without changing any state.
#include <fmt/format.h>

#include <utility>

#include "config/file.h"
#include "gateway/discovery.h"
#include "gateway/key_source_state.h"

namespace lotagate {

std::vector<KeySource::Loaded> KeySource::load(const std::vector<Source*>& sources, MonotonicTime now) {
  std::vector<Loaded> loaded(sources.size());
  load_metadata(sources, loaded, now);
  load_keys(sources, loaded);
  return loaded;
}

void KeySource::load_metadata(const std::vector<Source*>& sources, std::vector<Loaded>& loaded, MonotonicTime now) {
  std::vector<FetchOptions> requests;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (!sources[i]->wants_metadata(now)) continue;
    asked.push_back(i);
    requests.push_back({.url = sources[i]->issuer.jwks.discovery->text,
                        .timeout = options_.times.fetch_timeout,
                        .max_bytes = kMaxDiscoveryBytes});
  }
  auto fetched = fetcher_.get_all(requests);
  for (std::size_t k = 0; k < asked.size(); ++k) {
    sources[asked[k]]->read_metadata(std::move(fetched[k]), loaded[asked[k]]);
  }
}

void KeySource::load_keys(const std::vector<Source*>& sources, std::vector<Loaded>& loaded) {
  std::vector<FetchOptions> requests;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Source& source = *sources[i];
    if (source.is_file()) {
      source.read_file(loaded[i]);
      continue;
    }
    const config::Url* known = source.url();
    const config::Url* url = loaded[i].address ? &*loaded[i].address : known;
    if (url == nullptr) {
      loaded[i].problem = loaded[i].metadata_problem;
      continue;
    }
    // An entity tag means something at its own address only.
    bool same_address = known != nullptr && known->text == url->text;
    asked.push_back(i);
    requests.push_back({.url = url->text,
                        .if_none_match = same_address ? source.state.etag : std::string(),
                        .timeout = options_.times.fetch_timeout,
                        .max_bytes = access::kMaxJwksBytes});
  }
  auto fetched = fetcher_.get_all(requests);
  for (std::size_t k = 0; k < asked.size(); ++k) {
    sources[asked[k]]->read_keys(std::move(fetched[k]), requests[k].if_none_match, loaded[asked[k]]);
  }
}

void KeySource::Source::read_metadata(std::expected<FetchAnswer, FetchError> fetched, Loaded& loaded) const {
  auto problem = [&](std::string_view text) { loaded.metadata_problem = fmt::format("discovery: {}", text); };
  if (!fetched) return problem(fetched.error().text);
  if (fetched->status != 200) return problem(fmt::format("answered with status {}", fetched->status));
  auto address = parse_discovery(fetched->body, issuer.issuer, *issuer.jwks.discovery);
  if (!address) return problem(fmt::format("unusable: {}", address.error()));
  loaded.address = *std::move(address);
}

void KeySource::Source::read_keys(std::expected<FetchAnswer, FetchError> fetched, const std::string& etag,
                                  Loaded& loaded) const {
  if (!fetched) {
    loaded.problem = std::move(fetched.error().text);
    return;
  }
  loaded.max_age = fetched->max_age;
  if (fetched->status == 200) {
    read_document(std::move(fetched->body), loaded);
    loaded.etag = std::move(fetched->etag);
  } else if (fetched->status == 304 && !etag.empty()) {
    loaded.etag = etag;
  } else {
    loaded.problem = fmt::format("answered with status {}", fetched->status);
  }
}

void KeySource::Source::read_file(Loaded& loaded) const {
  auto content = config::read_file(issuer.jwks.file, access::kMaxJwksBytes);
  if (!content) {
    loaded.problem = fmt::format("{}: {}", issuer.jwks.file, content.error());
    return;
  }
  read_document(*std::move(content), loaded);
}

void KeySource::Source::read_document(std::string content, Loaded& loaded) const {
  if (state.keys && content == state.content) return;
  auto keys = access::parse_jwks(content);
  if (!keys) {
    loaded.problem = fmt::format("unusable: {}", keys.error());
    return;
  }
  loaded.keys = std::make_shared<const access::KeySet>(*std::move(keys));
  loaded.content = std::move(content);
}

}  // namespace lotagate
