// The chunked transfer coding (RFC 9112 7.1), strict: every line ends in CRLF, sizes are plain hexadecimal, extensions
// are read and dropped, trailers are checked as fields and dropped unless somebody asks for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lotagate::http {

class ChunkDecoder {
 public:
  struct Step {
    std::string_view data;     // body octets, a view into the input; may be empty
    std::size_t consumed = 0;  // input bytes used, including `data`
    bool done = false;         // the body and its trailers have ended
  };
  // Reads up to the end of one run of body octets. Call again with the rest until nothing is consumed.
  // Errors: bad_request; the caller translates it for upstream bodies, and calls no more.
  Result<Step> next(std::string_view input);
  bool done() const { return state_ == State::done; }
  void reset() { *this = ChunkDecoder(); }
  // Until the next reset, in `into`, which is emptied and outlives that: up to 8 KiB.
  void keep_trailers(std::string& into) {
    into.clear();
    trailers_ = &into;
  }
  // Once done, the lines of the kept trailers with the empty line behind them (field_lines.h); else empty.
  std::string_view trailers() const {
    return trailers_ != nullptr && done() ? std::string_view(*trailers_) : std::string_view();
  }

 private:
  enum class State : std::uint8_t {
    size_first,
    size,
    extension_first,
    extension_name,
    extension_name_gap,
    extension_value_first,
    extension_value,
    extension_value_gap,
    quoted,
    quoted_pair,
    quoted_end,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer_name,
    trailer_value,
    trailer_lf,
    end_lf,
    done,
  };
  Result<void> take(char c);
  Result<void> take_size(char c);
  Result<void> take_extension(char c);
  Result<void> take_quoted(char c);
  Result<void> end_extension_part(char c);
  Result<void> take_trailer(char c);

  State state_ = State::size_first;
  std::uint64_t left_ = 0;
  std::uint32_t digits_ = 0;
  std::uint32_t extension_bytes_ = 0;
  std::uint32_t trailer_bytes_ = 0;
  std::string* trailers_ = nullptr;  // null: they are dropped
};

// Writes the size line of a chunk ("1f\r\n") to `out` (at least kMaxChunkSizeLine bytes); returns its length.
inline constexpr std::size_t kMaxChunkSizeLine = 18;
std::size_t write_chunk_size(char* out, std::uint64_t size);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace lotagate::http
