#include "jose/ecdsa.h"

#include <cstddef>

#include "base/check.h"

namespace lotagate::jose {
namespace {

constexpr std::size_t kMaxOrderBytes = 66;  // P-521; the lengths below then fit into one byte

// `number` has as many bytes as `order`, so their order as texts of unsigned bytes is that of the numbers.
bool in_range(std::string_view number, std::string_view order) {
  return number.find_first_not_of('\0') != std::string_view::npos && number < order;
}

// Appends a positive number as a DER INTEGER: no leading zero, but one where the top bit would make it negative.
void append_integer(std::string& out, std::string_view number) {
  while (number.size() > 1 && number.front() == '\0') number.remove_prefix(1);
  bool negative = (static_cast<unsigned char>(number.front()) & 0x80) != 0;
  out += '\x02';
  out += static_cast<char>(number.size() + (negative ? 1 : 0));
  if (negative) out += '\0';
  out += number;
}

}  // namespace

std::optional<std::string> ecdsa_to_der(std::string_view signature, std::string_view order) {
  LG_CHECK(!order.empty() && order.size() <= kMaxOrderBytes, "no order of a supported curve");
  if (signature.size() != 2 * order.size()) return std::nullopt;
  auto r = signature.substr(0, order.size());
  auto s = signature.substr(order.size());
  if (!in_range(r, order) || !in_range(s, order)) return std::nullopt;
  std::string numbers;
  numbers.reserve(2 * (kMaxOrderBytes + 3));
  append_integer(numbers, r);
  append_integer(numbers, s);
  std::string der = "\x30";
  if (numbers.size() >= 0x80) der += '\x81';  // the long form, which P-521 needs
  der += static_cast<char>(numbers.size());
  return der += numbers;
}

}  // namespace lotagate::jose
