// The canonical path computed a second time, one rule of threats.md section 4 after the other on whole strings, and
// what careless servers would make of a path. Nothing of target.cc is used. For tests and fuzzers only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/test_rfc_head.h"

namespace lotagate::http::rfc {

inline int hex_digit(char c) {
  std::size_t value = std::string_view("0123456789ABCDEF").find(c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c);
  return value == std::string::npos || c == '\0' ? -1 : static_cast<int>(value);
}

// The octet of a triplet "%XX" at `at`, or -1.
inline int escaped_octet(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size() || text[at] != '%') return -1;
  int high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

inline bool is_unreserved(int octet) {  // RFC 3986 2.3
  char c = static_cast<char>(octet);
  return octet < 0x80 && (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~');
}

// Decodes every sound triplet once, as a server does; a broken one stays.
inline std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    int octet = escaped_octet(text, at);
    out += octet < 0 ? text[at] : static_cast<char>(octet);
    if (octet >= 0) at += 2;
  }
  return out;
}

inline std::vector<std::string> split_segments(std::string_view path) {
  std::vector<std::string> segments;
  std::string segment;
  for (char c : path.substr(1)) {
    if (c == '/') {
      segments.push_back(segment);
      segment.clear();
    } else {
      segment += c;
    }
  }
  segments.push_back(segment);
  return segments;
}

// N06: no octet or pair of octets that begins an overlong form, however the second is written.
inline bool has_overlong_utf8(std::string_view raw) {
  for (std::size_t at = 0; at < raw.size(); ++at) {
    int octet = escaped_octet(raw, at), second = escaped_octet(raw, at + 3);
    if (octet == 0xC0 || octet == 0xC1 || octet >= 0xF5) return true;
    if (octet == 0xE0 && second >= 0x80 && second <= 0x9F) return true;
    if (octet == 0xF0 && second >= 0x80 && second <= 0x8F) return true;
  }
  return false;
}

// N02, N06, N07: what remains escaped is in upper case, unreserved octets are plain; nothing if it may not be there.
inline std::optional<std::string> normal_escapes(std::string_view raw) {
  std::string out;
  for (std::size_t at = 0; at < raw.size(); ++at) {
    if (raw[at] != '%') {
      out += raw[at];
      continue;
    }
    int octet = escaped_octet(raw, at);
    if (octet < 0x20 || octet == 0x7F || octet == '/' || octet == '\\') return std::nullopt;
    if (is_unreserved(octet)) {
      out += static_cast<char>(octet);
    } else {
      out += {'%', "0123456789ABCDEF"[octet / 16], "0123456789ABCDEF"[octet % 16]};
    }
    at += 2;
  }
  return out;
}

// N03: an escaped '%' before two hex digits.
inline bool changes_when_decoded_twice(std::string_view path) {
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (escaped_octet(path, at) == '%' && escaped_octet("%" + std::string(path.substr(at + 3)), 0) >= 0) return true;
  }
  return false;
}

inline std::string without_parameters(std::string_view segment) {
  return std::string(segment.substr(0, std::min(segment.find(';'), segment.find("%3B"))));
}

// Nothing if the path is to be refused.
inline std::optional<std::string> canonical_path(std::string_view raw) {
  if (raw.empty() || raw.front() != '/' || has_overlong_utf8(raw)) return std::nullopt;
  auto decoded = normal_escapes(raw);
  if (!decoded || changes_when_decoded_twice(*decoded)) return std::nullopt;
  std::vector<std::string> kept, segments = split_segments(*decoded);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string& segment = segments[i];
    bool last = i + 1 == segments.size();
    std::string bare = without_parameters(segment);
    if (segment.empty() && !last) return std::nullopt;                                          // N05
    if (bare != segment && (bare.empty() || bare == "." || bare == "..")) return std::nullopt;  // N04
    if (segment != "." && segment != "..") {
      kept.push_back(segment);
      continue;
    }
    if (segment == ".." && kept.empty()) return std::nullopt;  // N01
    if (segment == "..") kept.pop_back();
    if (last) kept.emplace_back();  // "/a/.." is a folder: "/"
  }
  std::string path;
  for (const std::string& segment : kept) path += "/" + segment;
  return path;
}

// Whether servers that decode once or twice, take '\' for '/', or strip parameters before or after that, all see as
// many segments as the path has, none of them empty in the middle or a dot segment.
inline bool is_read_alike(std::string_view path) {
  std::size_t count = split_segments(path).size();
  for (int way = 0; way < 16; ++way) {
    std::string seen(path);
    bool strips_early = (way & 4) != 0, strips_late = (way & 8) != 0;
    auto strip_all = [&] {
      std::string stripped;
      for (const std::string& segment : split_segments(seen)) stripped += "/" + segment.substr(0, segment.find(';'));
      seen = stripped;
    };
    if (strips_early) strip_all();
    if ((way & 1) != 0) seen = decode(seen);
    if ((way & 2) != 0) seen = decode(seen);
    for (char& c : seen) c = c == '\\' ? '/' : c;
    if (strips_late) strip_all();
    auto segments = split_segments(seen);
    if (segments.size() != count) return false;
    for (std::size_t i = 0; i < count; ++i) {
      if (segments[i] == "." || segments[i] == ".." || (segments[i].empty() && i + 1 < count)) return false;
      if (!holds(segments[i], [](char c) { return c != '\0' && c != '\r' && c != '\n'; })) return false;
    }
  }
  return true;
}

}  // namespace lotagate::http::rfc
