#include "access/access_answer.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>

#include "access/claims.h"
#include "access/identity_text.h"
#include "access/permission.h"
#include "jose/strict_json.h"

namespace lotagate::access {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxTenantBytes = 256;
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

// A list of texts that all pass `valid`; nothing when anything is odd.
template <typename Valid>
std::optional<std::vector<std::string>> read_texts(const dom::object& object, std::string_view name,
                                                   std::size_t max_count, Valid valid) {
  dom::array list;
  if (!read(object, name, list) || list.size() > max_count) return std::nullopt;
  std::vector<std::string> texts;
  texts.reserve(list.size());
  for (dom::element element : list) {
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS || !valid(text)) return std::nullopt;
    texts.emplace_back(text);
  }
  return texts;
}

// Roles go comma separated into one header field.
bool valid_role(std::string_view role) {
  return !role.empty() && role.size() <= kMaxRoleBytes && is_visible_ascii(role) && role.find(',') == role.npos;
}

bool valid_subject(std::string_view subject) {
  return !subject.empty() && subject.size() <= kMaxSubjectBytes && is_visible_ascii(subject);
}

std::string join(const std::vector<std::string>& texts) {
  std::string joined;
  for (const auto& text : texts) {
    if (!joined.empty()) joined += ',';
    joined += text;
  }
  return joined;
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

}  // namespace

Result<AccessGrant> parse_access_answer(std::string_view json, std::string_view subject) {
  constexpr std::array<std::string_view, 7> kMembers{"subject",     "tenant",   "plan",    "roles",
                                                     "permissions", "revision", "disabled"};
  dom::parser parser;
  TRY(object, parse_object(parser, json, kMaxAccessAnswerBytes));
  if (!only_known_members(object, kMembers)) return refuse("answer_member_unknown");

  std::string_view answered;
  if (!read(object, "subject", answered)) return refuse("answer_subject_malformed");
  if (answered != subject) return refuse("answer_for_another_subject");
  AccessGrant grant;
  if (!read_tenant(object, grant)) return refuse("answer_tenant_malformed");
  auto roles = read_texts(object, "roles", kMaxRoles, valid_role);
  if (!roles) return refuse("answer_roles_malformed");
  auto permissions = read_texts(object, "permissions", kMaxPermissions, valid_permission);
  if (!permissions) return refuse("answer_permissions_malformed");
  if (!read(object, "revision", grant.revision)) return refuse("answer_revision_malformed");
  if (!read(object, "disabled", grant.disabled)) return refuse("answer_disabled_malformed");
  grant.roles_joined = join(*roles);
  grant.roles = *std::move(roles);
  grant.permissions = *std::move(permissions);
  return grant;
}

Result<ChangesAnswer> parse_changes_answer(std::string_view json) {
  constexpr std::array<std::string_view, 3> kMembers{"revision", "subjects", "all"};
  dom::parser parser;
  TRY(object, parse_object(parser, json, kMaxChangesAnswerBytes));
  if (!only_known_members(object, kMembers)) return refuse("answer_member_unknown");

  ChangesAnswer answer;
  if (!read(object, "revision", answer.revision)) return refuse("answer_revision_malformed");
  bool has_all = object.at_key("all").error() == simdjson::SUCCESS;
  bool has_subjects = object.at_key("subjects").error() == simdjson::SUCCESS;
  if (has_all == has_subjects) return refuse("answer_subjects_malformed");
  if (has_all) {
    if (!read(object, "all", answer.all) || !answer.all) return refuse("answer_subjects_malformed");
    return answer;
  }
  auto subjects = read_texts(object, "subjects", kMaxChangesAnswerBytes, valid_subject);
  if (!subjects) return refuse("answer_subjects_malformed");
  answer.subjects = *std::move(subjects);
  return answer;
}

}  // namespace lotagate::access
