#include "access/access_answer.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>

#include "access/api_key.h"
#include "access/claims.h"
#include "access/identity_text.h"
#include "access/permission.h"
#include "jose/strict_json.h"

namespace lotagate::access {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxTenantBytes = 256;
constexpr std::size_t kMaxKeyIdBytes = 128;
constexpr std::size_t kMaxRoleBytes = 64;
constexpr std::size_t kMaxRoles = 64;  // joined they stay below 4.2 KiB of a forwarded head
constexpr std::size_t kMaxPermissions = 1024;
constexpr std::array<std::string_view, 3> kPlans{"free", "pro", "enterprise"};

std::unexpected<Error> refuse(std::string_view reason) {
  return fail(ErrorCode::authorization_unavailable, Origin::upstream, reason);
}

// Every member must be one of `known`: a member this version does not understand could mean a restriction.
bool only_known_members(const dom::object& object, std::span<const std::string_view> known) {
  for (dom::key_value_pair member : object) {
    if (std::find(known.begin(), known.end(), member.key) == known.end()) return false;
  }
  return true;
}

template <typename T>
bool read(const dom::object& object, std::string_view name, T& value) {
  return object.at_key(name).get(value) == simdjson::SUCCESS;
}

bool has(const dom::object& object, std::string_view name) { return object.at_key(name).error() == simdjson::SUCCESS; }

struct ListRules {
  std::size_t max_count;
  bool (*valid)(std::string_view);  // refuses empty texts and those with the separator
  char separator = ',';
};

// A list of texts that all pass, joined; nothing when anything is odd.
std::optional<std::string> read_texts(const dom::object& object, std::string_view name, const ListRules& rules) {
  dom::array list;
  if (!read(object, name, list) || list.size() > rules.max_count) return std::nullopt;
  std::string joined;
  for (dom::element element : list) {
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS || !rules.valid(text)) return std::nullopt;
    if (!joined.empty()) joined += rules.separator;
    joined += text;
  }
  return joined;
}

bool is_name(std::string_view text, std::size_t max_bytes) {
  return !text.empty() && text.size() <= max_bytes && is_visible_ascii(text);
}

// Roles go comma separated into one header field.
bool valid_role(std::string_view role) { return is_name(role, kMaxRoleBytes) && role.find(',') == role.npos; }
bool valid_subject(std::string_view subject) { return is_name(subject, kMaxPrefixedSubjectBytes); }
bool valid_session(std::string_view id) { return is_name(id, kMaxSessionBytes); }

constexpr ListRules kPermissionRules{.max_count = kMaxPermissions, .valid = valid_permission};

// Optional: without it no session was ended early.
std::optional<std::string> read_revoked_sessions(const dom::object& object) {
  if (!has(object, "revoked_sessions")) return std::string();
  return read_texts(object, "revoked_sessions",
                    {.max_count = kMaxRevokedSessions, .valid = valid_session, .separator = kSessionSeparator});
}

// The names of a changes answer, which may be a great many.
bool read_names(const dom::object& object, std::string_view member, bool (*valid)(std::string_view),
                std::vector<std::string>& names) {
  dom::array list;
  if (!read(object, member, list)) return false;
  names.reserve(list.size());
  for (dom::element element : list) {
    std::string_view name;
    if (element.get(name) != simdjson::SUCCESS || !valid(name)) return false;
    names.emplace_back(name);
  }
  return true;
}

// A user may belong to no tenant: then both are empty. Otherwise the plan is one of the contract's.
bool read_tenant(const dom::object& object, AccessGrant& grant) {
  std::string_view tenant;
  std::string_view plan;
  if (!read(object, "tenant", tenant) || !read(object, "plan", plan)) return false;
  if (tenant.size() > kMaxTenantBytes || !is_visible_ascii(tenant)) return false;
  bool known_plan = std::find(kPlans.begin(), kPlans.end(), plan) != kPlans.end();
  if (!known_plan && !(tenant.empty() && plan.empty())) return false;
  grant.tenant = tenant;
  grant.plan = plan;
  return true;
}

Result<dom::object> parse_object(dom::parser& parser, std::string_view json, std::size_t max_bytes) {
  dom::element document;
  auto refusal = jose::parse_strict_json(parser, json, {.max_bytes = max_bytes}, document);
  if (!refusal.empty()) return refuse(refusal);
  dom::object object;
  if (document.get(object) != simdjson::SUCCESS) return refuse("answer_not_an_object");
  return object;
}

// The largest whole second that a WallTime can hold; a key that expires later does not expire.
constexpr std::uint64_t kMaxWallSeconds =
    std::chrono::duration_cast<seconds>(WallTime::max().time_since_epoch()).count();

// Optional: without it the key does not expire.
bool read_expiry(const dom::object& object, AccessGrant& grant) {
  if (!has(object, "expires_at")) return true;
  std::uint64_t at = 0;
  if (!read(object, "expires_at", at)) return false;
  grant.expires = at >= kMaxWallSeconds ? WallTime::max() : WallTime(seconds(at));
  return true;
}

void append_percent_encoded(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

}  // namespace

std::string user_access_path(std::string_view subject) {
  std::string path = "/internal/v1/users/";
  append_percent_encoded(path, subject);
  return path += "/access";
}

std::string api_key_path(std::string_view digest) { return "/internal/v1/api-keys/" + std::string(digest); }

Result<StoredGrant> parse_access_answer(std::string_view json, std::string_view subject) {
  constexpr std::array<std::string_view, 8> kMembers{"subject",     "tenant",   "plan",     "roles",
                                                     "permissions", "revision", "disabled", "revoked_sessions"};
  dom::parser parser;
  TRY(object, parse_object(parser, json, kMaxAccessAnswerBytes));
  if (!only_known_members(object, kMembers)) return refuse("answer_member_unknown");

  AccessGrant grant;
  if (!read(object, "subject", grant.subject)) return refuse("answer_subject_malformed");
  if (grant.subject != subject) return refuse("answer_for_another_subject");
  if (!read_tenant(object, grant)) return refuse("answer_tenant_malformed");
  auto roles = read_texts(object, "roles", {.max_count = kMaxRoles, .valid = valid_role});
  if (!roles) return refuse("answer_roles_malformed");
  auto permissions = read_texts(object, "permissions", kPermissionRules);
  if (!permissions) return refuse("answer_permissions_malformed");
  auto sessions = read_revoked_sessions(object);
  if (!sessions) return refuse("answer_revoked_sessions_malformed");
  if (!read(object, "revision", grant.revision)) return refuse("answer_revision_malformed");
  if (!read(object, "disabled", grant.disabled)) return refuse("answer_disabled_malformed");
  grant.roles = TextList(*roles);
  grant.permissions = TextList(*permissions);
  grant.revoked_sessions = TextList(*sessions, kSessionSeparator);
  return StoredGrant(subject, grant);
}

Result<StoredGrant> parse_api_key_answer(std::string_view json, std::string_view digest) {
  constexpr std::array<std::string_view, 6> kMembers{"key_id",   "subject",  "permissions",
                                                     "revision", "disabled", "expires_at"};
  dom::parser parser;
  TRY(object, parse_object(parser, json, kMaxAccessAnswerBytes));
  if (!only_known_members(object, kMembers)) return refuse("answer_member_unknown");

  AccessGrant grant;
  bool good_id = read(object, "key_id", grant.key_id) && is_name(grant.key_id, kMaxKeyIdBytes);
  if (!good_id) return refuse("answer_key_id_malformed");
  bool good_subject = read(object, "subject", grant.subject) && valid_subject(grant.subject);
  if (!good_subject) return refuse("answer_subject_malformed");
  auto permissions = read_texts(object, "permissions", kPermissionRules);
  if (!permissions) return refuse("answer_permissions_malformed");
  if (!read(object, "revision", grant.revision)) return refuse("answer_revision_malformed");
  if (!read(object, "disabled", grant.disabled)) return refuse("answer_disabled_malformed");
  if (!read_expiry(object, grant)) return refuse("answer_expiry_malformed");
  grant.permissions = TextList(*permissions);
  return StoredGrant(digest, grant);
}

Result<ChangesAnswer> parse_changes_answer(std::string_view json) {
  constexpr std::array<std::string_view, 4> kMembers{"revision", "subjects", "api_keys", "all"};
  dom::parser parser;
  TRY(object, parse_object(parser, json, kMaxChangesAnswerBytes));
  if (!only_known_members(object, kMembers)) return refuse("answer_member_unknown");

  ChangesAnswer answer;
  if (!read(object, "revision", answer.revision)) return refuse("answer_revision_malformed");
  bool has_all = has(object, "all");
  if (has_all == has(object, "subjects")) return refuse("answer_subjects_malformed");
  if (has_all) {
    if (!read(object, "all", answer.all) || !answer.all) return refuse("answer_subjects_malformed");
    // `all` names everything: a list beside it would be a contradiction.
    if (has(object, "api_keys")) return refuse("answer_api_keys_malformed");
    return answer;
  }
  if (!read_names(object, "subjects", valid_subject, answer.subjects)) return refuse("answer_subjects_malformed");
  bool good_keys = !has(object, "api_keys") || read_names(object, "api_keys", valid_api_key_digest, answer.api_keys);
  if (!good_keys) return refuse("answer_api_keys_malformed");
  return answer;
}

}  // namespace lotagate::access
