// What a request shows of whom it is from, before anybody has looked whether it is true.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "http/head.h"

namespace lotagate {

enum class Credential : std::uint8_t { none, token, api_key };

// The name in log and explanations; empty for none.
std::string_view credential_name(Credential credential);

struct ShownCredential {
  Credential kind = Credential::none;
  std::string_view text{};  // of the token or of the key, in the request's fields
};

struct CredentialRules {
  bool takes_api_keys = false;      // elsewhere an API key is no credential, and no mistake either
  std::string_view api_key_header;  // compared without case
};

// The one credential of a request. Errors, with static reasons: missing_token; bad_request for a repeated API key and
// for a token beside an API key, because then nobody can say whom the request is from.
Result<ShownCredential> find_credential(const http::FieldList& fields, const CredentialRules& rules);

}  // namespace lotagate
