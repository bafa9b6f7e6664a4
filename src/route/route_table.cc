#include "route/route_table.h"

#include <algorithm>
#include <bit>
#include <set>
#include <span>
#include <tuple>

#include "base/check.h"
#include "base/hash.h"
#include "http/target.h"

namespace lotagate::route {
namespace {

// Takes the first segment off `path` and returns it without parameters: "/a;x=1/b" -> "a", leaving "/b".
std::string_view take_segment(std::string_view& path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment.substr(0, segment.find(';'));
}

// Stands for kSubjectSegment in an edge. No segment holds a slash, also decoded: canonical paths have none encoded.
constexpr std::string_view kSubjectKey = "/";

// What an edge holds for a segment of a route's path.
std::string key_of(std::string_view segment) {
  if (segment == kSubjectSegment) return std::string(kSubjectKey);
  std::string key(segment.size(), '\0');
  key.resize(http::decode_segment(segment, std::span(key)).value_or("").size());
  return key;
}

bool headers_fit(const std::vector<std::pair<std::string, std::string>>& conditions, HeaderLookup header) {
  return std::ranges::all_of(conditions,
                             [&](const auto& condition) { return header(condition.first) == condition.second; });
}

}  // namespace

RouteTable::RouteTable(const std::vector<RouteSpec>& specs) {
  intern_methods(specs);
  std::vector<std::vector<std::uint32_t>> routes_of_node = build_trie(specs);
  candidates_.reserve(specs.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    add_candidates(nodes_[i], specs, routes_of_node[i]);
    prebuild_allow(nodes_[i]);
  }
}

void RouteTable::intern_methods(const std::vector<RouteSpec>& specs) {
  std::set<std::string> names;
  for (const RouteSpec& spec : specs) names.insert(spec.methods.begin(), spec.methods.end());
  LG_CHECK(names.size() <= kMaxMethods, "more distinct methods than a MethodSet holds");
  methods_.assign(names.begin(), names.end());
}

RouteTable::MethodSet RouteTable::method_bit(std::string_view method) const {
  for (std::size_t i = 0; i < methods_.size(); ++i) {
    if (methods_[i] == method) return MethodSet{1} << i;
  }
  return 0;
}

RouteTable::Candidate RouteTable::make_candidate(const RouteSpec& spec, std::uint32_t route) const {
  Candidate candidate{.host = spec.host, .headers = spec.headers, .methods = 0, .route = route};
  for (const std::string& method : spec.methods) candidate.methods |= method_bit(method);
  return candidate;
}

// How many of the nodes from the parent of `node` up to the root have a step by kSubjectSegment.
std::size_t RouteTable::subject_places(const std::vector<std::uint32_t>& parent_of_node, std::uint32_t node) const {
  std::size_t places = 0;
  for (std::uint32_t at = parent_of_node[node]; at != kNone; at = parent_of_node[at]) {
    places += nodes_[at].subject_child != kNone ? 1 : 0;
  }
  return places;
}

// Fills nodes_ and edges_ and returns the routes that end at each node. Nodes are made from the root outwards, so a
// node's parent always has the lower number.
std::vector<std::vector<std::uint32_t>> RouteTable::build_trie(const std::vector<RouteSpec>& specs) {
  std::size_t segments = 0;
  for (const RouteSpec& spec : specs) segments += static_cast<std::size_t>(std::ranges::count(spec.path, '/'));
  edges_.resize(std::bit_ceil(2 * segments + 2));
  nodes_.emplace_back();

  std::vector<std::vector<std::uint32_t>> routes_of_node(1);
  std::vector<std::uint32_t> parent_of_node(1, kNone);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    LG_CHECK(specs[i].path.size() <= kMaxPathBytes, "a route's path beyond what a match compares");
    std::uint32_t node = 0;
    for (std::string_view rest = specs[i].path; !rest.empty();) {
      std::string key = key_of(take_segment(rest));
      if (key.empty()) continue;
      std::uint32_t child = child_of(node, key);
      if (child == kNone) {
        child = add_child(node, key);
        routes_of_node.emplace_back();
        parent_of_node.push_back(node);
      }
      node = child;
    }
    routes_of_node[node].push_back(static_cast<std::uint32_t>(i));
  }
  for (std::size_t i = 1; i < nodes_.size(); ++i) {
    std::uint32_t parent = parent_of_node[i];
    LG_CHECK(subject_places(parent_of_node, static_cast<std::uint32_t>(i)) <= kMaxSubjectPlaces,
             "more places of a subject along one path than a match follows");
    nodes_[i].shorter = routes_of_node[parent].empty() ? nodes_[parent].shorter : parent;
  }
  return routes_of_node;
}

void RouteTable::add_candidates(Node& node, const std::vector<RouteSpec>& specs,
                                const std::vector<std::uint32_t>& routes) {
  auto first = candidates_.size();
  for (std::uint32_t route : routes) candidates_.push_back(make_candidate(specs[route], route));

  auto begin = candidates_.begin() + static_cast<std::ptrdiff_t>(first);
  auto rank = [](const Candidate& c) {
    return std::tuple(c.host.empty(), std::string_view(c.host), -static_cast<std::ptrdiff_t>(c.headers.size()),
                      c.methods == 0, c.route);
  };
  std::sort(begin, candidates_.end(), [&](const Candidate& a, const Candidate& b) { return rank(a) < rank(b); });
  auto any_host = std::find_if(begin, candidates_.end(), [](const Candidate& c) { return c.host.empty(); });
  node.begin = static_cast<std::uint32_t>(first);
  node.any_host = static_cast<std::uint32_t>(any_host - candidates_.begin());
  node.end = static_cast<std::uint32_t>(candidates_.size());
}

// Which routes fit but for the method depends on host and headers, so every union of their methods gets its text. A
// union is a subset of the distinct methods in use: seven standard ones make at most 127 texts.
void RouteTable::prebuild_allow(const Node& node) {
  std::set<MethodSet> unions;
  for (std::uint32_t i = node.begin; i < node.end; ++i) {
    MethodSet methods = candidates_[i].methods;
    if (methods == 0 || unions.contains(methods)) continue;
    std::vector<MethodSet> known(unions.begin(), unions.end());
    for (MethodSet set : known) unions.insert(set | methods);
    unions.insert(methods);
  }
  for (MethodSet set : unions) {
    std::string& text = allow_[set];
    if (!text.empty()) continue;
    for (std::size_t i = 0; i < methods_.size(); ++i) {
      if ((set >> i & 1) == 0) continue;
      if (!text.empty()) text += ", ";
      text += methods_[i];
    }
  }
}

// The slot that holds the step, or the free slot where the search for it ends.
std::size_t RouteTable::slot_of(std::uint32_t parent, std::string_view segment) const {
  std::size_t mask = edges_.size() - 1;
  std::size_t slot = hash_bytes(segment, parent) & mask;
  while (edges_[slot].child != kNone && (edges_[slot].parent != parent || edges_[slot].segment != segment)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

std::uint32_t RouteTable::child_of(std::uint32_t parent, std::string_view segment) const {
  return edges_[slot_of(parent, segment)].child;
}

std::uint32_t RouteTable::add_child(std::uint32_t parent, std::string_view segment) {
  auto child = static_cast<std::uint32_t>(nodes_.size());
  edges_[slot_of(parent, segment)] = Edge{.parent = parent, .child = child, .segment = std::string(segment)};
  bool subject = segment == kSubjectKey;
  has_subjects_ = has_subjects_ || subject;
  nodes_[parent].has_children = true;
  if (subject) nodes_[parent].subject_child = child;
  nodes_.push_back(Node{.depth = nodes_[parent].depth + 1, .below_subject = subject || nodes_[parent].below_subject});
  return child;
}

// By a segment of a request's path. One that is an edge as it stands has nothing encoded: an edge's own '%' never has
// two hexadecimal digits behind it, because paths that are encoded twice are refused.
std::uint32_t RouteTable::step(std::uint32_t node, std::string_view segment) const {
  std::uint32_t child = child_of(node, segment);
  return child != kNone || !segment.contains('%') ? child : encoded_step(node, segment);
}

std::uint32_t RouteTable::encoded_step(std::uint32_t node, std::string_view segment) const {
  std::array<char, kMaxPathBytes> buffer;
  auto decoded = http::decode_segment(http::without_parameters(segment), buffer);
  if (!decoded) return kNone;  // longer than any edge
  return decoded->empty() ? node : child_of(node, *decoded);
}

std::uint32_t RouteTable::deepest_node(std::uint32_t from, std::string_view path) const {
  std::uint32_t node = from;
  while (!path.empty() && nodes_[node].has_children) {
    std::string_view segment = take_segment(path);
    if (segment.empty()) continue;
    std::uint32_t child = step(node, segment);
    if (child == kNone) break;
    node = child;
  }
  return node;
}

bool RouteTable::try_range(std::uint32_t begin, std::uint32_t end, MethodSet method, HeaderLookup header,
                           Attempt& attempt) const {
  for (std::uint32_t i = begin; i < end; ++i) {
    const Candidate& candidate = candidates_[i];
    if (!headers_fit(candidate.headers, header)) continue;
    if (candidate.methods == 0 || (candidate.methods & method) != 0) {
      attempt.route = candidate.route;
      return true;
    }
    attempt.other_methods |= candidate.methods;
  }
  return false;
}

RouteTable::Attempt RouteTable::try_node(const Node& node, const RouteQuery& query, MethodSet method,
                                         HeaderLookup header) const {
  Attempt attempt;
  if (node.begin != node.any_host) {
    auto first = candidates_.begin() + node.begin;
    auto last = candidates_.begin() + node.any_host;
    auto range = std::ranges::equal_range(first, last, query.host, {},
                                          [](const Candidate& c) { return std::string_view(c.host); });
    auto begin = static_cast<std::uint32_t>(range.begin() - candidates_.begin());
    auto end = static_cast<std::uint32_t>(range.end() - candidates_.begin());
    if (try_range(begin, end, method, header, attempt)) return attempt;
  }
  try_range(node.any_host, node.end, method, header, attempt);
  return attempt;
}

// Literal steps as far as they lead; wherever a subject could stand instead, that step and then literal ones again.
RouteTable::Ways RouteTable::find_ways(std::string_view path) const {
  std::array<Way, kMaxSubjectPlaces> branches;
  std::size_t branch_count = 0;
  std::uint32_t node = 0;
  while (true) {
    std::string_view segment;
    while (!path.empty() && segment.empty()) segment = take_segment(path);
    if (segment.empty()) break;
    if (std::uint32_t child = nodes_[node].subject_child; child != kNone && branch_count < kMaxSubjectPlaces) {
      std::string_view subject = http::without_parameters(segment);
      if (!subject.empty()) branches[branch_count++] = {.at = deepest_node(child, path), .subject = subject};
    }
    std::uint32_t child = nodes_[node].has_children ? step(node, segment) : kNone;
    if (child == kNone) break;
    node = child;
  }
  Ways ways;
  ways.all[ways.count++] = {.at = node};
  while (branch_count > 0) ways.all[ways.count++] = branches[--branch_count];
  return ways;
}

std::optional<RouteMatch> RouteTable::try_way(const Way& way, const RouteQuery& query, MethodSet method,
                                              HeaderLookup header) const {
  Attempt attempt = try_node(nodes_[way.at], query, method, header);
  if (attempt.route != kNone) {
    return RouteMatch{.kind = RouteMatch::Kind::found, .index = attempt.route, .subject = way.subject};
  }
  if (attempt.other_methods == 0) return std::nullopt;
  return RouteMatch{.kind = RouteMatch::Kind::method_not_allowed, .allow = allow_.find(attempt.other_methods)->second};
}

// Every way from its end upwards, always the longest of what is left; the order of the ways decides between equals.
RouteMatch RouteTable::match_subjects(const RouteQuery& query, MethodSet method, HeaderLookup header) const {
  Ways ways = find_ways(query.path);
  while (true) {
    Way* longest = nullptr;
    for (std::size_t i = 0; i < ways.count; ++i) {
      Way& way = ways.all[i];
      if (way.at == kNone) continue;
      if (longest == nullptr || nodes_[way.at].depth > nodes_[longest->at].depth) longest = &way;
    }
    if (longest == nullptr) return {};
    if (auto match = try_way(*longest, query, method, header)) return *match;
    bool below_subject = nodes_[longest->at].below_subject;
    longest->at = nodes_[longest->at].shorter;
    // Above its subject a way goes on where the literal one goes anyhow.
    if (longest->at != kNone && below_subject && !nodes_[longest->at].below_subject) longest->at = kNone;
  }
}

RouteMatch RouteTable::match(const RouteQuery& query, HeaderLookup header) const {
  MethodSet method = method_bit(query.method);
  if (has_subjects_) return match_subjects(query, method, header);
  for (std::uint32_t at = deepest_node(0, query.path); at != kNone; at = nodes_[at].shorter) {
    if (auto match = try_way({.at = at}, query, method, header)) return *match;
  }
  return {};
}

}  // namespace lotagate::route
