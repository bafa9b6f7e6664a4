#include "http/head.h"

#include <algorithm>
#include <optional>

#include "base/bytes16.h"
#include "base/text.h"
#include "http/field_lines.h"
#include "http/method.h"

namespace lotagate::http {
namespace {

std::unexpected<Error> bad_request(std::string_view reason) {
  return fail(ErrorCode::bad_request, Origin::downstream, reason);
}

std::unexpected<Error> bad_response(std::string_view reason) {
  return fail(ErrorCode::upstream_invalid, Origin::upstream, reason);
}

// "HTTP/1.x" at the end of a request line or the start of a status line; the minor version, or -1.
int parse_minor_version(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/1.")) return -1;
  char digit = text[7];
  if (digit < '0' || digit > '9') return -1;
  return digit == '0' ? 0 : 1;
}

bool is_other_http_version(std::string_view text) {
  return text.size() == 8 && text.starts_with("HTTP/") && text[6] == '.' && text[5] >= '2' && text[5] <= '9' &&
         text[7] >= '0' && text[7] <= '9';
}

// Takes one line off the front of `bytes`, without its CRLF; nothing if it does not end in CRLF. A CR inside the line
// stays: no part of a head allows one.
std::optional<std::string_view> take_line(std::string_view& bytes) {
  const char* begin = bytes.data();
  const char* end = find_byte(begin, begin + bytes.size(), '\n');
  if (end == nullptr || end == begin || end[-1] != '\r') return std::nullopt;
  std::string_view line(begin, static_cast<std::size_t>(end - 1 - begin));
  bytes.remove_prefix(line.size() + 2);
  return line;
}

struct RequestLine {
  std::string_view method;
  std::string_view target;
  std::string_view version;
};

// Exactly two single spaces (RFC 9112 3).
std::optional<RequestLine> split_request_line(std::string_view line) {
  std::size_t first = line.find(' ');
  std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  RequestLine result{line.substr(0, first), line.substr(first + 1, last - first - 1), line.substr(last + 1)};
  auto is_visible = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F; };
  if (result.target.empty() || !std::all_of(result.target.begin(), result.target.end(), is_visible)) {
    return std::nullopt;
  }
  return result;
}

struct StatusLine {
  std::string_view version;
  std::uint16_t status;
  std::string_view reason;
};

// RFC 9112 4; the space before an empty reason phrase is often left out and not missed.
std::optional<StatusLine> split_status_line(std::string_view line) {
  if (line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) return std::nullopt;
  auto status = parse_decimal(line.substr(9, 3));
  std::string_view reason = line.size() > 12 ? line.substr(13) : std::string_view();
  if (!status || !is_field_value(reason)) return std::nullopt;
  return StatusLine{line.substr(0, 8), static_cast<std::uint16_t>(*status), reason};
}

}  // namespace

HeadScanner::Status HeadScanner::scan(std::string_view bytes) {
  if (scanned_ == 0 && !bytes.empty()) {
    auto first = static_cast<unsigned char>(bytes.front());
    if (first <= 0x20 || first >= 0x7F) return Status::malformed;
  }
  // In locals: bytes may alias members, so members would be stored and loaded for every line.
  const char* begin = bytes.data();
  const char* end = begin + bytes.size();
  const char* line = begin + line_begin_;
  auto status = Status::incomplete;
  const char* found = find_byte(begin + scanned_, end, '\n');
  while (found != nullptr) {
    if (found == line || found[-1] != '\r') {
      status = Status::malformed;
      break;
    }
    if (found - line == 1) status = Status::complete;
    line = found + 1;
    if (status == Status::complete) break;
    found = find_byte(line, end, '\n');
  }
  line_begin_ = static_cast<std::size_t>(line - begin);
  scanned_ = status == Status::incomplete ? bytes.size() : line_begin_;
  return status;
}

std::size_t leading_blank_bytes(std::string_view bytes) {
  std::size_t skipped = 0;
  while (skipped < 2 * kMaxLeadingBlankLines && bytes.substr(skipped).starts_with("\r\n")) skipped += 2;
  return skipped;
}

std::optional<std::string_view> FieldList::only_value(std::string_view name) const {
  const Field* found = nullptr;
  for (const Field& field : items) {
    if (!iequals(field.name, name)) continue;
    if (found != nullptr) return std::nullopt;
    found = &field;
  }
  return found == nullptr ? std::nullopt : std::optional(found->value);
}

Result<void> parse_request_head(std::string_view bytes, const HeadLimits& limits, RequestHead& out) {
  out.fields.clear();
  std::string_view rest = bytes;
  auto first_line = take_line(rest);
  auto line = first_line ? split_request_line(*first_line) : std::nullopt;
  if (!line) return bad_request("request line");
  if (!is_token(line->method)) return bad_request("method is not a token");
  if (line->target.size() > limits.target_bytes) return fail(ErrorCode::uri_too_long, Origin::downstream, "target");
  out.minor = parse_minor_version(line->version);
  if (out.minor < 0) {
    if (!is_other_http_version(line->version)) return bad_request("version");
    return fail(ErrorCode::version_not_supported, Origin::downstream, "version");
  }
  if (!is_supported_method(line->method)) return fail(ErrorCode::not_implemented, Origin::downstream, "method");
  if (bytes.size() > limits.head_bytes) return fail(ErrorCode::headers_too_large, Origin::downstream, "head too long");
  switch (read_field_lines(rest, limits.fields, out.fields)) {
    case FieldFault::syntax: return bad_request("field line");
    case FieldFault::too_many: return fail(ErrorCode::headers_too_large, Origin::downstream, "too many fields");
    case FieldFault::none: break;
  }
  out.method = line->method;
  out.target = line->target;
  return {};
}

Result<void> parse_response_head(std::string_view bytes, const HeadLimits& limits, ResponseHead& out) {
  out.fields.clear();
  std::string_view rest = bytes;
  auto first_line = take_line(rest);
  auto line = first_line ? split_status_line(*first_line) : std::nullopt;
  if (!line) return bad_response("status line");
  out.minor = parse_minor_version(line->version);
  if (out.minor < 0) return bad_response("version");
  if (line->status < 100 || line->status > 599) return bad_response("status code");
  if (bytes.size() > limits.head_bytes) return bad_response("head too long");
  switch (read_field_lines(rest, limits.fields, out.fields)) {
    case FieldFault::syntax: return bad_response("field line");
    case FieldFault::too_many: return bad_response("too many fields");
    case FieldFault::none: break;
  }
  out.status = line->status;
  out.reason = line->reason;
  return {};
}

bool begins_like_request(std::string_view bytes) {
  auto line = take_line(bytes);
  auto parts = line ? split_request_line(*line) : std::nullopt;
  return parts && parts->version.starts_with("HTTP/");
}

bool begins_like_response(std::string_view bytes) { return bytes.starts_with("HTTP/"); }

void salvage_request_line(std::string_view bytes, std::string_view& method, std::string_view& target) {
  auto line = bytes.substr(0, bytes.find_first_of("\r\n"));
  auto space = line.find(' ');
  method = line.substr(0, std::min<std::size_t>(space, 32));
  if (!is_token(method)) method = {};
  target = {};
  if (method.empty() || space == std::string_view::npos) return;
  target = line.substr(space + 1);
  target = target.substr(0, target.find(' '));
}

}  // namespace lotagate::http
