#include "config/units.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <span>

#include "base/text.h"
#include "config/text_check.h"

namespace lotagate::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array kDurationUnits{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1000},
                                    Unit{"ms", 1}};
constexpr std::array kSizeUnits{Unit{"GiB", 1ull << 30},
                                Unit{"MiB", 1ull << 20},
                                Unit{"KiB", 1ull << 10},
                                Unit{"GB", 1'000'000'000},
                                Unit{"MB", 1'000'000},
                                Unit{"KB", 1000},
                                Unit{"B", 1}};
constexpr std::array kRateUnits{Unit{"s", 1},       Unit{"m", 60},    Unit{"min", 60},   Unit{"h", 3600},
                                Unit{"hour", 3600}, Unit{"d", 86400}, Unit{"day", 86400}};

// Far above every range a key has, far below overflow of what is computed from a value later.
constexpr std::uint64_t kMostUnits = 1ull << 53;

struct Kind {
  std::string_view what;     // "a duration"
  std::string_view example;  // "30s"
  std::string_view units;    // "ms, s, m, h or d"
};

Parsed<std::uint64_t> parse_quantity(std::string_view text, std::span<const Unit> units, const Kind& kind) {
  std::size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0 || text.empty()) {
    return std::unexpected(fmt::format("`{}` is not {}; write for example `{}`", shown(text), kind.what, kind.example));
  }
  auto number = parse_decimal(text.substr(0, digits));
  if (!number) return std::unexpected(fmt::format("`{}` is too large", shown(text)));
  if (digits == std::string_view::npos) {
    if (*number == 0) return 0;
    return std::unexpected(
        fmt::format("`{}` has no unit; write for example `{}` ({})", shown(text), kind.example, kind.units));
  }
  std::string_view name = text.substr(digits);
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (*number > kMostUnits / unit.factor) return std::unexpected(fmt::format("`{}` is too large", shown(text)));
    return *number * unit.factor;
  }
  return std::unexpected(fmt::format("`{}` is not {}: a whole number followed by {}, for example `{}`", shown(text),
                                     kind.what, kind.units, kind.example));
}

std::string with_unit(std::uint64_t value, std::span<const Unit> units, std::string_view smallest) {
  if (value == 0) return "0";
  for (const Unit& unit : units) {
    if (value % unit.factor == 0) return fmt::format("{}{}", value / unit.factor, unit.name);
  }
  return fmt::format("{}{}", value, smallest);
}

}  // namespace

Parsed<milliseconds> parse_duration(std::string_view text) {
  static constexpr Kind kKind{"a duration", "30s", "ms, s, m, h or d"};
  auto value = parse_quantity(text, kDurationUnits, kKind);
  if (!value) return std::unexpected(std::move(value.error()));
  return milliseconds(static_cast<milliseconds::rep>(*value));
}

Parsed<std::uint64_t> parse_size(std::string_view text) {
  static constexpr Kind kKind{"a size", "10MiB", "B, KiB, MiB, GiB, KB, MB or GB"};
  return parse_quantity(text, kSizeUnits, kKind);
}

Parsed<double> parse_rate(std::string_view text) {
  auto slash = text.find('/');
  std::string_view number = text.substr(0, slash);
  double value = 0;
  // from_chars alone would take signs, exponents, "inf" and "nan".
  bool plain = !number.empty() && number.size() <= 18 && number.find_first_not_of("0123456789.") == number.npos;
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (plain && error == std::errc() && end == number.data() + number.size() && slash != text.npos) {
    std::string_view name = text.substr(slash + 1);
    for (const Unit& unit : kRateUnits) {
      if (unit.name == name) return value / static_cast<double>(unit.factor);
    }
  }
  return std::unexpected(fmt::format(
      "`{}` is not a rate: a number, `/`, and one of s, m (min), h (hour), d (day), for example `50/s`", shown(text)));
}

std::string to_text(milliseconds duration) {
  return with_unit(static_cast<std::uint64_t>(duration.count()), kDurationUnits, "ms");
}

std::string rate_to_text(double per_second) {
  constexpr std::array kUnits{Unit{"s", 1}, Unit{"min", 60}, Unit{"h", 3600}, Unit{"d", 86400}};
  const Unit* chosen = nullptr;
  for (const Unit& unit : kUnits) {
    double count = per_second * static_cast<double>(unit.factor);
    // What was divided when it was read is whole again but for the last bits.
    bool whole = count >= 0.5 && std::abs(count - std::round(count)) < 1e-9 * count;
    if (whole) return fmt::format("{:.0f}/{}", count, unit.name);
    if (chosen == nullptr && count >= 1) chosen = &unit;
  }
  if (chosen == nullptr) chosen = &kUnits.back();
  std::string text = fmt::format("{:.6f}", per_second * static_cast<double>(chosen->factor));
  return text.substr(0, text.find_last_not_of('0') + 1) + '/' + std::string(chosen->name);
}

std::string size_to_text(std::uint64_t bytes) {
  // Only the binary units: the ranges are powers of two, and "1MB" for 1,000,000 B would hide a mistake.
  return with_unit(bytes, std::span(kSizeUnits).first(3), "B");
}

}  // namespace lotagate::config
