#include "route/route_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <random>

namespace {
std::size_t allocations = 0;
}  // namespace

// Counts every allocation of this test program; what it proves is that match() makes none.
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace lotagate::route {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;
using Kind = RouteMatch::Kind;

RouteMatch match(const RouteTable& table, std::string_view method, std::string_view path, std::string_view host = "h",
                 const Headers& headers = {}) {
  auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return std::nullopt;
  };
  return table.match({.host = host, .path = path, .method = method}, lookup);
}

// "3" for a found route, "-" for none, "405 A, B" for a refused method.
std::string outcome(const RouteMatch& found) {
  switch (found.kind) {
    case Kind::found: return std::to_string(found.index);
    case Kind::not_found: return "-";
    case Kind::method_not_allowed: return "405 " + std::string(found.allow);
  }
  return "";
}

TEST(RouteTable, ASubjectTakesAnyOneSegment) {
  RouteTable table({{.path = "/users"},
                    {.path = "/users/{subject}"},
                    {.path = "/users/login"},
                    {.path = "/users/{subject}/keys", .methods = {"GET"}},
                    {.path = "/{subject}/users/x/y"},
                    {.path = "/{subject}"}});
  struct Case {
    std::string_view path, outcome, subject;
  };
  for (const Case& c : {Case{"/users", "0", ""}, Case{"/users/", "0", ""}, Case{"/users/u-1", "1", "u-1"},
                        Case{"/users/login", "2", ""}, Case{"/users/login/x", "2", ""},
                        Case{"/users/login/keys", "3", "login"},  // the longer one, although less literal
                        Case{"/users/u%7C1/keys/7", "3", "u%7C1"}, Case{"/users/u-1;a=b", "1", "u-1"},
                        Case{"/users/;a/u-1", "1", "u-1"}, Case{"/users/users/x/y", "4", "users"},
                        Case{"/users/users/x/z", "1", "users"}, Case{"/a/users/x/y/z", "4", "a"},
                        Case{"/a/users", "5", "a"}, Case{"/", "-", ""}}) {
    auto found = match(table, "GET", c.path);
    EXPECT_EQ(outcome(found), c.outcome) << c.path;
    EXPECT_EQ(found.subject, c.subject) << c.path;
  }
  EXPECT_EQ(outcome(match(table, "POST", "/users/u-1/keys")), "405 GET");
}

TEST(RouteTable, WithoutAFittingRouteBelowTheSubjectAShorterOneServes) {
  RouteTable table({{.path = "/users"}, {.path = "/users/{subject}", .host = "admin"}, {.path = "/users/me/x"}});
  EXPECT_EQ(outcome(match(table, "GET", "/users/u-1/y")), "0");
  EXPECT_EQ(outcome(match(table, "GET", "/users/u-1/y", "admin")), "1");
  EXPECT_EQ(outcome(match(table, "GET", "/users/me/y", "admin")), "1");
  EXPECT_EQ(match(table, "GET", "/users/me/y", "admin").subject, "me");
  EXPECT_EQ(outcome(match(table, "GET", "/users/me/y")), "0");
}

TEST(RouteTable, MatchesOnSegmentBoundaries) {
  RouteTable table({{.path = "/api/v1/users", .host = "", .methods = {}, .headers = {}}});
  struct Case {
    std::string_view path;
    std::string_view expected;
  };
  for (auto [path, expected] : std::initializer_list<Case>{{"/api/v1/users", "0"},
                                                           {"/api/v1/users/", "0"},
                                                           {"/api/v1/users/7", "0"},
                                                           {"/api/v1/users/7/roles/", "0"},
                                                           {"/api/v1/usersX", "-"},
                                                           {"/api/v1/user", "-"},
                                                           {"/api/v1", "-"},
                                                           {"/API/v1/users", "-"},
                                                           {"/x/api/v1/users", "-"},
                                                           {"/", "-"},
                                                           {"*", "-"},
                                                           {"", "-"}}) {
    EXPECT_EQ(outcome(match(table, "GET", path)), expected) << path;
  }
}

TEST(RouteTable, RulesHoldWithAndWithoutPathParameters) {
  RouteTable table({{.path = "/", .host = "", .methods = {}, .headers = {}},
                    {.path = "/admin", .host = "", .methods = {}, .headers = {}},
                    {.path = "/admin/keys", .host = "", .methods = {}, .headers = {}}});
  EXPECT_EQ(outcome(match(table, "GET", "/admin;a=b")), "1");
  EXPECT_EQ(outcome(match(table, "GET", "/admin;")), "1");
  EXPECT_EQ(outcome(match(table, "GET", "/admin;a=b/x")), "1");
  EXPECT_EQ(outcome(match(table, "GET", "/admin;a/keys;b")), "2");
  EXPECT_EQ(outcome(match(table, "GET", "/;x/admin")), "1");
  EXPECT_EQ(outcome(match(table, "GET", "//admin")), "1");
  EXPECT_EQ(outcome(match(table, "GET", "/administrator;/admin")), "0");
  EXPECT_EQ(outcome(match(table, "GET", "/admin%3Ba")), "1");
  EXPECT_EQ(outcome(match(table, "GET", "/admin%3Ba=b/keys%3B;c/x")), "2");
  EXPECT_EQ(outcome(match(table, "GET", "/%3Bx/admin")), "1");
}

// RFC 3986 2.2 keeps an encoded reserved character apart from the plain one; services decode it all the same.
TEST(Attack, N07_AnEncodedCharacterLeavesNoRoute) {
  RouteTable table({{.path = "/v1"},
                    {.path = "/v1/models:purge"},
                    {.path = "/v1/%5Bx%5D"},
                    {.path = "/v1/50%25"},
                    {.path = "/v1/a%20b/c"},
                    {.path = "/v1/" + std::string(kMaxPathBytes - 4, ':')}});
  struct Case {
    std::string_view path, outcome;
  };
  for (const Case& c :
       {Case{"/v1/models:purge", "1"}, Case{"/v1/models%3Apurge", "1"}, Case{"/v1/models%3Apurge/x", "1"},
        Case{"/v1/models%3Apurge%3B/x", "1"}, Case{"/v1/models%3A", "0"}, Case{"/v1/[x]", "2"}, Case{"/v1/%5Bx]", "2"},
        Case{"/v1/%5Bx%5D", "2"}, Case{"/v1/50%25", "3"}, Case{"/v1/a%20b", "0"}, Case{"/v1/a%20b/c", "4"}}) {
    EXPECT_EQ(outcome(match(table, "GET", c.path)), c.outcome) << c.path;
  }
  std::string longest = "/v1/";
  for (std::size_t i = 0; i < kMaxPathBytes - 4; ++i) longest += "%3A";
  EXPECT_EQ(outcome(match(table, "GET", longest)), "5");
  EXPECT_EQ(outcome(match(table, "GET", longest + "%3A")), "0");
  EXPECT_EQ(outcome(match(table, "GET", longest + std::string(3 * kMaxPathBytes, 'x'))), "0");
}

TEST(Attack, N07_AnEncodedPlaceholderIsNoPlaceholder) {
  RouteTable table({{.path = "/users"}, {.path = "/users/{subject}"}, {.path = "/users/x/%7Bsubject%7D"}});
  auto found = match(table, "GET", "/users/%7Bsubject%7D");
  EXPECT_EQ(outcome(found), "1");
  EXPECT_EQ(found.subject, "%7Bsubject%7D");
  EXPECT_EQ(outcome(match(table, "GET", "/users/x/%7Bsubject%7D")), "2");
  EXPECT_EQ(outcome(match(table, "GET", "/users/x/y")), "1");
  EXPECT_EQ(match(table, "GET", "/users/u-1%3Ba=b").subject, "u-1");
  EXPECT_EQ(outcome(match(table, "GET", "/users/%3Ba")), "0") << "nobody stands there";
}

TEST(RouteTable, TheLongestPathWinsWhateverTheOrder) {
  std::vector<RouteSpec> specs{{.path = "/", .host = "", .methods = {}, .headers = {}},
                               {.path = "/api/v1/users/login", .host = "", .methods = {"POST"}, .headers = {}},
                               {.path = "/api", .host = "", .methods = {}, .headers = {}},
                               {.path = "/api/v1/users", .host = "", .methods = {}, .headers = {}}};
  RouteTable table(specs);
  EXPECT_EQ(outcome(match(table, "POST", "/api/v1/users/login")), "1");
  EXPECT_EQ(outcome(match(table, "POST", "/api/v1/users/logins")), "3");
  EXPECT_EQ(outcome(match(table, "GET", "/api/v1")), "2");
  EXPECT_EQ(outcome(match(table, "GET", "/other")), "0");
}

TEST(RouteTable, AMethodThatDoesNotFitIsNotSoughtAtAShorterPath) {
  RouteTable table({{.path = "/", .host = "", .methods = {}, .headers = {}},
                    {.path = "/a", .host = "", .methods = {"POST", "GET"}, .headers = {}},
                    {.path = "/a", .host = "x", .methods = {"PUT"}, .headers = {}},
                    {.path = "/a", .host = "", .methods = {"PATCH"}, .headers = {{"v", "2"}}}});
  EXPECT_EQ(outcome(match(table, "DELETE", "/a/b")), "405 GET, POST");
  EXPECT_EQ(outcome(match(table, "DELETE", "/a/b", "x")), "405 GET, POST, PUT");
  EXPECT_EQ(outcome(match(table, "DELETE", "/a/b", "h", {{"v", "2"}})), "405 GET, PATCH, POST");
  EXPECT_EQ(outcome(match(table, "BREW", "/a", "x", {{"v", "2"}})), "405 GET, PATCH, POST, PUT");
  EXPECT_EQ(outcome(match(table, "get", "/a")), "405 GET, POST");
  EXPECT_EQ(outcome(match(table, "POST", "/a", "x")), "1") << "an any-host route still serves what the host's do not";
}

TEST(RouteTable, HostThenHeadersThenMethodsRefine) {
  RouteTable table({{.path = "/a", .host = "", .methods = {}, .headers = {}},
                    {.path = "/a", .host = "", .methods = {"GET"}, .headers = {}},
                    {.path = "/a", .host = "", .methods = {}, .headers = {{"v", "2"}}},
                    {.path = "/a", .host = "", .methods = {}, .headers = {{"v", "2"}, {"beta", "1"}}},
                    {.path = "/a", .host = "x.example", .methods = {}, .headers = {}},
                    {.path = "/a", .host = "y.example", .methods = {}, .headers = {}}});
  EXPECT_EQ(outcome(match(table, "POST", "/a")), "0");
  EXPECT_EQ(outcome(match(table, "GET", "/a")), "1");
  EXPECT_EQ(outcome(match(table, "GET", "/a", "h", {{"v", "2"}})), "2");
  EXPECT_EQ(outcome(match(table, "GET", "/a", "h", {{"v", "3"}})), "1");
  EXPECT_EQ(outcome(match(table, "GET", "/a", "h", {{"v", ""}})), "1");
  EXPECT_EQ(outcome(match(table, "GET", "/a", "h", {{"beta", "1"}, {"v", "2"}})), "3");
  EXPECT_EQ(outcome(match(table, "GET", "/a", "x.example", {{"beta", "1"}, {"v", "2"}})), "4");
  EXPECT_EQ(outcome(match(table, "GET", "/a", "y.example")), "5");
  EXPECT_EQ(outcome(match(table, "GET", "/a", "z.example")), "1");
}

TEST(RouteTable, AHostOrHeaderThatDoesNotFitLeavesThePathToAShorterOne) {
  RouteTable table({{.path = "/a", .host = "", .methods = {}, .headers = {}},
                    {.path = "/a/b/c", .host = "x", .methods = {"GET"}, .headers = {}},
                    {.path = "/a/b", .host = "", .methods = {}, .headers = {{"v", "2"}}}});
  EXPECT_EQ(outcome(match(table, "GET", "/a/b/c")), "0");
  EXPECT_EQ(outcome(match(table, "GET", "/a/b/c", "h", {{"v", "2"}})), "2");
  EXPECT_EQ(outcome(match(table, "GET", "/a/b/c", "x")), "1");
  EXPECT_EQ(outcome(match(table, "POST", "/a/b/c", "x")), "405 GET");
  EXPECT_EQ(outcome(match(table, "POST", "/b")), "-");
}

TEST(RouteTable, AnEmptyTableFindsNothing) {
  RouteTable table({});
  EXPECT_EQ(outcome(match(table, "GET", "/")), "-");
  EXPECT_EQ(outcome(match(table, "GET", "/a/b;c")), "-");
}

TEST(RouteTable, MatchingAllocatesNothing) {
  RouteTable table(
      {{.path = "/a", .host = "x", .methods = {"GET"}, .headers = {{"v", "2"}}},
       {.path = "/a/long-segment-name-beyond-any-small-string", .host = "", .methods = {}, .headers = {}}});
  Headers headers{{"v", "2"}};
  auto found = [&](std::string_view method, std::string_view path, std::string_view host) {
    std::size_t before = allocations;
    match(table, method, path, host, headers);
    return allocations - before;
  };
  EXPECT_EQ(found("GET", "/a/b/c", "x"), 0u);
  EXPECT_EQ(found("PUT", "/a/b/c", "x"), 0u);
  EXPECT_EQ(found("GET", "/a/long-segment-name-beyond-any-small-string/d;e", "y"), 0u);
  EXPECT_EQ(found("GET", "/a/long%2Dsegment-name-beyond-any-small-string%3B/d", "y"), 0u);
  EXPECT_EQ(found("GET", "/nothing", "y"), 0u);
}

// The documented rules word by word, over all routes, with string work instead of a trie.
class Reference {
 public:
  explicit Reference(const std::vector<RouteSpec>& specs) : specs_(specs) {}

  std::string match(const RouteQuery& query, const Headers& headers) const {
    std::string path = plain(query.path);
    while (true) {
      std::optional<std::size_t> best;
      std::vector<std::string> others;
      for (std::size_t i = 0; i < specs_.size(); ++i) {
        if (plain(specs_[i].path) != path || !host_and_headers_fit(specs_[i], query, headers)) continue;
        const auto& methods = specs_[i].methods;
        if (!methods.empty() && std::ranges::find(methods, query.method) == methods.end()) {
          others.insert(others.end(), methods.begin(), methods.end());
        } else if (!best || before(specs_[i], specs_[*best])) {
          best = i;
        }
      }
      if (best) return std::to_string(*best);
      if (!others.empty()) return "405 " + joined(others);
      if (path.empty()) return "-";
      path.erase(path.rfind('/'));
    }
  }

 private:
  // Decoded, without parameters, empty segments and a trailing '/': "/a;x//b/" -> "/a/b", "/" -> "".
  static std::string plain(std::string_view path) {
    std::string out;
    bool in_parameter = false;
    for (std::size_t i = 0; i < path.size(); ++i) {
      char c = path[i];
      if (c == '%') {
        c = static_cast<char>(std::stoi(std::string(path.substr(i + 1, 2)), nullptr, 16));
        i += 2;
      }
      if (c == '/') in_parameter = false;
      if (c == ';') in_parameter = true;
      if (in_parameter || (c == '/' && out.ends_with('/'))) continue;
      out += c;
    }
    while (out.ends_with('/')) out.pop_back();
    return out;
  }

  static bool host_and_headers_fit(const RouteSpec& spec, const RouteQuery& query, const Headers& headers) {
    if (!spec.host.empty() && spec.host != query.host) return false;
    return std::ranges::all_of(
        spec.headers, [&](const auto& condition) { return std::ranges::find(headers, condition) != headers.end(); });
  }

  static bool before(const RouteSpec& a, const RouteSpec& b) {
    if (a.host.empty() != b.host.empty()) return !a.host.empty();
    if (a.headers.size() != b.headers.size()) return a.headers.size() > b.headers.size();
    return !a.methods.empty() && b.methods.empty();
  }

  static std::string joined(std::vector<std::string> methods) {
    std::ranges::sort(methods);
    auto repeated = std::ranges::unique(methods);
    methods.erase(repeated.begin(), repeated.end());
    std::string out;
    for (const std::string& method : methods) out += (out.empty() ? "" : ", ") + method;
    return out;
  }

  const std::vector<RouteSpec>& specs_;
};

// Few distinct words, so that random tables and queries meet often.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t bound) { return engine_() % bound; }

  std::string path(bool with_parameters) {
    static constexpr std::string_view kWords[] = {"a", "a:b", "ab", "long-word,beyond+small@string"};
    std::string out;
    for (std::size_t segments = below(5); segments > 0; --segments) {
      out += '/';
      if (with_parameters && below(8) == 0)
        out += ";p";
      else
        out += kWords[below(std::size(kWords))];
      if (with_parameters && below(4) == 0) out += ";p=1";
    }
    if (with_parameters) out = encoded(out);
    if (out.empty() || (with_parameters && below(4) == 0)) out += '/';
    return out;
  }

  // As a client may write it: reserved characters in the other way, here and there.
  std::string encoded(std::string_view path) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    std::string out;
    for (char c : path) {
      bool reserved = std::string_view(":,+@;=").contains(c);
      if (reserved && below(2) == 0) {
        out += {'%', kHex[c >> 4], kHex[c & 15]};
      } else {
        out += c;
      }
    }
    return out;
  }

  std::string method() {
    static constexpr const char* kMethods[] = {"GET", "POST", "PUT", "DELETE", "PATCH"};
    return kMethods[below(std::size(kMethods))];
  }

  std::string host() { return below(2) == 0 ? "x" : "y"; }

  Headers headers() {
    Headers out;
    for (const char* name : {"h", "i", "j"}) {
      if (below(3) == 0) out.emplace_back(name, below(2) == 0 ? "1" : "2");
    }
    return out;
  }

  RouteSpec spec() {
    RouteSpec spec{.path = path(false), .host = below(3) == 0 ? host() : "", .methods = {}, .headers = {}};
    for (std::size_t count = below(3); count > 0; --count) spec.methods.push_back(method());
    if (below(3) == 0) spec.headers = headers();
    return spec;
  }

 private:
  std::mt19937 engine_;
};

TEST(RouteTable, AgreesWithTheReferenceOnRandomTables) {
  for (unsigned seed = 1; seed <= 1000; ++seed) {
    Random random(seed);
    std::vector<RouteSpec> specs;
    for (std::size_t count = random.below(40); count > 0; --count) specs.push_back(random.spec());
    RouteTable table(specs);
    Reference reference(specs);
    for (int i = 0; i < 100; ++i) {
      std::string path = random.path(true), method = random.method(), host = random.host();
      Headers headers = random.headers();
      std::string expected = reference.match({.host = host, .path = path, .method = method}, headers);
      ASSERT_EQ(outcome(match(table, method, path, host, headers)), expected)
          << "seed " << seed << ": " << method << ' ' << host << path;
    }
  }
}

}  // namespace
}  // namespace lotagate::route
