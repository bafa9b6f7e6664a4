#include "users/password.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>

#include "base/check.h"
#include "base/text.h"
#include "common/base64url.h"
#include "common/secrets.h"

namespace lotagate::users {
namespace {

using services::Outcome;

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;
constexpr std::chrono::seconds kLongestWait(1);

struct Cost {
  std::uint64_t log2_n = 0;
  std::uint64_t r = 0;
  std::uint64_t p = 0;
};

// One of the equivalent settings that the OWASP password storage cheat sheet gives as its minimum: 32 MiB.
constexpr Cost kCost{.log2_n = 15, .r = 8, .p = 3};

std::string scrypt(std::string_view password, std::string_view salt, Cost cost) {
  std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(EVP_KDF_fetch(nullptr, "SCRYPT", nullptr), EVP_KDF_free);
  LG_CHECK(kdf != nullptr, "OpenSSL has scrypt");
  std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(kdf.get()), EVP_KDF_CTX_free);
  std::uint64_t n = std::uint64_t{1} << cost.log2_n;
  std::uint64_t max_memory = 128 * n * cost.r * 2;  // scrypt's own 128 N r, and room for the rest
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, const_cast<char*>(password.data()), password.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<char*>(salt.data()), salt.size()),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_R, &cost.r),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_P, &cost.p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &max_memory),
      OSSL_PARAM_construct_end()};
  std::string out(kHashBytes, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  if (EVP_KDF_derive(context.get(), bytes, out.size(), parameters) != 1) throw std::runtime_error("scrypt failed");
  return out;
}

std::string to_text(Cost cost, std::string_view salt, std::string_view hash) {
  return fmt::format("$scrypt$ln={},r={},p={}${}${}", cost.log2_n, cost.r, cost.p, services::base64url_encode(salt),
                     services::base64url_encode(hash));
}

struct StoredHash {
  Cost cost;
  std::string salt;
  std::string hash;
};

// Takes what lies before the next `end` out of `text`, without `prefix`, which it must begin with.
std::string_view take_field(std::string_view& text, std::string_view prefix, char end) {
  if (!text.starts_with(prefix)) throw std::runtime_error("a stored password hash is damaged");
  text.remove_prefix(prefix.size());
  auto field = text.substr(0, text.find(end));
  text.remove_prefix(std::min(text.size(), field.size() + 1));
  return field;
}

StoredHash from_text(std::string_view text) {
  auto log2_n = parse_decimal(take_field(text, "$scrypt$ln=", ','));
  auto r = parse_decimal(take_field(text, "r=", ','));
  auto p = parse_decimal(take_field(text, "p=", '$'));
  auto salt = services::base64url_decode(take_field(text, "", '$'));
  auto hash = services::base64url_decode(text);
  if (!log2_n || !r || !p || !salt || !hash || *log2_n > 20) {
    throw std::runtime_error("a stored password hash is damaged");
  }
  return {{*log2_n, *r, *p}, std::move(*salt), std::move(*hash)};
}

// Gives a turn back at the end of its scope.
class Turn {
 public:
  explicit Turn(Turns& turns) : turns_(turns) {}
  ~Turn() { turns_.give_back(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Turns& turns_;
};

std::unexpected<services::Problem> busy() {
  return services::refuse(503, "busy", "Too many passwords are being checked right now.");
}

}  // namespace

PasswordHasher::PasswordHasher()
    : turns_(std::max(1u, std::thread::hardware_concurrency())),
      unmatchable_(to_text(kCost, services::random_bytes(kSaltBytes), services::random_bytes(kHashBytes))) {}

Outcome<std::string> PasswordHasher::hash(std::string_view password) {
  if (!turns_.take(kLongestWait)) return busy();
  Turn turn(turns_);
  std::string salt = services::random_bytes(kSaltBytes);
  return to_text(kCost, salt, scrypt(password, salt, kCost));
}

Outcome<bool> PasswordHasher::verify(std::string_view password, std::string_view stored) {
  StoredHash expected = from_text(stored);
  if (!turns_.take(kLongestWait)) return busy();
  Turn turn(turns_);
  return services::secrets_equal(scrypt(password, expected.salt, expected.cost), expected.hash);
}

bool PasswordHasher::is_cheap(std::string_view stored) {
  auto work = [](const Cost& cost) { return (std::uint64_t{1} << cost.log2_n) * cost.r * cost.p; };
  return work(from_text(stored).cost) < work(kCost);
}

}  // namespace lotagate::users
