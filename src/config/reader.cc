#include "config/reader.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/check.h"
#include "base/text.h"
#include "config/file.h"
#include "config/text_check.h"
#include "config/units.h"

namespace lotagate::config {
namespace {

constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxPathShownBytes = 1000;

bool is_name(std::string_view text) {
  auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  return !text.empty() && text.size() <= kMaxNameBytes && std::ranges::all_of(text, fits);
}

std::span<const YamlNode> read_collection(Problems& problems, const YamlNode& node, YamlNode::Kind kind,
                                          const CollectionRule& rule) {
  if (node.kind != kind) {
    problems.add(node.at, fmt::format("expected {}, found {}", rule.what, describe(node)));
    return {};
  }
  if (node.children.empty() && !rule.may_be_empty) {
    problems.add(node.at, fmt::format("expected {} with at least one entry, found none", rule.what));
    return {};
  }
  if (node.children.size() > rule.most) {
    problems.add(node.at, fmt::format("expected {} with at most {} entries, found {}", rule.what, rule.most,
                                      node.children.size()));
    return {};
  }
  return node.children;
}

std::vector<YamlProblem> in_order(std::vector<YamlProblem> found) {
  auto order = [](const YamlProblem& p) { return std::tie(p.at, p.message); };
  std::ranges::sort(found, {}, order);
  auto repeated = std::ranges::unique(found, {}, order);
  found.erase(repeated.begin(), repeated.end());
  return found;
}

}  // namespace

std::vector<YamlProblem> Problems::take() { return in_order(std::move(found_)); }

std::vector<YamlProblem> Problems::take_warnings() { return in_order(std::move(warnings_)); }

std::string describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null: return "nothing";
    case YamlNode::Kind::scalar:
      if (node.text.empty()) return "an empty text";
      return node.quoted ? fmt::format("`\"{}\"`", shown(node.text)) : fmt::format("`{}`", shown(node.text));
    case YamlNode::Kind::sequence: return "a list";
    case YamlNode::Kind::map: return "a map";
  }
  return "";
}

std::string hint(std::string_view name, std::span<const std::string_view> candidates) {
  // Bounds the work when ten thousand routes name a wrong service; no valid name is longer.
  constexpr std::size_t kMostCandidates = 256;
  if (name.size() > kMaxNameBytes || candidates.size() > kMostCandidates) return "";
  std::string_view nearest = nearest_name(name, candidates);
  return nearest.empty() ? "" : fmt::format("; did you mean `{}`?", shown(nearest));
}

std::string hint_or_list(std::string_view name, std::span<const std::string_view> candidates) {
  constexpr std::size_t kMostListed = 16;
  std::string nearest = hint(name, candidates);
  if (!nearest.empty() || candidates.empty() || candidates.size() > kMostListed) return nearest;
  std::vector<std::string> names;  // services and limits among them, which may be no names at all
  for (std::string_view candidate : candidates) names.push_back(shown(candidate));
  return fmt::format("; known are {}", fmt::join(names, ", "));
}

MapReader::MapReader(Problems& problems, const YamlNode& node, const KeyGroup& group)
    : problems_(problems), node_(node), group_(group) {
  if (is_map()) {
    report_unknown_keys();
  } else {
    problems_.add(node_.at,
                  fmt::format("expected a map with {}, found {}", fmt::join(group_.keys, ", "), describe(node_)));
  }
}

void MapReader::report_unknown_keys() {
  for (const YamlNode& child : node_.children) {
    if (std::ranges::find(group_.keys, child.key) != group_.keys.end()) continue;
    problems_.add(child.key_at,
                  fmt::format("unknown key `{}`{}", shown(child.key), hint_or_list(child.key, group_.keys)));
  }
}

const YamlNode* MapReader::find(std::string_view key) const {
  LG_CHECK(std::ranges::find(group_.keys, key) != group_.keys.end(), "a key that keys.h does not list");
  if (!is_map()) return nullptr;
  auto found = std::ranges::find(node_.children, key, &YamlNode::key);
  return found == node_.children.end() ? nullptr : &*found;
}

const YamlNode* MapReader::require(std::string_view key) {
  const YamlNode* found = find(key);
  if (found == nullptr && is_map()) problems_.add(node_.at, fmt::format("missing required key `{}`", key));
  return found;
}

std::optional<milliseconds> MapReader::duration(std::string_view key, DurationRange range) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  auto text = read_scalar(problems_, *node, "a duration such as `30s`");
  if (!text) return std::nullopt;
  auto value = parse_duration(*text);
  if (!value) {
    problems_.add(node->at, value.error());
    return std::nullopt;
  }
  if (*value < range.least || *value > range.most) {
    problems_.add(node->at, fmt::format("`{}` is out of range: {} to {}", shown(*text), to_text(range.least),
                                        to_text(range.most)));
    return std::nullopt;
  }
  return *value;
}

std::optional<seconds> MapReader::whole_seconds(std::string_view key, DurationRange range) {
  auto value = duration(key, range);
  if (!value) return std::nullopt;
  if (*value % seconds(1) != milliseconds(0)) {
    problems_.add(find(key)->at, fmt::format("`{}` is not a whole number of seconds", to_text(*value)));
    return std::nullopt;
  }
  return std::chrono::duration_cast<seconds>(*value);
}

std::optional<std::uint64_t> MapReader::size(std::string_view key, NumberRange range) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  auto text = read_scalar(problems_, *node, "a size such as `10MiB`");
  if (!text) return std::nullopt;
  auto value = parse_size(*text);
  if (!value) {
    problems_.add(node->at, value.error());
    return std::nullopt;
  }
  if (*value < range.least || *value > range.most) {
    problems_.add(node->at, fmt::format("`{}` is out of range: {} to {}", shown(*text), size_to_text(range.least),
                                        size_to_text(range.most)));
    return std::nullopt;
  }
  return *value;
}

std::optional<std::uint64_t> MapReader::number(std::string_view key, NumberRange range) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  auto value = node->kind == YamlNode::Kind::scalar && !node->quoted ? parse_decimal(node->text) : std::nullopt;
  if (!value) {
    problems_.add(node->at, fmt::format("expected a whole number from {} to {}, found {}", range.least, range.most,
                                        describe(*node)));
    return std::nullopt;
  }
  if (*value < range.least || *value > range.most) {
    problems_.add(node->at, fmt::format("{} is out of range: {} to {}", *value, range.least, range.most));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> MapReader::boolean(std::string_view key) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind == YamlNode::Kind::scalar && !node->quoted) {
    if (node->text == "true") return true;
    if (node->text == "false") return false;
  }
  problems_.add(node->at, fmt::format("expected true or false, found {}", describe(*node)));
  return std::nullopt;
}

std::optional<std::string> MapReader::text(std::string_view key) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  auto found = read_scalar(problems_, *node, "a text");
  if (!found) return std::nullopt;
  return std::string(*found);
}

std::optional<std::size_t> MapReader::choice(std::string_view key, std::span<const std::string_view> names) {
  const YamlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind == YamlNode::Kind::scalar) {
    auto found = std::ranges::find(names, node->text);
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  }
  problems_.add(node->at, fmt::format("expected one of {}, found {}{}", fmt::join(names, ", "), describe(*node),
                                      hint(node->text, names)));
  return std::nullopt;
}

std::optional<std::string_view> read_scalar(Problems& problems, const YamlNode& node, std::string_view expected) {
  if (node.kind == YamlNode::Kind::scalar && !node.text.empty()) return node.text;
  problems.add(node.at, fmt::format("expected {}, found {}", expected, describe(node)));
  return std::nullopt;
}

std::span<const YamlNode> read_list(Problems& problems, const YamlNode& node, const CollectionRule& rule) {
  return read_collection(problems, node, YamlNode::Kind::sequence, rule);
}

std::span<const YamlNode> read_named(Problems& problems, const YamlNode& node, const CollectionRule& rule) {
  std::span<const YamlNode> entries = read_collection(problems, node, YamlNode::Kind::map, rule);
  for (const YamlNode& entry : entries) {
    if (is_name(entry.key)) continue;
    problems.add(entry.key_at, fmt::format("`{}` is not a name: 1 to {} letters, digits, `_`, `-`, `.`",
                                           shown(entry.key), kMaxNameBytes));
  }
  return entries;
}

std::vector<const YamlNode*> read_texts(Problems& problems, const YamlNode& node, const CollectionRule& rule) {
  std::vector<const YamlNode*> texts;
  std::set<std::string_view> known;
  for (const YamlNode& item : read_list(problems, node, rule)) {
    auto text = read_scalar(problems, item, "a text");
    if (!text) continue;
    if (known.insert(*text).second) {
      texts.push_back(&item);
    } else {
      problems.add(item.at, fmt::format("`{}` is repeated", shown(*text)));
    }
  }
  return texts;
}

std::optional<std::string> read_named_file(Problems& problems, const YamlNode& key, const std::filesystem::path& file,
                                           std::size_t max_bytes) {
  auto content = read_file(file.string(), max_bytes);
  if (content && !content->empty()) return *std::move(content);
  problems.add(key.key_at, fmt::format("cannot read `{}` ({}): {}", key.key, shown(file.string(), kMaxPathShownBytes),
                                       content ? "the file is empty" : content.error()));
  return std::nullopt;
}

}  // namespace lotagate::config
