#include "limit/key_names.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "base/check.h"

namespace lotagate::limit {
namespace {

// One value of an identity: its domain in one byte, its length in four, little endian, its bytes.
struct Part {
  KeyDomain domain;
  std::string_view value;
};

constexpr std::size_t kPrefixBytes = 1 + sizeof(std::uint32_t);

// Takes the first part off; the value is short if the identity was cut.
std::optional<Part> next_part(std::string_view& identity) {
  if (identity.size() < kPrefixBytes) return std::nullopt;
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < sizeof length; ++i) {
    length |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(identity[1 + i])) << (8 * i);
  }
  Part part{static_cast<KeyDomain>(identity.front()), identity.substr(kPrefixBytes, length)};
  identity.remove_prefix(kPrefixBytes + part.value.size());
  return part;
}

// What address_value() made: an IPv4 address, or the /64 of an IPv6 one.
std::string address_text(std::string_view value) {
  IpAddress address{};
  if (value.size() == 4) {
    address.bytes[10] = address.bytes[11] = 0xFF;
    std::ranges::copy(value, address.bytes.begin() + 12);
    return to_string(address);
  }
  std::ranges::copy(value.substr(0, 8), address.bytes.begin());
  return to_string(address) + "/64";
}

void sip_round(std::array<std::uint64_t, 4>& v) {
  v[0] += v[1];
  v[2] += v[3];
  v[1] = std::rotl(v[1], 13) ^ v[0];
  v[3] = std::rotl(v[3], 16) ^ v[2];
  v[0] = std::rotl(v[0], 32);
  v[2] += v[1];
  v[0] += v[3];
  v[1] = std::rotl(v[1], 17) ^ v[2];
  v[3] = std::rotl(v[3], 21) ^ v[0];
  v[2] = std::rotl(v[2], 32);
}

}  // namespace

std::string_view domain_name(KeyDomain domain) noexcept {
  switch (domain) {
    case KeyDomain::user: return "user";
    case KeyDomain::tenant: return "tenant";
    case KeyDomain::address: return "address";
    case KeyDomain::api_key: return "api_key";
    case KeyDomain::route: return "route";
    case KeyDomain::service: return "service";
    case KeyDomain::header: return "header";
    case KeyDomain::claim: return "claim";
  }
  return "key";
}

KeyNames::KeyNames() {
  LG_CHECK(getrandom(secret_.data(), sizeof secret_, 0) == sizeof secret_, "the kernel gives no random bytes");
}

std::string KeyNames::hidden(std::uint64_t key, std::string_view identity) const {
  std::string name;
  while (auto part = next_part(identity)) {
    if (!name.empty()) name += '+';
    name += domain_name(part->domain);
  }
  return fmt::format("{}:{:016x}", name, siphash(secret_, key));
}

std::string clear_name(std::string_view identity, bool cut) {
  std::string name;
  while (auto part = next_part(identity)) {
    if (!name.empty()) name += ' ';
    name += domain_name(part->domain);
    name += ':';
    name += part->domain == KeyDomain::address ? address_text(part->value) : std::string(part->value);
  }
  return cut ? name + "..." : name;
}

std::uint64_t siphash(const std::array<std::uint64_t, 2>& secret, std::uint64_t word) noexcept {
  std::array<std::uint64_t, 4> v{secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
                                 secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573};
  constexpr std::uint64_t kLengthBlock = std::uint64_t{sizeof word} << 56;
  for (std::uint64_t block : {word, kLengthBlock}) {
    v[3] ^= block;
    for (int i = 0; i < 2; ++i) sip_round(v);
    v[0] ^= block;
  }
  v[2] ^= 0xFF;
  for (int i = 0; i < 4; ++i) sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

}  // namespace lotagate::limit
