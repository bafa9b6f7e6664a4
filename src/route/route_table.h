// Which route takes a request: an immutable trie over path segments, shared by all workers and replaced as a whole.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace lotagate::route {

// The segment of a route's path that takes any one segment: it names whose resource the path is. A request's segment
// that is these characters, encoded, is one like any other.
inline constexpr std::string_view kSubjectSegment = "{subject}";

inline constexpr std::size_t kMaxPathBytes = 1024;  // of a route; requests' may be longer

// The matching part of one configured route.
struct RouteSpec {
  // Canonical, at most kMaxPathBytes; "/" or without a trailing '/'; one segment may be kSubjectSegment.
  std::string path;
  std::string host = {};                                          // lower case, no port; empty: any
  std::vector<std::string> methods = {};                          // empty: any
  std::vector<std::pair<std::string, std::string>> headers = {};  // lower-case name and exact value; all must match
};

struct RouteQuery {
  std::string_view host;  // lower case, no port
  std::string_view path;  // canonical, without the query
  std::string_view method;
};

// How match() asks for a request's header: lower-case name -> value, or nothing. It refers to the callable, which must
// outlive the call. A field that came on several lines must be given combined (RFC 9110 5.3) or not at all: a condition
// that saw only the first value could be satisfied by a request whose second value the backend acts on.
class HeaderLookup {
 public:
  template <typename Callable>
    requires(!std::same_as<std::remove_cvref_t<Callable>, HeaderLookup> &&
             std::is_invocable_r_v<std::optional<std::string_view>, const Callable&, std::string_view>)
  HeaderLookup(const Callable& callable)
      : object_(&callable), call_([](const void* object, std::string_view name) -> std::optional<std::string_view> {
          return (*static_cast<const Callable*>(object))(name);
        }) {}

  std::optional<std::string_view> operator()(std::string_view name) const { return call_(object_, name); }

 private:
  const void* object_;
  std::optional<std::string_view> (*call_)(const void*, std::string_view);
};

struct RouteMatch {
  enum class Kind : std::uint8_t { found, not_found, method_not_allowed };
  Kind kind = Kind::not_found;
  std::size_t index = 0;          // found: position of the route in the specs
  std::string_view allow = {};    // method_not_allowed: value of the Allow field; lives as long as the table
  std::string_view subject = {};  // found: what kSubjectSegment took, percent-encoded, without parameters
};

// Matching, in this order:
//  1. The longest path on segment boundaries that has a route whose host and headers fit; of two of one length the one
//     without kSubjectSegment, or with it further behind. Path parameters
//     (";name=value") are not part of a segment here, and a segment that is empty without them is skipped: a rule for
//     /admin also holds for /admin;a=b and /;x/admin, which backends may read as the same resource. For the same reason
//     segments are compared as what they stand for, percent-decoded, and "%3B" begins parameters: /a%3Ab is /a:b.
//  2. Among that path's routes: exact host before any host, more header conditions before fewer, routes that name
//     methods before those that do not, then the order of the specs.
//  3. If only the method keeps all of them from fitting, the answer is method_not_allowed with the methods of those
//     whose host and headers fit. A shorter path is not tried: its rules were written for something else.
class RouteTable {
 public:
  // Any number of specs with at most kMaxMethods distinct methods and kMaxSubjectPlaces.
  explicit RouteTable(const std::vector<RouteSpec>& specs);

  // Allocates nothing; the time grows with the path's segments and with the routes of one path, not with the table.
  // Three segments take some 40 ns, with 100 routes as with 10,000 (route_table_bench.cc, x86-64).
  RouteMatch match(const RouteQuery& query, HeaderLookup header) const;

  static constexpr std::size_t kMaxMethods = 32;
  // Places of kSubjectSegment behind beginnings of one path ("/{subject}", "/a/{subject}", "/a/b/{subject}", ...).
  static constexpr std::size_t kMaxSubjectPlaces = 7;

 private:
  using MethodSet = std::uint32_t;  // bit i: methods_[i]; as a candidate's set, 0 means any method

  struct Candidate {
    std::string host;
    std::vector<std::pair<std::string, std::string>> headers;
    MethodSet methods = 0;
    std::uint32_t route = 0;
  };
  // The routes of one path: candidates_[begin, any_host) by host, then [any_host, end) for every host.
  struct Node {
    std::uint32_t begin = 0;
    std::uint32_t any_host = 0;
    std::uint32_t end = 0;
    std::uint32_t shorter = kNone;        // nearest node above that has candidates
    std::uint32_t subject_child = kNone;  // its child by kSubjectSegment
    std::uint32_t depth = 0;              // segments above it
    bool has_children = false;
    bool below_subject = false;  // some step to it was kSubjectSegment
  };
  // Slot of the open-addressing table that holds every parent -> child step of the trie.
  struct Edge {
    std::uint32_t parent = kNone;
    std::uint32_t child = kNone;  // kNone: a free slot
    std::string segment;          // percent-decoded, or kSubjectKey
  };
  // A way down the trie that a path allows, and how far up from its end it was tried.
  struct Way {
    std::uint32_t at = kNone;
    std::string_view subject = {};
  };
  // The way by literal segments, then those that leave it by a kSubjectSegment, the last to leave first.
  struct Ways {
    std::array<Way, kMaxSubjectPlaces + 1> all;
    std::size_t count = 0;
  };
  struct Attempt {  // what one path's routes say
    std::uint32_t route = kNone;
    MethodSet other_methods = 0;  // of routes that fit but for the method
  };
  static constexpr std::uint32_t kNone = UINT32_MAX;

  void intern_methods(const std::vector<RouteSpec>& specs);
  MethodSet method_bit(std::string_view method) const;
  Candidate make_candidate(const RouteSpec& spec, std::uint32_t route) const;
  std::size_t subject_places(const std::vector<std::uint32_t>& parent_of_node, std::uint32_t node) const;
  std::vector<std::vector<std::uint32_t>> build_trie(const std::vector<RouteSpec>& specs);
  void add_candidates(Node& node, const std::vector<RouteSpec>& specs, const std::vector<std::uint32_t>& routes);
  void prebuild_allow(const Node& node);

  std::uint32_t child_of(std::uint32_t parent, std::string_view segment) const;
  std::uint32_t add_child(std::uint32_t parent, std::string_view segment);
  std::uint32_t step(std::uint32_t node, std::string_view segment) const;
  std::uint32_t encoded_step(std::uint32_t node, std::string_view segment) const;
  std::size_t slot_of(std::uint32_t parent, std::string_view segment) const;
  std::uint32_t deepest_node(std::uint32_t from, std::string_view path) const;
  Ways find_ways(std::string_view path) const;
  std::optional<RouteMatch> try_way(const Way& way, const RouteQuery& query, MethodSet method,
                                    HeaderLookup header) const;
  RouteMatch match_subjects(const RouteQuery& query, MethodSet method, HeaderLookup header) const;
  Attempt try_node(const Node& node, const RouteQuery& query, MethodSet method, HeaderLookup header) const;
  bool try_range(std::uint32_t begin, std::uint32_t end, MethodSet method, HeaderLookup header, Attempt& attempt) const;

  std::vector<std::string> methods_;  // sorted, so that Allow is the same whatever the order of the routes
  std::vector<Candidate> candidates_;
  std::vector<Node> nodes_;                 // nodes_[0] is "/"
  std::vector<Edge> edges_;                 // size is a power of two, at most half full
  std::map<MethodSet, std::string> allow_;  // a text for every union of methods that a refusal can name
  bool has_subjects_ = false;
};

}  // namespace lotagate::route
