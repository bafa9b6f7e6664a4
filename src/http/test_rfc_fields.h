// What a list of fields means, decided a second time from the RFCs and threats.md: framing, persistence, nominations,
// names. Nothing of field.cc and framing.cc is used; their tables are written again on purpose. For tests and fuzzers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "http/field.h"
#include "http/test_rfc_head.h"

namespace lotagate::http::rfc {

inline std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

inline std::vector<std::string> values_of(const Fields& fields, std::string_view name) {
  std::vector<std::string> values;
  for (const auto& [key, value] : fields) {
    if (lower(key) == name) values.push_back(value);
  }
  return values;
}

inline std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (true) {
    std::size_t comma = text.find(',');
    items.push_back(strip(text.substr(0, comma)));
    if (comma == std::string::npos) return items;
    text = text.substr(comma + 1);
  }
}

// Every member of a list field, over all its lines (RFC 9110 5.3), in lower case; empty ones do not count (5.6.1).
inline std::set<std::string> members_of(const Fields& fields, std::string_view name) {
  std::set<std::string> members;
  for (const std::string& value : values_of(fields, name)) {
    for (const std::string& item : split_list(value)) members.insert(lower(item));
  }
  members.erase("");
  return members;
}

// Names.

inline const std::set<std::string>& protected_names() {  // P01: never removed because a client says so
  static const std::set<std::string> names{"host",
                                           "content-length",
                                           "transfer-encoding",
                                           "authorization",
                                           "cookie",
                                           "set-cookie",
                                           "forwarded",
                                           "cache-control",
                                           "content-type",
                                           "via",
                                           "x-request-id",
                                           "traceparent",
                                           "x-real-ip",
                                           "x-original-url",
                                           "x-http-method-override",
                                           "x-method-override",
                                           "x-rewrite-url",
                                           "x-http-method"};
  return names;
}

inline const std::set<std::string>& other_known_names() {
  static const std::set<std::string> names{"accept",
                                           "connection",
                                           "content-encoding",
                                           "date",
                                           "etag",
                                           "expect",
                                           "http2-settings",
                                           "keep-alive",
                                           "last-modified",
                                           "location",
                                           "max-forwards",
                                           "proxy-authenticate",
                                           "proxy-authorization",
                                           "proxy-connection",
                                           "retry-after",
                                           "te",
                                           "tracestate",
                                           "trailer",
                                           "upgrade",
                                           "www-authenticate"};
  return names;
}

inline bool has_owned_prefix(const std::string& name) {  // I01
  for (std::string_view prefix : {"x-user-", "x-auth-", "x-consumer-", "x-forwarded-"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

inline bool is_owned(std::string_view any_case) {  // I01, I02, I05
  std::string name = lower(any_case);
  if (has_owned_prefix(name) || name == "x-real-ip" || name == "x-original-url" || name == "x-rewrite-url" ||
      name == "x-http-method-override" || name == "x-http-method" || name == "x-method-override") {
    return true;
  }
  std::string folded = name;
  std::replace(folded.begin(), folded.end(), '_', '-');
  std::replace(folded.begin(), folded.end(), '.', '-');
  if (folded == name) return false;
  bool is_known = protected_names().contains(folded) || other_known_names().contains(folded);
  return has_owned_prefix(folded) || (is_known && folded != "cache-control" && folded != "set-cookie");
}

inline bool is_protected(std::string_view any_case) {
  return is_owned(any_case) || protected_names().contains(lower(any_case));
}

// Framing, as one word: "refused", "not_implemented", "none", "chunked", "until_close", or the length in digits.

// 1*DIGIT up to 2^62, without leading zeros; empty if it is none. Digits are compared as text: nothing can wrap.
inline std::string content_length(std::string_view value) {
  if (value.empty() || !holds(value, is_digit)) return "";
  while (value.size() > 1 && value.front() == '0') value.remove_prefix(1);
  constexpr std::string_view kMost = "4611686018427387904";
  if (value.size() > kMost.size() || (value.size() == kMost.size() && value > kMost)) return "";
  return std::string(value);
}

// RFC 9112 6.3, where it leaves a choice: refuse (F01 to F10).
inline std::string request_framing(const Fields& fields, int minor) {
  auto lengths = values_of(fields, "content-length");
  auto codings = values_of(fields, "transfer-encoding");
  if (lengths.empty() && codings.empty()) return "none";
  if (lengths.size() + codings.size() > 1) return "refused";
  if (lengths.size() == 1) {
    std::string length = content_length(lengths[0]);
    return length.empty() ? "refused" : length;
  }
  if (minor == 0) return "refused";
  auto items = split_list(codings[0]);
  if (lower(items.back()) != "chunked") return "refused";
  items.pop_back();
  for (const std::string& item : items) {
    if (!is_token(item) || lower(item) == "chunked" || lower(item) == "identity") return "refused";
  }
  return items.empty() ? "chunked" : "not_implemented";
}

inline std::string response_framing(const Fields& fields, int minor, int status, bool to_head) {
  auto lengths = values_of(fields, "content-length");
  auto codings = values_of(fields, "transfer-encoding");
  if (lengths.size() + codings.size() > 1) return "refused";
  std::string length = lengths.empty() ? "" : content_length(lengths[0]);
  if (!lengths.empty() && length.empty()) return "refused";
  if (!codings.empty() && (minor == 0 || lower(codings[0]) != "chunked")) return "refused";
  if (to_head || status / 100 == 1 || status == 204 || status == 304) return "none";
  if (!codings.empty()) return "chunked";
  return lengths.empty() ? "until_close" : length;
}

// RFC 9112 9.3.
inline bool keeps_alive(const Fields& fields, int minor) {
  auto options = members_of(fields, "connection");
  return !options.contains("close") && (minor >= 1 || options.contains("keep-alive"));
}

}  // namespace lotagate::http::rfc
