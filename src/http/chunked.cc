#include "http/chunked.h"

#include <algorithm>
#include <charconv>

#include "http/field.h"

namespace lotagate::http {
namespace {

// Both far above what real senders use; each bounds what a sender can make us read without a body octet.
constexpr std::uint32_t kMaxExtensionBytes = 4096;
constexpr std::uint32_t kMaxTrailerBytes = 8192;
constexpr std::uint32_t kMaxSizeDigits = 15;  // 2^60: cannot wrap 64 bits

std::unexpected<Error> bad(std::string_view reason) { return fail(ErrorCode::bad_request, Origin::downstream, reason); }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

Result<ChunkDecoder::Step> ChunkDecoder::next(std::string_view input) {
  std::size_t at = 0;
  while (at < input.size() && state_ != State::done) {
    if (state_ == State::data) {
      std::size_t run = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - at));
      left_ -= run;
      if (left_ == 0) state_ = State::data_cr;
      return Step{.data = input.substr(at, run), .consumed = at + run};
    }
    TRY_VOID(take(input[at]));
    ++at;
  }
  return Step{.data = {}, .consumed = at, .done = state_ == State::done};
}

Result<void> ChunkDecoder::take(char c) {
  switch (state_) {
    case State::size_first:
    case State::size: return take_size(c);
    case State::extension_first:
    case State::extension_name:
    case State::extension_name_gap:
    case State::extension_value_first:
    case State::extension_value:
    case State::extension_value_gap:
    case State::quoted:
    case State::quoted_pair:
    case State::quoted_end: return take_extension(c);
    case State::size_lf:
      if (c != '\n') return bad("chunk size line");
      state_ = left_ > 0 ? State::data : State::trailer_start;
      return {};
    case State::data_cr:
      if (c != '\r') return bad("chunk longer than its size");
      state_ = State::data_lf;
      return {};
    case State::data_lf:
      if (c != '\n') return bad("chunk end");
      state_ = State::size_first;
      digits_ = 0;
      return {};
    case State::trailer_start:
    case State::trailer_name:
    case State::trailer_value:
    case State::trailer_lf:
    case State::end_lf: return take_trailer(c);
    case State::data:
    case State::done: break;
  }
  return bad("chunk state");
}

Result<void> ChunkDecoder::take_size(char c) {
  int digit = hex_value(c);
  if (digit >= 0) {
    if (++digits_ > kMaxSizeDigits) return bad("chunk size too long");
    left_ = (state_ == State::size_first ? 0 : left_ * 16) + static_cast<std::uint64_t>(digit);
    state_ = State::size;
    return {};
  }
  if (state_ == State::size_first) return bad("chunk size");
  if (c == '\r') {
    state_ = State::size_lf;
    return {};
  }
  if (c == ';') {
    state_ = State::extension_first;
    return {};
  }
  return bad("chunk size");
}

// RFC 9112 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ), from the first ";" on.
Result<void> ChunkDecoder::take_extension(char c) {
  if (++extension_bytes_ > kMaxExtensionBytes) return bad("chunk extensions too long");
  if (state_ == State::quoted || state_ == State::quoted_pair) return take_quoted(c);
  bool is_first = state_ == State::extension_first || state_ == State::extension_value_first;
  if (is_first && is_blank(c)) return {};
  if (state_ == State::extension_value_first && c == '"') {
    state_ = State::quoted;
    return {};
  }
  bool is_in_token = state_ == State::extension_name || state_ == State::extension_value;
  if ((is_first || is_in_token) && is_token({&c, 1})) {
    if (state_ == State::extension_first) state_ = State::extension_name;
    if (state_ == State::extension_value_first) state_ = State::extension_value;
    return {};
  }
  return is_first ? bad("chunk extension") : end_extension_part(c);
}

Result<void> ChunkDecoder::take_quoted(char c) {
  if (!is_field_value({&c, 1})) return bad("chunk extension");
  if (state_ == State::quoted_pair) {
    state_ = State::quoted;
  } else if (c == '"') {
    state_ = State::quoted_end;
  } else if (c == '\\') {
    state_ = State::quoted_pair;
  }
  return {};
}

// What may stand behind a name or a value.
Result<void> ChunkDecoder::end_extension_part(char c) {
  bool is_name = state_ == State::extension_name || state_ == State::extension_name_gap;
  if (is_blank(c)) {
    state_ = is_name ? State::extension_name_gap : State::extension_value_gap;
    return {};
  }
  if (c == ';') {
    state_ = State::extension_first;
    return {};
  }
  if (c == '=' && is_name) {
    state_ = State::extension_value_first;
    return {};
  }
  bool is_gap = state_ == State::extension_name_gap || state_ == State::extension_value_gap;
  if (c != '\r' || is_gap) return bad("chunk extension");
  state_ = State::size_lf;
  return {};
}

Result<void> ChunkDecoder::take_trailer(char c) {
  if (++trailer_bytes_ > kMaxTrailerBytes) return bad("trailers too long");
  if (trailers_ != nullptr) *trailers_ += c;
  switch (state_) {
    case State::trailer_start:
      if (c == '\r') {
        state_ = State::end_lf;
        return {};
      }
      if (!is_token({&c, 1})) return bad("trailer name");
      state_ = State::trailer_name;
      return {};
    case State::trailer_name:
      if (c == ':') {
        state_ = State::trailer_value;
        return {};
      }
      return is_token({&c, 1}) ? Result<void>{} : bad("trailer name");
    case State::trailer_value:
      if (c == '\r') {
        state_ = State::trailer_lf;
        return {};
      }
      return is_field_value({&c, 1}) ? Result<void>{} : bad("trailer value");
    case State::trailer_lf:
      if (c != '\n') return bad("trailer line");
      state_ = State::trailer_start;
      return {};
    case State::end_lf:
      if (c != '\n') return bad("end of chunked body");
      state_ = State::done;
      return {};
    default: return bad("chunk state");
  }
}

std::size_t write_chunk_size(char* out, std::uint64_t size) {
  char* end = std::to_chars(out, out + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - out);
}

}  // namespace lotagate::http
