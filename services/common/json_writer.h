// JSON text, written front to back: commas and escapes are the writer's business, nesting is the caller's.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace lotagate::services {

// Usage: JsonWriter json; json.begin_object().member("id", id).member("rows", 3).end_object(); json.take();
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(std::same_as<bool> auto flag) { return raw(flag ? "true" : "false"); }
  JsonWriter& value(std::signed_integral auto number) { return integer(number); }
  // Shortest text that reads back as the same number; null for infinities and NaN, which JSON cannot say.
  JsonWriter& value(double number);
  // A JSON text made elsewhere.
  JsonWriter& raw(std::string_view json);
  // An array of strings or numbers.
  template <typename Items>
  JsonWriter& array(const Items& items) {
    begin_array();
    for (const auto& item : items) value(item);
    return end_array();
  }

  template <typename Value>
  JsonWriter& member(std::string_view name, const Value& content) {
    return key(name).value(content);
  }

  std::string take() { return std::move(out_); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& integer(std::int64_t number);
  void separate();

  std::string out_;
};

}  // namespace lotagate::services
