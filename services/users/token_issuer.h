// Access tokens: JWTs as RFC 9068 profiles them, and the documents that say how to verify them.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "users/key_store.h"

namespace lotagate::users {

// Whose token it is.
struct TokenSubject {
  std::string_view account;
  std::string_view tenant;
  std::string_view session;  // `sid`: an ended session's tokens are refused by it
};

class TokenIssuer {
 public:
  struct Options {
    std::string issuer;
    std::string audience;
    std::chrono::seconds life;
  };

  TokenIssuer(Options options, const KeyStore& keys) : options_(std::move(options)), keys_(keys) {}

  // Good from now on, for life().
  std::string issue(const TokenSubject& subject) const;

  std::chrono::seconds life() const { return options_.life; }
  // The JWK set that verifies the tokens.
  std::string jwks() const;
  // What a client of OpenID Connect Discovery needs in order to verify tokens; there is no authorization endpoint.
  std::string discovery() const;
  // How long either may be kept: half of the time for which a key is published before it signs.
  std::chrono::seconds documents_fresh_for() const;

 private:
  Options options_;
  const KeyStore& keys_;
};

}  // namespace lotagate::users
