#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "runtime/epoll_backend.h"
#include "runtime/event.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "runtime/task.h"

namespace lotagate {
namespace {

struct Loop {
  EpollBackend backend;
  Reactor reactor{backend};

  // Turns until `done`, at most 10 s.
  template <typename Done>
  void run_until(Done done) {
    auto give_up = backend.now() + seconds(10);
    // A sleeping helper keeps the loop from waiting for ever on a broken condition.
    while (!done() && backend.now() < give_up) {
      reactor.post_remote([] {});
      reactor.turn();
    }
    ASSERT_TRUE(done());
  }
};

struct Pair {
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0); }
  int ends[2];
};

Task<int> twice(Reactor&, int value) { co_return value * 2; }

Task<int> sum(Reactor& reactor, int count) {
  int total = 0;
  for (int i = 0; i < count; ++i) total += co_await twice(reactor, i);
  co_return total;
}

Task<void> store(Reactor& reactor, int& out) { out = co_await sum(reactor, 1000); }

TEST(Task, RunsToItsEndAndReusesFrames) {
  Loop loop;
  int out = 0;
  spawn(loop.reactor, store(loop.reactor, out));
  EXPECT_EQ(out, 999000);
  EXPECT_EQ(loop.reactor.frames().outstanding(), 0u);
}

Task<int> thrower(Reactor&) {
  throw std::runtime_error("bug");
  co_return 0;
}

Task<void> catcher(Reactor& reactor, bool& caught) {
  try {
    co_await thrower(reactor);
  } catch (const std::runtime_error&) {
    caught = true;
  }
}

TEST(Task, ExceptionsReachTheAwaiter) {
  Loop loop;
  bool caught = false;
  spawn(loop.reactor, catcher(loop.reactor, caught));
  EXPECT_TRUE(caught);
}

Task<void> read_to_end(Reactor& reactor, Socket& socket, std::string& out, bool& done) {
  Buffer buffer = reactor.buffers().take();
  while (true) {
    auto wait = co_await socket.readable(kNever);
    if (wait != Wait::ready) break;
    IoResult result = socket.try_receive({buffer.data(), buffer.capacity()});
    if (result.status == IoStatus::would_block) continue;
    if (result.status != IoStatus::ok) break;
    out.append(buffer.data(), result.bytes);
  }
  done = true;
}

Task<void> write_and_close(Reactor& reactor, Socket& socket, const std::string& data, SendResult& out) {
  iovec part{const_cast<char*>(data.data()), data.size()};
  out = co_await send_all(reactor, socket, std::span(&part, 1), seconds(5));
  socket.shutdown_write();
}

TEST(Socket, CarriesAMegabyteThroughSmallSocketBuffers) {
  Loop loop;
  Pair pair;
  Socket left(loop.reactor, pair.ends[0]);
  Socket right(loop.reactor, pair.ends[1]);
  std::string data(1 << 20, 'x');
  std::string received;
  bool done = false;
  SendResult sent{SendStatus::closed};
  spawn(loop.reactor, read_to_end(loop.reactor, right, received, done));
  spawn(loop.reactor, write_and_close(loop.reactor, left, data, sent));
  loop.run_until([&] { return done; });
  EXPECT_EQ(sent.status, SendStatus::sent);
  EXPECT_EQ(sent.bytes, data.size());
  EXPECT_EQ(received, data);
}

Task<void> wait_once(Reactor&, Socket& socket, MonotonicTime deadline, std::optional<Wait>& out) {
  out = co_await socket.readable(deadline);
}

TEST(Socket, DeadlineEndsAWait) {
  Loop loop;
  Pair pair;
  Socket left(loop.reactor, pair.ends[0]);
  Socket right(loop.reactor, pair.ends[1]);
  std::optional<Wait> outcome;
  spawn(loop.reactor, wait_once(loop.reactor, left, loop.reactor.now() + milliseconds(20), outcome));
  loop.run_until([&] { return outcome.has_value(); });
  EXPECT_EQ(*outcome, Wait::timed_out);
}

TEST(Socket, CancelEndsThisWaitAndAllLaterOnes) {
  Loop loop;
  Pair pair;
  Socket left(loop.reactor, pair.ends[0]);
  Socket right(loop.reactor, pair.ends[1]);
  std::optional<Wait> outcome;
  spawn(loop.reactor, wait_once(loop.reactor, left, kNever, outcome));
  left.cancel(Error{.code = ErrorCode::client_closed});
  loop.run_until([&] { return outcome.has_value(); });
  EXPECT_EQ(*outcome, Wait::cancelled);
  EXPECT_EQ(left.cancel_error().code, ErrorCode::client_closed);
  outcome.reset();
  spawn(loop.reactor, wait_once(loop.reactor, left, kNever, outcome));
  EXPECT_EQ(*outcome, Wait::cancelled);
}

TEST(Socket, EndOfStreamAfterAShortReadIsSeen) {
  Loop loop;
  Pair pair;
  Socket left(loop.reactor, pair.ends[0]);
  ASSERT_EQ(write(pair.ends[1], "abc", 3), 3);
  close(pair.ends[1]);  // data and end arrive as one edge
  std::string received;
  bool done = false;
  spawn(loop.reactor, read_to_end(loop.reactor, left, received, done));
  loop.run_until([&] { return done; });
  EXPECT_EQ(received, "abc");
}

struct CountingListener final : HangupListener {
  void on_hangup(bool) override { ++calls; }
  int calls = 0;
};

TEST(Socket, HangupIsReportedWhileNobodyReads) {
  Loop loop;
  Pair pair;
  Socket left(loop.reactor, pair.ends[0]);
  CountingListener listener;
  left.set_hangup_listener(&listener);
  close(pair.ends[1]);
  loop.run_until([&] { return listener.calls == 1; });
  CountingListener late;
  left.set_hangup_listener(&late);
  EXPECT_EQ(late.calls, 1);
}

TEST(Reactor, RemoteMessagesRunOnTheLoopThread) {
  Loop loop;
  std::atomic<int> posted{0};
  int run = 0;
  std::thread::id loop_thread = std::this_thread::get_id();
  std::vector<std::thread> senders;
  for (int t = 0; t < 4; ++t) {
    senders.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        loop.reactor.post_remote([&] {
          EXPECT_EQ(std::this_thread::get_id(), loop_thread);
          ++run;
        });
        ++posted;
      }
    });
  }
  while (run < 4000) loop.reactor.turn();
  for (auto& sender : senders) sender.join();
  EXPECT_EQ(posted, 4000);
}

Task<void> signal_after(Reactor& reactor, OneShotEvent& event) {
  co_await Sleep(reactor, milliseconds(5));
  event.set();
}

Task<void> await_event(Reactor&, OneShotEvent& event, bool& done) {
  co_await event.wait();
  done = true;
}

TEST(OneShotEvent, WakesItsWaiterOnce) {
  Loop loop;
  OneShotEvent event(loop.reactor);
  bool done = false;
  spawn(loop.reactor, await_event(loop.reactor, event, done));
  spawn(loop.reactor, signal_after(loop.reactor, event));
  EXPECT_FALSE(done);
  loop.run_until([&] { return done; });
}

}  // namespace
}  // namespace lotagate
