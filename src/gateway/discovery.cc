#include "gateway/discovery.h"

#include <simdjson.h>

#include "config/values.h"
#include "jose/strict_json.h"

namespace lotagate {

std::expected<config::Url, std::string> parse_discovery(std::string_view json, std::string_view issuer,
                                                        const config::Url& source) {
  namespace dom = simdjson::dom;
  dom::parser parser;
  dom::element document;
  auto refusal = jose::parse_strict_json(parser, json, {.max_bytes = kMaxDiscoveryBytes}, document);
  if (!refusal.empty()) return std::unexpected(std::string(refusal));
  std::string_view found;
  if (document.at_key("issuer").get(found) != simdjson::SUCCESS)
    return std::unexpected("no text `issuer` in an object");
  if (found != issuer) return std::unexpected("its `issuer` is another one");
  std::string_view address;
  if (document.at_key("jwks_uri").get(address) != simdjson::SUCCESS) return std::unexpected("no text `jwks_uri`");
  auto url = config::parse_url(address);
  if (!url) return std::unexpected("its `jwks_uri`: " + url.error());
  if (source.scheme == "https" && url->scheme != "https") {
    return std::unexpected("its `jwks_uri` is not https, though the document came over https");
  }
  return *std::move(url);
}

}  // namespace lotagate
