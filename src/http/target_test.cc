#include "http/target.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "http/test_messages.h"

namespace lotagate::http {
namespace {

using namespace std::string_literals;

// The canonical path, or the name of the error.
std::string path(std::string_view raw) {
  Arena arena;
  auto result = canonical_path(raw, arena);
  if (!result) return outcome(result);
  auto again = canonical_path(*result, arena);
  EXPECT_TRUE(again && *again == *result) << raw << " is not canonical as " << *result;
  return std::string(*result);
}

// "authority|path|query" of a request, or the name of the error.
std::string resolve(std::string_view line, std::string_view fields = "Host: a.example\r\n") {
  TestRequest request(fields, std::string(line) + "\r\n");
  if (!request.parsed) return outcome(request.parsed);
  Arena arena;
  auto target = resolve_target(request.head, arena);
  if (!target) return outcome(target);
  EXPECT_TRUE(target->authority.starts_with(target->host));
  return std::string(target->authority) + "|" + std::string(target->path) + "|" + std::string(target->query);
}

// The canonical authority for a Host value, or the name of the error.
std::string authority(std::string_view host) {
  Arena arena;
  auto target = canonical_authority(host, arena);
  if (!target) return outcome(target);
  auto again = canonical_authority(target->authority, arena);
  EXPECT_TRUE(again && again->authority == target->authority && again->host == target->host) << host;
  return std::string(target->authority);
}

TEST(CanonicalPath, CanonicalPathsStayAsTheyAre) {
  for (std::string_view raw : {"/", "/a", "/a/", "/a/b.c", "/a/b..c", "/a/...", "/.well-known/jwks.json", "/a/..b",
                               "/a%20b", "/%C3%A4", "/a;b=c/d", "/a:b@c!$&'()*+,=-._~", "/[::1]", "/100%25"}) {
    EXPECT_EQ(path(raw), raw);
  }
  Arena arena;
  std::string plain = "/api/v1/models/7";
  EXPECT_EQ(canonical_path(plain, arena)->data(), plain.data()) << "a plain path is not copied";
}

TEST(CanonicalPath, N01DotSegmentsAreRemoved) {
  EXPECT_EQ(path("/a/../admin"), "/admin");
  EXPECT_EQ(path("/a/./b"), "/a/b");
  EXPECT_EQ(path("/a/b/.."), "/a/");
  EXPECT_EQ(path("/a/b/../"), "/a/");
  EXPECT_EQ(path("/a/."), "/a/");
  EXPECT_EQ(path("/."), "/");
  EXPECT_EQ(path("/./"), "/");
  EXPECT_EQ(path("/a/.."), "/");
  EXPECT_EQ(path("/a/b/../../c"), "/c");
  EXPECT_EQ(path("/a/%2e%2e/admin"), "/admin");
  EXPECT_EQ(path("/a/.%2e/admin"), "/admin");
  EXPECT_EQ(path("/a/%2E./admin"), "/admin");
  EXPECT_EQ(path("/a/%2e/b"), "/a/b");
}

TEST(CanonicalPath, N01AboveTheRootIsRefused) {
  for (std::string_view raw :
       {"/..", "/../", "/../a", "/a/../..", "/a/../../b", "/./../a", "/%2e%2e/admin", "/.%2e/", "/a/b/../../../c"}) {
    EXPECT_EQ(path(raw), "bad_request") << raw;
  }
}

TEST(CanonicalPath, N02EncodedSlashesAreRefused) {
  for (std::string_view raw : {"/a%2fb", "/a%2Fb", "/%2F", "/a%5cb", "/a%5Cb", "/..%2fadmin", "/..%5cadmin"}) {
    EXPECT_EQ(path(raw), "ambiguous_path") << raw;
  }
}

TEST(CanonicalPath, N03DoubleEncodingIsRefused) {
  for (std::string_view raw : {"/%252e%252e%252f", "/%252fadmin", "/%2541", "/%252525", "/%2500", "/%25%32%65",
                               "/%25%32%66admin", "/%252%65", "/a%25%36%31"}) {
    EXPECT_EQ(path(raw), "ambiguous_path") << raw;
  }
  EXPECT_EQ(path("/50%25"), "/50%25");
  EXPECT_EQ(path("/50%25off%25"), "/50%25off%25");
  EXPECT_EQ(path("/%25zz"), "/%25zz");
  EXPECT_EQ(path("/%252"), "/%252");
}

TEST(CanonicalPath, N04DisguisedDotSegmentsAreRefused) {
  for (std::string_view raw : {"/a/..;x=1/b", "/a/..;/admin", "/a/.;x/b", "/;/../a", "/;a", "/a/;b/c", "/a/..;",
                               "/a/%2e%2e;x/b", "/a/..%3bx/b", "/a/..%3B/admin", "/a/%2e;/b", "/..;/a"}) {
    EXPECT_EQ(path(raw), "ambiguous_path") << raw;
  }
  EXPECT_EQ(path("/admin;a=b"), "/admin;a=b");
  EXPECT_EQ(path("/admin;a=b/../c"), "/c");
  EXPECT_EQ(path("/admin;..;x"), "/admin;..;x");
}

TEST(CanonicalPath, N05EmptySegmentsAreRefused) {
  for (std::string_view raw : {"//", "//admin", "/a//b", "/a//", "///", "/a/..//b", "/a/.//b", "//evil.example/a"}) {
    EXPECT_EQ(path(raw), "ambiguous_path") << raw;
  }
}

TEST(CanonicalPath, N06BadEscapesAreRefused) {
  for (std::string_view raw :
       {"/%00",    "/a%00b",     "/%0d%0a",    "/%0A",          "/%1f",          "/%7f",    "/%09",  "/%c0%af",
        "/%C1%81", "/%e0%80%af", "/%E0%9F%BF", "/%f0%80%80%af", "/%F0%8f%bf%bf", "/%f5",    "/%ff",  "/%zz",
        "/%2",     "/%",         "/a%",        "/%%32%65",      "/%2%65",        "/%u002e", "/% 41", "/%+1"}) {
    EXPECT_EQ(path(raw), "bad_request") << raw;
  }
  EXPECT_EQ(path("/%e2%82%ac"), "/%E2%82%AC");
  EXPECT_EQ(path("/%f0%9f%98%80"), "/%F0%9F%98%80");
  EXPECT_EQ(path("/%e0%a0%80"), "/%E0%A0%80");
}

TEST(CanonicalPath, N07UnreservedIsDecodedAndHexIsUpperCase) {
  EXPECT_EQ(path("/ADMIN"), "/ADMIN");
  EXPECT_EQ(path("/%41dmin"), "/Admin");
  EXPECT_EQ(path("/%61%64%6D%69%6E"), "/admin");
  EXPECT_EQ(path("/%2d%2E%5f%7e"), "/-._~");
  EXPECT_EQ(path("/a%2e"), "/a.");
  EXPECT_EQ(path("/a%3fb"), "/a%3Fb");
  EXPECT_EQ(path("/a%23b%3b"), "/a%23b%3B");
}

TEST(CanonicalPath, EveryEscapedOctetHasOneForm) {
  constexpr std::string_view kUpper = "0123456789ABCDEF", kLower = "0123456789abcdef";
  for (unsigned octet = 0; octet < 256; ++octet) {
    std::string upper = {'/', 'a', '%', kUpper[octet / 16], kUpper[octet % 16]};
    std::string lower = {'/', 'a', '%', kLower[octet / 16], kLower[octet % 16]};
    EXPECT_EQ(path(upper), path(lower)) << octet;
  }
}

TEST(CanonicalPath, OnlyAbsolutePathsHaveOne) {
  for (std::string_view raw : {"", "a", ".", "..", "*", "a/b", "%2fa"}) EXPECT_EQ(path(raw), "bad_request") << raw;
}

TEST(Segment, N07IsReadAsWhatItStandsFor) {
  Arena arena;
  EXPECT_EQ(decode_segment("a%3Ab%2541%25", arena), "a:b%41%");
  std::string plain = "a:b";
  EXPECT_EQ(decode_segment(plain, arena).data(), plain.data()) << "a plain segment is not copied";
  char buffer[3];
  EXPECT_EQ(decode_segment("a%3Ab", buffer), "a:b");
  EXPECT_EQ(decode_segment("a%3Abc", buffer), std::nullopt);
  EXPECT_EQ(decode_segment("", std::span<char>()), "");
}

TEST(Segment, N04EndsBeforeItsParameters) {
  EXPECT_EQ(without_parameters("a"), "a");
  EXPECT_EQ(without_parameters("a;b%3Bc"), "a");
  EXPECT_EQ(without_parameters("a%3Bb;c"), "a");
  EXPECT_EQ(without_parameters("%3Bb"), "");
  EXPECT_FALSE(has_parameters("/a/b%3Ac"));
  EXPECT_TRUE(has_parameters("/a/b;"));
  EXPECT_TRUE(has_parameters("/a%3B/b"));
}

TEST(ResolveTarget, OriginForm) {
  EXPECT_EQ(resolve("GET /a/../b?c=d HTTP/1.1"), "a.example|/b|?c=d");
  EXPECT_EQ(resolve("GET / HTTP/1.1"), "a.example|/|");
  EXPECT_EQ(resolve("GET /? HTTP/1.1"), "a.example|/|?");
  EXPECT_EQ(resolve("GET /a HTTP/1.0", ""), "|/a|");
}

TEST(ResolveTarget, L10BytesNoTargetMayHaveAreRefused) {
  for (int c = 0; c < 256; ++c) {
    char byte = static_cast<char>(c);
    bool is_sound = c > 0x20 && c < 0x7F && "\"#<>\\^`{|}"s.find(byte) == std::string::npos;
    std::string bytes(1, byte);
    EXPECT_EQ(resolve("GET /?" + bytes + " HTTP/1.1"), is_sound ? "a.example|/|?" + bytes : "bad_request") << c;
    if (c == '%' || c == '?' || c == '/' || c == '.') continue;
    EXPECT_EQ(resolve("GET /a" + bytes + " HTTP/1.1"), is_sound ? "a.example|/a" + bytes + "|" : "bad_request") << c;
  }
}

TEST(ResolveTarget, L10Forms) {
  EXPECT_EQ(resolve("OPTIONS * HTTP/1.1"), "a.example|*|");
  EXPECT_EQ(resolve("GET * HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("OPTIONS *a HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("OPTIONS *?a HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("GET a.example:80 HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("GET a HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("GET ?a HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("GET #a HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("GET ftp://a.example/ HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("GET http:/a HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("GET ://a/ HTTP/1.1"), "bad_request");
}

TEST(ResolveTarget, L11HostIsRequiredOnceAndSound) {
  EXPECT_EQ(resolve("GET / HTTP/1.1", ""), "bad_request");
  EXPECT_EQ(resolve("GET / HTTP/1.1", "Host: a\r\nHost: a\r\n"), "bad_request");
  EXPECT_EQ(resolve("GET / HTTP/1.0", "Host: a\r\nHost: a\r\n"), "bad_request");
  EXPECT_EQ(resolve("GET http://a/ HTTP/1.1", "Host: a\r\nHost: b\r\n"), "bad_request");
  EXPECT_EQ(resolve("GET http://a/ HTTP/1.1", ""), "bad_request");
  EXPECT_EQ(resolve("GET http://a/ HTTP/1.1", "Host: b@c\r\n"), "bad_request");
  EXPECT_EQ(resolve("GET / HTTP/1.1", "Host:\r\n"), "bad_request");
  EXPECT_EQ(resolve("GET / HTTP/1.0", "Host:\r\n"), "bad_request");
}

TEST(ResolveTarget, L12TheTargetsAuthorityReplacesHost) {
  EXPECT_EQ(resolve("GET http://b.example/c?d HTTP/1.1"), "b.example|/c|?d");
  EXPECT_EQ(resolve("GET https://B.example:8443/ HTTP/1.1"), "b.example:8443|/|");
  EXPECT_EQ(resolve("GET http://b.example HTTP/1.1"), "b.example|/|");
  EXPECT_EQ(resolve("GET http://b.example?c=/d HTTP/1.1"), "b.example|/|?c=/d");
  EXPECT_EQ(resolve("GET HTTP://b.example/a/../c HTTP/1.1"), "b.example|/c|");
  EXPECT_EQ(resolve("GET http://user@b.example/ HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("GET http://b.example@c.example/ HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("GET http:///a HTTP/1.1"), "bad_request");
  EXPECT_EQ(resolve("GET http://b.example:x/ HTTP/1.1"), "bad_request");
}

TEST(ResolveTarget, N05ADoubleSlashIsNoAuthority) {
  EXPECT_EQ(resolve("GET //b.example/a HTTP/1.1"), "ambiguous_path");
  EXPECT_EQ(resolve("GET /http://b.example/a HTTP/1.1"), "ambiguous_path");
}

TEST(ResolveTarget, N08TheQueryIsForwardedByteExact) {
  EXPECT_EQ(resolve("GET /a?b=%2f&b=..//%00;%zz? HTTP/1.1"), "a.example|/a|?b=%2f&b=..//%00;%zz?");
  EXPECT_EQ(resolve("GET /a%3fb?c HTTP/1.1"), "a.example|/a%3Fb|?c");
}

TEST(CanonicalAuthority, N10CaseTrailingDotAndDefaultPort) {
  EXPECT_EQ(authority("a.example"), "a.example");
  EXPECT_EQ(authority("A.EXAMPLE"), "a.example");
  EXPECT_EQ(authority("a.example."), "a.example");
  EXPECT_EQ(authority("A.example.:80"), "a.example");
  EXPECT_EQ(authority("a.example:80"), "a.example");
  EXPECT_EQ(authority("a.example:"), "a.example");
  EXPECT_EQ(authority("a.example:8080"), "a.example:8080");
  EXPECT_EQ(authority("A.example.:65535"), "a.example:65535");
  EXPECT_EQ(authority("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(authority("127.0.0.1:7001"), "127.0.0.1:7001");
  EXPECT_EQ(authority("[::1]"), "[::1]");
  EXPECT_EQ(authority("[::1]:80"), "[::1]");
  EXPECT_EQ(authority("[FD00::A]:8080"), "[fd00::a]:8080");
}

TEST(CanonicalAuthority, L11OddHostsAreRefused) {
  for (std::string_view host : {"",
                                ".",
                                "..",
                                "a..",
                                "a..b",
                                ".a",
                                ":80",
                                "a b",
                                "a,b",
                                "a, b",
                                "user@a",
                                "a/b",
                                "a?b",
                                "a#b",
                                "a\\b",
                                "a%2eb",
                                "a:b",
                                "a:-1",
                                "a:+80",
                                "a:65536",
                                "a:99999",
                                "a:080",
                                "a:0",
                                "a:8080x",
                                "a:80:80",
                                "a:18446744073709551696",
                                "\xC3\xA4.example",
                                "[::1",
                                "::1",
                                "[]",
                                "[::1]x",
                                "[::1]80",
                                "[a]",
                                "[1.2.3.4]",
                                "[::1%25eth0]",
                                "[::ffff:1.2.3.4]",
                                "[v1.a]",
                                "a\tb"}) {
    EXPECT_EQ(authority(host), "bad_request") << host;
  }
  EXPECT_EQ(authority("a\0b"s), "bad_request");
  EXPECT_EQ(authority("[::1\0x]:81"s), "bad_request");
}

}  // namespace
}  // namespace lotagate::http
