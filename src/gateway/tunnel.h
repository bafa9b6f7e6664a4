// Two connections joined: what one side sends the other gets, byte for byte, with back-pressure in both directions. An
// idle tunnel holds no buffers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "gateway/body.h"
#include "runtime/event.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "runtime/task.h"

namespace lotagate {

class Tunnel {
 public:
  struct Times {
    nanoseconds idle;                 // without a byte in either direction
    nanoseconds downstream_progress;  // until the client takes what is sent to it
    nanoseconds upstream_progress;    // until the service does
    MonotonicTime end = kNever;       // then it ends with end_error, whatever flows
    Error end_error = {};
  };
  // Both sockets outlive the tunnel; nobody else reads from them or writes to them while it runs.
  Tunnel(Reactor& reactor, Socket& downstream, Socket& upstream, const Times& times);

  // Runs until both sides have ended. `from_client` and `from_service` are what was received behind the heads. An
  // orderly end of one side is passed on, and the other has kCloseGrace without a byte to end as well; a reset of one
  // side becomes a reset of the other. Nothing: an orderly end.
  Task<std::optional<Error>> run(std::string_view from_client, std::string_view from_service);

  std::uint64_t bytes_in() const { return in_.bytes; }    // from the client
  std::uint64_t bytes_out() const { return out_.bytes; }  // to the client
  FramePool& frames() { return reactor_.frames(); }

 private:
  struct Direction {
    Socket& from;
    Side from_side;
    Socket& to;
    Side to_side;
    nanoseconds progress;
    std::uint64_t bytes = 0;
    bool ended = false;
  };
  struct Alarm {
    explicit Alarm(Tunnel& t) : timer(fire), tunnel(t) {}
    static void fire(Timer& timer);
    Timer timer;  // first member: the timer's address is the alarm's
    Tunnel& tunnel;
  };
  // A peer that has been told of the end usually ends at once; one that does not is waited for this long.
  static constexpr seconds kCloseGrace{10};

  Task<void> relay_in(std::string_view first);
  Task<void> relay(Direction& direction, std::string_view first);
  Task<void> copy(Direction& direction, std::string_view first);
  Task<bool> receive(Direction& direction, Buffer& buffer, std::size_t& bytes);
  Task<bool> send(Direction& direction, std::string_view bytes);
  void end(Direction& direction);
  void fail(const Error& error, bool reset);
  MonotonicTime idle_deadline() const;

  Reactor& reactor_;
  Direction in_;
  Direction out_;
  nanoseconds idle_;
  MonotonicTime last_byte_;
  OneShotEvent in_done_;
  std::optional<Error> error_;
  Error end_error_;
  Alarm alarm_;
};

}  // namespace lotagate
