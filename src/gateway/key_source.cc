#include "gateway/key_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/text.h"
#include "config/file.h"

namespace lotagate {
namespace {

constexpr double kRefreshJitter = 0.1;

MonotonicTime monotonic_now() { return std::chrono::steady_clock::now(); }

bool same_address(const config::Issuer& a, const config::Issuer& b) {
  if (a.issuer != b.issuer || a.jwks.url.has_value() != b.jwks.url.has_value()) return false;
  return a.jwks.url ? a.jwks.url->text == b.jwks.url->text : a.jwks.file == b.jwks.file;
}

// What an issuer is known by: copied as a whole to the source that takes over.
struct IssuerState {
  std::shared_ptr<const access::KeySet> keys;
  std::uint64_t version = 0;
  std::string content;        // the document behind `keys`: an equal one changes nothing
  std::string etag;           // of `content`
  MonotonicTime confirmed{};  // when `keys` were last fetched or found unchanged
  MonotonicTime due = MonotonicTime::min();
  MonotonicTime refetch_allowed = MonotonicTime::min();
  std::uint64_t fetches = 0;
  std::uint64_t failures = 0;
  std::string problem;
};

}  // namespace

// The outcome of one attempt.
struct KeySource::Loaded {
  std::string problem{};                         // empty: good
  std::shared_ptr<const access::KeySet> keys{};  // null in a good outcome: those in use were confirmed
  std::string content{};
  std::string etag{};
  std::optional<seconds> max_age{};
};

// `state` is written by the fetching thread under the mutex; that thread alone may read it without.
struct KeySource::Source {
  Source(const config::Issuer& from, const KeySourceTimes& times)
      : issuer(from), backoff(times.retry_first, times.retry_last) {}

  bool has_url() const { return issuer.jwks.url.has_value(); }
  MonotonicTime expires() const {
    return state.keys ? state.confirmed + issuer.jwks.refresh + issuer.jwks.max_stale : kNever;
  }
  MonotonicTime next_load() const {
    return refetch_wanted.load(std::memory_order_acquire) ? std::min(state.due, state.refetch_allowed) : state.due;
  }

  FetchOptions request(const config::Url& url, milliseconds timeout) const {
    return {.url = url.text, .if_none_match = state.etag, .timeout = timeout, .max_bytes = access::kMaxJwksBytes};
  }
  Loaded read(std::expected<FetchAnswer, FetchError> fetched) const;
  Loaded read_file() const;
  Loaded read_document(std::string content) const;

  const config::Issuer& issuer;
  IssuerState state;
  Backoff backoff;
  std::atomic<bool> refetch_wanted{false};
};

KeySource::Loaded KeySource::Source::read(std::expected<FetchAnswer, FetchError> fetched) const {
  if (!fetched) return {.problem = std::move(fetched.error().text)};
  Loaded loaded;
  if (fetched->status == 200) {
    loaded = read_document(std::move(fetched->body));
    loaded.etag = std::move(fetched->etag);
  } else if (fetched->status == 304 && !state.etag.empty()) {
    loaded.etag = state.etag;
  } else {
    loaded.problem = fmt::format("answered with status {}", fetched->status);
  }
  loaded.max_age = fetched->max_age;
  return loaded;
}

KeySource::Loaded KeySource::Source::read_file() const {
  auto content = config::read_file(issuer.jwks.file, access::kMaxJwksBytes);
  if (!content) return {.problem = fmt::format("{}: {}", issuer.jwks.file, content.error())};
  return read_document(*std::move(content));
}

KeySource::Loaded KeySource::Source::read_document(std::string content) const {
  if (state.keys && content == state.content) return {};
  auto keys = access::parse_jwks(content);
  if (!keys) return {.problem = fmt::format("unusable: {}", keys.error())};
  Loaded loaded;
  loaded.keys = std::make_shared<const access::KeySet>(*std::move(keys));
  loaded.content = std::move(content);
  return loaded;
}

KeySource::KeySource(KeySourceOptions options) : options_(std::move(options)) {
  for (const auto& issuer : options_.issuers) sources_.push_back(std::make_unique<Source>(issuer, options_.times));
  if (KeySource* previous = std::exchange(options_.previous, nullptr)) inherit(*previous);
}

KeySource::~KeySource() { stop(); }

void KeySource::inherit(KeySource& previous) {
  previous.stop();  // two running sources could give one version to two sets
  std::lock_guard lock(previous.mutex_);
  last_version_ = previous.last_version_;
  auto now = monotonic_now();
  for (const auto& source : sources_) {
    for (const auto& old : previous.sources_) {
      if (same_address(source->issuer, old->issuer)) source->state = old->state;
    }
    // Reading a file costs nothing, and without keys every second counts. A `refresh` made shorter counts at once.
    MonotonicTime latest = now + source->issuer.jwks.refresh;
    bool at_once = !source->has_url() || source->state.keys == nullptr;
    source->state.due = at_once ? MonotonicTime::min() : std::min(source->state.due, latest);
  }
}

void KeySource::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  fetcher_.abort();
  if (thread_.joinable()) thread_.join();
}

bool KeySource::stopping() const {
  std::lock_guard lock(mutex_);
  return stopping_;
}

void KeySource::start() {
  load_due();
  publish();
  thread_ = std::thread([this] { run(); });
}

void KeySource::run() {
  while (wait_for_work()) {
    if (load_due()) publish();
  }
}

bool KeySource::wait_for_work() {
  auto next = kNever;
  for (const auto& source : sources_) next = std::min({next, source->next_load(), source->expires()});
  std::unique_lock lock(mutex_);
  wake_.wait_until(lock, next, [this] { return stopping_ || woken_; });
  woken_ = false;
  return !stopping_;
}

void KeySource::request_refetch(std::uint32_t issuer) {
  if (issuer >= sources_.size()) return;
  auto& wanted = sources_[issuer]->refetch_wanted;
  if (wanted.load(std::memory_order_relaxed) || wanted.exchange(true, std::memory_order_acq_rel)) return;
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_one();
}

bool KeySource::load_due() {
  auto sources = take_due(monotonic_now());
  auto loaded = load(sources);
  if (stopping()) return false;  // what was aborted is no failure
  auto now = monotonic_now();
  bool changed = false;
  for (std::size_t i = 0; i < sources.size(); ++i) changed |= apply(*sources[i], std::move(loaded[i]), now);
  return drop_expired(now) || changed;
}

std::vector<KeySource::Source*> KeySource::take_due(MonotonicTime now) {
  std::lock_guard lock(mutex_);
  std::vector<Source*> due;
  for (const auto& source : sources_) {
    if (source->next_load() > now) continue;
    due.push_back(source.get());
    // Cleared before the fetch: what is asked for meanwhile may be newer than the answer.
    if (source->refetch_wanted.exchange(false, std::memory_order_acq_rel)) {
      source->state.refetch_allowed = now + options_.times.refetch_cooldown;
    }
  }
  return due;
}

std::vector<KeySource::Loaded> KeySource::load(const std::vector<Source*>& sources) {
  std::vector<FetchOptions> requests;
  for (const Source* source : sources) {
    const auto& url = source->issuer.jwks.url;
    if (url) requests.push_back(source->request(*url, options_.times.fetch_timeout));
  }
  auto fetched = fetcher_.get_all(requests);
  std::vector<Loaded> loaded;
  loaded.reserve(sources.size());
  std::size_t next = 0;
  for (const Source* source : sources) {
    loaded.push_back(source->has_url() ? source->read(std::move(fetched[next++])) : source->read_file());
  }
  return loaded;
}

bool KeySource::apply(Source& source, Loaded loaded, MonotonicTime now) {
  if (loaded.problem.empty()) return accept(source, std::move(loaded), now);
  reject(source, std::move(loaded.problem), now);
  return false;
}

bool KeySource::accept(Source& source, Loaded loaded, MonotonicTime now) {
  IssuerState& state = source.state;
  bool is_new = loaded.keys != nullptr;
  bool recovered = !state.problem.empty();
  source.backoff.after_success();
  {
    std::lock_guard lock(mutex_);
    ++state.fetches;
    state.problem.clear();
    state.confirmed = now;
    state.due = now + refresh_interval(source, loaded.max_age);
    state.etag = std::move(loaded.etag);
    if (is_new) {
      state.keys = std::move(loaded.keys);
      state.content = std::move(loaded.content);
      state.version = ++last_version_;
    }
  }
  if (recovered) log(source, "available again");
  if (!is_new) return false;
  for (const auto& skipped : state.keys->skipped()) {
    log(source, fmt::format("key '{}' is not used: {}", skipped.kid, skipped.reason));
  }
  return true;
}

void KeySource::reject(Source& source, std::string problem, MonotonicTime now) {
  IssuerState& state = source.state;
  bool is_news = state.problem != problem;
  auto wait = retry_interval(source);
  {
    std::lock_guard lock(mutex_);
    ++state.fetches;
    ++state.failures;
    state.problem = std::move(problem);
    state.due = now + wait;
  }
  if (!is_news) return;
  std::string_view consequence = state.keys ? "the last good keys stay in use" : "its tokens are refused until then";
  log(source, fmt::format("{}; {}", state.problem, consequence));
}

bool KeySource::drop_expired(MonotonicTime now) {
  bool dropped = false;
  for (const auto& source : sources_) {
    if (source->expires() > now) continue;
    {
      std::lock_guard lock(mutex_);
      source->state.keys = nullptr;
      source->state.content.clear();
      source->state.etag.clear();  // the next answer has to bring the document
      source->state.version = ++last_version_;
    }
    dropped = true;
    log(*source, "not confirmed for longer than `max_stale`; its tokens are refused until it is available again");
  }
  return dropped;
}

milliseconds KeySource::refresh_interval(const Source& source, std::optional<seconds> max_age) {
  milliseconds longest = source.issuer.jwks.refresh;
  if (!source.has_url()) return std::min(longest, options_.times.file_check);
  auto shortest = std::min(longest, options_.times.shortest_refresh);
  auto interval = max_age ? std::clamp<milliseconds>(*max_age, shortest, longest) : longest;
  return jitter_.shorten(interval, kRefreshJitter);
}

milliseconds KeySource::retry_interval(Source& source) {
  if (!source.has_url()) return options_.times.file_check;
  auto wait = source.backoff.after_failure(jitter_);
  return source.state.keys ? wait : std::min(wait, options_.times.retry_without_keys);
}

void KeySource::publish() {
  auto ring = std::make_shared<access::KeyRing>();
  for (const auto& source : sources_) ring->issuers.push_back({source->state.keys, source->state.version});
  options_.publish(std::move(ring));
}

void KeySource::log(const Source& source, std::string_view text) const {
  std::string line = fmt::format("keys of issuer {}: ", source.issuer.issuer);
  append_json_escaped(line, text);  // parts of it came from the issuer's server
  options_.log(line);
}

std::vector<telemetry::IssuerMetrics> KeySource::metrics() const {
  std::vector<telemetry::IssuerMetrics> all;
  std::lock_guard lock(mutex_);
  auto now = monotonic_now();
  for (const auto& source : sources_) {
    const IssuerState& state = source->state;
    auto& metrics = all.emplace_back();
    metrics.issuer = source->issuer.issuer;
    metrics.fetches = state.fetches;
    metrics.fetch_failures = state.failures;
    if (state.keys == nullptr) continue;
    metrics.keys = state.keys->keys().size();
    metrics.key_set_age = std::chrono::duration_cast<seconds>(now - state.confirmed);
  }
  return all;
}

std::vector<std::string> KeySource::problems() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  all.reserve(sources_.size());
  for (const auto& source : sources_) all.push_back(source->state.problem);
  return all;
}

bool KeySource::ready() const {
  std::lock_guard lock(mutex_);
  return std::ranges::all_of(sources_, [](const auto& source) { return source->state.keys != nullptr; });
}

}  // namespace lotagate
