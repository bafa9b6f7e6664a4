#include "gateway/credentials.h"

#include <optional>

#include "base/text.h"

namespace lotagate {
namespace {

std::unexpected<Error> bad_request(std::string_view reason) {
  return fail(ErrorCode::bad_request, Origin::downstream, reason);
}

std::unexpected<Error> missing(std::string_view reason) {
  return fail(ErrorCode::missing_token, Origin::downstream, reason);
}

// RFC 6750 2.1; the scheme has no case (RFC 9110 11.1). Nothing if there is no such field, empty for another scheme.
std::optional<std::string_view> bearer_token(const http::FieldList& fields) {
  const http::Field* field = fields.first(http::FieldName::authorization);
  if (field == nullptr) return std::nullopt;
  constexpr std::string_view kScheme = "Bearer ";
  bool as_usual = field->value.starts_with(kScheme);
  bool has_scheme = as_usual || iequals(field->value.substr(0, kScheme.size()), kScheme);
  return has_scheme ? field->value.substr(kScheme.size()) : std::string_view();
}

// The one field that carries an API key; nothing without it.
Result<std::optional<std::string_view>> api_key(const http::FieldList& fields, std::string_view header) {
  std::optional<std::string_view> found;
  for (const http::Field& field : fields.items) {
    if (!iequals(field.name, header)) continue;
    if (found) return bad_request("repeated API key");
    found = field.value;
  }
  return found;
}

}  // namespace

std::string_view credential_name(Credential credential) {
  switch (credential) {
    case Credential::none: return {};
    case Credential::token: return "token";
    case Credential::api_key: return "api_key";
  }
  return {};
}

Result<ShownCredential> find_credential(const http::FieldList& fields, const CredentialRules& rules) {
  auto token = bearer_token(fields);
  bool has_token = token && !token->empty();
  if (rules.takes_api_keys) {
    TRY(key, api_key(fields, rules.api_key_header));
    if (key && has_token) return bad_request("a token and an API key");
    if (key) return ShownCredential{Credential::api_key, *key};
  }
  if (!token) return missing("no Authorization");
  if (!has_token) return missing("not a bearer token");
  return ShownCredential{Credential::token, *token};
}

}  // namespace lotagate
