// Whatever the User Management Service, or something in its place, answers; and the claims of a token, read alike.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "access/access_answer.h"
#include "access/api_key.h"
#include "access/claims.h"
#include "access/identity_text.h"
#include "access/permission.h"
#include "base/check.h"

namespace lotagate::access {
namespace {

constexpr std::string_view kDigest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

// Taken apart again, a list is what its parts were checked to be.
void check_list(const TextList& list, bool (*valid)(std::string_view)) {
  std::string joined;
  for (std::string_view text : list) {
    LG_CHECK(valid(text), "an invalid text in a list");
    if (!joined.empty()) joined += list.joined()[joined.size()];
    joined += text;
  }
  LG_CHECK(joined == list.joined(), "a list that is more than its texts");
}

bool is_name(std::string_view text) { return !text.empty() && is_visible_ascii(text); }

void check_user(const AccessGrant& grant) {
  LG_CHECK(grant.subject == "u-1" && !grant.unknown, "an answer about somebody else");
  LG_CHECK(is_visible_ascii(grant.roles.joined()) && is_visible_ascii(grant.tenant), "text unfit for a header field");
  check_list(grant.roles, is_name);
  check_list(grant.permissions, valid_permission);
  check_list(grant.revoked_sessions, is_name);
  LG_CHECK(grant.key_id.empty() && grant.expires == WallTime::max(), "a user that is an API key");
}

void check_api_key(const AccessGrant& grant) {
  LG_CHECK(is_name(grant.subject) && is_name(grant.key_id) && !grant.unknown, "a key of nobody");
  LG_CHECK(grant.expires >= WallTime{}, "a key that expired before 1970");
  check_list(grant.permissions, valid_permission);
  LG_CHECK(grant.roles.empty() && grant.tenant.empty() && grant.revoked_sessions.empty(), "an API key that is a user");
}

void check_changes(const ChangesAnswer& changes) {
  LG_CHECK(!changes.all || (changes.subjects.empty() && changes.api_keys.empty()), "all and some");
  for (const auto& subject : changes.subjects) LG_CHECK(is_name(subject), "a subject that no token has");
  for (const auto& digest : changes.api_keys) LG_CHECK(valid_api_key_digest(digest), "what is no digest");
}

}  // namespace
}  // namespace lotagate::access

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lotagate::access;
  std::string_view json(reinterpret_cast<const char*>(data), size);
  if (auto stored = parse_access_answer(json, "u-1")) check_user(stored->view());
  if (auto stored = parse_api_key_answer(json, kDigest)) check_api_key(stored->view());
  if (auto changes = parse_changes_answer(json)) check_changes(*changes);
  if (auto claims = parse_claims(json, 8192)) {
    LG_CHECK(!claims->subject.empty() && is_visible_ascii(claims->subject), "a subject unfit for a header field");
    ClaimRules rules{.issuer = claims->issuer, .audiences = claims->audiences};
    (void)check_claims(*claims, rules, lotagate::WallTime::max());
    (void)check_claims(*claims, rules, lotagate::WallTime::min());
  }
  return 0;
}
