// Public keys of Ed25519 (RFC 8032 5.1.5) that OpenSSL would take although they are weak or spelled oddly.
#pragma once

#include <cstddef>
#include <string_view>

namespace lotagate::jose {

inline constexpr std::size_t kEd25519KeyBytes = 32;

// Both take kEd25519KeyBytes bytes: the y coordinate, little-endian, with the sign of x in the top bit.

// Whether y is below the field's prime, 2^255 - 19 (RFC 8032 5.1.3): others would be second spellings.
bool is_canonical_ed25519_point(std::string_view key);

// Whether the point has order 1, 2, 4 or 8. For such a key one signature fits many messages (order 1: every one).
bool is_small_order_ed25519_point(std::string_view key);

}  // namespace lotagate::jose
