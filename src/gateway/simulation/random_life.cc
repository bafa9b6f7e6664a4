#include "gateway/simulation/random_life.h"

#include <algorithm>
#include <array>

namespace lotagate::simulation {
namespace {

constexpr seconds kBusyFor{4};  // when clients begin, and operators act

}  // namespace

SimulatedNetworkOptions random_network(std::uint64_t seed) {
  SeededRandom random(seed ^ 0xC0FFEE);
  SimulatedNetworkOptions options{.seed = seed};
  if (random.chance(300)) options.max_latency = milliseconds(40);
  if (random.chance(500)) options.min_window_bytes = 1024;
  if (random.chance(500)) options.split_permille = static_cast<unsigned>(random.between(1, 900));
  if (random.chance(300)) options.partial_send_permille = static_cast<unsigned>(random.between(1, 700));
  return options;
}

void RandomLife::begin() {
  choose_weather();
  choose_services();
  choose_operations();
  std::size_t clients = random_.between(2, 9);
  for (std::size_t i = 0; i < clients; ++i) world_.start_client(client());
}

nanoseconds RandomLife::moment(nanoseconds until) {
  return nanoseconds(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(until.count()))));
}

// Two of three lives meet operations that fail; every sixth has few descriptors.
void RandomLife::choose_weather() {
  if (random_.chance(650)) {
    SimulatedFaults faults;
    for (unsigned* permille : {&faults.receive, &faults.send, &faults.connect, &faults.accept}) {
      if (random_.chance(500)) *permille = static_cast<unsigned>(random_.between(1, 60));
    }
    world_.network().set_faults(faults);
    world_.ledger().expect_early_ends();
    world_.ledger().expect_unanswered();
  }
  if (!random_.chance(160)) return;
  world_.network().limit_descriptors(random_.between(4, 16));
  world_.ledger().expect_unanswered();
}

void RandomLife::choose_services() {
  constexpr std::array<std::int64_t, 4> kPatience{2, 30, 1000, 30'000};
  for (std::size_t i = 0; i < kEchoServices; ++i) {
    EchoService& service = world_.service(i);
    service.set_patience(milliseconds(kPatience[random_.below(kPatience.size())]));
    if (!random_.chance(300)) continue;
    nanoseconds death = moment(kBusyFor);
    world_.later(death, [&service] { service.die(); });
    world_.later(death + milliseconds(5) + moment(kBusyFor), [&service] {
      if (service.ended()) service.start();
    });
  }
  if (random_.chance(400)) world_.users().set_faults(static_cast<unsigned>(random_.between(1, 600)));
  if (random_.chance(200)) {
    world_.later(moment(kBusyFor), [this] { world_.users().die(); });
  }
}

void RandomLife::choose_operations() {
  std::size_t count = random_.below(6);
  for (std::size_t i = 0; i < count; ++i) operate(moment(kBusyFor));
  if (random_.chance(500)) {
    nanoseconds limit = one_of<nanoseconds>({nanoseconds(0), milliseconds(300), seconds(3)});
    world_.later(moment(kBusyFor), [this, limit] { world_.drain(limit); });
    world_.ledger().expect_unanswered();
  }
}

void RandomLife::operate(nanoseconds when) {
  switch (random_.below(4)) {
    case 0: world_.later(when, [this] { world_.use_keys(random_.chance(700), true); }); break;
    case 1: world_.later(when, [this] { world_.directory().invalidate("user-1"); }); break;
    case 2: world_.later(when, [this] { world_.directory().invalidate_all(); }); break;
    default: world_.later(when, [this] { change_config(); }); break;
  }
}

void RandomLife::change_config() {
  world_.ledger().expect_unanswered();  // caps may come
  world_.reload([this](config::Config& config) {
    switch (random_.below(7)) {
      case 0: config.timeouts.upstream_idle = one_of<milliseconds>({milliseconds(10), seconds(3)}); break;
      case 1: config.user_management->fresh_for = milliseconds(random_.between(1, 300)); break;  // a new directory
      case 2: config.authentication.token_cache_bytes = random_.between(0, 65536); break;        // new caches
      case 3: config.limits.connections = static_cast<std::uint32_t>(random_.between(1, 6)); break;
      case 4: config.limits.connections_per_address = static_cast<std::uint32_t>(random_.between(1, 3)); break;
      case 5:
        std::ranges::rotate(config.services[0].endpoints, config.services[0].endpoints.begin() + 1);
        if (config.services[0].endpoints.size() > 1) config.services[0].endpoints.pop_back();
        break;
      default: std::ranges::reverse(config.routes); break;
    }
  });
}

ClientPlan RandomLife::client() {
  ClientPlan plan;
  std::size_t count = random_.between(1, 6);
  std::size_t largest = 100;
  for (std::size_t i = 0; i < count; ++i) {
    plan.requests.push_back(request());
    largest = std::max(largest, plan.requests.back().body_bytes);
  }
  plan.from = *parse_ip(one_of<const char*>({"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"}));
  plan.before = moment(kBusyFor);
  bool upgrades = std::ranges::any_of(plan.requests, &RequestPlan::upgrade);
  plan.pipelined = !upgrades && random_.chance(150);  // nothing goes out behind a tunnel
  if (random_.chance(300)) plan.between = moment(milliseconds(800));
  if (random_.chance(150)) {
    plan.piece_bytes = random_.between(1 + largest / 50, 100 + largest);
    plan.pause = moment(milliseconds(100));
  }
  if (random_.chance(80)) plan.reset_after = random_.between(1, 2 * largest);
  plan.half_close = random_.chance(100);
  plan.never_reads = random_.chance(30);
  return plan;
}

RequestPlan RandomLife::request() {
  RequestPlan plan;
  if (random_.chance(40)) {
    plan.route = "/ws";
    plan.upgrade = true;
    plan.body_bytes = one_of<std::size_t>({0, 1, 3000, 120'000});
    plan.answer = {.status = 101, .bytes = one_of<std::size_t>({0, 1, 3000, 120'000})};
    if (random_.chance(200)) plan.answer.fault = AnswerFault::reset_before;
    return plan;
  }
  plan.route =
      one_of<const char*>({"/open", "/open", "/open", "/pass", "/lone", "/lone", "/small", "/limited", "/token",
                           "/things", "/things", "/dark", "/nowhere", "/crowded", "/crowded", "/crowded"});
  plan.method = one_of<const char*>({"GET", "GET", "GET", "GET", "POST", "POST", "PUT", "HEAD", "DELETE"});
  if (plan.method == "POST" || plan.method == "PUT" || random_.chance(30)) {
    plan.body = random_.chance(500) ? BodyStyle::length : BodyStyle::chunked;
    plan.body_bytes = one_of<std::size_t>({0, 1, 100, 3000, 20'000, 120'000});
    plan.expect_continue = random_.chance(100);
  }
  plan.say_close = random_.chance(50);
  plan.answer = answer();
  if (random_.chance(60)) {
    plan.fault = static_cast<RequestFault>(random_.between(1, kRequestFaults - 1));
    if (plan.fault == RequestFault::bad_chunk) {
      plan.body = BodyStyle::chunked;
    } else {
      plan.must_not_arrive = true;
    }
  }
  plan.old_version = plan.body != BodyStyle::chunked && plan.fault == RequestFault::none && random_.chance(60);
  choose_caller(plan);
  return plan;
}

void RandomLife::choose_caller(RequestPlan& plan) {
  bool guarded = plan.route == "/token" || plan.route == "/things";
  if (!guarded || random_.chance(50)) {
    plan.must_not_arrive |= guarded;
    return;
  }
  std::string user = one_of<const char*>({"user-1", "user-1", "user-2", "user-3", "weak", "disabled", "nobody"});
  plan.subject = user;
  plan.must_not_arrive |= plan.route == "/things" && !user.starts_with("user");
  if (plan.route == "/things" && random_.chance(400)) {
    plan.api_key = api_key_of(user);
    return;
  }
  bool expired = random_.chance(50);
  plan.token = world_.token(user, random_.chance(300) ? 1 : 0, expired ? seconds(-100) : seconds(3600));
  plan.must_not_arrive |= expired;
}

AnswerPlan RandomLife::answer() {
  AnswerPlan plan;
  plan.status = one_of<int>({200, 200, 200, 200, 200, 200, 201, 204, 304, 404, 409, 500, 503});
  plan.style = static_cast<AnswerStyle>(random_.below(3));
  plan.bytes = one_of<std::size_t>({0, 1, 100, 100, 3000, 20'000, 150'000});
  if (random_.chance(350)) {
    plan.fault = static_cast<AnswerFault>(random_.between(1, kAnswerFaults - 1));
    plan.only_first_time = random_.chance(500);
  }
  return plan;
}

}  // namespace lotagate::simulation
