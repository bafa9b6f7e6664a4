// Any bytes as a chunked body: the result does not depend on how they arrive, an independent parser reads the same
// body, and what is encoded decodes to itself.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/chunked.h"
#include "http/test_second_opinion.h"

namespace lotagate::http {
namespace {

struct Decoded {
  bool sound = true;
  bool done = false;
  std::string body = {};
  std::size_t consumed = 0;
  bool operator==(const Decoded&) const = default;
};

// In pieces of at most `piece` bytes.
Decoded decode(std::string_view bytes, std::size_t piece) {
  ChunkDecoder decoder;
  Decoded result;
  while (result.consumed < bytes.size() && !result.done) {
    auto step = decoder.next(bytes.substr(result.consumed, piece));
    if (!step) return {.sound = false};
    LG_CHECK(step->consumed > 0, "no progress");
    LG_CHECK(step->data.size() <= step->consumed, "more octets than were read");
    result.body += step->data;
    result.consumed += step->consumed;
    result.done = step->done;
  }
  return result;
}

std::string encode(std::string_view body, std::size_t chunk) {
  std::string bytes;
  char line[kMaxChunkSizeLine];
  for (std::size_t at = 0; at < body.size(); at += chunk) {
    std::string_view part = body.substr(at, chunk);
    bytes.append(line, write_chunk_size(line, part.size()));
    bytes += part;
    bytes += "\r\n";
  }
  return bytes += kLastChunk;
}

// llhttp refuses quoted extensions, and some trailers that are dropped unread here; up to there it reads the same.
void check_second_opinion(std::string_view bytes, const Decoded& decoded) {
  std::string message = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  message += bytes.substr(0, decoded.consumed);
  SecondOpinion second(HTTP_REQUEST, message);
  LG_CHECK(decoded.body.starts_with(second.body), "llhttp reads another body");
  LG_CHECK(!second.complete || second.body == decoded.body, "llhttp reads a shorter body");
}

void check(std::string_view bytes) {
  if (bytes.empty()) return;
  std::size_t piece = static_cast<unsigned char>(bytes.front()) % 16 + 1;
  bytes.remove_prefix(1);
  Decoded whole = decode(bytes, bytes.size());
  LG_CHECK(decode(bytes, 1) == whole, "byte by byte it is another body");
  LG_CHECK(decode(bytes, piece) == whole, "in pieces it is another body");
  if (whole.sound && whole.done) check_second_opinion(bytes, whole);

  std::string encoded = encode(bytes, piece);
  Decoded again = decode(encoded, std::max<std::size_t>(encoded.size() / 2, 1));
  LG_CHECK(again.done && again.body == bytes && again.consumed == encoded.size(), "encoded and decoded is another");
}

}  // namespace
}  // namespace lotagate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lotagate::http::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
