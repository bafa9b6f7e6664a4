// A chunked body read a second time: by recursive descent over all its bytes, straight from the grammar of RFC
// 9112 7.1, with the limits of chunked.h. For tests and fuzzers only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/test_rfc_head.h"

namespace lotagate::http::rfc {

struct ChunkedBody {
  enum class Outcome : std::uint8_t { refused, incomplete, done };
  Outcome outcome = Outcome::refused;
  std::string body = {};     // as far as it was there
  std::size_t consumed = 0;  // if done
};

class ChunkedReader {
 public:
  static ChunkedBody read(std::string_view bytes) {
    ChunkedReader reader(bytes);
    ChunkedBody::Outcome outcome = ChunkedBody::Outcome::done;
    try {
      reader.read_body();
    } catch (const Refused&) {
      outcome = ChunkedBody::Outcome::refused;
    } catch (const CutOff&) {
      outcome = ChunkedBody::Outcome::incomplete;
    }
    return {outcome, reader.body_, reader.at_};
  }

 private:
  struct Refused {};
  struct CutOff {};

  explicit ChunkedReader(std::string_view bytes) : bytes_(bytes) {}

  char peek() const {
    if (at_ == bytes_.size()) throw CutOff();
    return bytes_[at_];
  }
  char take() {
    char c = peek();
    ++at_;
    return c;
  }
  void expect(std::string_view text) {
    for (char c : text) {
      if (take() != c) throw Refused();
    }
  }

  // chunked-body = *chunk last-chunk trailer-section CRLF
  void read_body() {
    while (std::uint64_t size = read_size_line()) {
      for (; size > 0; --size) body_ += take();
      expect("\r\n");
    }
    while (take_counted(trailer_bytes_, 8192) != '\r') read_trailer();
    if (take_counted(trailer_bytes_, 8192) != '\n') throw Refused();
  }

  // chunk-size [ chunk-ext ] CRLF
  std::uint64_t read_size_line() {
    std::string digits;
    while (std::string_view("0123456789abcdefABCDEF").find(peek()) != std::string::npos) {
      digits += take();
      if (digits.size() > 15) throw Refused();
    }
    if (digits.empty()) throw Refused();
    if (peek() == ';') {
      ++at_;
      read_extensions();
    } else {
      expect("\r");
    }
    expect("\n");
    return std::stoull(digits, nullptr, 16);
  }

  // chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ), behind its first ";", with the CR.
  void read_extensions() {
    while (true) {
      char c = read_token(skip_blanks(next()));
      char end = skip_blanks(c);
      if (end == '=') {
        c = skip_blanks(next());
        c = c == '"' ? read_quoted() : read_token(c);
        end = skip_blanks(c);
      }
      if (c == '\r') return;
      if (end != ';') throw Refused();
    }
  }

  char next() { return take_counted(extension_bytes_, 4096); }

  char skip_blanks(char c) {
    while (c == ' ' || c == '\t') c = next();
    return c;
  }
  char read_token(char c) {
    if (!is_tchar(c)) throw Refused();
    while (is_tchar(c)) c = next();
    return c;
  }
  char read_quoted() {
    while (true) {
      char c = next();
      if (c == '"') return next();
      if (c == '\\') c = next();
      if (!is_value_byte(c)) throw Refused();
    }
  }

  // The rest of a field line: its first byte has been taken.
  void read_trailer() {
    char c = bytes_[at_ - 1];
    if (!is_tchar(c)) throw Refused();
    while (is_tchar(c)) c = take_counted(trailer_bytes_, 8192);
    if (c != ':') throw Refused();
    do c = take_counted(trailer_bytes_, 8192);
    while (is_value_byte(c));
    if (c != '\r' || take_counted(trailer_bytes_, 8192) != '\n') throw Refused();
  }

  char take_counted(std::size_t& count, std::size_t most) {
    char c = take();
    if (++count > most) throw Refused();
    return c;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::string body_;
};

}  // namespace lotagate::http::rfc
