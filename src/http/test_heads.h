// What the tables of request and response heads share: {bytes, expected} rows, scanned as they arrive.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"

namespace lotagate::http {

struct HeadRow {
  std::string bytes;
  std::string_view expected;  // "ok", an error's name, or "incomplete"
};

// Scans pieces as they arrive and returns what a connection would answer, except for the parse.
inline HeadScanner::Status scan(std::string_view bytes, const std::vector<std::size_t>& way, std::size_t& head_bytes) {
  HeadScanner scanner;
  auto status = HeadScanner::Status::incomplete;
  for (std::size_t size : way) {
    status = scanner.scan(bytes.substr(0, size));
    if (status != HeadScanner::Status::incomplete) break;
  }
  head_bytes = scanner.head_bytes();
  return status;
}

}  // namespace lotagate::http
