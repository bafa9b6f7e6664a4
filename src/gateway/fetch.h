// Small documents over HTTP for control threads: key sets, the changes feed. Blocks its caller; never for workers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"

namespace lotagate {

struct FetchOptions {
  std::string url;              // http or https, without user information
  std::string bearer_token{};   // empty: no Authorization field
  std::string if_none_match{};  // an entity tag as it was received; empty: unconditional
  milliseconds timeout{3000};
  std::size_t max_bytes = 0;  // of the body
};

struct FetchAnswer {
  long status = 0;  // never a redirect: 304 is the only 3xx
  std::string body;
  std::string etag;                // empty: none
  std::optional<seconds> max_age;  // of Cache-Control, less Age; 0 for no-cache and no-store
};

enum class FetchFailure : std::uint8_t {
  no_answer,  // refused, unreachable, timed out, not verified, redirected, cut off, not HTTP
  too_large,  // there is an answer, beyond max_bytes
  aborted,
};

struct FetchError {
  FetchFailure failure = FetchFailure::no_answer;
  std::string text;  // for log and status: printable, without the URL and without secrets
};

// HTTP/1.1 with connections kept between calls. Certificates and their names are verified against the system's
// authorities, redirects are refused, proxies of the environment and compressed bodies are not used. One thread at a
// time fetches. Over https the process must ignore SIGPIPE (OpenSSL writes without MSG_NOSIGNAL).
class Fetcher {
 public:
  Fetcher();
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  // Any status but a redirect is an answer.
  std::expected<FetchAnswer, FetchError> get(const FetchOptions& options);

  // All at the same time, so that a silent server delays no other; returns when each has ended. Results in the order
  // of `requests`.
  std::vector<std::expected<FetchAnswer, FetchError>> get_all(std::span<const FetchOptions> requests);

  // From any thread, for shutdown: what runs, and every later call, ends at once with FetchFailure::aborted.
  void abort();

 private:
  void* multi_;  // CURLM
  std::atomic<bool> aborted_{false};
};

}  // namespace lotagate
