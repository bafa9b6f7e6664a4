// Heap allocations, counted by the operators of the whole test program: the path of a request has none here.
#include <gtest/gtest.h>

#include <string>

#include "base/arena.h"
#include "base/test_allocations.h"
#include "http/chunked.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/target.h"

namespace lotagate::http {
namespace {

using test_allocations::allocations;

class Allocations : public testing::Test {
 protected:
  Allocations() { test_allocations::counting = true; }
  ~Allocations() override { test_allocations::counting = false; }
};

// Everything this folder does for a request and its answer.
bool handle_one_request(Arena& arena, RequestHead& request, ResponseHead& response) {
  arena.reset();
  HeadScanner scanner;
  constexpr std::string_view kRequest =
      "POST /api/v1/../v2/%6dodels?a=b HTTP/1.1\r\nHost: A.example:8080\r\nX_Auth_Roles: admin\r\n"
      "Connection: keep-alive, X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n";
  constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
  ChunkDecoder decoder;
  auto first = decoder.next("5;a=b\r\nhello\r\n0\r\n");
  auto second = decoder.next("\r\n0\r\nA: b\r\n\r\n");
  return scanner.scan(kRequest) == HeadScanner::Status::complete &&
         parse_request_head(kRequest, HeadLimits{}, request) && request_framing(request) &&
         check_nominations(request.fields) && keeps_alive(request.fields, request.minor) &&
         resolve_target(request, arena) && first && second && decoder.done() &&
         parse_response_head(kResponse, HeadLimits{}, response) && response_framing(response, false);
}

TEST_F(Allocations, ARequestHasNoneAfterTheFirst) {
  Arena arena;
  RequestHead request;
  ResponseHead response;
  ASSERT_TRUE(handle_one_request(arena, request, response));
  std::size_t before = allocations;
  bool handled = handle_one_request(arena, request, response);
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(handled);
}

TEST_F(Allocations, AreCounted) {
  std::size_t before = allocations;
  Arena arena;
  EXPECT_GT(allocations, before);
}

// Refusing costs no more than accepting: errors carry static text.
TEST_F(Allocations, ARefusalHasNone) {
  Arena arena;
  RequestHead request;
  std::size_t before = allocations;
  bool parsed = parse_request_head("GET / HTTP/1.1\r\n: x\r\n\r\n", HeadLimits{}, request).has_value();
  bool canonical = canonical_path("/%2f", arena).has_value();
  EXPECT_EQ(allocations, before);
  EXPECT_FALSE(parsed);
  EXPECT_FALSE(canonical);
}

}  // namespace
}  // namespace lotagate::http
