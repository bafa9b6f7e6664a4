// Whatever a key server sends: a set of exactly the keys that a second decision (below) finds usable, or a reason.
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/key_set.h"
#include "base/check.h"
#include "jose/jwk.h"
#include "jose/test_rfc_base64url.h"
#include "jose/test_rfc_json.h"

namespace lotagate::access {
namespace {

using jose::Algorithm;
using jose::JsonValue;
using Kind = jose::JsonValue::Kind;

struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_free(number); }
};
using Number = std::unique_ptr<BIGNUM, FreeNumber>;

Number number_of(std::string_view big_endian) {
  return Number(BN_bin2bn(reinterpret_cast<const unsigned char*>(big_endian.data()),
                          static_cast<int>(big_endian.size()), nullptr));
}

// A Base64urlUInt (RFC 7518 2) of at most this many bytes; null for anything else.
Number unsigned_member(const JsonValue& jwk, std::string_view name, std::size_t most) {
  auto text = jwk.string_member(name);
  auto bytes = text ? jose::slow_decode(*text) : std::nullopt;
  if (!bytes || bytes->empty() || bytes->size() > most || bytes->front() == '\0') return nullptr;
  return number_of(*bytes);
}

// A number of exactly this many bytes.
std::optional<std::string> fixed_member(const JsonValue& jwk, std::string_view name, std::size_t size) {
  auto text = jwk.string_member(name);
  auto bytes = text ? jose::slow_decode(*text) : std::nullopt;
  return bytes && bytes->size() == size ? bytes : std::nullopt;
}

bool good_rsa(const JsonValue& jwk) {
  auto n = unsigned_member(jwk, "n", 1024);
  auto e = unsigned_member(jwk, "e", 8);
  return n && e && BN_num_bits(n.get()) >= 2048 && BN_is_odd(n.get()) && BN_is_odd(e.get()) && BN_num_bits(e.get()) > 1;
}

// y^2 = x^3 + a x + b modulo p, with both below p.
bool good_ec(const JsonValue& jwk, int curve, std::size_t size) {
  auto x_bytes = fixed_member(jwk, "x", size), y_bytes = fixed_member(jwk, "y", size);
  if (!x_bytes || !y_bytes) return false;
  auto x = number_of(*x_bytes), y = number_of(*y_bytes);
  std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)> group(EC_GROUP_new_by_curve_name(curve), EC_GROUP_free);
  std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context(BN_CTX_new(), BN_CTX_free);
  Number p(BN_new()), a(BN_new()), b(BN_new()), right(BN_new()), left(BN_new());
  EC_GROUP_get_curve(group.get(), p.get(), a.get(), b.get(), context.get());
  if (BN_cmp(x.get(), p.get()) >= 0 || BN_cmp(y.get(), p.get()) >= 0) return false;
  BN_mod_sqr(right.get(), x.get(), p.get(), context.get());
  BN_mod_add(right.get(), right.get(), a.get(), p.get(), context.get());
  BN_mod_mul(right.get(), right.get(), x.get(), p.get(), context.get());
  BN_mod_add(right.get(), right.get(), b.get(), p.get(), context.get());
  BN_mod_sqr(left.get(), y.get(), p.get(), context.get());
  return BN_cmp(left.get(), right.get()) == 0;
}

// y below p, and no point whose order divides 8: those of order 1 and 2 have y^2 = 1, of order 4 y = 0, and of order 8
// d y^4 + 2 y^2 = 1, because twice such a point has order 4, which makes y^2 = -x^2 on the curve -x^2 + y^2 = 1 + d x^2
// y^2.
bool good_ed25519(const JsonValue& jwk) {
  auto bytes = fixed_member(jwk, "x", 32);
  if (!bytes) return false;
  bytes->back() = static_cast<char>(bytes->back() & 0x7F);
  auto y = number_of(std::string(bytes->rbegin(), bytes->rend()));
  std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context(BN_CTX_new(), BN_CTX_free);
  Number p(BN_new()), d(BN_new()), square(BN_new()), sum(BN_new());
  BN_set_bit(p.get(), 255);
  BN_sub_word(p.get(), 19);
  if (BN_cmp(y.get(), p.get()) >= 0 || BN_is_zero(y.get())) return false;
  BN_mod_sqr(square.get(), y.get(), p.get(), context.get());
  BN_set_word(sum.get(), 121666);
  BN_mod_inverse(d.get(), sum.get(), p.get(), context.get());
  BN_mul_word(d.get(), 121665);
  BN_sub(d.get(), p.get(), d.get());
  BN_nnmod(d.get(), d.get(), p.get(), context.get());
  BN_mod_mul(sum.get(), d.get(), square.get(), p.get(), context.get());
  BN_add_word(sum.get(), 2);
  BN_mod_mul(sum.get(), sum.get(), square.get(), p.get(), context.get());
  return !BN_is_one(square.get()) && !BN_is_one(sum.get());
}

bool may_verify(const JsonValue& jwk) {
  if (jwk.find("use") != nullptr && jwk.string_member("use") != "sig") return false;
  const JsonValue* operations = jwk.find("key_ops");
  if (operations == nullptr) return true;
  auto is_text = [](const JsonValue& item) { return item.kind == Kind::string; };
  auto is_verify = [](const JsonValue& item) { return item.text == "verify"; };
  return operations->kind == Kind::array && std::all_of(operations->items.begin(), operations->items.end(), is_text) &&
         std::any_of(operations->items.begin(), operations->items.end(), is_verify);
}

struct Expected {
  std::string kid;
  std::string algorithm;
};

// The one algorithm of a usable key (rows J02 and J08).
std::optional<Expected> usable_key(const JsonValue& jwk) {
  if (jwk.kind != Kind::object || !may_verify(jwk)) return std::nullopt;
  const auto kid = jwk.string_member("kid");
  if (jwk.find("kid") != nullptr && (!kid || kid->size() > 256)) return std::nullopt;
  const auto kind = jwk.string_member("kty"), curve = jwk.string_member("crv");
  std::string_view fitting;
  bool good = false;
  if (kind == "RSA") {
    fitting = "RS256 RS384 RS512 PS256 PS384 PS512";
    good = good_rsa(jwk);
  } else if (kind == "EC" && curve == "P-256") {
    fitting = "ES256";
    good = good_ec(jwk, NID_X9_62_prime256v1, 32);
  } else if (kind == "EC" && curve == "P-384") {
    fitting = "ES384";
    good = good_ec(jwk, NID_secp384r1, 48);
  } else if (kind == "EC" && curve == "P-521") {
    fitting = "ES512";
    good = good_ec(jwk, NID_secp521r1, 66);
  } else if (kind == "OKP" && curve == "Ed25519") {
    fitting = "EdDSA";
    good = good_ed25519(jwk);
  }
  if (!good) return std::nullopt;
  if (jwk.find("alg") == nullptr) return Expected{kid.value_or(""), std::string(fitting.substr(0, 5))};
  const auto algorithm = jwk.string_member("alg");
  if (!algorithm || algorithm->size() != 5 || !fitting.contains(*algorithm)) return std::nullopt;
  return Expected{kid.value_or(""), *algorithm};
}

bool is_secret(const JsonValue& jwk) {
  if (jwk.kind != Kind::object) return false;
  for (auto name : {"k", "d", "p", "q", "dp", "dq", "qi", "oth"}) {
    if (jwk.find(name) != nullptr) return true;
  }
  return jwk.string_member("kty") == "oct";
}

// The keys of a document that is a set; nothing for what must be refused whole (rows K01 and K05).
std::optional<std::vector<Expected>> slow_key_set(std::string_view json) {
  auto document = json.size() <= kMaxJwksBytes ? jose::read_json_slowly(json) : std::nullopt;
  if (!document || document->kind != Kind::object) return std::nullopt;
  const JsonValue* keys = document->find("keys");
  if (keys == nullptr || keys->kind != Kind::array || keys->items.size() > 100) return std::nullopt;
  std::vector<std::string> kids;
  std::vector<Expected> usable;
  for (const JsonValue& jwk : keys->items) {
    if (is_secret(jwk)) return std::nullopt;
    auto kid = jwk.string_member("kid").value_or("");
    if (!kid.empty() && std::find(kids.begin(), kids.end(), kid) != kids.end()) return std::nullopt;
    kids.push_back(std::move(kid));
    if (auto key = usable_key(jwk)) usable.push_back(*std::move(key));
  }
  if (usable.empty()) return std::nullopt;
  return usable;
}

// What a search of the set finds is what a look at the list of its keys finds.
void check_search(const KeySet& set, const std::vector<Expected>& expected) {
  for (Algorithm algorithm : jose::kAlgorithms) {
    std::size_t fitting = 0;
    const auto candidates = set.find_without_kid(algorithm);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const bool fits = expected[i].algorithm == jose::algorithm_name(algorithm);
      const jose::VerificationKey* key = &set.keys()[i];
      LG_CHECK(key->allows(algorithm) == fits, "a key of another algorithm");
      if (!expected[i].kid.empty()) {
        LG_CHECK(set.find(expected[i].kid, algorithm) == (fits ? key : nullptr), "a kid that finds another key");
        LG_CHECK(set.find(expected[i].kid + "x", algorithm) != key, "a kid that is longer");
      }
      if (fits && fitting < 4) LG_CHECK(candidates.keys[fitting] == key, "another order of tries");
      fitting += fits ? 1 : 0;
    }
    LG_CHECK(candidates.count == std::min<std::size_t>(fitting, 4), "too many tries, or too few");
    LG_CHECK(set.find("", algorithm) == nullptr, "an empty kid finds a key");
  }
}

void check(std::string_view json) {
  auto expected = slow_key_set(json);
  auto set = parse_jwks(json);
  LG_CHECK(set || !set.error().empty(), "a refusal without a reason");
  LG_CHECK(set.has_value() == expected.has_value(), set ? "a bad set is taken" : "a good set is refused");
  if (!set) return;
  LG_CHECK(set->keys().size() == expected->size(), "another number of usable keys");
  for (std::size_t i = 0; i < expected->size(); ++i) {
    const auto& key = set->keys()[i];
    LG_CHECK(key.kid() == (*expected)[i].kid, "another kid");
    LG_CHECK(jose::algorithm_name(key.algorithm()) == (*expected)[i].algorithm, "another algorithm");
    LG_CHECK(key.type() != jose::KeyType::secret, "a secret that is published");
    LG_CHECK(!key.verifies("", std::string(64, '\0')) && !key.verifies("", std::string(256, '\0')),
             "a signature of zeros is taken");
  }
  check_search(*set, *expected);
}

}  // namespace
}  // namespace lotagate::access

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  lotagate::access::check(input);
  // One key, too: most inputs are not worth a set around them.
  lotagate::access::check(R"({"keys":[)" + std::string(input) + "]}");
  return 0;
}
