#include "limit/limit_key.h"

#include "base/hash.h"

namespace lotagate::limit {

std::uint64_t policy_seed(std::string_view policy_name) noexcept {
  return hash_bytes(policy_name, process_hash_seed());
}

std::uint64_t limit_key(std::uint64_t seed, KeyDomain domain, std::string_view value) noexcept {
  // Spread over all bits, because small differences of seeds are nothing that XXH3 promises to tell well.
  constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15;
  return hash_bytes(value, seed ^ kSpread * static_cast<std::uint64_t>(domain));
}

std::string_view address_value(const IpAddress& address) noexcept {
  const char* bytes = reinterpret_cast<const char*>(address.bytes.data());
  return address.is_v4() ? std::string_view(bytes + 12, 4) : std::string_view(bytes, 8);
}

}  // namespace lotagate::limit
