// What a request has to be before anybody asks where it goes and who sent it: the exchange and `explain` ask the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "http/framing.h"
#include "http/head.h"

namespace lotagate {

struct FieldFindings {
  bool expects_continue = false;
  std::optional<std::uint64_t> max_forwards;  // of OPTIONS (RFC 9110 7.6.2)
  // OPTIONS whose hops are used up: the gateway itself is the one that is asked (P12).
  bool for_us() const { return max_forwards == 0; }
};

// The method, and fields that may not be there, not twice, or not like this. `instance`: our own name in Via; empty:
// loops are not looked for. Errors: not_implemented, bad_request, loop_detected, expectation_failed.
Result<void> check_fields(const http::RequestHead& request, std::string_view instance, FieldFindings& found);

// Error: body_too_large, for a length that is announced; others are counted while they come.
Result<void> check_length(const http::Framing& framing, std::uint64_t max_body);

// Whether `request` asks for a WebSocket (RFC 6455 4.2.1). Error: bad_request, if it does and that is not sound.
Result<bool> asks_for_websocket(const http::RequestHead& request, const http::Framing& framing);

}  // namespace lotagate
