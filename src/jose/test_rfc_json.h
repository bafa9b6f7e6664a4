// A second reader of JSON, for tests and fuzzers: RFC 8259 read slowly, with what JOSE adds (RFC 7515 4, RFC 7493): no
// member twice, no invalid UTF-8, no lone surrogates, numbers of 64 bits or finite doubles, a bounded depth.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lotagate::jose {

struct JsonValue {
  enum class Kind { null, boolean, number, string, array, object };
  Kind kind = Kind::null;
  std::string text;                // of a string, decoded; of anything else but a container, as it was spelled
  std::vector<std::string> names;  // of an object's members, in the order of their values in `items`
  std::vector<JsonValue> items;

  const JsonValue* find(std::string_view name) const {
    auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? nullptr : &items[static_cast<std::size_t>(found - names.begin())];
  }
  // The member's text, if it is a string.
  std::optional<std::string> string_member(std::string_view name) const {
    const JsonValue* value = find(name);
    if (value == nullptr || value->kind != Kind::string) return std::nullopt;
    return value->text;
  }
};

class SlowJsonReader {
 public:
  SlowJsonReader(std::string_view text, std::size_t max_depth) : rest_(text), max_depth_(max_depth) {}

  // The document; nothing if it is none.
  std::optional<JsonValue> read() {
    JsonValue value;
    skip_space();
    if (!read_value(value, 1)) return std::nullopt;
    skip_space();
    if (!rest_.empty()) return std::nullopt;
    return value;
  }

 private:
  void skip_space() {
    while (!rest_.empty() && std::string_view(" \t\r\n").contains(rest_.front())) rest_.remove_prefix(1);
  }

  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  bool read_value(JsonValue& value, std::size_t depth) {
    if (rest_.empty()) return false;
    switch (rest_.front()) {
      case '{': return depth <= max_depth_ && read_object(value, depth);
      case '[': return depth <= max_depth_ && read_array(value, depth);
      case '"': value.kind = JsonValue::Kind::string; return read_string(value.text);
      default: return read_word(value) || read_number(value);
    }
  }

  bool read_word(JsonValue& value) {
    for (std::string_view word : {"null", "true", "false"}) {
      if (!take(word)) continue;
      value.kind = word == "null" ? JsonValue::Kind::null : JsonValue::Kind::boolean;
      value.text = word;
      return true;
    }
    return false;
  }

  bool read_object(JsonValue& value, std::size_t depth) {
    value.kind = JsonValue::Kind::object;
    take("{");
    skip_space();
    if (take("}")) return true;
    for (;;) {
      std::string name;
      skip_space();
      if (!read_string(name) || value.find(name) != nullptr) return false;
      skip_space();
      if (!take(":")) return false;
      skip_space();
      JsonValue member;
      if (!read_value(member, depth + 1)) return false;
      value.names.push_back(std::move(name));
      value.items.push_back(std::move(member));
      skip_space();
      if (take("}")) return true;
      if (!take(",")) return false;
    }
  }

  bool read_array(JsonValue& value, std::size_t depth) {
    value.kind = JsonValue::Kind::array;
    take("[");
    skip_space();
    if (take("]")) return true;
    for (;;) {
      skip_space();
      JsonValue item;
      if (!read_value(item, depth + 1)) return false;
      value.items.push_back(std::move(item));
      skip_space();
      if (take("]")) return true;
      if (!take(",")) return false;
    }
  }

  std::string digits() {
    std::size_t count = 0;
    while (count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9') ++count;
    std::string out(rest_.substr(0, count));
    rest_.remove_prefix(count);
    return out;
  }

  bool read_number(JsonValue& value) {
    value.kind = JsonValue::Kind::number;
    const std::string_view start = rest_;
    bool negative = take("-");
    std::string whole = digits();
    if (whole.empty() || (whole.size() > 1 && whole[0] == '0')) return false;
    bool integer = true;
    if (take(".")) {
      integer = false;
      if (digits().empty()) return false;
    }
    if (take("e") || take("E")) {
      integer = false;
      if (!take("+")) take("-");
      if (digits().empty()) return false;
    }
    value.text = start.substr(0, start.size() - rest_.size());
    return integer ? fits_64_bits(whole, negative) : std::isfinite(std::strtod(value.text.c_str(), nullptr));
  }

  static bool fits_64_bits(const std::string& whole, bool negative) {
    const std::string_view largest = negative ? "9223372036854775808" : "18446744073709551615";
    return whole.size() < largest.size() || (whole.size() == largest.size() && whole <= largest);
  }

  static void append_utf8(std::string& out, unsigned code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
      return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    const unsigned lead = more == 1 ? 0xC0 : more == 2 ? 0xE0 : 0xF0;
    out += static_cast<char>(lead | code >> (6 * more));
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | (code >> (6 * i) & 0x3F));
  }

  std::optional<unsigned> hex4() {
    unsigned code = 0;
    if (rest_.size() < 4) return std::nullopt;
    for (char c : rest_.substr(0, 4)) {
      const auto digit = std::string_view("0123456789abcdefABCDEF").find(c);
      if (digit == std::string_view::npos) return std::nullopt;
      code = code * 16 + static_cast<unsigned>(digit < 16 ? digit : digit - 6);
    }
    rest_.remove_prefix(4);
    return code;
  }

  bool read_escape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (rest_.empty()) return false;
    const char name = rest_.front();
    rest_.remove_prefix(1);
    if (auto index = kNames.find(name); index != std::string_view::npos) {
      out += kMeanings[index];
      return true;
    }
    if (name != 'u') return false;
    auto code = hex4();
    if (!code || (*code >= 0xDC00 && *code <= 0xDFFF)) return false;
    if (*code >= 0xD800 && *code <= 0xDBFF) {
      if (!take("\\u")) return false;
      auto low = hex4();
      if (!low || *low < 0xDC00 || *low > 0xDFFF) return false;
      code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
    }
    append_utf8(out, *code);
    return true;
  }

  // One character that stands for itself; its bytes must be what encoding its number gives (RFC 3629).
  bool read_plain(std::string& out) {
    const auto lead = static_cast<unsigned char>(rest_.front());
    if (lead < 0x20 || (lead >= 0x80 && lead < 0xC0) || lead >= 0xF8) return false;
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (rest_.size() < size) return false;
    unsigned code = size == 1 ? lead : lead & (0x7Fu >> size);
    for (std::size_t i = 1; i < size; ++i) code = code << 6 | (static_cast<unsigned char>(rest_[i]) & 0x3F);
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    std::string again;
    append_utf8(again, code);
    if (again != rest_.substr(0, size)) return false;
    out += again;
    rest_.remove_prefix(size);
    return true;
  }

  bool read_string(std::string& out) {
    if (!take("\"")) return false;
    while (!rest_.empty()) {
      if (take("\"")) return true;
      if (take("\\") ? !read_escape(out) : !read_plain(out)) return false;
    }
    return false;
  }

  std::string_view rest_;
  std::size_t max_depth_;
};

// The document that `text` is; nothing for what has no or several readings.
inline std::optional<JsonValue> read_json_slowly(std::string_view text, std::size_t max_depth = 16) {
  return SlowJsonReader(text, max_depth).read();
}

}  // namespace lotagate::jose
