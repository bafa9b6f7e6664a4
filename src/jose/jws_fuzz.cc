// Whatever arrives as a token: it is refused or has one reading, and no signature is made up.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "jose/base64url.h"
#include "jose/jwk.h"
#include "jose/jws.h"

namespace lotagate::jose {
namespace {

// RFC 8037 A.2 and RFC 7515 A.3.1: their private parts are public, but the fuzzer does not sign.
constexpr std::string_view kEd25519 =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
constexpr std::string_view kP256 =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";

void check_token(std::string_view token) {
  auto jws = parse_compact_jws(token);
  if (!jws) return;
  LG_CHECK(token.starts_with(jws->signing_input), "the signing input is not the token's own");
  std::size_t payload_at = jws->signing_input.find('.') + 1;
  LG_CHECK(base64url_encode(jws->payload) == jws->signing_input.substr(payload_at), "two spellings of one payload");
  LG_CHECK(base64url_encode(jws->signature) == token.substr(jws->signing_input.size() + 1),
           "two spellings of one signature");
  static const VerificationKey ed25519 = *parse_jwk(kEd25519);
  static const VerificationKey p256 = *parse_jwk(kP256);
  (void)verify_signature(*jws, ed25519);
  (void)verify_signature(*jws, p256);
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
