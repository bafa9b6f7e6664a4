#include "config/values.h"

#include <gtest/gtest.h>

namespace lotagate::config {
namespace {

std::string canonical(std::string_view text) {
  auto path = canonical_route_path(text);
  return path ? *path : "error: " + path.error();
}

TEST(Values, RoutePathsHaveOneCanonicalForm) {
  struct Case {
    std::string_view given;
    std::string_view expected;
  };
  for (auto [given, expected] : std::initializer_list<Case>{
           {"/", "/"},
           {"/a/b", "/a/b"},
           {"/a/", "/a"},
           {"//a//b//", "/a/b"},
           {"/a/./b/../c", "/a/c"},
           {"/a/..", "/"},
           {"/%7Ea/%41%2d", "/~a/A-"},
           {"/caf%c3%a9", "/caf%C3%A9"},
           {"/a%20b%3f", "/a%20b%3F"},
           {"/x:y@z=1,2(3)*", "/x:y@z=1,2(3)*"},
           {"/%3a%40%21%24%26%27%28%29%2a%2b%2c%3D", "/:@!$&'()*+,="},
           {"/%5b%5D%7Bsubject%7D", "/%5B%5D%7Bsubject%7D"},
           {"/50%25", "/50%25"},
           {"/a%252e", "error: `/a%252e` is encoded twice; such requests are refused"},
           {"/a%25%32e", "error: `/a%25%32e` is encoded twice; such requests are refused"},
           {"/%2A", "error: `/%2A` holds a wildcard; a route takes everything below its path"},
           {"/a%3b", "error: `/a%3b` holds path parameters; a route matches with any parameters"},
           {"/%2e%2e/a", "error: `/%2e%2e/a` leads above the root"},
           {"/../a", "error: `/../a` leads above the root"},
           {"", "error: `` does not begin with `/`"},
           {"a", "error: `a` does not begin with `/`"},
           {"/a?b", "error: `/a?b` holds a query or a fragment; routes match the path alone"},
           {"/a#b", "error: `/a#b` holds a query or a fragment; routes match the path alone"},
           {"/a;b", "error: `/a;b` holds path parameters; a route matches with any parameters"},
           {"/a/*", "error: `/a/*` holds a wildcard; a route takes everything below its path"},
           {"/a/{id}",
            "error: `/a/{id}` holds a placeholder other than `{subject}`; a route takes everything below its path"},
           {"/a/{subject}/b", "/a/{subject}/b"},
           {"/a b", "error: `/a b` holds ` `, which is not allowed in a path"},
           {"/caf\xC3\xA9", "error: `/caf??` holds `?`, which is not allowed in a path"},
           {"/a%2", "error: `/a%2` has a `%` that two hexadecimal digits do not follow"},
           {"/a%zz", "error: `/a%zz` has a `%` that two hexadecimal digits do not follow"},
           {"/a%2fb",
            "error: `/a%2fb` has an encoded slash, backslash or control character; such requests are refused"},
           {"/a%5Cb",
            "error: `/a%5Cb` has an encoded slash, backslash or control character; such requests are refused"},
           {"/a%00", "error: `/a%00` has an encoded slash, backslash or control character; such requests are refused"},
       }) {
    EXPECT_EQ(canonical(given), expected);
    if (!expected.starts_with("error")) EXPECT_EQ(canonical(expected), expected) << "not a fixed point";
  }
  EXPECT_FALSE(canonical_route_path("/" + std::string(1024, 'a')));
}

TEST(Values, Urls) {
  auto url = parse_url("https://User-Service.Example:8443/jwks/x?p=1");
  ASSERT_TRUE(url) << url.error();
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "user-service.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/jwks/x?p=1");
  EXPECT_EQ(url->text, "https://User-Service.Example:8443/jwks/x?p=1");

  EXPECT_EQ(parse_url("http://a")->port, 80);
  EXPECT_EQ(parse_url("https://a")->port, 443);
  EXPECT_EQ(parse_url("http://a")->path, "");
  EXPECT_EQ(parse_url("http://a?b")->path, "/?b");
  EXPECT_EQ(parse_url("http://[::1]:7001")->host, "::1");
  EXPECT_EQ(parse_url("http://[::1]")->port, 80);
  EXPECT_EQ(parse_url("http://127.0.0.1:1")->host, "127.0.0.1");

  for (auto bad : {"",
                   "a",
                   "a:80",
                   "//a",
                   "ftp://a",
                   "HTTP://a",
                   "http:/a",
                   "http://",
                   "http:///x",
                   "http://:80",
                   "http://a:0",
                   "http://a:65536",
                   "http://a:",
                   "http://a:+1",
                   "http://a:000080",
                   "http://u@a",
                   "http://u:p@a",
                   "http://[::1",
                   "http://::1",
                   "http://[127.0.0.1]",
                   "http://[::1]x",
                   "http://a b",
                   "http://a/#f",
                   "http://a/ b",
                   "http://a/%zz",
                   "http://a..b",
                   "http://a.",
                   "http://-a",
                   "http://1.2.3",
                   "http://1.2.3.4.5",
                   "http://0x7f000001",
                   "http://256.1.1.1",
                   "http://a\\b",
                   "http://*.a"}) {
    EXPECT_FALSE(parse_url(bad)) << bad;
  }
}

TEST(Values, Endpoints) {
  EXPECT_TRUE(parse_endpoint("http://users.internal:7001"));
  EXPECT_EQ(parse_endpoint("https://a:1").error(),
            "`https://a:1` uses https, which is not supported towards services yet; use http://");
  EXPECT_EQ(parse_endpoint("http://a:1/").error(), "`http://a:1/` has a path; an endpoint is `http://host:port`");
  EXPECT_EQ(parse_endpoint("http://a:1/x").error(), "`http://a:1/x` has a path; an endpoint is `http://host:port`");
  EXPECT_EQ(parse_endpoint("http://a:1?x").error(), "`http://a:1?x` has a path; an endpoint is `http://host:port`");
}

TEST(Values, Hosts) {
  EXPECT_EQ(parse_host("API.Example"), "api.example");
  EXPECT_EQ(parse_host("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(parse_host("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(parse_host("under_score"), "under_score");
  EXPECT_TRUE(parse_host(std::string(63, 'a') + ".b"));
  EXPECT_FALSE(parse_host(std::string(64, 'a') + ".b"));
  std::string long_name;
  for (int i = 0; i < 128; ++i) long_name += "a.";
  EXPECT_FALSE(parse_host(long_name + "b"));
  for (auto bad : {"", "a:80", "a.", ".a", "*.a", "a/b", "a b",
                   "b\xC3\xBC"
                   "cher",
                   "[::1]", "::1", "1.2.3", "a-"}) {
    EXPECT_FALSE(parse_host(bad)) << bad;
  }
}

}  // namespace
}  // namespace lotagate::config
