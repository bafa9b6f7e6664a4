// Access tokens: JWTs as RFC 9068 profiles them, signed with RS256.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "users/signing_key.h"

namespace lotagate::users {

class TokenIssuer {
 public:
  struct Options {
    std::string issuer;
    std::string audience;
    std::chrono::seconds life;
  };

  TokenIssuer(Options options, SigningKey key) : options_(std::move(options)), key_(std::move(key)) {}

  // A token for the account `subject` of `tenant`, good from now on.
  std::string issue(std::string_view subject, std::string_view tenant) const;

  std::chrono::seconds life() const { return options_.life; }
  const std::string& issuer() const { return options_.issuer; }
  // The JWK set that verifies the tokens.
  std::string jwks() const;

 private:
  Options options_;
  SigningKey key_;
};

}  // namespace lotagate::users
