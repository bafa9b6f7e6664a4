// Who is asking, as a verified token says.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace lotagate::access {

struct Principal {
  std::string subject;  // 1 to 256 visible ASCII characters; percent-encode it before it enters a URL
  std::string issuer;
  std::string tenant;              // empty without the claim
  WallTime expires;                // the token's own, without skew
  std::uint32_t issuer_index = 0;  // into AuthenticationSettings::issuers
};

}  // namespace lotagate::access
