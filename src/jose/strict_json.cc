#include "jose/strict_json.h"

#include <simdjson.h>

#include <algorithm>
#include <vector>

namespace lotagate::jose {
namespace {

namespace dom = simdjson::dom;

struct Container {
  dom::element element;
  std::size_t depth;
};

// Walks the tree with a list instead of the stack: the depth is the sender's choice.
class TreeCheck {
 public:
  explicit TreeCheck(std::size_t max_depth) : max_depth_(max_depth) {}

  std::string_view run(dom::element root) {
    visit(root, 1);
    while (refusal_.empty() && !pending_.empty()) {
      Container next = pending_.back();
      pending_.pop_back();
      dom::object object;
      dom::array array;
      if (next.element.get(object) == simdjson::SUCCESS) {
        visit_members(object, next.depth);
      } else if (next.element.get(array) == simdjson::SUCCESS) {
        for (dom::element child : array) visit(child, next.depth + 1);
      }
    }
    return refusal_;
  }

 private:
  void visit(dom::element element, std::size_t depth) {
    if (!element.is_object() && !element.is_array()) return;
    if (depth > max_depth_) refusal_ = "json_too_deep";
    pending_.push_back({element, depth});
  }

  void visit_members(dom::object object, std::size_t depth) {
    names_.clear();
    for (dom::key_value_pair member : object) {
      names_.push_back(member.key);
      visit(member.value, depth + 1);
    }
    std::sort(names_.begin(), names_.end());
    if (std::adjacent_find(names_.begin(), names_.end()) != names_.end()) refusal_ = "json_duplicate_member";
  }

  std::size_t max_depth_;
  std::string_view refusal_;
  std::vector<Container> pending_;
  std::vector<std::string_view> names_;
};

std::string_view refusal_of(simdjson::error_code error) {
  switch (error) {
    case simdjson::DEPTH_ERROR: return "json_too_deep";
    case simdjson::UTF8_ERROR: return "json_invalid_utf8";
    case simdjson::NUMBER_ERROR: return "json_number_out_of_range";
    default: return "json_malformed";
  }
}

}  // namespace

std::string_view parse_strict_json(dom::parser& parser, std::string_view text, JsonLimits limits,
                                   dom::element& document) {
  if (text.empty()) return "json_malformed";
  if (text.size() > limits.max_bytes) return "json_too_large";
  if (text.starts_with("\xEF\xBB\xBF")) return "json_byte_order_mark";
  // The parser's own bound counts the document as a level and does not count empty containers, so it only keeps its
  // memory small; the walk below counts exactly.
  std::size_t parser_depth = limits.max_depth + 2;
  if (parser.capacity() < text.size() || parser.max_depth() != parser_depth) {
    if (parser.allocate(std::max<std::size_t>(text.size(), 1024), parser_depth) != simdjson::SUCCESS) {
      return "json_out_of_memory";
    }
  }
  // Copies into a padded buffer of the parser's own: `text` need not have simdjson's 32 bytes behind it.
  simdjson::error_code error = parser.parse(text.data(), text.size(), true).get(document);
  if (error != simdjson::SUCCESS) return refusal_of(error);
  return TreeCheck(limits.max_depth).run(document);
}

}  // namespace lotagate::jose
