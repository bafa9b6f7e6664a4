// A key that signs access tokens, and its public half as a JWK.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace lotagate::users {

// RS256 costs a gateway least to verify (14 us; ES256 46, EdDSA 68), the others sign faster and have shorter tokens.
enum class Algorithm { kRs256, kEs256, kEdDsa };

std::string_view to_text(Algorithm algorithm);
std::optional<Algorithm> parse_algorithm(std::string_view text);

// Thread-safe.
class SigningKey {
 public:
  // 2048-bit RSA, P-256 or Ed25519.
  static SigningKey generate(Algorithm algorithm);
  // A private key in PEM, good for one of the algorithms (RSA: 2048 bits or more); nothing for anything else.
  static std::optional<SigningKey> from_pem(const std::string& pem);

  Algorithm algorithm() const { return algorithm_; }
  // RFC 7638 thumbprint: the same key has the same id in every process.
  const std::string& id() const { return id_; }
  // The public key as a JSON object for a JWK set.
  const std::string& jwk() const { return jwk_; }
  // The private key; for its sealed copy alone.
  std::string to_pem() const;

  // The signature as JWS writes it (RFC 7518 3.3 and 3.4, RFC 8037 3.1), as bytes.
  std::string sign(std::string_view message) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  using Key = std::unique_ptr<evp_pkey_st, Free>;

  SigningKey(Key key, Algorithm algorithm);

  Key key_;
  Algorithm algorithm_;
  std::string id_;
  std::string jwk_;
};

}  // namespace lotagate::users
