// The two forms of an ECDSA signature: JOSE's r || s (RFC 7518 3.4) and DER, which OpenSSL takes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lotagate::jose {

// ECDSA-Sig-Value (RFC 3279 2.2.3) of r || s, two big-endian numbers as long as `order`, the big-endian order of the
// curve, at most 66 bytes. Nothing for another length, and for numbers outside 1 to order - 1 (CVE-2022-21449).
std::optional<std::string> ecdsa_to_der(std::string_view signature, std::string_view order);

}  // namespace lotagate::jose
