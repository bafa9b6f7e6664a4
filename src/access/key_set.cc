#include "access/key_set.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "jose/jwk.h"
#include "jose/strict_json.h"

namespace lotagate::access {
namespace {

namespace dom = simdjson::dom;

// The kid for messages and for finding duplicates: empty without one, or when it is not text (then the key is skipped).
std::string_view kid_of(const dom::element& jwk) {
  std::string_view kid;
  if (jwk.at_key("kid").get(kid) != simdjson::SUCCESS) return {};
  return kid;
}

// What makes the whole document untrustworthy; empty when nothing does.
std::string refusal_of(const dom::array& keys) {
  if (keys.size() > kMaxJwksKeys) return fmt::format("more than {} keys", kMaxJwksKeys);
  std::vector<std::string_view> kids;
  for (dom::element jwk : keys) {
    if (jose::has_secret_material(jwk)) return "a key is symmetric or private";
    if (auto kid = kid_of(jwk); !kid.empty()) kids.push_back(kid);
  }
  std::sort(kids.begin(), kids.end());
  if (std::adjacent_find(kids.begin(), kids.end()) != kids.end()) return "two keys have the same kid";
  return {};
}

}  // namespace

const jose::VerificationKey* KeySet::find(std::string_view kid, jose::Algorithm algorithm) const {
  if (of_secret_) return find_without_kid(algorithm).keys.front();
  if (kid.empty()) return nullptr;  // an empty kid is a key without one
  for (const auto& key : keys_) {
    if (key.kid() == kid) return key.allows(algorithm) ? &key : nullptr;
  }
  return nullptr;
}

KeyCandidates KeySet::find_without_kid(jose::Algorithm algorithm) const {
  KeyCandidates candidates;
  for (const auto& key : keys_) {
    if (candidates.count == kMaxKeyTries) break;
    if (key.allows(algorithm)) candidates.keys[candidates.count++] = &key;
  }
  return candidates;
}

std::expected<KeySet, std::string> parse_jwks(std::string_view json) {
  dom::parser parser;
  dom::element document;
  auto refusal = jose::parse_strict_json(parser, json, {.max_bytes = kMaxJwksBytes}, document);
  if (!refusal.empty()) return std::unexpected(std::string(refusal));
  dom::array keys;
  if (document.at_key("keys").get(keys) != simdjson::SUCCESS) return std::unexpected("no array `keys` in an object");
  if (auto reason = refusal_of(keys); !reason.empty()) return std::unexpected(reason);

  KeySet set;
  for (dom::element jwk : keys) {
    auto key = jose::make_public_key(jwk);
    if (key) {
      set.keys_.push_back(*std::move(key));
    } else {
      set.skipped_.push_back({std::string(kid_of(jwk).substr(0, jose::kMaxKidBytes)), key.error()});
    }
  }
  if (set.keys_.empty()) {
    std::string_view why = set.skipped_.empty() ? "the set is empty" : set.skipped_.front().reason;
    return std::unexpected(fmt::format("no usable key: {}", why));
  }
  return set;
}

std::expected<KeySet, std::string> secret_key_set(std::string_view secret,
                                                  std::span<const jose::Algorithm> algorithms) {
  if (algorithms.empty()) return std::unexpected("a secret without an algorithm");
  KeySet set;
  set.of_secret_ = true;
  for (jose::Algorithm algorithm : algorithms) {
    auto name = jose::algorithm_name(algorithm);
    if (!jose::is_symmetric(algorithm)) return std::unexpected(fmt::format("{} needs public keys, not a secret", name));
    if (set.find_without_kid(algorithm).count > 0) return std::unexpected(fmt::format("{} is listed twice", name));
    if (auto least = jose::traits_of(algorithm).hash_bytes; secret.size() < least) {
      return std::unexpected(fmt::format("{} needs a secret of at least {} bytes", name, least));
    }
    auto key = jose::make_secret_key(secret, algorithm);
    if (!key) return std::unexpected(std::string(key.error()));
    set.keys_.push_back(*std::move(key));
  }
  return set;
}

}  // namespace lotagate::access
