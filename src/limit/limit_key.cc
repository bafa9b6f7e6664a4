#include "limit/limit_key.h"

#include "base/hash.h"

namespace lotagate::limit {
namespace {

// Keep the keys of users and of addresses under one policy apart, whatever bytes a subject has.
constexpr std::uint64_t kUserDomain = 0x75736572'6B657931;
constexpr std::uint64_t kAddressDomain = 0x61646472'6B657931;

}  // namespace

std::uint64_t policy_seed(std::string_view policy_name) noexcept {
  return hash_bytes(policy_name, process_hash_seed());
}

std::uint64_t user_key(std::uint64_t policy_seed, std::string_view subject) noexcept {
  return hash_bytes(subject, policy_seed ^ kUserDomain);
}

std::uint64_t address_key(std::uint64_t policy_seed, const IpAddress& address) noexcept {
  const char* bytes = reinterpret_cast<const char*>(address.bytes.data());
  std::string_view significant = address.is_v4() ? std::string_view(bytes + 12, 4) : std::string_view(bytes, 8);
  return hash_bytes(significant, policy_seed ^ kAddressDomain);
}

}  // namespace lotagate::limit
