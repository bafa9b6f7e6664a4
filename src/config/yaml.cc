#include "config/yaml.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <map>
#include <optional>
#include <streambuf>

#include "config/text_check.h"

namespace lotagate::config {
namespace {

// Of yaml-cpp's own messages, which quote a byte of the file now and then.
constexpr std::size_t kMaxSyntaxBytes = 200;

Position position_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

// Ends parsing from inside yaml-cpp's callbacks; caught in parse_yaml and nowhere else.
struct Refused {
  YamlProblem problem;
};

[[noreturn]] void refuse(Position at, std::string message) { throw Refused{{at, std::move(message)}}; }

// Builds the tree from yaml-cpp's events: its own node type accepts duplicate keys and drops the positions of keys.
class TreeBuilder : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(position_of(mark), "a second document; a configuration is one YAML document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.at = position_of(mark);
    add_leaf(std::move(node), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node;
    node.kind = YamlNode::Kind::scalar;
    node.quoted = tag == "!";
    node.at = position_of(mark);
    node.text = value;
    refuse_tag(tag, node.at);
    add_leaf(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto found = anchored_.find(anchor);
    if (found == anchored_.end()) refuse(position_of(mark), "an alias inside the value it stands for");
    if (expects_key()) refuse(position_of(mark), "an alias cannot be a key");
    // The copy keeps the original's positions: that is where a mistake in it has to be mended.
    YamlNode copy = found->second;
    charge(copy, position_of(mark), levels_.size());
    finish(std::move(copy), 0);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::sequence, position_of(mark), tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::map, position_of(mark), tag, anchor);
  }
  void OnMapEnd() override { close(); }

  YamlNode take_root() { return std::move(root_); }
  std::vector<YamlProblem> take_problems() { return std::move(problems_); }

 private:
  struct Level {  // a sequence or map that is still being read
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::optional<YamlNode> key;            // of a map: read, its value not yet
    std::map<std::string, Position> known;  // of a map: its keys so far
  };

  static void refuse_tag(const std::string& tag, Position at) {
    // yaml-cpp names "?" what is plain and "!" what is quoted.
    if (!tag.empty() && tag != "?" && tag != "!") refuse(at, "tags have no meaning here; remove it");
  }

  bool expects_key() const {
    return !levels_.empty() && levels_.back().node.kind == YamlNode::Kind::map && !levels_.back().key;
  }

  // Counts the value and all it holds, `depth` levels below the root; `at` names the place if that is too much.
  void charge(const YamlNode& node, Position at, std::size_t depth) {
    nodes_ += 1;
    text_bytes_ += node.text.size() + node.key.size();
    if (nodes_ > kMaxYamlNodes)
      refuse(at, fmt::format("more than {} values, counting what aliases stand for", kMaxYamlNodes));
    if (text_bytes_ > kMaxYamlTextBytes) refuse(at, "too much text, counting what aliases stand for");
    if (depth > kMaxYamlDepth) refuse(at, fmt::format("nested deeper than {} levels", kMaxYamlDepth));
    for (const YamlNode& child : node.children) charge(child, at, depth + 1);
  }

  void add_leaf(YamlNode node, YAML::anchor_t anchor) {
    charge(node, node.at, levels_.size());
    if (expects_key()) {
      take_key(std::move(node));
    } else {
      finish(std::move(node), anchor);
    }
  }

  void take_key(YamlNode key) {
    Level& level = levels_.back();
    if (key.kind == YamlNode::Kind::null) refuse(key.at, "a key is missing before `:`");
    if (key.text == "<<" && !key.quoted) refuse(key.at, "merge keys (`<<`) are not supported");
    auto [first, is_new] = level.known.emplace(key.text, key.at);
    if (!is_new) {
      problems_.push_back({key.at, fmt::format("duplicate key `{}`; first given at {}:{}", shown(key.text),
                                               first->second.line, first->second.column)});
    }
    level.key = std::move(key);
  }

  void open(YamlNode::Kind kind, Position at, const std::string& tag, YAML::anchor_t anchor) {
    refuse_tag(tag, at);
    if (expects_key()) refuse(at, "a key has to be plain text");
    Level level;
    level.node.kind = kind;
    level.node.at = at;
    level.anchor = anchor;
    charge(level.node, at, levels_.size());
    levels_.push_back(std::move(level));
  }

  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    finish(std::move(level.node), level.anchor);
  }

  // Puts a complete value where it belongs.
  void finish(YamlNode node, YAML::anchor_t anchor) {
    if (anchor != 0) {
      charge(node, node.at, levels_.size());
      anchored_[anchor] = node;
    }
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.key) {
      node.key = std::move(level.key->text);
      node.key_at = level.key->at;
      // An absent value has no place of its own; yaml-cpp names the token after it.
      if (node.kind == YamlNode::Kind::null) node.at = node.key_at;
      level.key.reset();
    }
    level.node.children.push_back(std::move(node));
  }

  int documents_ = 0;
  std::size_t nodes_ = 0;
  std::size_t text_bytes_ = 0;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, YamlNode> anchored_;
  YamlNode root_;
  std::vector<YamlProblem> problems_;
};

// The bytes in place as a stream buffer: a std::istringstream would copy them.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // setg's type; a get area is only read
    setg(begin, begin, begin + text.size());
  }
};

}  // namespace

YamlTree parse_yaml(std::string_view text) {
  if (auto bad = find_control_character(text)) return {.root = {}, .problems = {*std::move(bad)}};
  TreeBuilder builder;
  std::optional<YamlProblem> last;
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (Refused& refused) {
    last = std::move(refused.problem);
  } catch (const YAML::Exception& error) {
    last = YamlProblem{error.mark.is_null() ? Position{} : position_of(error.mark),
                       "YAML syntax: " + shown(error.msg, kMaxSyntaxBytes)};
  } catch (const std::exception& error) {
    last = YamlProblem{{}, "YAML syntax: " + shown(error.what(), kMaxSyntaxBytes)};
  }
  YamlTree tree{.root = builder.take_root(), .problems = builder.take_problems(), .complete = !last};
  if (last) tree.problems.push_back(std::move(*last));
  return tree;
}

}  // namespace lotagate::config
