// Whatever the User Management Service, or something in its place, answers.
// What is accepted is read a second time, by simdjson's other parser and without the reader's help, and must say the
// same: no member overlooked, nothing allowed that is not written there.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "access/access_answer.h"
#include "access/api_key.h"
#include "access/identity_text.h"
#include "access/permission.h"
#include "base/check.h"

namespace lotagate::access {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::string_view kDigest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

// The members of an object as they are written: texts, numbers and booleans, and lists of texts.
struct Members {
  std::map<std::string, std::string> plain;
  std::map<std::string, std::vector<std::string>> lists;

  std::set<std::string> names() const {
    std::set<std::string> all;
    for (const auto& [name, value] : plain) all.insert(name);
    for (const auto& [name, value] : lists) all.insert(name);
    return all;
  }
};

std::string text_of(ondemand::value value) {
  if (value.type() == ondemand::json_type::string) return std::string(std::string_view(value.get_string()));
  std::string_view raw = std::string_view(value.raw_json_token());
  std::string text(raw.substr(0, raw.find_last_not_of(" \t\r\n") + 1));
  return text == "-0" ? "0" : text;  // JSON lets zero have a sign
}

// Only for what the reader under test accepted: everything is text, number, boolean or a list of texts then.
Members read_again(std::string_view json) {
  Members members;
  ondemand::parser parser;
  simdjson::padded_string padded(json);
  ondemand::document document = parser.iterate(padded);
  for (auto field : document.get_object()) {
    std::string name(std::string_view(field.unescaped_key()));
    LG_CHECK(!members.names().contains(name), "a member that came twice");
    ondemand::value value = field.value();
    if (value.type() != ondemand::json_type::array) {
      members.plain[name] = text_of(value);
      continue;
    }
    auto& list = members.lists[name];
    for (auto item : value.get_array()) list.push_back(text_of(item.value()));
  }
  return members;
}

void check_names(const Members& members, const std::set<std::string>& required, const std::set<std::string>& optional) {
  std::set<std::string> names = members.names();
  for (const auto& name : required) LG_CHECK(names.contains(name), "a member is missing");
  for (const auto& name : names) LG_CHECK(required.contains(name) || optional.contains(name), "an unknown member");
}

bool is_name(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && is_visible_ascii(text);
}

void check_list(const TextList& list, const Members& members, const std::string& name, std::size_t most) {
  std::vector<std::string> texts(list.begin(), list.end());
  auto written = members.lists.find(name);
  LG_CHECK(texts == (written == members.lists.end() ? std::vector<std::string>{} : written->second), "another list");
  LG_CHECK(texts.size() <= most, "a list without bounds");
}

void check_common(const AccessGrant& grant, const Members& members) {
  LG_CHECK(!grant.unknown && grant.subject == members.plain.at("subject"), "an answer about somebody else");
  LG_CHECK(members.plain.at("disabled") == (grant.disabled ? "true" : "false"), "an answer that enables");
  LG_CHECK(members.plain.at("revision") == std::to_string(grant.revision), "another revision");
  check_list(grant.permissions, members, "permissions", 1024);
  for (auto text : grant.permissions) LG_CHECK(valid_permission(text), "an invalid permission");
}

void check_user(std::string_view json, const AccessGrant& grant) {
  Members members = read_again(json);
  check_names(members, {"subject", "tenant", "plan", "roles", "permissions", "revision", "disabled"},
              {"revoked_sessions"});
  check_common(grant, members);
  LG_CHECK(grant.subject == "u-1", "an answer about somebody else");
  LG_CHECK(grant.tenant == members.plain.at("tenant") && grant.plan == members.plain.at("plan"), "another tenant");
  LG_CHECK(grant.tenant.empty() || is_name(grant.tenant, 256), "a tenant unfit for a header field");
  bool known_plan = grant.plan == "free" || grant.plan == "pro" || grant.plan == "enterprise";
  LG_CHECK(known_plan || (grant.plan.empty() && grant.tenant.empty()), "a plan that nobody knows");
  check_list(grant.roles, members, "roles", 64);
  for (auto text : grant.roles) LG_CHECK(is_name(text, 64), "a role unfit for a header field");
  check_list(grant.revoked_sessions, members, "revoked_sessions", kMaxRevokedSessions);
  for (auto text : grant.revoked_sessions) LG_CHECK(is_name(text, kMaxSessionBytes), "a session that no token names");
  LG_CHECK(grant.key_id.empty() && grant.expires == WallTime::max(), "a user that is an API key");
}

void check_api_key(std::string_view json, const AccessGrant& grant) {
  Members members = read_again(json);
  check_names(members, {"key_id", "subject", "permissions", "revision", "disabled"}, {"expires_at"});
  check_common(grant, members);
  LG_CHECK(grant.key_id == members.plain.at("key_id") && is_name(grant.key_id, 128), "another key");
  LG_CHECK(is_name(grant.subject, 256), "a key of nobody");
  auto expiry = members.plain.find("expires_at");
  if (expiry == members.plain.end()) {
    LG_CHECK(grant.expires == WallTime::max(), "a key that ends without a reason");
  } else if (grant.expires != WallTime::max()) {
    auto at = std::chrono::floor<seconds>(grant.expires.time_since_epoch()).count();
    LG_CHECK(expiry->second == std::to_string(at), "a key that ends at another time");
  } else {
    LG_CHECK(expiry->second.size() >= 10, "a key that should end in this century and does not");
  }
  LG_CHECK(grant.roles.empty() && grant.tenant.empty() && grant.revoked_sessions.empty(), "an API key that is a user");
}

void check_changes(std::string_view json, const ChangesAnswer& changes) {
  Members members = read_again(json);
  check_names(members, {"revision"}, {"subjects", "api_keys", "all"});
  LG_CHECK(members.plain.at("revision") == std::to_string(changes.revision), "another revision");
  auto all = members.plain.find("all");
  LG_CHECK(changes.all == (all != members.plain.end()), "all, or not");
  if (changes.all) {
    LG_CHECK(all->second == "true" && members.lists.empty(), "all and some");
    return;
  }
  LG_CHECK(members.lists.contains("subjects") && members.lists["subjects"] == changes.subjects, "a change overlooked");
  LG_CHECK(members.lists["api_keys"] == changes.api_keys, "a change of a key overlooked");
  for (const auto& subject : changes.subjects) LG_CHECK(is_name(subject, 256), "a subject that no token has");
  for (const auto& digest : changes.api_keys) LG_CHECK(valid_api_key_digest(digest), "what is no digest");
}

}  // namespace
}  // namespace lotagate::access

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lotagate::access;
  std::string_view json(reinterpret_cast<const char*>(data), size);
  if (auto stored = parse_access_answer(json, "u-1")) {
    LG_CHECK(stored->key() == "u-1", "kept under another name");
    check_user(json, stored->view());
  }
  if (auto stored = parse_api_key_answer(json, kDigest)) {
    LG_CHECK(stored->key() == kDigest, "kept under another digest");
    check_api_key(json, stored->view());
  }
  if (auto changes = parse_changes_answer(json)) check_changes(json, *changes);
  return 0;
}
