// Where a body ends, decided in one place from validated fields (RFC 9112 6). What is ambiguous is refused, and the
// fields themselves are never copied: framing is written anew from the decision.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "http/head.h"

namespace lotagate::http {

struct Framing {
  enum class Kind : std::uint8_t { none, length, chunked, until_close };
  Kind kind = Kind::none;
  std::uint64_t length = 0;  // of kind length

  bool has_body() const { return kind != Kind::none; }
};

// Errors: bad_request (F01 to F10; a length above 2^62 among them), not_implemented (an unknown coding before chunked).
Result<Framing> request_framing(const RequestHead& head);

// `to_head`: the answer to a HEAD request has no body whatever it says. Errors: upstream_invalid.
Result<Framing> response_framing(const ResponseHead& head, bool to_head);

// Whether the sender keeps the connection open after this message (RFC 9112 9.3).
bool keeps_alive(const FieldList& fields, int minor);

// Checks the names that Connection nominates (P01); bad_request if one of them must not be removed on request.
Result<void> check_nominations(const FieldList& fields);

// True if a Connection field names more than connection options (close, keep-alive): only then can a field of the
// message be nominated.
bool has_nominations(const FieldList& fields);

// True if a Connection field nominates `name`.
bool is_nominated(const FieldList& fields, std::string_view name);

}  // namespace lotagate::http
