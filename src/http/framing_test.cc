#include "http/framing.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "http/test_messages.h"

namespace lotagate::http {
namespace {

using namespace std::string_literals;

// The framing as one word: an error's name, "none", "chunked", "until_close", or the length.
std::string word(const Result<Framing>& framing) {
  if (!framing) return outcome(framing);
  switch (framing->kind) {
    case Framing::Kind::none: return "none";
    case Framing::Kind::length: return std::to_string(framing->length);
    case Framing::Kind::chunked: return "chunked";
    case Framing::Kind::until_close: return "until_close";
  }
  return "?";
}

// What a request with these field lines is framed as; the parser may refuse it first.
std::string request(std::string_view fields, std::string_view line = "POST /a HTTP/1.1\r\n") {
  TestRequest parsed(fields, line);
  return parsed.parsed ? word(request_framing(parsed.head)) : outcome(parsed.parsed);
}

std::string response(std::string_view fields, std::string_view line = "HTTP/1.1 200 OK\r\n", bool to_head = false) {
  TestResponse parsed(fields, line);
  return parsed.parsed ? word(response_framing(parsed.head, to_head)) : outcome(parsed.parsed);
}

std::string length(std::string_view value) { return request("Content-Length: " + std::string(value) + "\r\n"); }

std::string coding(std::string_view value) { return request("Transfer-Encoding: " + std::string(value) + "\r\n"); }

TEST(RequestFraming, SoundRequests) {
  EXPECT_EQ(request(""), "none");
  EXPECT_EQ(request("Content-Length: 0\r\n"), "0");
  EXPECT_EQ(request("content-LENGTH:5\r\n"), "5");
  EXPECT_EQ(request("Content-Length: \t 5 \r\n"), "5");
  EXPECT_EQ(request("Content-Length: 5\t\r\n"), "5");
  EXPECT_EQ(request("Transfer-Encoding: chunked\r\n"), "chunked");
  EXPECT_EQ(request("TRANSFER-encoding:\tCHUNKED \r\n"), "chunked");
}

TEST(RequestFraming, F01LengthAndCodingTogetherAreRefused) {
  for (std::string_view length_value : {"5", "0", "x", ""}) {
    for (std::string_view coding_value : {"chunked", "Chunked", "gzip", "identity", "xchunked", ""}) {
      std::string a = "Content-Length: " + std::string(length_value) + "\r\n";
      std::string b = "tRANSFER-eNCODING: " + std::string(coding_value) + "\r\n";
      EXPECT_EQ(request(a + b), "bad_request") << a << b;
      EXPECT_EQ(request(b + a), "bad_request") << b << a;
      EXPECT_EQ(request(b + "Accept: x\r\n" + a), "bad_request") << b << a;
    }
  }
}

TEST(RequestFraming, F02F03RepeatedLengthsAreRefused) {
  EXPECT_EQ(request("Content-Length: 1\r\nContent-Length: 2\r\n"), "bad_request");
  EXPECT_EQ(request("Content-Length: 5\r\ncontent-length: 5\r\n"), "bad_request");
  EXPECT_EQ(length("1, 2"), "bad_request");
  EXPECT_EQ(length("5, 5"), "bad_request");
  EXPECT_EQ(length("5,"), "bad_request");
  EXPECT_EQ(length(",5"), "bad_request");
}

TEST(RequestFraming, F04OddLengthsAreRefused) {
  for (std::string_view value : {"+5", "-5", "-0", "0x5", "5.0", "5e1", "1_0", "\"5\"", "5;x", "5 5", "", " ", "five",
                                 "\xC2\xA0"
                                 "5",
                                 "5\xA0", "\xD9\xA5", "\xEF\xBC\x95"}) {
    EXPECT_EQ(length(value), "bad_request") << value;
  }
  EXPECT_EQ(length("5\0"s), "bad_request");
  EXPECT_EQ(length("\0005"s), "bad_request");
}

TEST(RequestFraming, F05HugeLengthsAreRefusedWithoutWrapping) {
  EXPECT_EQ(length("4611686018427387904"), "4611686018427387904");  // 2^62
  EXPECT_EQ(length("4611686018427387905"), "bad_request");
  EXPECT_EQ(length("9223372036854775807"), "bad_request");
  EXPECT_EQ(length("9223372036854775808"), "bad_request");
  EXPECT_EQ(length("18446744073709551615"), "bad_request");
  EXPECT_EQ(length("18446744073709551616"), "bad_request");
  EXPECT_EQ(length("18446744073709551621"), "bad_request");  // 2^64 + 5
  EXPECT_EQ(length("100000000000000000000000000000005"), "bad_request");
}

TEST(RequestFraming, F06LeadingZerosAreDecimal) {
  EXPECT_EQ(length("00"), "0");
  EXPECT_EQ(length("010"), "10");
  EXPECT_EQ(length("0200"), "200");
  EXPECT_EQ(length("0000000000000000000000000000005"), "5");
}

TEST(RequestFraming, F07CodingInHttp10IsRefused) {
  EXPECT_EQ(request("Transfer-Encoding: chunked\r\n", "POST /a HTTP/1.0\r\n"), "bad_request");
  EXPECT_EQ(request("Transfer-Encoding: gzip, chunked\r\n", "POST /a HTTP/1.0\r\n"), "bad_request");
}

TEST(RequestFraming, F08CodingsOtherThanChunkedAreRefused) {
  for (std::string_view value : {"chunked, gzip", "identity", "xchunked", "chunkedx", "chunk", "gzip", "chunked gzip",
                                 "identity, chunked", "chunked, identity", "gzip, identity, chunked", ""}) {
    EXPECT_EQ(coding(value), "bad_request") << value;
  }
  EXPECT_EQ(coding("gzip, chunked"), "not_implemented");
  EXPECT_EQ(coding("gzip, deflate ,chunked"), "not_implemented");
}

TEST(RequestFraming, F09DisguisedCodingsAreRefused) {
  EXPECT_EQ(request("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "bad_request");
  EXPECT_EQ(request("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), "bad_request");
  EXPECT_EQ(request("Transfer-Encoding: chunked\r\nTransfer-encoding: identity\r\n"), "bad_request");
  for (std::string_view value :
       {"chunked, chunked", ",chunked", "chunked,", ", chunked", "chunked;x=1", "\"chunked\"", "'chunked'",
        "gzip;q=1, chunked", "gzip, , chunked", "gzip, chunked, chunked", "gzip,, chunked", "ch unked"}) {
    EXPECT_EQ(coding(value), "bad_request") << value;
  }
}

TEST(RequestFraming, F10BytesAroundTheCodingAreRefused) {
  for (std::string_view value : {"\vchunked", "chunked\f",
                                 "\x85"
                                 "chunked",
                                 "chunked\xA0",
                                 "\xFF"
                                 "chunked",
                                 "chunked\x7f", "chun\rked"}) {
    EXPECT_EQ(coding(value), "bad_request") << value;
  }
  // An alias frames nothing; it is never forwarded (I02).
  EXPECT_EQ(request("Transfer_Encoding: chunked\r\n"), "none");
  EXPECT_EQ(request("Content.Length: 5\r\n"), "none");
}

TEST(RequestFraming, F16MethodsDoNotChangeTheFraming) {
  for (std::string_view method : {"GET", "HEAD", "OPTIONS", "DELETE", "POST", "PROPFIND"}) {
    std::string line = std::string(method) + " / HTTP/1.1\r\n";
    EXPECT_EQ(request("Content-Length: 5\r\n", line), "5") << method;
    EXPECT_EQ(request("Transfer-Encoding: chunked\r\n", line), "chunked") << method;
    EXPECT_EQ(request("", line), "none") << method;
  }
}

TEST(ResponseFraming, SoundResponses) {
  EXPECT_EQ(response("Content-Length: 5\r\n"), "5");
  EXPECT_EQ(response("Content-Length: 007\r\n"), "7");
  EXPECT_EQ(response("Transfer-Encoding: chunked\r\n"), "chunked");
  EXPECT_EQ(response(""), "until_close");
  EXPECT_EQ(response("", "HTTP/1.0 200 OK\r\n"), "until_close");
}

TEST(ResponseFraming, P05BodylessResponsesHaveNoBody) {
  for (std::string_view fields : {"", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
    EXPECT_EQ(response(fields, "HTTP/1.1 100 Continue\r\n"), "none");
    EXPECT_EQ(response(fields, "HTTP/1.1 204 No Content\r\n"), "none");
    EXPECT_EQ(response(fields, "HTTP/1.1 304 Not Modified\r\n"), "none");
    EXPECT_EQ(response(fields, "HTTP/1.1 200 OK\r\n", /*to_head=*/true), "none");
  }
}

TEST(ResponseFraming, P07AmbiguousResponsesAreRefused) {
  for (std::string_view fields : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\nContent-Length: 6\r\n",
           "Content-Length: 5, 5\r\n",
           "Content-Length: -1\r\n",
           "Content-Length:\r\n",
           "Content-Length: 18446744073709551616\r\n",
           "Transfer-Encoding: gzip\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: identity\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
       }) {
    EXPECT_EQ(response(fields), "upstream_invalid") << fields;
    EXPECT_EQ(response(fields, "HTTP/1.1 200 OK\r\n", /*to_head=*/true), "upstream_invalid") << fields;
  }
  EXPECT_EQ(response("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK\r\n"), "upstream_invalid");
}

TEST(KeepsAlive, FollowsVersionAndConnection) {
  struct Case {
    std::string_view fields;
    int minor;
    bool expected;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"", 1, true},
           {"", 0, false},
           {"Connection: close\r\n", 1, false},
           {"Connection: CLOSE\r\n", 1, false},
           {"Connection: x , close\r\n", 1, false},
           {"Connection: keep-alive\r\nConnection: close\r\n", 1, false},
           {"Connection: keep-alive, close\r\n", 0, false},
           {"Connection: keep-alive\r\n", 0, true},
           {"Connection: Keep-Alive\r\n", 0, true},
           {"Connection: closed\r\n", 1, true},
           {"Proxy-Connection: close\r\n", 1, true},
           {"Proxy-Connection: keep-alive\r\n", 0, false},
       }) {
    TestRequest request_head(c.fields);
    EXPECT_EQ(keeps_alive(request_head.head.fields, c.minor), c.expected) << c.fields << c.minor;
  }
}

TEST(Nominations, P01ProtectedNamesCannotBeNominated) {
  auto check = [](std::string_view fields) { return outcome(check_nominations(TestRequest(fields).head.fields)); };
  for (std::string_view name : {"Host",      "Content-Length",  "transfer-encoding",    "Authorization",
                                "Cookie",    "Set-Cookie",      "Cache-Control",        "Content-Type",
                                "Forwarded", "X-Forwarded-For", "x-forwarded-anything", "X-Real-IP",
                                "x-user-id", "X-Auth-Subject",  "X-Consumer-Name",      "X-Request-Id",
                                "Via",       "traceparent",     "x_auth_subject",       "content_length"}) {
    std::string text(name);
    EXPECT_EQ(check("Connection: " + text + "\r\n"), "bad_request") << name;
    EXPECT_EQ(check("connection: close, " + text + "\r\n"), "bad_request") << name;
    EXPECT_EQ(check("Connection: close\r\nConnection: x,," + text + " ,y\r\n"), "bad_request") << name;
  }
  EXPECT_EQ(check(""), "ok");
  EXPECT_EQ(check("Connection:\r\n"), "ok");
  EXPECT_EQ(check("Connection: close, keep-alive, Upgrade, HTTP2-Settings, TE, X-Hop\r\n"), "ok");
}

TEST(Nominations, P01NamesAreFoundInEveryLine) {
  TestRequest request_head("Connection: close, X-Hop\r\nConnection: x-other\r\nAccept: x-not\r\n");
  EXPECT_TRUE(is_nominated(request_head.head.fields, "x-hop"));
  EXPECT_TRUE(is_nominated(request_head.head.fields, "X-Other"));
  EXPECT_FALSE(is_nominated(request_head.head.fields, "x-not"));
  EXPECT_FALSE(is_nominated(request_head.head.fields, "x"));
}

}  // namespace
}  // namespace lotagate::http
