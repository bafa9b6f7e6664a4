// Request targets and authorities (RFC 9112 3.2, RFC 3986): one canonical path and one canonical host per request,
// computed once, used for the match, the permission, the bucket, the log and the upstream alike (N01 to N10).
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "http/head.h"

namespace lotagate::http {

struct Target {
  std::string_view path;       // canonical, begins with '/'; "*" for the asterisk form
  std::string_view query;      // with its '?', byte-exact; empty if there is none
  std::string_view authority;  // canonical host with its port unless that is 80; may be empty for HTTP/1.0
  std::string_view host;       // the authority without its port
};

// Decides origin-form, absolute-form and asterisk-form, and the authority from it or from Host (L10 to L12).
// Views live in `head` or `arena`. Errors: bad_request, ambiguous_path.
Result<Target> resolve_target(const RequestHead& head, Arena& arena);

// The canonical form of an origin path without query: unreserved octets decoded, hex digits upper-case, dot segments
// removed. Returns `path` itself if it is plainly canonical, a copy in `arena` otherwise. Errors: bad_request,
// ambiguous_path.
Result<std::string_view> canonical_path(std::string_view path, Arena& arena);

// What a segment of a canonical path stands for: percent-decoded, once. `segment` itself if nothing in it is encoded.
std::string_view decode_segment(std::string_view segment, Arena& arena);
// The same, always copied into `buffer`; nothing if that is too small.
std::optional<std::string_view> decode_segment(std::string_view segment, std::span<char> buffer);

// A segment of a canonical path up to its parameters: some services decode before they look for them, so an encoded
// ';' begins them, too.
std::string_view without_parameters(std::string_view segment);
// Whether some segment of a canonical path has parameters.
bool has_parameters(std::string_view path);

// host[:port] lower-cased, without trailing dot and default port. Errors: bad_request.
Result<Target> canonical_authority(std::string_view authority, Arena& arena);

}  // namespace lotagate::http
