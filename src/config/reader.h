// Reads typed values out of a YamlNode tree and collects every mistake on the way: nothing here stops at the first one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/keys.h"
#include "config/yaml.h"

namespace lotagate::config {

// The mistakes found so far, and the warnings.
class Problems {
 public:
  explicit Problems(std::vector<YamlProblem> found = {}) : found_(std::move(found)) {}
  void add(Position at, std::string message) { found_.push_back({at, std::move(message)}); }
  // What may be meant, but is dangerous: the configuration loads nevertheless.
  void warn(Position at, std::string message) { warnings_.push_back({at, std::move(message)}); }
  bool any() const { return !found_.empty(); }
  // The mistakes in the order of the file and without repeats (an alias shows a mistake once for every use).
  std::vector<YamlProblem> take();
  // The warnings, likewise.
  std::vector<YamlProblem> take_warnings();

 private:
  std::vector<YamlProblem> found_;
  std::vector<YamlProblem> warnings_;
};

struct DurationRange {
  milliseconds least;
  milliseconds most;
};

struct NumberRange {
  std::uint64_t least;
  std::uint64_t most;
};

// "nothing", "a list", "a map" or the scalar in backquotes: the "found" part of a message.
std::string describe(const YamlNode& node);

// ``; did you mean `nearest`?`` or an empty text.
std::string hint(std::string_view name, std::span<const std::string_view> candidates);

// The same, or the names themselves if none is near and they are few.
std::string hint_or_list(std::string_view name, std::span<const std::string_view> candidates);

// Assigns what was read, or keeps the default.
template <typename To, typename From>
void set(To& to, std::optional<From> from) {
  if (from) to = static_cast<To>(*std::move(from));
}

// A YamlNode that is expected to be a map with keys of one group. Made from anything else it reports that once and then
// behaves as an empty map whose required keys are not missed. The node and the problems outlive it.
class MapReader {
 public:
  MapReader(Problems& problems, const YamlNode& node, const KeyGroup& group);

  // The value of a key of the group; null when absent.
  const YamlNode* find(std::string_view key) const;
  // The same, and reports when absent.
  const YamlNode* require(std::string_view key);

  // Typed values: nothing when absent or wrong, and what is wrong has been reported.
  std::optional<milliseconds> duration(std::string_view key, DurationRange range);
  std::optional<seconds> whole_seconds(std::string_view key, DurationRange range);
  std::optional<std::uint64_t> size(std::string_view key, NumberRange range);
  std::optional<std::uint64_t> number(std::string_view key, NumberRange range);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  // The index of one of `names`.
  std::optional<std::size_t> choice(std::string_view key, std::span<const std::string_view> names);

  Problems& problems() { return problems_; }
  const YamlNode& node() const { return node_; }
  bool is_map() const { return node_.kind == YamlNode::Kind::map; }

 private:
  void report_unknown_keys();

  Problems& problems_;
  const YamlNode& node_;
  const KeyGroup& group_;
};

// The node's text if it is a scalar; otherwise reports that `expected` ("a URL") was expected.
std::optional<std::string_view> read_scalar(Problems& problems, const YamlNode& node, std::string_view expected);

// How many entries a list or a map with free names may have, and what it is called in messages.
struct CollectionRule {
  std::string_view what;  // "a list of networks"
  std::size_t most;
  bool may_be_empty = false;
};

// The elements of a list; none, and a report, if the node is something else or breaks the rule.
std::span<const YamlNode> read_list(Problems& problems, const YamlNode& node, const CollectionRule& rule);

// The entries of a map whose keys are free names of 1 to 64 letters, digits, '_', '-' and '.'; bad names are reported.
std::span<const YamlNode> read_named(Problems& problems, const YamlNode& node, const CollectionRule& rule);

// The elements of a list of texts; what is no text or repeats an earlier element is reported and left out.
std::vector<const YamlNode*> read_texts(Problems& problems, const YamlNode& node, const CollectionRule& rule);

// The content of a file that `key` names, at most `max_bytes`; a relative name is relative to `folder`. Reports at the
// position of the key whatever keeps it from being read as a regular, non-empty file.
std::optional<std::string> read_named_file(Problems& problems, const YamlNode& key, const std::filesystem::path& file,
                                           std::size_t max_bytes);

}  // namespace lotagate::config
