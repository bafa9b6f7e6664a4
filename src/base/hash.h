// XXH3 behind one name. Keyed with a per-process seed wherever clients choose the input.
#pragma once

#include <cstdint>
#include <string_view>

namespace lotagate {

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed = 0) noexcept;

// A random seed drawn once per process from the kernel, so that clients cannot aim for collisions.
std::uint64_t process_hash_seed() noexcept;

}  // namespace lotagate
