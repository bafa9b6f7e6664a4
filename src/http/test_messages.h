// What the tests of this folder share: heads cut into pieces, and an outcome as one word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/head.h"

namespace lotagate::http {

// The ways bytes may arrive: whole, one by one, and in two pieces for every place between two bytes.
// Each way is the list of sizes received so far, ending in `size`.
inline std::vector<std::vector<std::size_t>> arrivals(std::size_t size) {
  std::vector<std::vector<std::size_t>> ways{{size}, {}};
  for (std::size_t i = 1; i <= size; ++i) ways[1].push_back(i);
  for (std::size_t i = 1; i < size; ++i) ways.push_back({i, size});
  return ways;
}

// The name of the code, or "ok".
template <typename T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : std::string(error_info(result.error().code).name);
}

// A request head that keeps the bytes its views point into. `fields`: lines with their CRLF.
struct TestRequest {
  explicit TestRequest(std::string_view fields, std::string_view line = "POST /a HTTP/1.1\r\n")
      : bytes(std::string(line) + std::string(fields) + "\r\n"),
        parsed(parse_request_head(bytes, HeadLimits{}, head)) {}
  TestRequest(const TestRequest&) = delete;
  TestRequest& operator=(const TestRequest&) = delete;

  std::string bytes;
  RequestHead head;
  Result<void> parsed;
};

struct TestResponse {
  explicit TestResponse(std::string_view fields, std::string_view line = "HTTP/1.1 200 OK\r\n")
      : bytes(std::string(line) + std::string(fields) + "\r\n"),
        parsed(parse_response_head(bytes, HeadLimits{}, head)) {}
  TestResponse(const TestResponse&) = delete;
  TestResponse& operator=(const TestResponse&) = delete;

  std::string bytes;
  ResponseHead head;
  Result<void> parsed;
};

}  // namespace lotagate::http
