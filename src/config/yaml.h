// A YAML document as a plain tree with positions. yaml-cpp stays behind yaml.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lotagate::config {

// 1-based, in bytes of the line.
struct Position {
  int line = 1;
  int column = 1;
  auto operator<=>(const Position&) const = default;
};

struct YamlNode {
  enum class Kind : std::uint8_t { null, scalar, sequence, map };
  Kind kind = Kind::null;
  bool quoted = false;  // a scalar in quotes is text, never a number, a boolean or `auto`
  Position at;
  std::string text;  // of a scalar
  std::string key;   // of a map's child
  Position key_at;
  std::vector<YamlNode> children;  // of a sequence or a map, in the order of the file
};

struct YamlProblem {
  Position at;
  std::string message;
};

struct YamlTree {
  YamlNode root;                      // null for an empty document
  std::vector<YamlProblem> problems;  // what was refused
  bool complete = false;              // false: something ended parsing, and `root` says nothing
};

// Bounds on one document: what aliases unfold is counted, so that a small file cannot become a large tree.
inline constexpr std::size_t kMaxYamlNodes = 100'000;
inline constexpr std::size_t kMaxYamlTextBytes = 4ull * 1024 * 1024;
inline constexpr std::size_t kMaxYamlDepth = 32;

// Parses exactly one document. Duplicate keys are reported and parsing goes on, with both in the tree. What ends it:
// control characters, a syntax error, a second document, tags, merge keys, keys that are not plain text, recursive
// aliases, more than the bounds above. Never throws.
YamlTree parse_yaml(std::string_view text);

}  // namespace lotagate::config
