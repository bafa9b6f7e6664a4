#include "jose/jws.h"

#include <simdjson.h>

#include <utility>

#include "jose/base64url.h"
#include "jose/key.h"
#include "jose/strict_json.h"

namespace lotagate::jose {
namespace {

namespace dom = simdjson::dom;

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

std::expected<void, std::string_view> verify_signature(const CompactJws& jws, const VerificationKey& key) {
  if (!key.allows(jws.algorithm)) return refuse("key_for_another_algorithm");
  if (!key.verifies(jws.signing_input, jws.signature)) return refuse("signature_mismatch");
  return {};
}

std::expected<CompactJws, std::string_view> verify_compact_jws(std::string_view token, const VerificationKey& key,
                                                               std::size_t max_bytes) {
  auto jws = parse_compact_jws(token, max_bytes);
  if (!jws) return jws;
  auto verified = verify_signature(*jws, key);
  if (!verified) return refuse(verified.error());
  return jws;
}

}  // namespace lotagate::jose
