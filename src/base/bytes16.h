// Sixteen bytes at once, for the checks and searches that every message takes: compilers have vectors for them on every
// machine. Short texts are one block of overlapping parts, so that nothing outside of the text is ever read.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace lotagate {

using Bytes16 = std::uint8_t __attribute__((vector_size(16)));
using SignedBytes16 = std::int8_t __attribute__((vector_size(16)));

inline Bytes16 load16(const char* at) {
  Bytes16 block;
  std::memcpy(&block, at, sizeof block);
  return block;
}

// What a comparison of two blocks says: 0xFF for true, 0 for false. Elements are signed in the language's eyes.
template <typename Comparison>
std::array<std::uint64_t, 2> halves_of(Comparison comparison) {
  return std::bit_cast<std::array<std::uint64_t, 2>>(comparison);
}

template <typename Comparison>
bool any(Comparison comparison) {
  auto halves = halves_of(comparison);
  return (halves[0] | halves[1]) != 0;
}

// Every byte of `text` (1 to 15 bytes) at least once, and no other.
inline Bytes16 short_block(std::string_view text) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  std::array<std::uint64_t, 2> words;
  if (text.size() >= 8) {
    std::memcpy(&words[0], begin, 8);
    std::memcpy(&words[1], end - 8, 8);
  } else if (text.size() >= 4) {
    std::uint32_t first;
    std::uint32_t last;
    std::memcpy(&first, begin, 4);
    std::memcpy(&last, end - 4, 4);
    words[0] = words[1] = std::uint64_t{last} << 32 | first;
  } else {
    auto byte = [](const char* at) { return std::uint32_t{static_cast<unsigned char>(*at)}; };
    std::uint64_t four = byte(begin) | byte(begin + text.size() / 2) << 8 | byte(end - 1) << 16 | byte(end - 1) << 24;
    words[0] = words[1] = four << 32 | four;
  }
  return std::bit_cast<Bytes16>(words);
}

// Whether `odd(block)`, a comparison, is false for every byte of `text`.
template <typename Odd>
bool none_of_bytes(std::string_view text, Odd odd) {
  if (text.size() < sizeof(Bytes16)) return text.empty() || !any(odd(short_block(text)));
  const char* last = text.data() + text.size() - sizeof(Bytes16);
  auto found = odd(load16(last));  // no early exit: the texts of nearly all messages are sound
  for (const char* at = text.data(); at < last; at += sizeof(Bytes16)) found |= odd(load16(at));
  return !any(found);
}

// The first `wanted` in [at, end), or null. Names, blanks and most values end within two blocks, and for those this
// takes a third of the instructions of a call of memchr.
inline const char* find_byte(const char* at, const char* end, char wanted) {
  constexpr int kBlocks = 2;
  auto first_of = [](std::uint64_t half) {
    return (std::endian::native == std::endian::little ? std::countr_zero(half) : std::countl_zero(half)) / 8;
  };
  for (int i = 0; i < kBlocks && end - at >= 16; ++i, at += 16) {
    auto halves = halves_of(load16(at) == static_cast<std::uint8_t>(wanted));
    if (halves[0] != 0) return at + first_of(halves[0]);
    if (halves[1] != 0) return at + 8 + first_of(halves[1]);
  }
  if (at == end) return nullptr;  // of an empty view both are null, which memchr may not be given
  return static_cast<const char*>(std::memchr(at, wanted, static_cast<std::size_t>(end - at)));
}

}  // namespace lotagate
