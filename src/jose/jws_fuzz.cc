// A token, or the JSON of a token's header. Whatever arrives is refused or has the one reading that a second decision
// (slow_reading below) finds in it, and its signature is good exactly if the formulas of the RFCs say so.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "jose/base64url.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "jose/test_rfc_base64url.h"
#include "jose/test_rfc_json.h"
#include "jose/test_rfc_signature.h"

namespace lotagate::jose {
namespace {

// Keys whose private parts are known, so that the corpus holds good tokens of every algorithm: RFC 7520 3.3, RFC 7515
// A.3, one with the scalar 4711, RFC 7520 3.1, RFC 8037 A.2, and a secret.
constexpr std::string_view kRsa =
    R"("kty":"RSA","e":"AQAB","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw")";
constexpr std::string_view kP256 =
    R"("kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")";
constexpr std::string_view kP384 =
    R"("kty":"EC","crv":"P-384","x":"pinmnXNA0K_AfdQ9XnElTe7eOehQhOlgv-O8cvvo_5awuEug_HttFZYI6lPPUk3r","y":"pUfsyQRCBqtC8vPumT2lyWJECLTqv4MfnrzYzZIitorqU0SJFoe5Eci8qg84biul")";
constexpr std::string_view kP521 =
    R"("kty":"EC","crv":"P-521","x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1")";
constexpr std::string_view kEd25519 =
    R"("kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")";
constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

std::string jwk_for(Algorithm algorithm) {
  auto numbers = [&]() -> std::string {
    switch (traits_of(algorithm).key_type) {
      case KeyType::rsa: return std::string(kRsa);
      case KeyType::ec_p256: return std::string(kP256);
      case KeyType::ec_p384: return std::string(kP384);
      case KeyType::ec_p521: return std::string(kP521);
      case KeyType::ed25519: return std::string(kEd25519);
      case KeyType::secret: return R"("kty":"oct","k":")" + base64url_encode(kSecret) + '"';
    }
    return {};
  }();
  return "{" + numbers + R"(,"alg":")" + std::string(algorithm_name(algorithm)) + "\"}";
}

struct Key {
  explicit Key(Algorithm algorithm)
      : fast(is_symmetric(algorithm) ? *make_secret_key(kSecret, algorithm) : *parse_jwk(jwk_for(algorithm))),
        slow(jwk_for(algorithm)) {}
  VerificationKey fast;
  SlowVerifier slow;
};

const std::vector<Key>& keys() {
  static const std::vector<Key> all(kAlgorithms.begin(), kAlgorithms.end());
  return all;
}

struct Reading {
  std::string algorithm, kid, typ, payload, signature;
  bool has_kid = false;
};

bool text_or_absent(const JsonValue& header, std::string_view name) {
  return header.find(name) == nullptr || header.string_member(name);
}

// Rows J01, J03 to J06, J09 to J11 and J15, one after the other.
std::optional<Reading> slow_reading(std::string_view token) {
  constexpr std::string_view kNames = " RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA HS256 HS384 HS512 ";
  if (token.size() > kMaxTokenBytes || std::count(token.begin(), token.end(), '.') != 2) return std::nullopt;
  const auto first = token.find('.'), second = token.rfind('.');
  auto header_bytes = slow_decode(token.substr(0, first));
  auto payload = slow_decode(token.substr(first + 1, second - first - 1));
  auto signature = slow_decode(token.substr(second + 1));
  if (!header_bytes || !payload || !signature || signature->empty()) return std::nullopt;
  auto header = read_json_slowly(*header_bytes);
  if (!header || header->kind != JsonValue::Kind::object) return std::nullopt;
  if (header->find("crit") != nullptr || header->find("b64") != nullptr) return std::nullopt;
  auto algorithm = header->string_member("alg");
  if (!algorithm || algorithm->size() != 5 || !kNames.contains(" " + *algorithm + " ")) return std::nullopt;
  if (!text_or_absent(*header, "kid") || !text_or_absent(*header, "typ")) return std::nullopt;
  Reading reading{*algorithm,
                  header->string_member("kid").value_or(""),
                  header->string_member("typ").value_or(""),
                  *payload,
                  *signature,
                  header->find("kid") != nullptr};
  if (reading.kid.size() > kMaxKidBytes) return std::nullopt;
  return reading;
}

// Whatever a signature is called, the key for another algorithm does not take it, and the right one does if it is good.
void check_binding(const CompactJws& jws, bool good) {
  for (const Key& key : keys()) {
    const bool fits = key.fast.algorithm() == jws.algorithm;
    LG_CHECK(verify_signature(jws, key.fast).has_value() == (fits && good),
             "a key of another algorithm takes a signature");
  }
}

// What is one step away from a good signature is none.
void check_around(const CompactJws& jws, const VerificationKey& key) {
  const std::string& good = jws.signature;
  std::string flipped = good;
  const std::size_t at = jws.signing_input.size() % good.size();
  flipped[at] = static_cast<char>(flipped[at] ^ 1);
  for (const std::string& bad : {flipped, good + '\0', '\0' + good, good.substr(1), good.substr(0, good.size() - 1)}) {
    LG_CHECK(!key.verifies(jws.signing_input, bad), "a changed signature is taken");
  }
}

void check_token(std::string_view token) {
  auto expected = slow_reading(token);
  auto jws = parse_compact_jws(token);
  LG_CHECK(jws.has_value() == expected.has_value(), jws ? "a bad token is read" : "a good token is refused");
  if (!jws) return;
  LG_CHECK(algorithm_name(jws->algorithm) == expected->algorithm, "another algorithm");
  LG_CHECK(jws->kid.has_value() == expected->has_kid && jws->kid.value_or("") == expected->kid, "another kid");
  LG_CHECK(jws->typ == expected->typ, "another typ");
  LG_CHECK(jws->payload == expected->payload && jws->signature == expected->signature, "other bytes");
  LG_CHECK(std::string(jws->signing_input) + "." + slow_encode(jws->signature) == token, "not the token's own input");

  const Key& key = keys()[static_cast<std::size_t>(jws->algorithm)];
  const bool verified = verify_signature(*jws, key.fast).has_value();
  LG_CHECK(verified == key.slow.verifies(jws->algorithm, jws->signing_input, jws->signature),
           verified ? "a signature is made up" : "a good signature is refused");
  check_binding(*jws, verified);
  if (verified) check_around(*jws, key.fast);
}

}  // namespace
}  // namespace lotagate::jose

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  lotagate::jose::check_token(input);
  // A mutated header seldom stays base64url, so it is also taken as plain JSON.
  lotagate::jose::check_token(lotagate::jose::base64url_encode(input) + ".e30." +
                              lotagate::jose::base64url_encode(input.substr(0, 64)));
  return 0;
}
