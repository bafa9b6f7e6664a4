#include "jose/jws.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <memory>

#include "jose/base64url.h"
#include "jose/key.h"
#include "jose/strict_json.h"

namespace lotagate::jose {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kP256Bytes = 32;
constexpr std::size_t kEd25519SignatureBytes = 64;

// n, the order of P-256 (FIPS 186-4 D.1.2.3), big-endian.
constexpr std::array<unsigned char, kP256Bytes> kP256Order{
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};

std::unexpected<std::string_view> refuse(std::string_view reason) { return std::unexpected(reason); }

struct Parts {
  std::string_view header, payload, signature, signing_input;
};

std::optional<Parts> split(std::string_view token) {
  auto first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  auto second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1),
               token.substr(0, second)};
}

bool has_member(const dom::object& header, std::string_view name) {
  return header.at_key(name).error() == simdjson::SUCCESS;
}

// Reads the header's members into `jws`; returns the reason of a refusal or an empty text.
std::string_view read_header(const dom::element& document, CompactJws& jws) {
  dom::object header;
  if (document.get(header) != simdjson::SUCCESS) return "header_not_an_object";
  // An extension that must be understood (RFC 7515 4.1.11); none is, so any value of `crit` refuses.
  if (has_member(header, "crit")) return "header_critical_extension";
  // Unencoded payloads (RFC 7797) are not for JWT, whatever the value says.
  if (has_member(header, "b64")) return "header_b64";

  std::string_view name;
  if (header.at_key("alg").get(name) != simdjson::SUCCESS) return "header_algorithm_missing";
  auto algorithm = parse_algorithm(name);
  if (!algorithm) return "header_algorithm_unsupported";
  jws.algorithm = *algorithm;

  dom::element kid;
  if (header.at_key("kid").get(kid) == simdjson::SUCCESS) {
    std::string_view text;
    if (kid.get(text) != simdjson::SUCCESS) return "header_kid_malformed";
    if (text.size() > kMaxKidBytes) return "header_kid_too_long";
    jws.kid = text;
  }
  dom::element typ;
  if (header.at_key("typ").get(typ) == simdjson::SUCCESS) {
    std::string_view text;
    if (typ.get(text) != simdjson::SUCCESS) return "header_typ_malformed";
    jws.typ = text;
  }
  return {};
}

bool in_p256_range(std::string_view number) {
  auto bytes = reinterpret_cast<const unsigned char*>(number.data());
  bool zero = std::all_of(bytes, bytes + kP256Bytes, [](unsigned char byte) { return byte == 0; });
  return !zero && std::lexicographical_compare(bytes, bytes + kP256Bytes, kP256Order.begin(), kP256Order.end());
}

// Appends a positive number as a DER INTEGER: no leading zero, but one where the top bit would make it negative.
void append_der_integer(std::string& out, std::string_view number) {
  while (number.size() > 1 && number.front() == '\0') number.remove_prefix(1);
  bool negative = (static_cast<unsigned char>(number.front()) & 0x80) != 0;
  out += '\x02';
  out += static_cast<char>(number.size() + (negative ? 1 : 0));
  if (negative) out += '\0';
  out += number;
}

// ECDSA-Sig-Value (RFC 3279 2.2.3) of r || s: all lengths stay below 128, so each is one byte.
std::optional<std::string> ecdsa_to_der(std::string_view signature) {
  if (signature.size() != 2 * kP256Bytes) return std::nullopt;
  auto r = signature.substr(0, kP256Bytes);
  auto s = signature.substr(kP256Bytes);
  if (!in_p256_range(r) || !in_p256_range(s)) return std::nullopt;
  std::string numbers;
  append_der_integer(numbers, r);
  append_der_integer(numbers, s);
  std::string der{'\x30', static_cast<char>(numbers.size())};
  return der += numbers;
}

// A failed verification leaves nothing in OpenSSL's queue for the next TLS call of this thread to trip over.
bool openssl_verify(const PublicKey& key, const EVP_MD* digest, std::string_view input, std::string_view signature) {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  ERR_set_mark();
  bool verified =
      context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key.handle()) == 1 &&
      EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                       reinterpret_cast<const unsigned char*>(input.data()), input.size()) == 1;
  ERR_pop_to_mark();
  return verified;
}

bool verify_ecdsa(const CompactJws& jws, const PublicKey& key) {
  auto der = ecdsa_to_der(jws.signature);
  return der && openssl_verify(key, EVP_sha256(), jws.signing_input, *der);
}

bool verify_ed25519(const CompactJws& jws, const PublicKey& key) {
  return jws.signature.size() == kEd25519SignatureBytes &&
         openssl_verify(key, nullptr, jws.signing_input, jws.signature);
}

bool verify_with(const CompactJws& jws, const PublicKey& key) {
  switch (jws.algorithm) {
    case Algorithm::RS256: return openssl_verify(key, EVP_sha256(), jws.signing_input, jws.signature);
    case Algorithm::ES256: return verify_ecdsa(jws, key);
    case Algorithm::EdDSA: return verify_ed25519(jws, key);
  }
  return false;
}

}  // namespace

std::expected<CompactJws, std::string_view> parse_compact_jws(std::string_view token, std::size_t max_bytes) {
  if (token.size() > max_bytes) return refuse("token_too_large");
  auto parts = split(token);
  if (!parts) return refuse("token_not_three_parts");
  auto header = base64url_decode(parts->header);
  auto payload = base64url_decode(parts->payload);
  auto signature = base64url_decode(parts->signature);
  if (!header || !payload || !signature) return refuse("token_not_base64url");
  if (signature->empty()) return refuse("token_not_signed");

  dom::parser parser;
  dom::element document;
  auto refusal = parse_strict_json(parser, *header, {.max_bytes = max_bytes}, document);
  if (!refusal.empty()) return refuse(refusal);
  CompactJws jws{};
  refusal = read_header(document, jws);
  if (!refusal.empty()) return refuse(refusal);
  jws.signing_input = parts->signing_input;
  jws.payload = *std::move(payload);
  jws.signature = *std::move(signature);
  return jws;
}

std::expected<void, std::string_view> verify_signature(const CompactJws& jws, const PublicKey& key) {
  if (!key.allows(jws.algorithm)) return refuse("key_for_another_algorithm");
  if (!verify_with(jws, key)) return refuse("signature_mismatch");
  return {};
}

std::expected<CompactJws, std::string_view> verify_compact_jws(std::string_view token, const PublicKey& key,
                                                               std::size_t max_bytes) {
  auto jws = parse_compact_jws(token, max_bytes);
  if (!jws) return jws;
  auto verified = verify_signature(*jws, key);
  if (!verified) return refuse(verified.error());
  return jws;
}

}  // namespace lotagate::jose
