// What the tables of request and response heads share: {bytes, expected} rows, scanned as they arrive, written anew.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"
#include "http/writer.h"

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

inline void write_fields(HeadWriter& writer, const FieldList& fields) {
  for (const Field& field : fields.items) writer.field(field.name, field.value);
  writer.end_of_head();
}

inline void expect_same_fields(const FieldList& a, const FieldList& b) {
  ASSERT_EQ(a.items.size(), b.items.size());
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    EXPECT_EQ(a.items[i].name, b.items[i].name);
    EXPECT_EQ(a.items[i].value, b.items[i].value);
    EXPECT_EQ(a.items[i].id, b.items[i].id);
  }
}

}  // namespace lotagate::http
