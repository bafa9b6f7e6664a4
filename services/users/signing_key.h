// The key that signs access tokens, and its public half as a JWK.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace lotagate::users {

// RSA, used for RS256 only. Thread-safe.
class SigningKey {
 public:
  // Reads the PEM file; if there is none, makes a 2048-bit key and the file (0600). Throws StartupError.
  static SigningKey load_or_create(const std::string& path);

  // RFC 7638 thumbprint: the same key has the same id in every process.
  const std::string& id() const { return id_; }
  // The public key as a JSON object for a JWK set.
  const std::string& jwk() const { return jwk_; }

  // RSASSA-PKCS1-v1_5 with SHA-256 over `message`, as bytes.
  std::string sign(std::string_view message) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  using Key = std::unique_ptr<evp_pkey_st, Free>;

  explicit SigningKey(Key key);
  static Key parse(const std::string& pem, const std::string& path);
  static Key generate(const std::string& path);

  Key key_;
  std::string id_;
  std::string jwk_;
};

}  // namespace lotagate::users
