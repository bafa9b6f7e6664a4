// Parse, write, parse again: a head written anew from its parts is the same head. For tests and fuzzers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"
#include "http/writer.h"

namespace lotagate::http {

inline bool same_fields(const FieldList& a, const FieldList& b) {
  if (a.items.size() != b.items.size()) return false;
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    const Field &left = a.items[i], &right = b.items[i];
    if (left.name != right.name || left.value != right.value || left.id != right.id) return false;
  }
  return true;
}

inline std::string write_fields(HeadWriter& writer, const FieldList& fields) {
  for (const Field& field : fields.items) writer.field(field.name, field.value);
  writer.end_of_head();
  return writer.overflowed() ? "" : std::string(writer.view());
}

// Empty if it does not fit `capacity` bytes.
inline std::string write_head(const RequestHead& head, std::size_t capacity) {
  std::vector<char> out(capacity);
  HeadWriter writer(out.data(), out.size());
  writer.text(head.method);
  writer.text(" ");
  writer.text(head.target);
  writer.text(head.minor == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  return write_fields(writer, head.fields);
}

inline std::string write_head(const ResponseHead& head, std::size_t capacity) {
  std::vector<char> out(capacity);
  HeadWriter writer(out.data(), out.size());
  writer.text(head.minor == 0 ? "HTTP/1.0 " : "HTTP/1.1 ");
  writer.number(head.status);
  writer.text(" ");
  writer.text(head.reason);
  writer.text("\r\n");
  return write_fields(writer, head.fields);
}

}  // namespace lotagate::http
