#include "common/duration.h"

#include <array>
#include <utility>

#include "base/text.h"

namespace lotagate::services {
namespace {

using std::chrono::milliseconds;

// "ms" before the "s" that it ends with.
constexpr std::array<std::pair<std::string_view, milliseconds>, 5> kUnits{{{"ms", milliseconds(1)},
                                                                           {"s", std::chrono::seconds(1)},
                                                                           {"m", std::chrono::minutes(1)},
                                                                           {"h", std::chrono::hours(1)},
                                                                           {"d", std::chrono::days(1)}}};
constexpr milliseconds kLongest = std::chrono::days(36500);

}  // namespace

std::optional<milliseconds> parse_duration(std::string_view text) {
  milliseconds unit = std::chrono::seconds(1);
  for (const auto& [name, length] : kUnits) {
    if (!text.ends_with(name)) continue;
    text.remove_suffix(name.size());
    unit = length;
    break;
  }
  auto count = parse_decimal(text);
  if (!count || *count > static_cast<std::uint64_t>(kLongest / unit)) return std::nullopt;
  return unit * static_cast<milliseconds::rep>(*count);
}

}  // namespace lotagate::services
