// Signatures verified once more, for tests and fuzzers: from the formulas of the RFCs, with OpenSSL for numbers, points
// and hashes only.
#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "jose/algorithm.h"
#include "jose/base64url.h"
#include "jose/test_rfc_json.h"

namespace lotagate::jose {

// Slow and readable; not for secrets.
class SlowVerifier {
 public:
  // `jwk` has the members of its kind, as JSON: `n` and `e`, `x` and `y`, `x`, or `k`.
  explicit SlowVerifier(std::string_view jwk) : jwk_(*read_json_slowly(jwk)) {}

  bool verifies(Algorithm algorithm, std::string_view message, std::string_view signature) const {
    const std::string_view family = algorithm_name(algorithm).substr(0, 2);
    if (family == "RS") return rsa_pkcs1(algorithm, message, signature);
    if (family == "PS") return rsa_pss(algorithm, message, signature);
    if (family == "ES") return ecdsa(algorithm, message, signature);
    if (family == "HS") return signature == hmac(algorithm, message);
    return ed25519(message, signature);
  }

 private:
  struct FreeNumber {
    void operator()(BIGNUM* number) const { BN_free(number); }
  };
  using Owner = std::unique_ptr<BIGNUM, FreeNumber>;

  // A number that can be copied, with the arithmetic that is needed below.
  class Number {
   public:
    Number(BN_ULONG word = 0) : value_(BN_new()) { BN_set_word(value_.get(), word); }
    Number(const Number& other) : value_(BN_dup(other.get())) {}
    Number& operator=(Number other) {
      value_.swap(other.value_);
      return *this;
    }
    static Number big_endian(std::string_view bytes) {
      Number out;
      BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), out.get());
      return out;
    }
    static Number little_endian(std::string_view bytes) {
      return big_endian(std::string(bytes.rbegin(), bytes.rend()));
    }
    static Number decimal(const char* digits) {
      Number out;
      BIGNUM* target = out.get();
      BN_dec2bn(&target, digits);
      return out;
    }
    BIGNUM* get() const { return value_.get(); }
    bool operator<(const Number& other) const { return BN_cmp(get(), other.get()) < 0; }
    bool operator==(const Number& other) const { return BN_cmp(get(), other.get()) == 0; }
    bool is_zero() const { return BN_is_zero(get()); }
    std::string big_endian(std::size_t size) const {
      std::string out(size, '\0');
      LG_CHECK(BN_bn2binpad(get(), reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(size)) >= 0, "large");
      return out;
    }

   private:
    Owner value_;
  };

  // Numbers modulo `modulus`.
  struct Field {
    Number modulus;
    Number add(const Number& a, const Number& b) const { return with(BN_mod_add, a, b); }
    Number subtract(const Number& a, const Number& b) const { return with(BN_mod_sub, a, b); }
    Number multiply(const Number& a, const Number& b) const { return with(BN_mod_mul, a, b); }
    Number power(const Number& base, const Number& exponent) const {
      Number out;
      Context context;
      LG_CHECK(BN_mod_exp(out.get(), base.get(), exponent.get(), modulus.get(), context.get()) == 1, "no power");
      return out;
    }
    Number inverse(const Number& a) const {
      Number out;
      Context context;
      LG_CHECK(BN_mod_inverse(out.get(), a.get(), modulus.get(), context.get()) != nullptr, "no inverse");
      return out;
    }

   private:
    struct Context {
      Context() : value(BN_CTX_new()) {}
      ~Context() { BN_CTX_free(value); }
      Context(const Context&) = delete;
      Context& operator=(const Context&) = delete;
      BN_CTX* get() const { return value; }
      BN_CTX* value;
    };
    template <typename Function>
    Number with(Function function, const Number& a, const Number& b) const {
      Number out;
      Context context;
      LG_CHECK(function(out.get(), a.get(), b.get(), modulus.get(), context.get()) == 1, "no arithmetic");
      return out;
    }
  };

  std::string member(std::string_view name) const { return *base64url_decode(*jwk_.string_member(name)); }

  static std::string hash(std::size_t bytes, std::string_view message) {
    const EVP_MD* digest = bytes == 32 ? EVP_sha256() : bytes == 48 ? EVP_sha384() : EVP_sha512();
    std::string out(bytes, '\0');
    EVP_Digest(message.data(), message.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr, digest, nullptr);
    return out;
  }

  // RFC 2104.
  std::string hmac(Algorithm algorithm, std::string_view message) const {
    const std::size_t bytes = traits_of(algorithm).hash_bytes;
    const std::size_t block = bytes == 32 ? 64 : 128;
    std::string key = member("k");
    if (key.size() > block) key = hash(bytes, key);
    key.resize(block, '\0');
    std::string inner = key, outer = key;
    for (char& c : inner) c = static_cast<char>(c ^ 0x36);
    for (char& c : outer) c = static_cast<char>(c ^ 0x5C);
    return hash(bytes, outer + hash(bytes, inner.append(message)));
  }

  // RSAVP1 (RFC 8017 5.2.2): the encoded message, as long as the modulus; empty if the signature is out of range.
  std::string rsa_message(std::string_view signature) const {
    const std::string n = member("n");
    Field field{Number::big_endian(n)};
    Number s = Number::big_endian(signature);
    if (signature.size() != n.size() || !(s < field.modulus)) return {};
    return field.power(s, Number::big_endian(member("e"))).big_endian(n.size());
  }

  // EMSA-PKCS1-v1_5 (RFC 8017 9.2).
  bool rsa_pkcs1(Algorithm algorithm, std::string_view message, std::string_view signature) const {
    const std::size_t bytes = traits_of(algorithm).hash_bytes;
    std::string info("\x30\x00\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x00\x05\x00\x04\x00", 19);
    info[1] = static_cast<char>(17 + bytes);
    info[14] = static_cast<char>(bytes / 16 - 1);  // 1, 2, 3
    info[18] = static_cast<char>(bytes);
    info += hash(bytes, message);
    const std::string encoded = rsa_message(signature);
    if (encoded.size() < info.size() + 11) return false;
    return encoded == std::string("\0\1", 2) + std::string(encoded.size() - info.size() - 3, '\xFF') + '\0' + info;
  }

  static std::string mgf1(std::size_t bytes, const std::string& seed, std::size_t size) {
    std::string out;
    for (char counter = 0; out.size() < size; ++counter) out += hash(bytes, seed + std::string(3, '\0') + counter);
    return out.substr(0, size);
  }

  // EMSA-PSS-VERIFY (RFC 8017 9.1.2) for a modulus of whole bytes, the salt as long as the hash.
  bool rsa_pss(Algorithm algorithm, std::string_view message, std::string_view signature) const {
    const std::size_t bytes = traits_of(algorithm).hash_bytes;
    const std::string encoded = rsa_message(signature);
    if (encoded.size() < 2 * bytes + 2 || encoded.back() != '\xBC') return false;
    std::string block = encoded.substr(0, encoded.size() - bytes - 1);
    const std::string wanted = encoded.substr(block.size(), bytes);
    if ((block[0] & 0x80) != 0) return false;
    const std::string mask = mgf1(bytes, wanted, block.size());
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(block[i] ^ mask[i]);
    block[0] = static_cast<char>(block[0] & 0x7F);
    const std::size_t padding = block.size() - bytes - 1;
    if (block.substr(0, padding + 1) != std::string(padding, '\0') + '\1') return false;
    return hash(bytes, std::string(8, '\0') + hash(bytes, message) + block.substr(padding + 1)) == wanted;
  }

  // SEC 1 4.1.4; no hash is longer than the order of its curve.
  bool ecdsa(Algorithm algorithm, std::string_view message, std::string_view signature) const {
    const std::size_t bytes = traits_of(algorithm).hash_bytes;
    const int curve = bytes == 32 ? NID_X9_62_prime256v1 : bytes == 48 ? NID_secp384r1 : NID_secp521r1;
    const std::size_t half = bytes == 64 ? 66 : bytes;
    if (signature.size() != 2 * half) return false;
    std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)> group(EC_GROUP_new_by_curve_name(curve), EC_GROUP_free);
    std::unique_ptr<EC_POINT, decltype(&EC_POINT_free)> key(EC_POINT_new(group.get()), EC_POINT_free);
    std::unique_ptr<EC_POINT, decltype(&EC_POINT_free)> sum(EC_POINT_new(group.get()), EC_POINT_free);
    Field field;
    BN_copy(field.modulus.get(), EC_GROUP_get0_order(group.get()));
    const Number r = Number::big_endian(signature.substr(0, half)), s = Number::big_endian(signature.substr(half));
    if (r.is_zero() || s.is_zero() || !(r < field.modulus) || !(s < field.modulus)) return false;
    const Number w = field.inverse(s);
    const Number u1 = field.multiply(Number::big_endian(hash(bytes, message)), w), u2 = field.multiply(r, w);
    Number x = Number::big_endian(member("x")), y = Number::big_endian(member("y"));
    LG_CHECK(EC_POINT_set_affine_coordinates(group.get(), key.get(), x.get(), y.get(), nullptr) == 1, "off curve");
    EC_POINT_mul(group.get(), sum.get(), u1.get(), key.get(), u2.get(), nullptr);
    return EC_POINT_get_affine_coordinates(group.get(), sum.get(), x.get(), y.get(), nullptr) == 1 &&
           field.add(x, Number(0)) == r;
  }

  // RFC 8032 5.1: points of edwards25519 in the extended coordinates of 5.1.4.
  struct Point {
    Number x, y, z, t;
  };
  struct Edwards {
    Field field{Number::decimal("57896044618658097711785492504343953926634992332820282019728792003956564819949")};
    Number d = field.multiply(field.subtract(0, 121665), field.inverse(121666));

    Point affine(const Number& x, const Number& y) const { return {x, y, Number(1), field.multiply(x, y)}; }

    Point add(const Point& p, const Point& q) const {
      const Number a = field.multiply(field.subtract(p.y, p.x), field.subtract(q.y, q.x));
      const Number b = field.multiply(field.add(p.y, p.x), field.add(q.y, q.x));
      const Number c = field.multiply(field.multiply(field.multiply(2, d), p.t), q.t);
      const Number e = field.multiply(field.multiply(2, p.z), q.z);
      const Number f = field.subtract(b, a), g = field.subtract(e, c), h = field.add(e, c), i = field.add(b, a);
      return {field.multiply(f, g), field.multiply(h, i), field.multiply(g, h), field.multiply(f, i)};
    }

    Point multiply(const Number& scalar, const Point& point) const {
      Point out = affine(0, 1);
      for (int bit = BN_num_bits(scalar.get()) - 1; bit >= 0; --bit) {
        out = add(out, out);
        if (BN_is_bit_set(scalar.get(), bit)) out = add(out, point);
      }
      return out;
    }

    // 5.1.2: y, little-endian, and the lowest bit of x in the highest.
    std::string encode(const Point& point) const {
      const Number inverse = field.inverse(point.z);
      std::string out = field.multiply(point.y, inverse).big_endian(32);
      if (BN_is_odd(field.multiply(point.x, inverse).get())) out[0] = static_cast<char>(out[0] | 0x80);
      return {out.rbegin(), out.rend()};
    }

    // 5.1.3: x = sqrt((y^2 - 1) / (d y^2 + 1)).
    Point decode(std::string encoded) const {
      const bool odd = (encoded.back() & 0x80) != 0;
      encoded.back() = static_cast<char>(encoded.back() & 0x7F);
      const Number y = Number::little_endian(encoded), square = field.multiply(y, y);
      const Number wanted =
          field.multiply(field.subtract(square, 1), field.inverse(field.add(field.multiply(d, square), 1)));
      Number exponent = field.modulus;
      BN_add_word(exponent.get(), 3);
      BN_rshift(exponent.get(), exponent.get(), 3);
      Number x = field.power(wanted, exponent);
      Number quarter = field.modulus;
      BN_sub_word(quarter.get(), 1);
      BN_rshift(quarter.get(), quarter.get(), 2);
      if (!(field.multiply(x, x) == wanted)) x = field.multiply(x, field.power(2, quarter));
      LG_CHECK(field.multiply(x, x) == wanted, "no point");
      if (BN_is_odd(x.get()) != static_cast<int>(odd)) x = field.subtract(0, x);
      return affine(x, y);
    }
  };

  // 5.1.7 without the cofactor, as most do it: R is what encoding s B - k A gives.
  bool ed25519(std::string_view message, std::string_view signature) const {
    if (signature.size() != 64) return false;
    const Edwards curve;
    const Field scalars{
        Number::decimal("7237005577332262213973186563042994240857116359379907606001950938285454250989")};
    const Number s = Number::little_endian(signature.substr(32));
    if (!(s < scalars.modulus)) return false;
    const std::string key = member("x"), r(signature.substr(0, 32));
    const Number k = scalars.add(Number::little_endian(hash(64, r + key + std::string(message))), 0);
    Point point = curve.decode(key);
    point.x = curve.field.subtract(0, point.x);
    point.t = curve.field.subtract(0, point.t);
    const Point base = curve.decode("\x58" + std::string(31, '\x66'));
    return curve.encode(curve.add(curve.multiply(s, base), curve.multiply(k, point))) == r;
  }

  JsonValue jwk_;
};

}  // namespace lotagate::jose
