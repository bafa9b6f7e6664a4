// What the product relies on of a Backend, as one suite over real sockets and over the simulated network: what holds
// here for both makes the simulation worth believing.
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <memory>
#include <string>

#include "runtime/epoll_backend.h"
#include "runtime/simulated_network.h"

namespace lotagate {
namespace {

class Transport {
 public:
  virtual ~Transport() = default;
  virtual Backend& backend() = 0;
  // Lets time pass until something happens, at most 10 s.
  virtual std::size_t wait(std::span<Event> events) = 0;
  // Until all that was sent has arrived, though nobody waits for it.
  virtual void settle() = 0;
};

class RealTransport final : public Transport {
 public:
  Backend& backend() override { return backend_; }
  std::size_t wait(std::span<Event> events) override { return backend_.wait(backend_.now() + seconds(10), events); }
  void settle() override {}  // the loopback interface delivers before a send returns

 private:
  EpollBackend backend_;
};

class SimulatedTransport final : public Transport {
 public:
  Backend& backend() override { return backend_; }
  std::size_t wait(std::span<Event> events) override {
    while (true) {
      std::size_t count = backend_.wait(kNever, events);
      if (count > 0 || network_.next_arrival() == kNever) return count;
      network_.advance(network_.next_arrival());
    }
  }
  void settle() override {
    while (network_.next_arrival() != kNever) network_.advance(network_.next_arrival());
  }

 private:
  SimulatedNetwork network_{{.seed = 7}};
  SimulatedBackend backend_{network_, true};
};

constexpr std::uint64_t kListener = 1;
constexpr std::uint64_t kClient = 2;
constexpr std::uint64_t kServer = 3;

class BackendContract : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      transport_ = std::make_unique<SimulatedTransport>();
    } else {
      transport_ = std::make_unique<RealTransport>();
    }
    auto listener = backend().listen(*parse_socket_address("127.0.0.1:0"));
    ASSERT_TRUE(listener);
    listener_ = *listener;
    address_ = backend().local_address(listener_);
    backend().watch(listener_, kListener);
  }

  void TearDown() override {
    for (SocketHandle handle : {client_, server_, listener_}) {
      if (handle != kNoSocket) backend().close(handle, false);
    }
  }

  Backend& backend() { return transport_->backend(); }

  // Waits until an event of `token` satisfies `condition`; what it said.
  template <typename Condition>
  Event until(std::uint64_t token, Condition condition) {
    while (true) {
      std::array<Event, 16> events{};
      std::size_t count = transport_->wait(events);
      if (count == 0) {
        ADD_FAILURE() << "no such event of " << token;
        return {};
      }
      Event found{};
      bool satisfied = false;
      for (std::size_t i = 0; i < count; ++i) {
        if (events[i].token != token || !condition(events[i])) continue;
        found = events[i];
        satisfied = true;
      }
      if (satisfied) return found;
    }
  }
  Event until_readable(std::uint64_t token) {
    return until(token, [](const Event& e) { return e.readable; });
  }
  Event until_writable(std::uint64_t token) {
    return until(token, [](const Event& e) { return e.writable; });
  }
  Event until_closed(std::uint64_t token) {
    return until(token, [](const Event& e) { return e.peer_closed; });
  }
  Event until_failed(std::uint64_t token) {
    return until(token, [](const Event& e) { return e.failed; });
  }

  void connect() {
    client_ = *backend().connect(address_);
    backend().watch(client_, kClient);
    until_writable(kClient);
    ASSERT_EQ(backend().connect_error(client_), 0);
    auto accepted = backend().accept(listener_);
    ASSERT_TRUE(accepted);
    server_ = accepted->handle;
    peer_ = accepted->peer;
    backend().watch(server_, kServer);
    until_writable(kServer);
  }

  IoResult send(SocketHandle handle, std::string_view text) {
    iovec part{const_cast<char*>(text.data()), text.size()};
    return backend().send(handle, std::span(&part, 1));
  }
  std::string receive(SocketHandle handle, std::size_t most = 64) {
    std::string text(most, '\0');
    IoResult result = backend().receive(handle, text);
    text.resize(result.status == IoStatus::ok ? result.bytes : 0);
    return text;
  }
  IoStatus receive_status(SocketHandle handle) {
    char byte;
    return backend().receive(handle, {&byte, 1}).status;
  }
  void close(SocketHandle& handle, bool abort) {
    backend().close(handle, abort);
    handle = kNoSocket;
  }
  // How much goes in before nothing more does.
  std::size_t fill(SocketHandle handle) {
    std::string block(64 * 1024, 'x');
    std::size_t total = 0;
    while (true) {
      IoResult sent = send(handle, block);
      if (sent.status != IoStatus::ok) break;
      total += sent.bytes;
    }
    return total;
  }

  std::unique_ptr<Transport> transport_;
  SocketHandle listener_ = kNoSocket;
  SocketHandle client_ = kNoSocket;
  SocketHandle server_ = kNoSocket;
  SocketAddress address_;
  SocketAddress peer_;
};

TEST_P(BackendContract, AConnectEndsWritable) {
  client_ = *backend().connect(address_);
  backend().watch(client_, kClient);
  Event event = until_writable(kClient);
  EXPECT_FALSE(event.failed);
  EXPECT_FALSE(event.readable);
  EXPECT_EQ(backend().connect_error(client_), 0);
}

TEST_P(BackendContract, AcceptNamesThePeerAndThenHasNoMore) {
  connect();
  EXPECT_EQ(peer_, backend().local_address(client_));
  EXPECT_EQ(backend().accept(listener_).error(), AcceptStatus::would_block);
}

TEST_P(BackendContract, ARefusedConnectFails) {
  close(listener_, false);
  auto handle = backend().connect(address_);
  ASSERT_TRUE(handle);
  client_ = *handle;
  backend().watch(client_, kClient);
  Event event = until_writable(kClient);
  EXPECT_TRUE(event.failed);
  EXPECT_TRUE(event.readable);
  EXPECT_EQ(backend().connect_error(client_), ECONNREFUSED);
}

TEST_P(BackendContract, NobodyIsToldTwiceOfOneEdge) {
  connect();
  ASSERT_EQ(send(client_, "abc").bytes, 3u);
  EXPECT_TRUE(until_readable(kServer).writable);  // an event tells all that is true, not only what changed
  std::array<Event, 4> events{};
  EXPECT_EQ(backend().wait(MonotonicTime::min(), events), 0u);
  EXPECT_EQ(receive(server_), "abc");
  EXPECT_EQ(receive_status(server_), IoStatus::would_block);
}

TEST_P(BackendContract, MoreBytesAreANewEdgeEvenBehindUnreadOnes) {
  connect();
  send(client_, "abc");
  until_readable(kServer);
  send(client_, "def");
  until_readable(kServer);
  EXPECT_EQ(receive(server_, 4), "abcd");
  EXPECT_EQ(receive(server_), "ef");
}

TEST_P(BackendContract, WhatIsTrueBeforeWatchIsTheFirstEdge) {
  client_ = *backend().connect(address_);
  backend().watch(client_, kClient);
  until_writable(kClient);
  send(client_, "early");
  transport_->settle();
  server_ = backend().accept(listener_)->handle;
  backend().watch(server_, kServer);
  until_readable(kServer);
  EXPECT_EQ(receive(server_), "early");
}

TEST_P(BackendContract, AFinEndsReadingOnly) {
  connect();
  send(client_, "last");
  backend().shutdown_write(client_);
  Event event = until_closed(kServer);
  EXPECT_TRUE(event.readable);
  EXPECT_FALSE(event.failed);
  EXPECT_EQ(receive(server_), "last");
  EXPECT_EQ(receive_status(server_), IoStatus::closed);
  EXPECT_EQ(receive_status(server_), IoStatus::closed);
  EXPECT_EQ(send(server_, "answer").bytes, 6u);
  until_readable(kClient);
  EXPECT_EQ(receive(client_), "answer");
}

TEST_P(BackendContract, TwoHalfClosesAreAHangup) {
  connect();
  backend().shutdown_write(client_);
  EXPECT_FALSE(until_closed(kServer).failed);
  backend().shutdown_write(server_);
  Event event = until_failed(kServer);
  EXPECT_TRUE(event.readable && event.writable && event.peer_closed);
  EXPECT_EQ(receive_status(server_), IoStatus::closed);
}

TEST_P(BackendContract, SendingAfterOnesOwnEndIsRefused) {
  connect();
  backend().shutdown_write(client_);
  EXPECT_EQ(send(client_, "more").status, IoStatus::reset);
}

TEST_P(BackendContract, AResetLeavesWhatHadArrived) {
  connect();
  send(client_, "abc");
  until_readable(kServer);
  close(client_, true);
  Event event = until_failed(kServer);
  EXPECT_TRUE(event.readable && event.writable && event.peer_closed);
  EXPECT_EQ(receive(server_), "abc");
  EXPECT_EQ(receive_status(server_), IoStatus::reset);
  EXPECT_EQ(receive_status(server_), IoStatus::closed);
}

TEST_P(BackendContract, SendingIntoAResetIsAReset) {
  connect();
  close(client_, true);
  until_failed(kServer);
  EXPECT_EQ(send(server_, "x").status, IoStatus::reset);
  EXPECT_EQ(send(server_, "x").status, IoStatus::reset);
}

TEST_P(BackendContract, ClosingWithUnreadBytesResets) {
  connect();
  send(client_, "unread");
  until_readable(kServer);
  close(server_, false);
  until_failed(kClient);
  EXPECT_EQ(receive_status(client_), IoStatus::reset);
}

TEST_P(BackendContract, BytesForAClosedSocketAreAnsweredWithAReset) {
  connect();
  close(server_, false);
  EXPECT_FALSE(until_closed(kClient).failed);
  EXPECT_EQ(send(client_, "hello?").status, IoStatus::ok);
  until_failed(kClient);
  EXPECT_EQ(receive_status(client_), IoStatus::closed);  // the FIN came first: Linux reports the end, not the reset
}

TEST_P(BackendContract, AFullWindowBlocksUntilThereIsRoom) {
  connect();
  std::size_t sent = fill(client_);
  EXPECT_GT(sent, 0u);
  EXPECT_EQ(send(client_, "x").status, IoStatus::would_block);
  std::size_t received = 0;
  while (received < sent) {
    std::string some = receive(server_, 1 << 20);
    if (some.empty()) until_readable(kServer);
    received += some.size();
  }
  until_writable(kClient);
  EXPECT_EQ(send(client_, "x").status, IoStatus::ok);
}

TEST_P(BackendContract, ClosingAListenerResetsWhoWaitsInIt) {
  client_ = *backend().connect(address_);
  backend().watch(client_, kClient);
  until_writable(kClient);
  close(listener_, false);
  until_failed(kClient);
}

TEST_P(BackendContract, WakeEndsAWait) {
  std::array<Event, 4> events{};
  backend().wait(MonotonicTime::min(), events);
  backend().wake();
  EXPECT_EQ(transport_->wait(events), 0u);
}

TEST_P(BackendContract, AnAddressIsSharedByListeners) {
  auto second = backend().listen(address_);
  ASSERT_TRUE(second);
  EXPECT_EQ(backend().local_address(*second), address_);
  backend().close(*second, false);
}

INSTANTIATE_TEST_SUITE_P(Backends, BackendContract, testing::Bool(),
                         [](const auto& info) { return info.param ? "Simulated" : "Epoll"; });

}  // namespace
}  // namespace lotagate
