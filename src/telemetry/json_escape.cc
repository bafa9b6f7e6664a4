#include "telemetry/json_escape.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "base/bytes16.h"
#include "base/text.h"

namespace lotagate::telemetry {
namespace {

constexpr std::string_view kCut = "...";

// Bytes that stand for themselves: printable ASCII but for quote and backslash.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned byte = 0x20; byte < 0x7F; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

// Whether eight bytes are all plain, by arithmetic on all of them at once: `(x - n) & ~x` has the top bit set in every
// byte of x that is below n, and an exclusive-or turns a byte that equals c into 0, which is below 1. A borrow can only
// raise a false alarm above a byte that is not plain itself, so the answer for the whole is exact.
bool all_plain(std::uint64_t x) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kTops = 0x8080808080808080;
  auto below = [](std::uint64_t v, std::uint64_t n) { return (v - kOnes * n) & ~v; };
  std::uint64_t odd =
      x | below(x, 0x20) | below(x ^ (kOnes * '"'), 1) | below(x ^ (kOnes * '\\'), 1) | below(x ^ (kOnes * 0x7F), 1);
  return (odd & kTops) == 0;
}

bool all_plain(Bytes16 x) noexcept { return !any((x < 0x20) | (x >= 0x7F) | (x == '"') | (x == '\\')); }

// The usual text is plain as a whole. Copied sixteen bytes at a time, the last ones overlapping those before; if a byte
// was not plain, what was copied counts for nothing.
bool copy_if_plain(char* out, std::string_view text) noexcept {
  if (text.size() < sizeof(Bytes16)) {
    for (std::size_t i = 0; i < text.size(); ++i) out[i] = text[i];
    return text.empty() || all_plain(short_block(text));
  }
  const std::size_t last = text.size() - sizeof(Bytes16);
  for (std::size_t at = 0;; at = std::min(at + sizeof(Bytes16), last)) {
    const Bytes16 block = load16(text.data() + at);
    std::memcpy(out + at, &block, sizeof block);
    if (!all_plain(block)) return false;
    if (at == last) return true;
  }
}

// Copies the plain bytes at the start of `text`, at most `room`, and returns how many there were.
std::size_t copy_plain(char* out, std::string_view text, std::size_t room) noexcept {
  const std::size_t size = std::min(text.size(), room);
  std::size_t at = 0;
  while (size - at >= sizeof(std::uint64_t)) {
    std::uint64_t eight;
    std::memcpy(&eight, text.data() + at, sizeof eight);
    if (!all_plain(eight)) break;
    std::memcpy(out + at, &eight, sizeof eight);
    at += sizeof eight;
  }
  while (at < size && kPlain[static_cast<unsigned char>(text[at])]) {
    out[at] = text[at];
    ++at;
  }
  return at;
}

// One character of the input and what stands for it in the line.
struct Piece {
  std::size_t taken;
  std::size_t size;
  std::array<char, 6> text;
};

Piece unicode_escape(unsigned value) noexcept {
  constexpr char kHex[] = "0123456789abcdef";
  return {1, 6, {'\\', 'u', kHex[value >> 12], kHex[value >> 8 & 15], kHex[value >> 4 & 15], kHex[value & 15]}};
}

Piece escape_one(std::string_view text) noexcept {
  const char c = text.front();
  const unsigned byte = static_cast<unsigned char>(c);
  if (kPlain[byte]) return {1, 1, {c}};
  if (c == '"' || c == '\\') return {1, 2, {'\\', c}};
  if (byte < 0x80) return unicode_escape(byte);
  const std::size_t bytes = utf8_sequence_bytes(text);
  if (bytes == 0) return unicode_escape(0xFFFD);
  // Line separators to JavaScript, harmless to JSON.
  if (text.starts_with("\xE2\x80\xA8") || text.starts_with("\xE2\x80\xA9")) {
    Piece piece = unicode_escape(text[2] == '\xA8' ? 0x2028 : 0x2029);
    piece.taken = bytes;
    return piece;
  }
  Piece piece{bytes, bytes, {}};
  std::memcpy(piece.text.data(), text.data(), bytes);
  return piece;
}

// Apart from the usual case, which is done before the registers for this one would be saved.
[[gnu::noinline]] char* write_odd_text(char* out, std::string_view text, std::size_t cap) noexcept {
  char* const end = out + cap;
  char* const cut_limit = end - kCut.size();
  char* cut_at = out;  // last place after a whole piece from which the mark of a cut still fits
  while (true) {
    const std::size_t plain = copy_plain(out, text, static_cast<std::size_t>(end - out));
    if (out <= cut_limit) cut_at = std::min(out + plain, cut_limit);
    out += plain;
    text.remove_prefix(plain);
    if (text.empty()) return out;

    const Piece piece = escape_one(text);
    if (piece.size > static_cast<std::size_t>(end - out)) break;
    std::memcpy(out, piece.text.data(), piece.size);
    out += piece.size;
    if (out <= cut_limit) cut_at = out;
    text.remove_prefix(piece.taken);
    if (text.empty()) return out;
  }
  std::memcpy(cut_at, kCut.data(), kCut.size());
  return cut_at + kCut.size();
}

}  // namespace

char* write_json_escaped(char* out, std::string_view text, std::size_t cap) noexcept {
  if (text.size() <= cap && copy_if_plain(out, text)) return out + text.size();
  return write_odd_text(out, text, cap);
}

}  // namespace lotagate::telemetry
