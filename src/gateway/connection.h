// One client connection: reads heads, runs an exchange for each, keeps or closes. Frees itself when it ends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/buffer.h"
#include "gateway/body.h"
#include "gateway/idle_connections.h"
#include "http/head.h"
#include "runtime/socket.h"
#include "runtime/task.h"

namespace lotagate {

class Worker;
class Exchange;

class Connection : public IdleLink {
 public:
  Connection(Worker& worker, const Accepted& accepted, std::size_t listener_index);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The life of the connection; deletes it at the end.
  static Task<void> serve(Worker& worker, std::unique_ptr<Connection> self);

  FramePool& frames();
  Socket& socket() { return socket_; }
  const SocketAddress& peer() const { return peer_; }
  std::string_view peer_text() const { return {peer_text_, peer_text_bytes_}; }
  std::size_t listener_index() const { return listener_index_; }
  // Waiting for a request, none begun.
  bool idle() const { return linked(); }
  // Ends whatever it does: the exchange's upstream too.
  void cut(const Error& error);

  // Keeps what was received behind the request that just ended, as the start of the next.
  void carry_over(std::string_view leftover);

  std::size_t index = 0;         // in the worker's list
  bool counted = false;          // among the open connections of the process and the listener
  bool counted_address = false;  // among those of its address
  std::optional<Error> refusal;  // why it is only told so and closed

 private:
  friend class Exchange;
  // Method, version and spaces of a request line beside its target.
  static constexpr std::size_t kRequestLineRest = 64;
  enum class HeadStatus : std::uint8_t { complete, closed, failed };

  Task<void> run();
  Task<void> refuse();
  void become_busy();
  // Steps towards a whole head at the start of buffered(); nothing while it goes on. `failed`: head_error_ says why.
  std::optional<HeadStatus> begin_head();
  std::optional<HeadStatus> receive_head(Wait wait);
  HeadStatus fail_head(ErrorCode code, std::string_view reason);
  HeadStatus fail_size();
  bool make_room();
  std::optional<HeadStatus> scan();
  // Ends our sending side and reads what the client still sends, within bounds, so that it gets our answer and not a
  // reset (RFC 9112 9.6).
  Task<void> linger();

  std::string_view buffered() const { return {input_.data() + begin_, end_ - begin_}; }

  Worker& worker_;
  Socket socket_;
  SocketAddress peer_;
  char peer_text_[kMaxIpText];  // written once: every request of the connection names it
  std::size_t peer_text_bytes_;
  std::size_t listener_index_;
  Buffer input_;
  std::size_t begin_ = 0;  // of the current head
  std::size_t end_ = 0;    // of what was received
  http::HeadScanner scanner_;
  Error head_error_;
  bool head_begun_ = false;  // a byte of it has come
  MonotonicTime head_began_{};
  MonotonicTime head_deadline_{};
  nanoseconds header_timeout_{};  // copied: the configuration may be replaced while a head is awaited
  std::uint64_t requests_ = 0;
  Exchange* exchange_ = nullptr;  // the one that runs
};

}  // namespace lotagate
