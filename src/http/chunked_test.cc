#include "http/chunked.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "http/test_messages.h"

namespace lotagate::http {
namespace {

using namespace std::string_literals;

struct Decoded {
  std::string outcome;  // "done", "incomplete" or an error's name
  std::string body = {};
  std::size_t consumed = 0;
  bool operator==(const Decoded&) const = default;
};

// Feeds the pieces as they arrive; what a piece leaves unread is offered again with the next.
Decoded decode(std::string_view bytes, const std::vector<std::size_t>& way) {
  ChunkDecoder decoder;
  Decoded result{.outcome = "incomplete"};
  for (std::size_t size : way) {
    while (true) {
      auto step = decoder.next(bytes.substr(result.consumed, size - result.consumed));
      if (!step) return {.outcome = outcome(step)};
      result.body += step->data;
      result.consumed += step->consumed;
      EXPECT_EQ(step->done, decoder.done());
      if (step->done) {
        result.outcome = "done";
        return result;
      }
      if (step->consumed == 0) break;
    }
    EXPECT_EQ(result.consumed, size);
  }
  return result;
}

Decoded decode_every_way(std::string_view bytes) {
  Decoded whole = decode(bytes, {bytes.size()});
  for (const auto& way : arrivals(bytes.size())) EXPECT_EQ(decode(bytes, way), whole) << testing::PrintToString(bytes);
  return whole;
}

void expect_body(std::string_view bytes, std::string_view body, std::size_t surplus = 0) {
  Decoded decoded = decode_every_way(bytes);
  EXPECT_EQ(decoded.outcome, "done") << testing::PrintToString(bytes);
  EXPECT_EQ(decoded.body, body) << testing::PrintToString(bytes);
  EXPECT_EQ(decoded.consumed, bytes.size() - surplus) << testing::PrintToString(bytes);
}

void expect_refused(std::string_view bytes) {
  EXPECT_EQ(decode_every_way(bytes).outcome, "bad_request") << testing::PrintToString(bytes);
}

TEST(ChunkDecoder, SoundBodies) {
  expect_body("0\r\n\r\n", "");
  expect_body("5\r\nhello\r\n0\r\n\r\n", "hello");
  expect_body("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc");
  expect_body("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789");
  expect_body("005\r\nhello\r\n000\r\n\r\n", "hello");
  expect_body("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n");
  expect_body("1\r\n\0\r\n0\r\n\r\n"s, "\0"s);
}

TEST(ChunkDecoder, StopsAtTheEndOfTheBody) {
  expect_body("0\r\n\r\nGET / HTTP/1.1\r\n", "", 16);
  expect_body("1\r\na\r\n0\r\n\r\n0\r\n\r\n", "a", 5);
  ChunkDecoder decoder;
  ASSERT_TRUE(decoder.next("0\r\n\r\n"));
  auto after = decoder.next("more");
  ASSERT_TRUE(after);
  EXPECT_TRUE(after->done);
  EXPECT_EQ(after->consumed, 0u);
  decoder.reset();
  EXPECT_FALSE(decoder.done());
}

TEST(ChunkDecoder, F11OddSizesAreRefused) {
  for (std::string_view size :
       {"0x5", "+5", "-5", "5_0", " 5", "5 ", "5\t", "", "g", "\"5\"", "5,5", "5.", "\xEF\xBC\x95", "1234567890abcdef",
        "fffffffffffffffff", "0000000000000005", "10000000000000005"}) {
    expect_refused(std::string(size) + "\r\nhello\r\n0\r\n\r\n");
  }
  expect_refused("5\0\r\nhello\r\n0\r\n\r\n"s);
  // The largest size taken: nothing wraps, nothing is allocated for it.
  ChunkDecoder decoder;
  auto step = decoder.next("fffffffffffffff\r\nabc");
  ASSERT_TRUE(step);
  EXPECT_EQ(step->data, "abc");
}

TEST(ChunkDecoder, F12ExtensionsAreDropped) {
  expect_body("5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello");
  expect_body("5;a=b;c=\"d;e\\\"f\"\r\nhello\r\n0\r\n\r\n", "hello");
  expect_body("5; a =\tb\t; c\r\nhello\r\n0\r\n\r\n", "hello");
  expect_body("5;a=\"b\" ;c=\"\"\r\nhello\r\n0\r\n\r\n", "hello");
  expect_body("5;a=\"\xC3\xA4\"\r\nhello\r\n0\r\n\r\n", "hello");
}

TEST(ChunkDecoder, F12OddExtensionsAreRefused) {
  for (std::string_view extension :
       {";a\nb",  ";a\rb",    ";a=\"b\nc\"", ";a=\"b\rc\"", ";a=\"b\r\n\"",  ";a=\"\\\n\"", ";a=\"\\\r\"",
        ";a(b)",  ";a,b",     ";a=\x01",     ";a=\x7f",     ";a=\xC3\xA4",   ";a=\"\x01\"", ";a=\"\x7f\"",
        " ;a=b",  "\t;a",     ";",           "; ",          ";;a",           ";a;",         ";=",
        ";=b",    ";a=",      ";a= ",        ";a=;b",       ";a=b=c",        ";a b",        ";a=b c",
        ";\"a\"", ";a\"b\"",  ";a=b\"c\"",   ";a=\"b\"c",   ";a=\"b\"\"c\"", ";a=\"b",      ";a ",
        ";a=b\t", ";a=\"b\" "}) {
    expect_refused("5" + std::string(extension) + "\r\nhello\r\n0\r\n\r\n");
  }
  expect_refused("5;a\0\r\nhello\r\n0\r\n\r\n"s);
  expect_refused("5;a=\"\0\"\r\nhello\r\n0\r\n\r\n"s);
}

TEST(ChunkDecoder, F12ExtensionsOfABodyAreBoundedInTotal) {
  auto body = [](std::size_t chunks, std::size_t extension) {
    std::string bytes;
    for (std::size_t i = 0; i < chunks; ++i) bytes += "1;" + std::string(extension, 'e') + "\r\nx\r\n";
    return bytes + "0\r\n\r\n";
  };
  auto whole = [](const std::string& bytes) { return decode(bytes, {bytes.size()}).outcome; };
  EXPECT_EQ(whole(body(1, 4095)), "done");
  EXPECT_EQ(whole(body(1, 4096)), "bad_request");
  EXPECT_EQ(whole(body(40, 100)), "done");
  EXPECT_EQ(whole(body(41, 100)), "bad_request");
}

TEST(ChunkDecoder, F13SpilledAndMissingEndsAreRefused) {
  expect_refused("5\r\nhelloX\r\n0\r\n\r\n");
  expect_refused("5\r\nhello0\r\n\r\n");
  expect_refused("5\r\nhell\r\n0\r\n\r\n");
  expect_refused("5\r\nhello\r\n\r\nXX");
  expect_refused("5\r\nhello\r\n\r\n");
  expect_refused("0\r\n\rX");
  expect_refused("0\r\nXX\r\n\r\n");
}

TEST(ChunkDecoder, F14LoneLfAndLoneCrAreRefused) {
  for (std::string_view bytes :
       {"5\nhello\r\n0\r\n\r\n", "5\rhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n", "5\r\nhello\r\n0\r\r\n", "5\r\nhello\r\n0\r\n\n", "5\r\nhello\r\n0\r\n\r\r",
        "5;a\nhello\r\n0\r\n\r\n", "5;a\rhello\r\n0\r\n\r\n", "5\r\r\nhello\r\n0\r\n\r\n", "0\r\nA: b\n\r\n",
        "0\r\nA: b\r\r\n\r\n", "0\r\nA: b\rC: d\r\n\r\n", "0\r\nA: b\r\n\n"}) {
    expect_refused(bytes);
  }
  // One byte in the place of a CR or LF, everything around it sound.
  for (std::string_view bytes :
       {"5X\nhello\r\n0\r\n\r\n", "5\rXhello\r\n0\r\n\r\n", "5\r\nhelloX\n0\r\n\r\n", "5\r\nhello\rX0\r\n\r\n",
        "0X\n\r\n", "0\rX\r\n", "0\r\nX\n", "0\r\n\rX", "0\r\nA: b\rX\r\n"}) {
    expect_refused(bytes);
  }
}

TEST(ChunkDecoder, F15TrailersAreCheckedAndDropped) {
  expect_body("1\r\nx\r\n0\r\nA: b\r\n\r\n", "x");
  expect_body("0\r\nA:\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nX-Auth-Subject: root\r\n\r\n", "");
  for (std::string_view line : {" A: b", "\tA: b", "A : b", "A", ":", ": b", "A(: b", "A\x80: b", "A: \x01", "A: \x7f",
                                "A: b\r\n c", "A\r: b"}) {
    expect_refused("0\r\n" + std::string(line) + "\r\n\r\n");
  }
  expect_refused("0\r\nA: \0\r\n\r\n"s);
}

TEST(ChunkDecoder, F15TrailersAreBounded) {
  auto body = [](std::size_t value) { return "0\r\nA: " + std::string(value, 'v') + "\r\n\r\n"; };
  auto whole = [](const std::string& bytes) { return decode(bytes, {bytes.size()}).outcome; };
  EXPECT_EQ(whole(body(8185)), "done");  // 8192 bytes of trailers with their empty line
  EXPECT_EQ(whole(body(8186)), "bad_request");
}

TEST(ChunkDecoder, F19ACutBodyIsNeverDone) {
  const std::string bytes = "5;x=\"y\"\r\nhello\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(decode(std::string_view(bytes).substr(0, size), {size}).outcome, "incomplete") << size;
  }
}

TEST(WriteChunkSize, WhatIsWrittenIsRead) {
  const std::string body = "The quick brown fox jumps over the lazy dog";
  for (std::size_t size = 1; size <= body.size(); ++size) {
    std::string bytes;
    char line[kMaxChunkSizeLine];
    for (std::size_t at = 0; at < body.size(); at += size) {
      std::string_view part = std::string_view(body).substr(at, size);
      bytes.append(line, write_chunk_size(line, part.size()));
      bytes += part;
      bytes += "\r\n";
    }
    bytes += kLastChunk;
    expect_body(bytes, body);
  }
}

TEST(WriteChunkSize, TheLargestSizeFits) {
  char line[kMaxChunkSizeLine];
  EXPECT_EQ(write_chunk_size(line, UINT64_MAX), kMaxChunkSizeLine);
  EXPECT_EQ(std::string_view(line, sizeof line), "ffffffffffffffff\r\n");
  EXPECT_EQ(write_chunk_size(line, 0), 3u);
}

TEST(ChunkDecoder, KeepsTrailersForThoseWhoAsk) {
  constexpr std::string_view kBody = "3\r\nabc\r\n0\r\nX-Tokens: 42\r\nX-More: \r\n\r\n";
  for (std::size_t piece = 1; piece <= kBody.size(); ++piece) {
    ChunkDecoder decoder;
    std::string kept = "of the last body";
    decoder.keep_trailers(kept);
    for (std::size_t at = 0; at < kBody.size();) {
      auto step = decoder.next(kBody.substr(at, piece));
      ASSERT_TRUE(step);
      EXPECT_EQ(decoder.trailers().empty(), !decoder.done());
      at += step->consumed;
    }
    EXPECT_EQ(decoder.trailers(), "X-Tokens: 42\r\nX-More: \r\n\r\n");
    decoder.reset();
    EXPECT_EQ(decoder.trailers(), "");
  }
}

TEST(ChunkDecoder, DropsTrailersOtherwise) {
  ChunkDecoder decoder;
  ASSERT_TRUE(decoder.next("0\r\nX-Tokens: 42\r\n\r\n"));
  EXPECT_TRUE(decoder.done());
  EXPECT_EQ(decoder.trailers(), "");
}

}  // namespace
}  // namespace lotagate::http
