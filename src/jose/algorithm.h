// JWS signature algorithms (RFC 7518 3.1, RFC 8037) that this product can verify.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lotagate::jose {

enum class Algorithm : std::uint8_t { RS256, ES256, EdDSA };

// Exact, case-sensitive; "none" and everything unknown is nothing.
constexpr std::optional<Algorithm> parse_algorithm(std::string_view name) {
  if (name == "RS256") return Algorithm::RS256;
  if (name == "ES256") return Algorithm::ES256;
  if (name == "EdDSA") return Algorithm::EdDSA;
  return std::nullopt;
}

constexpr std::string_view algorithm_name(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::RS256: return "RS256";
    case Algorithm::ES256: return "ES256";
    case Algorithm::EdDSA: return "EdDSA";
  }
  return "";
}

}  // namespace lotagate::jose
