// Whatever the User Management Service, or something in its place, answers; and the claims of a token, read alike.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "access/access_answer.h"
#include "access/claims.h"
#include "access/identity_text.h"
#include "access/permission.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lotagate::access;
  std::string_view json(reinterpret_cast<const char*>(data), size);
  if (auto grant = parse_access_answer(json, "u-1")) {
    LG_CHECK(is_visible_ascii(grant->roles_joined) && is_visible_ascii(grant->tenant), "text unfit for a header field");
    for (const auto& permission : grant->permissions) LG_CHECK(valid_permission(permission), "an invalid permission");
    LG_CHECK(!grant->unknown, "an answer about an unknown user");
  }
  if (auto changes = parse_changes_answer(json)) {
    LG_CHECK(!changes->all || changes->subjects.empty(), "all and some");
  }
  if (auto claims = parse_claims(json, 8192)) {
    LG_CHECK(!claims->subject.empty() && is_visible_ascii(claims->subject), "a subject unfit for a header field");
    ClaimRules rules{.issuer = claims->issuer, .audiences = claims->audiences};
    (void)check_claims(*claims, rules, lotagate::WallTime::max());
    (void)check_claims(*claims, rules, lotagate::WallTime::min());
  }
  return 0;
}
