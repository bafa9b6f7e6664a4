// Heads read a second time: slowly, from the grammar of RFC 9112 and threats.md, with nothing of head.cc and no parser
// library in between. For tests and fuzzers only.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/head.h"

namespace lotagate::http::rfc {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Head {
  std::array<std::string, 3> start;  // method, target, version; or version, status, reason
  Fields fields;
};

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

inline bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

inline bool is_tchar(char c) {  // RFC 9110 5.6.2
  return c != '\0' && (is_digit(c) || is_alpha(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string::npos);
}

inline bool is_value_byte(char c) {  // RFC 9110 5.5: VCHAR, obs-text, SP, HTAB
  auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || byte == ' ' || (byte > 0x20 && byte != 0x7F);
}

template <typename Accepts>
bool holds(std::string_view text, Accepts accepts) {
  for (char c : text) {
    if (!accepts(c)) return false;
  }
  return true;
}

inline bool is_token(std::string_view text) { return !text.empty() && holds(text, is_tchar); }

inline std::string strip(std::string_view text) {  // OWS
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return std::string(text);
}

// Where a head that begins with `bytes` ends: the first empty line, if every line up to there ends in CRLF.
struct HeadEnd {
  HeadScanner::Status status;
  std::size_t bytes = 0;
};

inline HeadEnd find_head_end(std::string_view bytes) {
  using Status = HeadScanner::Status;
  if (!bytes.empty() && (bytes.front() <= ' ' || bytes.front() == '\x7f')) return {Status::malformed};
  std::size_t lone_lf = std::string::npos;
  for (std::size_t at = 0; at < bytes.size() && lone_lf == std::string::npos; ++at) {
    if (bytes[at] == '\n' && (at == 0 || bytes[at - 1] != '\r')) lone_lf = at;
  }
  std::size_t empty_line = bytes.find("\r\n\r\n");
  if (lone_lf < empty_line) return {Status::malformed};
  if (empty_line == std::string::npos) return {Status::incomplete};
  return {Status::complete, empty_line + 4};
}

// The lines of exactly one head, without the empty one; nothing if a CR or LF stands anywhere but at the end of a line.
inline std::optional<std::vector<std::string>> split_lines(std::string_view bytes) {
  std::vector<std::string> lines;
  while (true) {
    std::size_t end = bytes.find("\r\n");
    if (end == std::string::npos) return std::nullopt;
    std::string line(bytes.substr(0, end));
    bytes.remove_prefix(end + 2);
    if (line.find_first_of("\r\n") != std::string::npos) return std::nullopt;
    if (line.empty()) break;
    lines.push_back(line);
  }
  if (lines.empty() || !bytes.empty()) return std::nullopt;
  return lines;
}

// field-line = field-name ":" OWS field-value OWS; a folded line begins with a blank, which no name does.
inline bool read_field(std::string_view line, Fields& fields) {
  std::size_t colon = line.find(':');
  if (colon == std::string::npos || !is_token(line.substr(0, colon))) return false;
  std::string value = strip(line.substr(colon + 1));
  if (!holds(value, is_value_byte)) return false;
  fields.emplace_back(line.substr(0, colon), value);
  return true;
}

inline std::optional<Head> with_fields(Head head, const std::vector<std::string>& lines) {
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (!read_field(lines[i], head.fields)) return std::nullopt;
  }
  return head;
}

inline bool is_http_1(std::string_view version) {
  return version.size() == 8 && version.substr(0, 7) == "HTTP/1." && is_digit(version[7]);
}

// request-line = method SP request-target SP HTTP-version, of HTTP/1.x.
inline std::optional<Head> read_request_head(std::string_view bytes) {
  auto lines = split_lines(bytes);
  if (!lines) return std::nullopt;
  std::string_view line = lines->front();
  std::size_t first = line.find(' ');
  if (first == std::string::npos) return std::nullopt;
  std::size_t second = line.find(' ', first + 1);
  if (second == std::string::npos) return std::nullopt;
  Head head{.start = {std::string(line.substr(0, first)), std::string(line.substr(first + 1, second - first - 1)),
                      std::string(line.substr(second + 1))},
            .fields = {}};
  auto is_visible = [](char c) { return is_value_byte(c) && c != ' ' && c != '\t'; };
  if (!is_token(head.start[0]) || head.start[1].empty() || !holds(head.start[1], is_visible)) return std::nullopt;
  if (!is_http_1(head.start[2])) return std::nullopt;
  return with_fields(head, *lines);
}

// status-line = HTTP-version SP status-code SP [ reason-phrase ]; the second SP may be missing with the reason.
inline std::optional<Head> read_response_head(std::string_view bytes) {
  auto lines = split_lines(bytes);
  if (!lines) return std::nullopt;
  std::string_view line = lines->front();
  if (line.size() == 12) lines->front() += ' ', line = lines->front();
  if (line.size() < 13 || line[8] != ' ' || line[12] != ' ') return std::nullopt;
  Head head{.start = {std::string(line.substr(0, 8)), std::string(line.substr(9, 3)), std::string(line.substr(13))},
            .fields = {}};
  if (!is_http_1(head.start[0]) || !holds(head.start[1], is_digit) || !holds(head.start[2], is_value_byte)) {
    return std::nullopt;
  }
  if (head.start[1] < "100" || head.start[1] > "599") return std::nullopt;
  return with_fields(head, *lines);
}

// The same names and values in the same order.
inline bool same_fields(const Fields& fields, const FieldList& list) {
  if (fields.size() != list.items.size()) return false;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].first != list.items[i].name || fields[i].second != list.items[i].value) return false;
  }
  return true;
}

}  // namespace lotagate::http::rfc
