#include "gateway/key_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "gateway/key_source_state.h"

namespace lotagate {
namespace {

constexpr double kRefreshJitter = 0.1;

MonotonicTime monotonic_now() { return std::chrono::steady_clock::now(); }

}  // namespace

KeySource::KeySource(KeySourceOptions options) : options_(std::move(options)) {
  for (const auto& issuer : options_.issuers) {
    auto constant = options_.constant_keys ? options_.constant_keys(issuer) : nullptr;
    sources_.push_back(std::make_unique<Source>(issuer, std::move(constant), options_.times));
  }
  if (KeySource* previous = std::exchange(options_.previous, nullptr)) inherit(*previous);
  for (const auto& source : sources_) {
    if (!source->constant) continue;
    source->state.keys = source->constant;
    source->state.version = ++last_version_;
  }
}

KeySource::~KeySource() { stop(); }

void KeySource::inherit(KeySource& previous) {
  previous.stop();  // two running sources could give one version to two sets
  std::lock_guard lock(previous.mutex_);
  last_version_ = previous.last_version_;
  auto now = monotonic_now();
  for (const auto& source : sources_) {
    if (source->constant) continue;
    for (const auto& old : previous.sources_) {
      bool same = source->issuer.issuer == old->issuer.issuer && same_place(source->issuer.jwks, old->issuer.jwks);
      if (same && !old->constant) source->take_over(*old);
    }
    // Reading a file costs nothing, and without keys every second counts. A `refresh` made shorter counts at once.
    MonotonicTime latest = now + source->issuer.jwks.refresh;
    bool at_once = source->is_file() || source->state.keys == nullptr;
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

void KeySource::request_refetch(std::uint32_t issuer, std::uint64_t key) {
  if (issuer >= sources_.size() || sources_[issuer]->constant) return;
  Source& source = *sources_[issuer];
  source.asked.fetch_add(1, std::memory_order_relaxed);
  auto& wanted = source.refetch_wanted;
  if (wanted.load(std::memory_order_relaxed) || !source.unknown_keys.may_ask(key, monotonic_now()) ||
      wanted.exchange(true, std::memory_order_acq_rel)) {
    source.suppressed.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_one();
}

bool KeySource::load_due() {
  auto begin = monotonic_now();
  auto sources = take_due(begin);
  auto loaded = load(sources, begin);
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
      source->state.refetch_allowed = now + source->issuer.jwks.cooldown;
      ++source->state.refetches;
    }
  }
  return due;
}

bool KeySource::apply(Source& source, Loaded loaded, MonotonicTime now) {
  note_address(source, loaded, now);
  if (loaded.problem.empty()) return accept(source, std::move(loaded), now);
  reject(source, std::move(loaded.problem), now);
  return false;
}

void KeySource::note_address(Source& source, const Loaded& loaded, MonotonicTime now) {
  if (!source.issuer.jwks.discovery) return;
  IssuerState& state = source.state;
  std::lock_guard lock(mutex_);
  if (loaded.address) {
    // Now, not with the next good answer: a new address that fails at first must not be shown the old one's tag later.
    bool moved = !state.address || state.address->text != loaded.address->text;
    if (moved) state.etag.clear();
    state.address = loaded.address;
    state.address_confirmed = now;
    state.metadata_due = now + jitter_.shorten(source.metadata_refresh, kRefreshJitter);
  }
  if (!loaded.problem.empty()) state.metadata_due = MonotonicTime::min();  // the keys may have moved
}

bool KeySource::accept(Source& source, Loaded loaded, MonotonicTime now) {
  IssuerState& state = source.state;
  bool is_new = loaded.keys != nullptr;
  source.backoff.after_success();
  note_result(source, std::move(loaded.metadata_problem), "the keys are fetched from where they were");
  {
    std::lock_guard lock(mutex_);
    state.confirmed = now;
    state.due = now + refresh_interval(source, loaded.max_age);
    state.etag = std::move(loaded.etag);
    if (is_new) {
      state.keys = std::move(loaded.keys);
      state.content = std::move(loaded.content);
      state.version = ++last_version_;
    }
  }
  if (!is_new) return false;
  for (const auto& skipped : state.keys->skipped()) {
    log(source, fmt::format("key '{}' is not used: {}", skipped.kid, skipped.reason));
  }
  return true;
}

void KeySource::reject(Source& source, std::string problem, MonotonicTime now) {
  auto wait = retry_interval(source);
  bool has_keys = source.state.keys != nullptr;
  note_result(source, std::move(problem),
              has_keys ? "the last good keys stay in use" : "its tokens are refused until then");
  std::lock_guard lock(mutex_);
  source.state.due = now + wait;
}

void KeySource::note_result(Source& source, std::string problem, std::string_view consequence) {
  IssuerState& state = source.state;
  bool is_news = state.problem != problem;
  {
    std::lock_guard lock(mutex_);
    ++state.fetches;
    if (!problem.empty()) ++state.failures;
    state.problem = std::move(problem);
  }
  if (!is_news) return;
  log(source, state.problem.empty() ? "available again" : fmt::format("{}; {}", state.problem, consequence));
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
      if (source->issuer.jwks.discovery) {
        source->state.address.reset();
        source->state.due = now;
      }
    }
    dropped = true;
    log(*source, "not confirmed for longer than `max_stale`; its tokens are refused until it is available again");
  }
  return dropped;
}

milliseconds KeySource::refresh_interval(const Source& source, std::optional<seconds> max_age) {
  milliseconds longest = source.issuer.jwks.refresh;
  if (source.is_file()) return std::min(longest, options_.times.file_check);
  auto shortest = std::min(longest, options_.times.shortest_refresh);
  auto interval = max_age ? std::clamp<milliseconds>(*max_age, shortest, longest) : longest;
  return jitter_.shorten(interval, kRefreshJitter);
}

milliseconds KeySource::retry_interval(Source& source) {
  if (source.is_file()) return options_.times.file_check;
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
    if (state.fetches > 0) metrics.last_fetch_succeeded = state.problem.empty();
    metrics.unknown_keys = source->asked.load(std::memory_order_relaxed);
    metrics.refetches = state.refetches;
    metrics.refetches_suppressed = source->suppressed.load(std::memory_order_relaxed);
    if (state.keys == nullptr) continue;
    metrics.keys = state.keys->keys().size();
    if (!source->constant) metrics.key_set_age = std::chrono::duration_cast<seconds>(now - state.confirmed);
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
