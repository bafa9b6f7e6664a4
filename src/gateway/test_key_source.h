// For tests only: key sets as text, and a key source whose keys and log lines are kept.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/key_source.h"
#include "gateway/test_http_server.h"

namespace lotagate {

inline std::string jwk(std::string_view kid) {  // the public key of RFC 8037 A.2
  return R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":")" +
         std::string(kid) + "\"}";
}

inline std::string jwks(std::initializer_list<std::string_view> kids) {
  std::string keys;
  for (auto kid : kids) keys += (keys.empty() ? "" : ",") + jwk(kid);
  return "{\"keys\":[" + keys + "]}";
}

inline config::Issuer issuer_at(const std::string& url) {
  config::Issuer issuer;
  issuer.issuer = "https://issuer.example" + url.substr(url.rfind(':'));
  issuer.jwks.url = config::Url{.text = url, .scheme = "http", .host = "127.0.0.1", .port = 0, .path = {}};
  issuer.jwks.refresh = std::chrono::hours(1);
  issuer.jwks.cooldown = milliseconds(0);
  return issuer;
}

// Collects what a source publishes and logs.
class Watched {
 public:
  explicit Watched(std::vector<config::Issuer> issuers, KeySourceTimes times = quick(), KeySource* previous = nullptr,
                   std::function<std::shared_ptr<const access::KeySet>(const config::Issuer&)> constant_keys = nullptr)
      : source_({.issuers = std::move(issuers),
                 .publish = [this](auto ring) { take(std::move(ring)); },
                 .log =
                     [this](std::string_view line) {
                       std::lock_guard lock(mutex_);
                       lines_.emplace_back(line);
                     },
                 .constant_keys = std::move(constant_keys),
                 .previous = previous,
                 .times = times}) {}

  // Failures and refetches are answered at once.
  static KeySourceTimes quick() {
    return {.fetch_timeout = kTestPatience,
            .retry_first = milliseconds(10),
            .retry_last = milliseconds(40),
            .retry_without_keys = milliseconds(20),
            .file_check = milliseconds(10),
            .shortest_refresh = milliseconds(1000)};
  }

  KeySource* operator->() { return &source_; }
  KeySource& operator*() { return source_; }

  access::IssuerKeys keys(std::size_t issuer = 0) {
    std::lock_guard lock(mutex_);
    return ring_->issuers.at(issuer);
  }
  bool has(std::string_view kid, std::size_t issuer = 0) {
    auto now = keys(issuer);
    return now.keys && now.keys->find(kid, jose::Algorithm::EdDSA) != nullptr;
  }
  std::size_t published() {
    std::lock_guard lock(mutex_);
    return published_;
  }
  std::size_t lines_with(std::string_view text) {
    std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& line : lines_) count += line.find(text) != std::string::npos;
    return count;
  }
  // Asks once more and waits until that has been answered, well or badly.
  void refetch(std::uint32_t issuer = 0) {
    auto before = source_.metrics().at(issuer).fetches;
    source_.request_refetch(issuer, ++last_key_);
    ASSERT_TRUE(eventually([&] { return source_.metrics().at(issuer).fetches > before; }));
  }

 private:
  void take(std::shared_ptr<const access::KeyRing> ring) {
    std::lock_guard lock(mutex_);
    ring_ = std::move(ring);
    ++published_;
  }

  std::uint64_t last_key_ = 0;
  std::mutex mutex_;
  std::shared_ptr<const access::KeyRing> ring_;
  std::size_t published_ = 0;
  std::vector<std::string> lines_;
  KeySource source_;
};

// Retries, so that only the requests of a test's own cause fetches.
inline KeySourceTimes without_retries() {
  auto times = Watched::quick();
  times.retry_first = times.retry_last = times.retry_without_keys = std::chrono::hours(1);
  return times;
}

}  // namespace lotagate
