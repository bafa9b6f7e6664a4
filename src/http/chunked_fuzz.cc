// Any bytes as a chunked body: a reader written from the RFC says the same, however they arrive; what was decoded and
// is encoded anew, in any chunks, decodes to itself. The first byte is no part of the body, it seeds the cuts.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/chunked.h"
#include "http/test_rfc_chunked.h"
#include "http/test_second_opinion.h"

namespace lotagate::http {
namespace {

using Outcome = rfc::ChunkedBody::Outcome;

// Sizes from 1 to `most`, the same for the same seed.
class Cuts {
 public:
  Cuts(std::uint32_t seed, std::size_t most) : state_(seed * 2654435761u + 1), most_(most) {}
  std::size_t next() {
    state_ = state_ * 1664525u + 1013904223u;
    return 1 + (state_ >> 8) % most_;
  }

 private:
  std::uint32_t state_;
  std::size_t most_;
};

rfc::ChunkedBody decode(std::string_view bytes, Cuts cuts) {
  ChunkDecoder decoder;
  rfc::ChunkedBody result{.outcome = Outcome::incomplete};
  std::size_t arrived = 0;
  while (arrived < bytes.size() && !decoder.done()) {
    arrived = std::min(arrived + cuts.next(), bytes.size());
    while (result.consumed < arrived && !decoder.done()) {
      // A copy of its own: a view beyond the bytes that have arrived is found.
      std::string piece(bytes.substr(result.consumed, arrived - result.consumed));
      auto step = decoder.next(piece);
      if (!step) return {.outcome = Outcome::refused, .body = result.body};
      LG_CHECK(step->consumed > 0 && step->consumed <= piece.size(), "no progress, or too much");
      LG_CHECK(step->data.size() <= step->consumed, "more octets than were read");
      LG_CHECK(step->done == decoder.done(), "done and not done");
      result.body += step->data;
      result.consumed += step->consumed;
    }
  }
  if (decoder.done()) result.outcome = Outcome::done;
  return result;
}

std::string encode(std::string_view body, Cuts cuts) {
  std::string bytes;
  char line[kMaxChunkSizeLine];
  for (std::size_t at = 0, size = 0; at < body.size(); at += size) {
    size = std::min(cuts.next(), body.size() - at);
    bytes.append(line, write_chunk_size(line, size));
    bytes += body.substr(at, size);
    bytes += "\r\n";
  }
  return bytes += kLastChunk;
}

// llhttp refuses quoted extensions, and some trailers that are dropped unread here; up to there it reads the same.
void check_second_opinion(std::string_view bytes, const rfc::ChunkedBody& decoded) {
  std::string message = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  message += bytes.substr(0, decoded.consumed);
  SecondOpinion second(HTTP_REQUEST, message);
  LG_CHECK(decoded.body.starts_with(second.body), "llhttp reads another body");
  LG_CHECK(!second.complete || second.body == decoded.body, "llhttp reads a shorter body");
}

void check_same(const rfc::ChunkedBody& a, const rfc::ChunkedBody& b) {
  LG_CHECK(a.outcome == b.outcome, "another outcome");
  LG_CHECK(a.body == b.body, "another body");
  LG_CHECK(a.outcome != Outcome::done || a.consumed == b.consumed, "another end");
}

void check_encoding(std::string_view body, Cuts cuts) {
  std::string encoded = encode(body, cuts);
  rfc::ChunkedBody again = decode(encoded + "GET / HTTP/1.1\r\n", cuts);
  LG_CHECK(again.outcome == Outcome::done && again.body == body, "encoded and decoded is another");
  LG_CHECK(again.consumed == encoded.size(), "the next request is eaten");
}

void check(std::string_view bytes) {
  if (bytes.empty()) return;
  std::uint32_t seed = static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);
  rfc::ChunkedBody expected = rfc::ChunkedReader::read(bytes);
  for (std::size_t most : {std::size_t{1}, std::size_t{3}, std::size_t{40}}) {
    check_same(decode(bytes, Cuts(seed, most)), expected);
  }
  check_same(decode(bytes, Cuts(0, SIZE_MAX / 2)), expected);
  if (expected.outcome == Outcome::done) {
    check_second_opinion(bytes, expected);
    check_encoding(expected.body, Cuts(seed, 5));
  }
  check_encoding(bytes, Cuts(seed, 600));
}

}  // namespace
}  // namespace lotagate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lotagate::http::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
