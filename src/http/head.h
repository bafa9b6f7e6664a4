// Message heads: bytes in, views out. The grammar of RFC 9112 and nothing beside it: no bare LF or CR, no folded lines,
// no loose spaces, no odd versions or methods. Views point into the bytes given to the parser and die with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/field.h"

namespace lotagate::http {

struct HeadLimits {
  std::size_t head_bytes = std::size_t{32} * 1024;
  std::size_t fields = 100;
  std::size_t target_bytes = std::size_t{8} * 1024;
};

// Finds the end of a head while its bytes arrive; each byte is looked at once.
class HeadScanner {
 public:
  enum class Status : std::uint8_t { incomplete, complete, malformed };
  // `bytes`: everything of this head received so far (the same start each time). Malformed: a line that does not end in
  // CRLF, or a first byte that cannot begin a message; the parser refuses everything else.
  Status scan(std::string_view bytes);
  // Bytes of the complete head including its empty line.
  std::size_t head_bytes() const { return line_begin_; }
  // The first line has ended: the head is a slow one, no longer an idle connection with a stray byte.
  bool has_first_line() const { return line_begin_ > 0; }
  void reset() { *this = HeadScanner(); }

 private:
  std::size_t line_begin_ = 0;
  std::size_t scanned_ = 0;
};

// How many leading CRLF pairs of `bytes` to skip before a request line (RFC 9112 2.2); at most `kMaxLeadingBlankLines`.
inline constexpr std::size_t kMaxLeadingBlankLines = 4;
std::size_t leading_blank_bytes(std::string_view bytes);

// Storage is reused: parsing again after a warm-up allocates nothing.
struct FieldList {
  std::vector<Field> items;
  std::uint64_t seen = 0;  // bit i: a field with FieldName i is there; spares most questions a walk through the list

  void clear();
  void add(const Field& field);
  // The only field with this id; nullptr if there is none or more than one.
  const Field* only(FieldName id) const;
  const Field* first(FieldName id) const;
  std::size_t count(FieldName id) const;
};

struct RequestHead {
  std::string_view method;
  std::string_view target;
  int minor = 1;  // HTTP/1.x; 2 to 9 count as 1 (RFC 9110 2.5)
  FieldList fields;
};

struct ResponseHead {
  std::uint16_t status = 0;
  std::string_view reason;
  int minor = 1;
  FieldList fields;
};

// `bytes` is exactly one complete head as HeadScanner delimits it.
// Errors: bad_request, uri_too_long, headers_too_large, not_implemented (method.h), version_not_supported.
Result<void> parse_request_head(std::string_view bytes, const HeadLimits& limits, RequestHead& out);
// Errors: upstream_invalid.
Result<void> parse_response_head(std::string_view bytes, const HeadLimits& limits, ResponseHead& out);

// Whether the first line, once it has ended, is one of HTTP at all: other protocols (TLS, SSH) are told at once and not
// when the head's deadline has passed.
bool begins_like_request(std::string_view bytes);
bool begins_like_response(std::string_view bytes);

// The method and target of a head that did not parse, as far as they can be seen, for the log only.
void salvage_request_line(std::string_view bytes, std::string_view& method, std::string_view& target);

}  // namespace lotagate::http
