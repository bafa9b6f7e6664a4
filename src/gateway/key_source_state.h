// What the key source keeps for one issuer; for key_source*.cc alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "gateway/key_source.h"
#include "gateway/unknown_keys.h"

namespace lotagate {

// The outcome of one attempt.
struct KeySource::Loaded {
  std::string problem{};                         // of the keys; empty: good
  std::shared_ptr<const access::KeySet> keys{};  // null in a good outcome: those in use were confirmed
  std::string content{};
  std::string etag{};
  std::optional<seconds> max_age{};
  // Of the issuer's metadata, if it was due in this attempt.
  std::string metadata_problem{};
  std::optional<config::Url> address{};
};

// What an issuer is known by: copied as a whole to the source that takes over.
struct IssuerState {
  std::shared_ptr<const access::KeySet> keys;
  std::uint64_t version = 0;
  std::string content;        // the document behind `keys`: an equal one changes nothing
  std::string etag;           // of `content`, for the address it came from alone
  MonotonicTime confirmed{};  // when `keys` were last fetched or found unchanged
  MonotonicTime due = MonotonicTime::min();
  MonotonicTime refetch_allowed = MonotonicTime::min();
  // With discovery: where the metadata says that the keys are, when it last did, and when it is read again.
  std::optional<config::Url> address;
  MonotonicTime address_confirmed{};
  MonotonicTime metadata_due = MonotonicTime::min();
  std::uint64_t fetches = 0;
  std::uint64_t failures = 0;
  std::uint64_t refetches = 0;
  std::string problem;
};

// `state` is written by the fetching thread under the mutex; that thread alone may read it without.
struct KeySource::Source {
  Source(const config::Issuer& from, std::shared_ptr<const access::KeySet> constant_keys, const KeySourceTimes& times)
      : issuer(from),
        constant(std::move(constant_keys)),
        metadata_refresh(std::max<milliseconds>(times.metadata_refresh, from.jwks.refresh)),
        backoff(times.retry_first, times.retry_last),
        unknown_keys(from.jwks.cooldown, from.jwks.refresh) {}

  // Everything but what has just changed with the configuration.
  void take_over(const Source& old) {
    state = old.state;
    asked = old.asked.load();
    suppressed = old.suppressed.load();
  }
  bool is_file() const { return !issuer.jwks.url && !issuer.jwks.discovery; }
  // Null: a file, or metadata that was never read.
  const config::Url* url() const {
    if (issuer.jwks.url) return &*issuer.jwks.url;
    return state.address ? &*state.address : nullptr;
  }
  bool wants_metadata(MonotonicTime now) const {
    return issuer.jwks.discovery && (!state.address || state.metadata_due <= now);
  }
  // When the keys, or the address they came from, have not been confirmed for too long.
  MonotonicTime expires() const {
    if (constant || !state.keys) return kNever;
    auto patience = issuer.jwks.refresh + issuer.jwks.max_stale;
    auto end = state.confirmed + patience;
    return issuer.jwks.discovery ? std::min(end, state.address_confirmed + metadata_refresh + patience) : end;
  }
  MonotonicTime next_load() const {
    if (constant) return kNever;
    return refetch_wanted.load(std::memory_order_acquire) ? std::min(state.due, state.refetch_allowed) : state.due;
  }

  void read_metadata(std::expected<FetchAnswer, FetchError> fetched, Loaded& loaded) const;
  void read_keys(std::expected<FetchAnswer, FetchError> fetched, const std::string& etag, Loaded& loaded) const;
  void read_file(Loaded& loaded) const;
  void read_document(std::string content, Loaded& loaded) const;

  const config::Issuer& issuer;
  const std::shared_ptr<const access::KeySet> constant;  // null: loaded from somewhere
  const milliseconds metadata_refresh;
  IssuerState state;
  Backoff backoff;
  UnknownKeys unknown_keys;
  std::atomic<bool> refetch_wanted{false};
  std::atomic<std::uint64_t> asked{0};       // for a refetch
  std::atomic<std::uint64_t> suppressed{0};  // of those: caused none of their own
};

}  // namespace lotagate
