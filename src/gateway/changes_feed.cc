#include "gateway/changes_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "access/access_answer.h"
#include "base/text.h"

namespace lotagate {
namespace {

std::string changes_url(const config::Url& service) {
  std::string_view base = service.text;
  while (base.ends_with('/')) base.remove_suffix(1);
  return fmt::format("{}/internal/v1/changes", base);
}

}  // namespace

ChangesFeed::ChangesFeed(ChangesFeedOptions options)
    : options_(std::move(options)),
      url_(changes_url(options_.service.url)),
      backoff_(options_.times.retry_first, options_.times.retry_last) {
  stats_.revision = options_.since;
  thread_ = std::thread([this] { run(); });
}

ChangesFeed::~ChangesFeed() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  fetcher_.abort();
  thread_.join();
}

ChangesFeedStats ChangesFeed::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

void ChangesFeed::run() {
  milliseconds wait{0};
  while (sleep(wait)) {
    auto begun = std::chrono::steady_clock::now();
    // Without contact the current revision is asked for first: that is answered at once, so that contact is known to
    // be there and a revision that went backwards is seen before a long wait for changes begins.
    auto answer = poll(stats_.connected ? stats_.revision : std::nullopt);
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      ++stats_.polls;
    }
    wait = answer ? accept(*answer, std::chrono::steady_clock::now() - begun) : reject(answer.error());
  }
}

std::expected<access::ChangesAnswer, ChangesFeed::Failure> ChangesFeed::poll(std::optional<std::uint64_t> since) {
  auto fetched = fetcher_.get({.url = since ? fmt::format("{}?since={}", url_, *since) : url_,
                               .bearer_token = options_.service.token,
                               .timeout = options_.times.poll_timeout,
                               .max_bytes = access::kMaxChangesAnswerBytes});
  auto failed = [](Trouble trouble, std::string text) { return std::unexpected(Failure{trouble, std::move(text)}); };
  if (!fetched) {
    bool too_large = fetched.error().failure == FetchFailure::too_large;
    return failed(too_large ? Trouble::not_understood : Trouble::unavailable, std::move(fetched.error().text));
  }
  if (fetched->status != 200) {
    bool refused = since && (fetched->status == 400 || fetched->status == 410);
    return failed(refused ? Trouble::unknown_revision : Trouble::unavailable,
                  fmt::format("answered with status {}", fetched->status));
  }
  auto answer = access::parse_changes_answer(fetched->body);
  if (!answer) return failed(Trouble::not_understood, fmt::format("not understood: {}", answer.error().reason));
  return *std::move(answer);
}

milliseconds ChangesFeed::accept(const access::ChangesAnswer& answer, nanoseconds took) {
  bool was_connected = stats_.connected;
  bool recovered = !stats_.problem.empty();
  auto known = stats_.revision;
  bool can_go_on = known && answer.revision >= *known;
  if (was_connected) backoff_.after_success();  // a service that fails every second poll is not well
  if (!can_go_on) {
    invalidate_all();
  } else if (was_connected) {
    invalidate(answer);
  }
  {
    std::lock_guard lock(mutex_);
    // The answer of a first contact names a revision, not what changed on the way to it: the next poll does.
    if (!can_go_on || was_connected) stats_.revision = answer.revision;
    stats_.connected = true;
    stats_.problem.clear();
  }
  if (!was_connected) options_.breaker->hint();
  if (recovered) options_.log(fmt::format("changes feed: connected again at revision {}", *stats_.revision));
  if (!was_connected || (can_go_on && answer.revision > *known)) return milliseconds(0);
  auto left = std::chrono::ceil<milliseconds>(options_.times.shortest_poll - took);
  return std::max(left, milliseconds(0));
}

milliseconds ChangesFeed::reject(const Failure& failure) {
  // What was not understood may have announced a change: fail closed, and do not ask for the same again.
  if (failure.trouble == Trouble::not_understood) invalidate_all();
  bool is_news = stats_.problem != failure.text;
  {
    std::lock_guard lock(mutex_);
    if (failure.trouble != Trouble::unavailable) stats_.revision.reset();
    stats_.connected = false;
    ++stats_.failures;
    stats_.problem = failure.text;
  }
  if (is_news) options_.log(fmt::format("changes feed: {}; trying again", failure.text));
  return backoff_.after_failure(jitter_);
}

void ChangesFeed::invalidate(const access::ChangesAnswer& answer) {
  if (answer.all) return invalidate_all();
  for (const auto& subject : answer.subjects) options_.directory->invalidate(subject);
  for (const auto& digest : answer.api_keys) options_.key_directory->invalidate(digest);
  std::lock_guard lock(mutex_);
  stats_.users_invalidated += answer.subjects.size();
  stats_.keys_invalidated += answer.api_keys.size();
}

void ChangesFeed::invalidate_all() {
  options_.directory->invalidate_all();
  options_.key_directory->invalidate_all();
  std::lock_guard lock(mutex_);
  ++stats_.full_invalidations;
}

bool ChangesFeed::sleep(milliseconds wait) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, wait, [this] { return stopping_; });
}

}  // namespace lotagate
