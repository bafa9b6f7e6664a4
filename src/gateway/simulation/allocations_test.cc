// Heap allocations of a worker, counted by the operators of the whole test program while the worker has its turn: in
// steady state a request has none, from its first byte to its log record. What the simulated network allocates below
// the worker stands for the kernel's memory and is not counted.
#include <gtest/gtest.h>

#include "base/test_allocations.h"
#include "gateway/simulation/world.h"

namespace lotagate::simulation {
namespace {

using test_allocations::allocations;
using test_allocations::counting;

class Uncounted {
 public:
  Uncounted() : before_(counting.exchange(false)) {}
  ~Uncounted() { counting = before_; }
  Uncounted(const Uncounted&) = delete;
  Uncounted& operator=(const Uncounted&) = delete;

 private:
  bool before_;
};

// The simulated network with the counting off while it works.
class UncountedBackend final : public Backend {
 public:
  explicit UncountedBackend(std::unique_ptr<Backend> inner) : inner_(std::move(inner)) {}
  std::expected<SocketHandle, int> listen(const SocketAddress& address) override {
    Uncounted pause;
    return inner_->listen(address);
  }
  SocketAddress local_address(SocketHandle handle) override { return inner_->local_address(handle); }
  std::expected<Accepted, AcceptStatus> accept(SocketHandle listener) override {
    Uncounted pause;
    return inner_->accept(listener);
  }
  std::expected<SocketHandle, int> connect(const SocketAddress& address) override {
    Uncounted pause;
    return inner_->connect(address);
  }
  int connect_error(SocketHandle handle) override { return inner_->connect_error(handle); }
  void watch(SocketHandle handle, std::uint64_t token) override {
    Uncounted pause;
    inner_->watch(handle, token);
  }
  IoResult receive(SocketHandle handle, std::span<char> into) override {
    Uncounted pause;
    return inner_->receive(handle, into);
  }
  IoResult send(SocketHandle handle, std::span<const iovec> parts) override {
    Uncounted pause;
    return inner_->send(handle, parts);
  }
  void shutdown_write(SocketHandle handle) override {
    Uncounted pause;
    inner_->shutdown_write(handle);
  }
  void close(SocketHandle handle, bool abort) override {
    Uncounted pause;
    inner_->close(handle, abort);
  }
  std::size_t wait(MonotonicTime until, std::span<Event> events) override {
    Uncounted pause;
    return inner_->wait(until, events);
  }
  void wake() override { inner_->wake(); }
  MonotonicTime now() override { return inner_->now(); }
  WallTime wall_now() override { return inner_->wall_now(); }

 private:
  std::unique_ptr<Backend> inner_;
};

class RequestAllocations : public testing::Test {
 protected:
  RequestAllocations()
      : world_({.workers = 1,
                .wrap =
                    [](std::unique_ptr<Backend> inner) { return std::make_unique<UncountedBackend>(std::move(inner)); },
                .turn =
                    [this](Worker& worker) {
                      counting = measuring_;
                      worker.turn();
                      counting = false;
                    }}) {
    world_.ledger().expect_other_limits();
    world_.reload([](config::Config& config) {
      config.user_management->fresh_for = std::chrono::hours(1);
      for (config::RateLimit& limit : config.rate_limits) limit.size = {1'000'000, 1000.0};
    });
  }
  ~RequestAllocations() override {
    world_.finish();
    EXPECT_EQ(world_.violations(), std::vector<std::string>());
  }

  // Sends `request` again and again over one connection; the worker's allocations over the later half.
  std::size_t in_steady_state(const RequestPlan& request) {
    constexpr std::size_t kRequests = 200;
    Client& client = world_.start_client({.requests = std::vector(kRequests, request)});
    const auto& entries = client.entries();
    auto answered = [&](std::size_t index) { return [&, index] { return entries[index]->outcome == Outcome::whole; }; };
    EXPECT_TRUE(world_.run_until(answered(kRequests / 2), seconds(60)));
    allocations = 0;
    measuring_ = true;
    EXPECT_TRUE(world_.run_until(answered(kRequests - 1), seconds(60)));
    measuring_ = false;
    for (const Entry* entry : entries) EXPECT_EQ(entry->status, request.answer.status);
    return allocations;
  }
  RequestPlan full(std::string method = "GET") {
    return {.method = std::move(method), .route = "/things", .token = world_.token("user-1"), .subject = "user-1"};
  }

  bool measuring_ = false;
  World world_;
};

TEST_F(RequestAllocations, APublicGetHasNone) { EXPECT_EQ(in_steady_state({}), 0u); }

// Token from the cache, roles from the directory, bucket, access log, metrics.
TEST_F(RequestAllocations, AGetThroughTheFullPipelineHasNone) { EXPECT_EQ(in_steady_state(full()), 0u); }

TEST_F(RequestAllocations, AGetThatTakesPlacesHasNone) { EXPECT_EQ(in_steady_state({.route = "/crowded"}), 0u); }

TEST_F(RequestAllocations, ASmallPostHasNone) {
  RequestPlan request = full("POST");
  request.body = BodyStyle::length;
  request.body_bytes = 500;
  EXPECT_EQ(in_steady_state(request), 0u);
}

TEST_F(RequestAllocations, AnUploadHasNone) {
  RequestPlan request = full("POST");
  request.body = BodyStyle::chunked;
  request.body_bytes = 100'000;
  EXPECT_EQ(in_steady_state(request), 0u);
}

TEST_F(RequestAllocations, ALargeAnswerHasNone) {
  EXPECT_EQ(in_steady_state({.answer = {.style = AnswerStyle::chunked, .bytes = 200'000}}), 0u);
}

// Before and after authentication, of several parts, by a case, settled by a status and by a field that may yet come in
// the trailers.
TEST_F(RequestAllocations, AGetUnderLimitsOfEveryKindHasNone) {
  using Kind = config::LimitKeyPart::Kind;
  const config::BucketSize size{.tokens = 1'000'000, .refill_per_second = 1000};
  world_.reload([&](config::Config& config) {
    auto add = [&](config::RateLimit limit) {
      config.routes[7].limits.push_back({.limit = config.rate_limits.size()});
      config.rate_limits.push_back(std::move(limit));
    };
    add({.name = "failures",
         .key = {{.kind = Kind::address}, {.kind = Kind::header, .name = "x-team"}},
         .size = size,
         .stage = config::LimitStage::before_authentication,
         .count = {401}});
    add({.name = "parts",
         .key = {{.kind = Kind::user}, {.kind = Kind::route}, {.kind = Kind::claim, .name = "organisation"}},
         .size = size,
         .exempt = {.addresses = {}, .paths = {"/health"}, .users = {"a user with quite a long name"}}});
    add({.name = "priced", .size = size, .cost = {.tokens = 5, .field = "x-tokens-used", .most = 50}});
    add({.name = "cases",
         .by = {.kind = config::LimitSelector::Kind::role},
         .cases = {{"a role that nobody has", std::nullopt}, {"*", size}},
         .legacy_headers = true});
  });
  RequestPlan request = full();
  EXPECT_EQ(in_steady_state(request), 0u);
  request.answer.style = AnswerStyle::chunked;
  EXPECT_EQ(in_steady_state(request), 0u);
}

TEST_F(RequestAllocations, AreCounted) {
  Client& client = world_.start_client({.requests = {{}}});
  allocations = 0;
  measuring_ = true;
  EXPECT_TRUE(world_.run_clients(seconds(60)));
  measuring_ = false;
  EXPECT_EQ(client.entries()[0]->status, 200);
  EXPECT_GT(allocations, 0u);  // the first request of a worker fills its pools
}

}  // namespace
}  // namespace lotagate::simulation
