// Message bodies in motion: BodyStream decodes what one side sends, BodySink encodes for the other, pump() moves the
// octets with back-pressure: nothing is read before what was read has been written.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "http/chunked.h"
#include "http/framing.h"
#include "http/writer.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "runtime/task.h"

namespace lotagate {

// Which side a socket is on: decides how its failures are called.
enum class Side : std::uint8_t { downstream, upstream };

// What a wait, a read or a write on `socket` that did not succeed means. A cancelled socket has its own error.
Error wait_error(Side side, Wait wait, const Socket& socket);
Error send_error(Side side, SendStatus status, const Socket& socket);

class BodyStream {
 public:
  BodyStream(Reactor& reactor, Side side) : reactor_(reactor), side_(side) {}

  // `buffered`: bytes received behind the head; they stay valid until the body has ended. `progress`: longest wait
  // between two reads. `max_bytes`: more octets are body_too_large.
  void begin(Socket& socket, http::Framing framing, std::string_view buffered, nanoseconds progress,
             std::uint64_t max_bytes);

  // The octets have to come at `bytes_per_second` at least (0: at any rate), counted over the time that fill() waits
  // for them beyond `grace`. What the reader's own slowness costs does not count (S03).
  void require_rate(std::uint32_t bytes_per_second, nanoseconds grace);

  // Lowers the limit: the route's, once it is known.
  void limit(std::uint64_t max_bytes) { max_bytes_ = max_bytes; }

  struct Piece {
    std::string_view data;  // may be empty
    bool end = false;       // nothing follows `data`
  };
  // The next run of octets that have been received already. Neither data nor end: fill() is needed.
  Result<Piece> next();
  // Receives more. Pieces handed out before are overwritten.
  Task<Result<void>> fill();

  bool ended() const { return ended_; }
  // Between begin() and the first next(): the trailers of a chunked body are wanted.
  void keep_trailers() { chunks_.keep_trailers(trailers_); }
  // Of a body that has ended (ChunkDecoder::trailers).
  std::string_view trailers() const { return chunks_.trailers(); }
  std::uint64_t octets() const { return octets_; }
  // Bytes received beyond the end of the body: the next message, or garbage.
  std::string_view leftover() const { return ended_ ? pending_ : std::string_view(); }
  // Starts over with the bytes given to begin(): for a retry before fill() was ever called.
  void rewind();
  bool filled() const { return filled_; }
  void release() { window_.release(); }
  FramePool& frames() { return reactor_.frames(); }

 private:
  Result<Piece> decode();
  Result<Piece> next_chunked();
  Result<Piece> next_counted();
  Result<void> count(std::size_t octets);
  MonotonicTime fill_deadline() const;
  std::size_t window_bytes() const;

  Reactor& reactor_;
  Side side_;
  Socket* socket_ = nullptr;
  http::Framing framing_;
  http::ChunkDecoder chunks_;
  std::string trailers_;  // if they are wanted; used again by the next body
  std::string_view buffered_;
  std::string_view pending_;  // received, not yet handed out
  nanoseconds progress_{0};
  std::uint32_t least_rate_ = 0;  // bytes per second
  nanoseconds grace_{0};
  nanoseconds waited_{0};  // in fill(), so far
  std::uint64_t max_bytes_ = 0;
  std::uint64_t left_ = 0;  // of kind length
  std::uint64_t octets_ = 0;
  bool ended_ = false;
  bool filled_ = false;
  bool stream_closed_ = false;
  std::optional<Error> failed_;  // a body that went wrong once stays wrong
  Buffer window_;
};

// Collects a head and runs of octets into one gathering write.
class BodySink {
 public:
  enum class Kind : std::uint8_t { none, plain, chunked };

  // `head`: what was written into its buffer so far; small bodies are copied behind it, so that one plain send carries
  // both. Null: no head to send.
  void begin(Kind kind, http::HeadWriter* head);
  void add(std::string_view piece);
  bool full() const { return count_ == kMaxPieces; }
  // What to send now; valid until the next add(). `end`: the body ends here.
  std::span<iovec> take(bool end);

 private:
  static constexpr std::size_t kMaxPieces = 16;
  // Below this a copy costs less than handing the kernel one more piece (0.1 us against 0.2 us for sendmsg).
  static constexpr std::size_t kCopyBytes = 4096;
  std::span<iovec> take_copied(bool end);

  Kind kind_ = Kind::none;
  http::HeadWriter* head_ = nullptr;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::array<std::string_view, kMaxPieces> pieces_;
  std::array<iovec, kMaxPieces + 3> parts_;
  std::array<char, http::kMaxChunkSizeLine> size_line_;
};

// What gather() came to: the body ends with what was gathered, or fill() is needed before there is more.
struct Gathered {
  bool end = false;
  bool starved = false;
};

// Adds to `sink` what `from` has at hand, as far as it fits.
Result<Gathered> gather(BodyStream& from, BodySink& sink);

// What take() gave, as far as it has not been sent yet.
struct Outgoing {
  std::span<iovec> parts;
  Gathered gathered;
};

// How pump() ended. `failed_side` counts only with an error.
struct PumpResult {
  std::optional<Error> error;
  Side failed_side = Side::downstream;
};

// Where pump() writes: the socket, its side, and the longest wait for it to take more.
struct PumpTarget {
  Reactor& reactor;
  Socket& socket;
  Side side;
  nanoseconds progress;
  bool sending = false;  // true while a write is under way: nobody else may write then
};

// Moves everything that is left of `from` to `target` through `sink`, beginning with what is left of `outgoing`.
Task<PumpResult> pump(BodyStream& from, BodySink& sink, PumpTarget& target, Outgoing outgoing);

}  // namespace lotagate
