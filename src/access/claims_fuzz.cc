// The claims of a token. Whatever arrives is refused or has the one reading that a second decision, over the second
// reader of JSON, finds in it; nothing enters a header field that could be read as something else.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/claims.h"
#include "access/issued_rights.h"
#include "access/permission.h"
#include "base/check.h"
#include "jose/test_rfc_json.h"

namespace lotagate::access {
namespace {

using jose::JsonValue;
using Texts = std::vector<std::string>;

const RightsClaims& names() {
  static const RightsClaims all{.tenant = "tenant",
                                .roles = "realm_access.roles",
                                .permissions = "permissions",
                                .scopes = "scope",
                                .headers = {{"email", "X-Auth-Email"}, {"a.b.c", "X-Auth-Deep"}}};
  return all;
}

const std::vector<RolePermissions>& role_permissions() {
  static const std::vector<RolePermissions> all{{"member", {"models:read", "*:list"}}, {"admin", {"*:*"}}};
  return all;
}

bool visible(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; });
}

const JsonValue* at(const JsonValue& object, const std::string& path) {
  if (object.kind != JsonValue::Kind::object) return nullptr;
  if (const JsonValue* whole = object.find(path)) return whole->kind == JsonValue::Kind::null ? nullptr : whole;
  auto dot = path.find('.');
  const JsonValue* first = dot == path.npos ? nullptr : object.find(path.substr(0, dot));
  return first == nullptr ? nullptr : at(*first, path.substr(dot + 1));
}

bool is_scalar(const JsonValue& value) {
  return value.kind == JsonValue::Kind::boolean || value.kind == JsonValue::Kind::number;
}

// The values of a claim, each by itself; nothing for one that is no text and no list of texts.
std::optional<std::vector<JsonValue>> values_of(const JsonValue& value, bool scalars) {
  auto values = value.kind == JsonValue::Kind::array ? value.items : std::vector<JsonValue>{value};
  auto counts = [&](const JsonValue& item) {
    return item.kind == JsonValue::Kind::string || (scalars && is_scalar(item));
  };
  if (!std::ranges::all_of(values, counts)) return std::nullopt;
  return values;
}

bool is_date(const JsonValue& claims, std::string_view name, bool required) {
  const JsonValue* value = claims.find(name);
  return value == nullptr ? !required : value->kind == JsonValue::Kind::number;
}

// RFC 7519 4.1, and what the gateway asks beyond it.
std::optional<JsonValue> slow_claims(std::string_view json) {
  auto claims = jose::read_json_slowly(json);
  if (!claims || claims->kind != JsonValue::Kind::object || !claims->string_member("iss")) return std::nullopt;
  if (!visible(claims->string_member("sub").value_or(""), kMaxSubjectBytes)) return std::nullopt;
  if (!is_date(*claims, "exp", true) || !is_date(*claims, "nbf", false) || !is_date(*claims, "iat", false))
    return std::nullopt;
  const JsonValue* audience = claims->find("aud");
  if (audience != nullptr && !values_of(*audience, false)) return std::nullopt;
  return claims;
}

void check_registered(const Claims& read, const JsonValue& expected) {
  LG_CHECK(read.issuer == expected.string_member("iss"), "another issuer");
  LG_CHECK(read.subject == expected.string_member("sub"), "another subject");
  Texts audiences;
  if (const JsonValue* audience = expected.find("aud")) {
    auto values = values_of(*audience, false);
    for (const auto& value : *values) audiences.push_back(value.text);
  }
  LG_CHECK(read.audiences == audiences, "other audiences");
  LG_CHECK(read.not_before.has_value() == (expected.find("nbf") != nullptr), "nbf, or not");
  LG_CHECK(read.issued_at.has_value() == (expected.find("iat") != nullptr), "iat, or not");
  // Whole seconds, as far as a double keeps apart: more is what the unit tests are for.
  double expires_s = std::strtod(expected.find("exp")->text.c_str(), nullptr);
  if (std::abs(expires_s) < 9e9) {
    double read_s = std::chrono::duration<double>(read.expires.time_since_epoch()).count();
    LG_CHECK(std::abs(read_s - expires_s) < 1e-5, "another expiry");
  } else {
    LG_CHECK(read.expires == (expires_s > 0 ? WallTime::max() : WallTime::min()) || std::abs(expires_s) < 9.3e9,
             "an expiry that wrapped");
  }
}

bool same_text(const std::string& read, const JsonValue& expected) {
  if (expected.kind != JsonValue::Kind::number) return read == expected.text;
  return std::strtod(read.c_str(), nullptr) == std::strtod(expected.text.c_str(), nullptr);
}

void check_paths(const ClaimSet& claims, const JsonValue& expected) {
  for (std::string path :
       {"realm_access.roles", "permissions", "scope", "tenant", "sid", "email", "a.b.c", "a", "", "."}) {
    const JsonValue* value = at(expected, path);
    LG_CHECK(claims.has(path) == (value != nullptr), "a claim that is not there, or is");
    for (bool scalars : {false, true}) {
      Texts texts;
      auto kind = claims.read(path, scalars ? ClaimSet::Scalars::any : ClaimSet::Scalars::strings, texts);
      LG_CHECK((kind == ClaimSet::Kind::absent) == (value == nullptr), "a claim that is not there, or is");
      if (value == nullptr) continue;
      auto values = values_of(*value, scalars);
      auto expected_kind = value->kind == JsonValue::Kind::array ? ClaimSet::Kind::list : ClaimSet::Kind::text;
      LG_CHECK(kind == (values ? expected_kind : ClaimSet::Kind::malformed), "another kind of claim");
      if (values) LG_CHECK(std::ranges::equal(texts, *values, same_text), "other texts");
    }
  }
}

Texts split(std::string_view joined, char separator) {
  Texts parts;
  while (!joined.empty()) {
    auto end = std::min(joined.find(separator), joined.size());
    parts.emplace_back(joined.substr(0, end));
    joined.remove_prefix(std::min(end + 1, joined.size()));
  }
  return parts;
}

// Texts of a list claim; nothing if it refuses the token.
std::optional<Texts> slow_list(const JsonValue& claims, const std::string& path) {
  const JsonValue* value = at(claims, path);
  if (value == nullptr) return Texts{};
  auto values = values_of(*value, false);
  if (!values || values->size() > kMaxClaimEntries) return std::nullopt;
  Texts texts;
  for (const auto& item : *values) texts.push_back(item.text);
  return texts;
}

// A claim that must be one visible text; empty if it is absent, nothing if it refuses the token.
std::optional<std::string> slow_one(const JsonValue& claims, const std::string& path, std::size_t most) {
  auto texts = slow_list(claims, path);
  if (texts && texts->empty() && at(claims, path) == nullptr) return "";
  if (!texts || texts->size() != 1 || !visible(texts->front(), most)) return std::nullopt;
  return texts->front();
}

std::optional<Principal> slow_rights(const JsonValue& claims) {
  auto tenant = slow_one(claims, "tenant", kMaxSubjectBytes);
  auto session = slow_one(claims, "sid", 128);
  auto roles = slow_list(claims, "realm_access.roles");
  auto permissions = slow_list(claims, "permissions");
  auto scopes = slow_list(claims, "scope");
  if (!tenant || !session || !roles || !permissions || !scopes) return std::nullopt;
  Principal expected{.subject = "", .issuer = "", .tenant = *tenant, .session = *session};
  for (const auto& role : *roles) {
    if (!visible(role, 256) || role.contains(',')) continue;
    expected.roles += (expected.roles.empty() ? "" : ",") + role;
  }
  auto grant = [&](const std::string& text) {
    expected.permissions += (expected.permissions.empty() ? "" : ",") + text;
  };
  for (const auto& text : *permissions) {
    if (valid_permission(text)) grant(text);
  }
  for (const auto& [role, granted] : role_permissions()) {
    if (std::ranges::find(*roles, role) != roles->end() && visible(role, 256)) std::ranges::for_each(granted, grant);
  }
  const JsonValue* scope = at(claims, "scope");
  Texts words = scope != nullptr && scope->kind == JsonValue::Kind::string ? split(scope->text, ' ') : *scopes;
  for (const auto& word : words) {
    if (!word.empty() && !word.contains(' ')) expected.scopes += (expected.scopes.empty() ? "" : " ") + word;
  }
  return expected;
}

// Whole lines of the configured names, each at most once, of printable ASCII; a list without a comma inside.
void check_header_lines(std::string_view lines, const JsonValue& claims) {
  LG_CHECK(lines.size() <= kMaxClaimHeaderBytes, "lines without bounds");
  for (const auto& [claim, header] : names().headers) {
    if (!lines.starts_with(header + ": ")) continue;
    auto end = lines.find("\r\n");
    LG_CHECK(end != lines.npos, "a line without an end");
    std::string_view value = lines.substr(header.size() + 2, end - header.size() - 2);
    LG_CHECK(!value.empty() && value.front() != ' ' && value.back() != ' ', "blanks that a server would drop");
    LG_CHECK(std::ranges::all_of(value, [](char c) { return c >= ' ' && c < 127; }), "what no field may hold");
    const JsonValue& source = *at(claims, claim);
    auto values = values_of(source, true);
    LG_CHECK(values && !values->empty(), "a field out of nothing");
    auto parts = source.kind == JsonValue::Kind::array ? split(value, ',') : Texts{std::string(value)};
    LG_CHECK(std::ranges::equal(parts, *values, same_text), "a list that services would split elsewhere");
    lines.remove_prefix(end + 2);
  }
  LG_CHECK(lines.empty(), "a line of another name");
}

void check_rights(const ClaimSet& claims, const JsonValue& json) {
  Principal principal{.subject = "", .issuer = ""};
  bool read = read_rights(claims, names(), role_permissions(), principal).has_value();
  auto expected = slow_rights(json);
  LG_CHECK(read == expected.has_value(), read ? "bad claims are taken" : "good claims are refused");
  if (!read) return;
  LG_CHECK(principal.tenant == expected->tenant && principal.session == expected->session, "another tenant or session");
  LG_CHECK(principal.roles == expected->roles, "other roles");
  LG_CHECK(principal.permissions == expected->permissions, "other permissions");
  LG_CHECK(principal.scopes == expected->scopes, "other scopes");
  check_header_lines(principal.header_lines, json);
}

void check(std::string_view json) {
  auto expected = slow_claims(json);
  auto claims = parse_claims(json, 8192);
  LG_CHECK(claims.has_value() == expected.has_value(), claims ? "bad claims are read" : "good claims are refused");
  if (!claims) return;
  check_registered(claims->registered(), *expected);
  check_paths(*claims, *expected);
  check_rights(*claims, *expected);
}

}  // namespace
}  // namespace lotagate::access

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lotagate::access::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
