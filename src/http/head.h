// Message heads: bytes in, views out. The grammar of RFC 9112 and nothing beside it: no bare LF or CR, no folded lines,
// no loose spaces, no odd versions or methods. Views point into the bytes given to the parser and die with them.
#pragma once

#include <algorithm>
#include <array>
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
class FieldList {
 public:
  std::vector<Field> items;  // grows by add() only

  void clear() {
    items.clear();
    seen_ = repeated_ = 0;
  }
  void add(const Field& field) {
    std::uint64_t bit = bit_of(field.id);
    if ((seen_ & bit) == 0) firsts_[static_cast<std::size_t>(field.id)] = static_cast<std::uint16_t>(items.size());
    repeated_ |= seen_ & bit;
    seen_ |= bit;
    items.push_back(field);
  }
  bool has(FieldName id) const { return (seen_ & bit_of(id)) != 0; }
  bool repeats(FieldName id) const { return (repeated_ & bit_of(id)) != 0; }
  // Null if there is none.
  const Field* first(FieldName id) const { return has(id) ? &items[firsts_[static_cast<std::size_t>(id)]] : nullptr; }
  std::size_t count(FieldName id) const {
    if (!repeats(id)) return has(id) ? 1 : 0;
    auto same = [&](const Field& field) { return field.id == id; };
    return static_cast<std::size_t>(std::count_if(items.begin(), items.end(), same));
  }
  // The only field with this id; null if there is none or more than one.
  const Field* only(FieldName id) const { return repeats(id) ? nullptr : first(id); }
  // The value of the only field with this name, in any case. Several fields of one name are none: whoever decides by
  // the first would not see what a service may act on (I03).
  std::optional<std::string_view> only_value(std::string_view name) const;

 private:
  static constexpr std::uint64_t bit_of(FieldName id) { return std::uint64_t{1} << static_cast<unsigned>(id); }
  static_assert(kFieldNameCount <= 64);

  // Spare the questions asked of every message a walk through the list.
  std::uint64_t seen_ = 0;
  std::uint64_t repeated_ = 0;
  std::array<std::uint16_t, kFieldNameCount> firsts_{};  // where `seen_` has the bit; heads end at 64 KiB
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
