// Writes a JSON document member by member. For pages people ask for, not for the request path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/text.h"

namespace lotagate {

class JsonWriter {
 public:
  void begin_object(std::string_view name = {}) { open(name, '{'); }
  void end_object() { out_ += '}'; }
  void begin_array(std::string_view name = {}) { open(name, '['); }
  void end_array() { out_ += ']'; }
  void text(std::string_view name, std::string_view value) {
    key(name);
    quoted(value);
  }
  void number(std::string_view name, std::uint64_t value) {
    key(name);
    out_ += std::to_string(value);
  }
  // As RFC 3339, whole seconds of UTC.
  void time(std::string_view name, WallTime value);
  void boolean(std::string_view name, bool value) {
    key(name);
    out_ += value ? "true" : "false";
  }
  void null(std::string_view name) {
    key(name);
    out_ += "null";
  }
  void element(std::string_view value) {
    separate();
    quoted(value);
  }
  // The document with a line end.
  std::string take() { return std::move(out_) + "\n"; }

 private:
  void separate() {
    if (!out_.empty() && out_.back() != '{' && out_.back() != '[' && out_.back() != ':') out_ += ',';
  }
  void key(std::string_view name) {
    separate();
    if (name.empty()) return;
    quoted(name);
    out_ += ':';
  }
  void open(std::string_view name, char bracket) {
    key(name);
    out_ += bracket;
  }
  void quoted(std::string_view text) {
    out_ += '"';
    append_json_escaped(out_, text);
    out_ += '"';
  }
  std::string out_;
};

}  // namespace lotagate
