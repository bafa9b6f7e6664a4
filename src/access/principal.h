// Who is asking, as a verified token says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace lotagate::access {

struct Principal {
  std::string subject;  // the issuer's prefix and `sub`: visible ASCII; percent-encode it before it enters a URL
  std::string issuer;
  std::string tenant{};        // empty without the claim
  std::string session{};       // `sid`; empty without the claim
  std::string roles{};         // of `roles_claim`: comma separated, fit for a header field
  std::string permissions{};   // of `permissions_claim` and of those roles: comma separated, all valid_permission()
  std::string scopes{};        // of `scopes_claim`: separated by spaces
  std::string header_lines{};  // of `claims_to_headers`: whole lines, each with its CRLF
  std::vector<std::string> limit_claims{};  // of AuthenticationSettings::limit_claims, one for one
  WallTime expires{};                       // the token's own, without skew
  std::uint32_t issuer_index = 0;           // into AuthenticationSettings::issuers
};

// Holds a principal for as long as a request needs it, whatever the token cache does meanwhile. Counted without
// atomics: a principal never leaves its worker.
class PrincipalRef {
 public:
  PrincipalRef() = default;
  explicit PrincipalRef(Principal principal) : counted_(new Counted{std::move(principal)}) {}
  PrincipalRef(const PrincipalRef& other) noexcept : counted_(other.counted_) {
    if (counted_ != nullptr) ++counted_->references;
  }
  PrincipalRef(PrincipalRef&& other) noexcept : counted_(std::exchange(other.counted_, nullptr)) {}
  PrincipalRef& operator=(PrincipalRef other) noexcept {
    std::swap(counted_, other.counted_);
    return *this;
  }
  ~PrincipalRef() {
    if (counted_ != nullptr && --counted_->references == 0) delete counted_;
  }

  explicit operator bool() const { return counted_ != nullptr; }
  bool operator==(std::nullptr_t) const { return counted_ == nullptr; }
  const Principal& operator*() const { return counted_->principal; }
  const Principal* operator->() const { return &counted_->principal; }

 private:
  struct Counted {
    Principal principal;
    std::size_t references = 1;
  };
  Counted* counted_ = nullptr;
};

}  // namespace lotagate::access
