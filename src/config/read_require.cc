// The `require` of a route: what its callers must hold, method by method.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "access/permission.h"
#include "config/sections.h"
#include "config/text_check.h"
#include "config/values.h"

namespace lotagate::config {
namespace {

constexpr std::size_t kMaxEntries = 64;
constexpr std::size_t kMaxEntryBytes = 256;
// TRACE and CONNECT are never forwarded; extension methods have no route of their own, but a route without `methods`
// takes whatever the gateway lets in.
constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

// One text or a list of them.
std::vector<const YamlNode*> one_or_more(Problems& problems, const YamlNode& node, std::string_view what) {
  if (node.kind == YamlNode::Kind::scalar) return {&node};
  return read_texts(problems, node, {.what = what, .most = kMaxEntries});
}

std::vector<std::string> read_permissions(Problems& problems, const YamlNode& node) {
  std::vector<std::string> permissions;
  for (const YamlNode* item : one_or_more(problems, node, "a permission or a list of permissions")) {
    if (access::valid_permission(item->text)) {
      permissions.push_back(item->text);
    } else {
      problems.add(item->at, fmt::format("`{}` is not a permission, such as `models:read`", shown(item->text)));
    }
  }
  return permissions;
}

// Roles or scopes: words that tokens and answers of services can hold.
std::vector<std::string> read_words(Problems& problems, const YamlNode& node, std::string_view what) {
  std::vector<std::string> words;
  for (const YamlNode* item : one_or_more(problems, node, fmt::format("a {} or a list of {}s", what, what))) {
    bool fits = !item->text.empty() && item->text.size() <= kMaxEntryBytes && is_printable(item->text) &&
                item->text.find_first_of(" ,\"\\") == std::string::npos;
    if (fits) {
      words.push_back(item->text);
    } else {
      problems.add(item->at, fmt::format("`{}` is not a {}: one word of visible ASCII without comma, quote and "
                                         "backslash",
                                         shown(item->text), what));
    }
  }
  return words;
}

access::MethodRule read_rule(Problems& problems, const YamlNode& node, std::string method, bool owned) {
  access::MethodRule rule{.method = std::move(method)};
  if (node.kind != YamlNode::Kind::map) {
    rule.all = read_permissions(problems, node);
    return rule;
  }
  MapReader map(problems, node, kRequireKeys);
  if (const YamlNode* all = map.find("all")) rule.all = read_permissions(problems, *all);
  if (const YamlNode* any = map.find("any")) rule.any = read_permissions(problems, *any);
  if (const YamlNode* roles = map.find("roles")) rule.roles = read_words(problems, *roles, "role");
  if (const YamlNode* scopes = map.find("scopes")) rule.scopes = read_words(problems, *scopes, "scope");
  if (const YamlNode* owner_or = map.find("owner_or")) {
    rule.owner_or = read_permissions(problems, *owner_or);
    if (!owned) problems.add(owner_or->key_at, "`owner_or` needs `{subject}` in the route's `path`");
  }
  if (node.children.empty()) problems.add(node.at, "requires nothing; name permissions, roles or scopes");
  return rule;
}

}  // namespace

bool is_routable_method(Problems& problems, std::string_view text, Position at) {
  if (std::ranges::find(kMethods, text) != std::end(kMethods)) return true;
  std::string upper(text.substr(0, 16));
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c;
  problems.add(at,
               fmt::format("`{}` is not a method that can be routed{}", shown(text), hint_or_list(upper, kMethods)));
  return false;
}

std::vector<access::MethodRule> read_require(Problems& problems, const YamlNode& node,
                                             const std::vector<std::string>& route_methods, bool owned) {
  std::vector<access::MethodRule> rules;
  if (node.kind != YamlNode::Kind::map) {
    rules.push_back(read_rule(problems, node, "*", owned));
    return rules;
  }
  std::vector<std::string_view> missing(route_methods.begin(), route_methods.end());
  bool covers_all = false;
  for (const YamlNode& item : node.children) {
    std::erase(missing, item.key);
    covers_all = covers_all || item.key == "*";
    if (item.key != "*" && !is_routable_method(problems, item.key, item.key_at)) continue;
    if (item.key != "*" && !route_methods.empty() &&
        std::ranges::find(route_methods, item.key) == route_methods.end()) {
      problems.add(item.key_at, fmt::format("{} is not among the route's `methods`", shown(item.key)));
    }
    rules.push_back(read_rule(problems, item, item.key, owned));
  }
  // A method that is not named would be refused for everyone: say so now rather than to every client.
  if (covers_all) return rules;
  if (route_methods.empty()) {
    problems.add(node.key_at,
                 "`require` has to say what every other method needs: add `\"*\"`, or give the route `methods`");
  } else if (!missing.empty()) {
    problems.add(node.key_at,
                 fmt::format("`require` says nothing about {}; add it, or `\"*\"`", fmt::join(missing, ", ")));
  }
  return rules;
}

}  // namespace lotagate::config
