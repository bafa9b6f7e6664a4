// llhttp as a second opinion, for tests and fuzzers only: two parsers that read one message differently are how
// requests are smuggled, so whatever this folder accepts, an independent parser has to accept and read alike.
#pragma once

#include <llhttp.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "http/head.h"

namespace lotagate::http {

class SecondOpinion {
 public:
  // Reads `bytes`: a message, or its head alone, which leaves `complete` false if a body should follow.
  SecondOpinion(llhttp_type_t type, std::string_view bytes) {
    llhttp_settings_init(&settings_);
    settings_.on_method = [](llhttp_t* parser, const char* at, size_t size) {
      return add(of(parser).method, at, size);
    };
    settings_.on_url = [](llhttp_t* parser, const char* at, size_t size) {
      return add(of(parser).start_text, at, size);
    };
    settings_.on_status = settings_.on_url;
    settings_.on_header_field = on_name;
    settings_.on_header_value = on_value;
    settings_.on_headers_complete = on_head;
    settings_.on_body = [](llhttp_t* parser, const char* at, size_t size) { return add(of(parser).body, at, size); };
    settings_.on_message_complete = [](llhttp_t* parser) {
      of(parser).complete = true;
      return static_cast<int>(HPE_PAUSED);
    };
    llhttp_t parser;
    llhttp_init(&parser, type, &settings_);
    parser.lenient_flags |= LENIENT_VERSION;  // it knows HTTP/1.0 and HTTP/1.1 only
    parser.data = this;
    llhttp_execute(&parser, bytes.data(), bytes.size());
  }
  SecondOpinion(const SecondOpinion&) = delete;
  SecondOpinion& operator=(const SecondOpinion&) = delete;

  // The same names and values in the same order.
  bool agrees_on(const FieldList& list) const {
    if (fields.size() != list.items.size()) return false;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].first != list.items[i].name || trim(fields[i].second) != list.items[i].value) return false;
    }
    return true;
  }

  bool has_head = false;
  bool complete = false;
  bool chunked = false;
  std::uint64_t content_length = 0;
  int status = 0;
  std::string method;
  std::string start_text;  // target or reason phrase
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;

 private:
  static SecondOpinion& of(llhttp_t* parser) { return *static_cast<SecondOpinion*>(parser->data); }

  static int add(std::string& text, const char* at, std::size_t size) {
    text.append(at, size);
    return 0;
  }
  static int on_name(llhttp_t* parser, const char* at, std::size_t size) {
    if (!of(parser).has_head) of(parser).fields.emplace_back(std::string(at, size), "");
    return 0;
  }
  static int on_value(llhttp_t* parser, const char* at, std::size_t size) {
    if (!of(parser).has_head) of(parser).fields.back().second.append(at, size);
    return 0;
  }
  static int on_head(llhttp_t* parser) {
    SecondOpinion& self = of(parser);
    self.has_head = true;
    self.chunked = (parser->flags & F_CHUNKED) != 0;
    self.content_length = (parser->flags & F_CONTENT_LENGTH) != 0 ? parser->content_length : 0;
    self.status = parser->status_code;
    return 0;
  }

  llhttp_settings_t settings_;
};

}  // namespace lotagate::http
