#include "telemetry/record.h"

#include <algorithm>

namespace lotagate::telemetry {

std::string_view request_end_name(RequestEnd end) noexcept {
  switch (end) {
    case RequestEnd::complete: return "complete";
    case RequestEnd::refused: return "refused";
    case RequestEnd::client_closed: return "client_closed";
    case RequestEnd::upstream_failed: return "upstream_failed";
    case RequestEnd::timed_out: return "timed_out";
    case RequestEnd::aborted: return "aborted";
  }
  return "unknown";
}

std::string_view policy_outcome_name(PolicyOutcome outcome) noexcept {
  switch (outcome) {
    case PolicyOutcome::none: return {};
    case PolicyOutcome::allow: return "allow";
    case PolicyOutcome::deny: return "deny";
    case PolicyOutcome::would_deny: return "would_deny";
  }
  return {};
}

std::uint8_t method_index(std::string_view method) noexcept {
  static_assert(kMethodLabels[0] == "GET");
  if (method == "GET") return 0;  // most are; the comparison with a constant is two instructions
  auto known = std::find(kMethodLabels.begin(), kMethodLabels.begin() + kOtherMethod, method);
  return static_cast<std::uint8_t>(known - kMethodLabels.begin());
}

}  // namespace lotagate::telemetry
