// Any text as a configuration: it loads, and then compiles into routes that can be found, or it is refused with
// messages of one line each, in the order of the file. A YAML tree written anew is the same tree; so is every unit.
#include <fmt/core.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "config/load.h"
#include "config/snapshot.h"
#include "config/units.h"
#include "config/values.h"
#include "config/yaml.h"

namespace lotagate::config {
namespace {

// The files that seeds name, so that what they hold is read too.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "lotagate-fuzz-XXXXXX").string();
    LG_CHECK(::mkdtemp(name.data()) != nullptr, "no temporary folder");
    path_ = name;
    std::ofstream(path_ / "service.token") << "secret\n";
    std::ofstream(path_ / "keys.json")
        << R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file() const { return path_ / "gateway.yaml"; }

 private:
  std::filesystem::path path_;
};

std::size_t line_count(std::string_view text) {
  return 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void check_errors(const std::vector<ConfigError>& errors, std::string_view text) {
  LG_CHECK(!errors.empty(), "a failure without a message");
  const ConfigError* last = nullptr;
  for (const ConfigError& error : errors) {
    LG_CHECK(error.line > 0 && error.column > 0 && !error.message.empty(), "a message without a place");
    LG_CHECK(static_cast<std::size_t>(error.line) <= line_count(text) + 1, "a place outside the file");
    for (char c : error.message) LG_CHECK(c >= 0x20 && c < 0x7F, "a message that is not one printable line");
    LG_CHECK(error.message.size() < 2500, "a message that nobody reads");
    bool in_order = last == nullptr || std::pair(last->line, last->column) <= std::pair(error.line, error.column);
    LG_CHECK(in_order && (last == nullptr || !(*last == error)), "messages out of order, or one twice");
    last = &error;
  }
}

std::shared_ptr<const Snapshot> compile_alone(const Config& config) {
  CompileHooks hooks{
      .resolve = [](const Url& url) { return std::vector<SocketAddress>{{.ip = {}, .port = url.port}}; },
      .metrics_slot = [](const std::string&, const std::string&) { return 0u; },
      .bucket_kind = [](const std::string&, const std::string&) { return std::uint16_t{0}; },
      .shared_policy = {},
      .health = [](const SocketAddress&) { return std::make_shared<upstream::EndpointHealth>(); },
  };
  return compile(config, hooks, nullptr);
}

// A path that the route takes: for its {subject} something that stands in no route's path.
std::string request_path(std::string path) {
  auto at = path.find(route::kSubjectSegment);
  if (at != path.npos) path.replace(at, route::kSubjectSegment.size(), "%01");
  return path;
}

// A request made for a route is taken by it, or by one that is no worse a match.
void check_routes(const Snapshot& snapshot) {
  for (const Route& route : snapshot.config.routes) {
    LG_CHECK(route.service < snapshot.services.size(), "a route without a service");
    auto header = [&](std::string_view name) -> std::optional<std::string_view> {
      for (const auto& [key, value] : route.headers) {
        if (key == name) return value;
      }
      return std::nullopt;
    };
    std::string_view method = route.methods.empty() ? "GET" : std::string_view(route.methods[0]);
    route::HeaderLookup lookup(header);
    std::string path = request_path(route.path);
    auto match = snapshot.table.match({.host = route.host, .path = path, .method = method}, lookup);
    LG_CHECK(match.kind == route::RouteMatch::Kind::found, "a route that no request reaches");
    LG_CHECK(snapshot.config.routes[match.index].path == route.path, "a request for one path takes another's route");
  }
}

void check_size(const BucketSize& size, const RateLimit& limit) {
  LG_CHECK(size.tokens > 0 && size.refill_per_second > 0, "a bucket without tokens");
  LG_CHECK(limit.cost.tokens > 0 && limit.cost.tokens <= size.tokens, "a cost that no request can pay");
  auto again = parse_rate(rate_to_text(size.refill_per_second));
  double most = 1e-6 * size.refill_per_second + 1e-6 / 86400;
  LG_CHECK(again && std::abs(*again - size.refill_per_second) <= most, "a rate written anew is another");
}

bool needs_caller(const RateLimit& limit) {
  auto of_caller = [](const LimitKeyPart& part) {
    return part.kind == LimitKeyPart::Kind::user || part.kind == LimitKeyPart::Kind::tenant ||
           part.kind == LimitKeyPart::Kind::api_key || part.kind == LimitKeyPart::Kind::claim;
  };
  return std::ranges::any_of(limit.key, of_caller) || limit.by.kind != LimitSelector::Kind::none ||
         !limit.exempt.users.empty();
}

void check_limit(const RateLimit& limit, const Config& config) {
  LG_CHECK(!limit.key.empty() && limit.key.size() <= 8, "no key, or too much of one");
  for (std::size_t i = 0; i < limit.key.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) LG_CHECK(!(limit.key[i] == limit.key[j]), "a part twice");
  }
  bool has_cases = limit.by.kind != LimitSelector::Kind::none;
  LG_CHECK(has_cases == !limit.cases.empty(), "cases without a choice, or the other way round");
  LG_CHECK(!has_cases || limit.cases.back().value == "*", "nothing for everybody else");
  if (!has_cases) check_size(limit.size, limit);
  for (const LimitCase& one : limit.cases) {
    if (one.size) check_size(*one.size, limit);
  }
  bool early = limit.stage == LimitStage::before_authentication;
  LG_CHECK(!early || !needs_caller(limit), "a limit before anybody is known");
  LG_CHECK(!limit.shared || config.limit_store, "shared nowhere");
  LG_CHECK(limit.cost.field.empty() || limit.cost.most >= limit.cost.tokens, "a reserve above the most");
  LG_CHECK(std::ranges::is_sorted(limit.count) && (limit.count.empty() || limit.cost.field.empty()), "statuses");
}

void check_limits(const Config& config) {
  for (const RateLimit& limit : config.rate_limits) check_limit(limit, config);
  for (const Route& route : config.routes) {
    for (const RouteLimit& use : route.limits) {
      LG_CHECK(use.limit < config.rate_limits.size(), "a route with a limit that is none");
      const RateLimit& limit = config.rate_limits[use.limit];
      std::uint32_t cost = use.cost.value_or(limit.cost.tokens);
      LG_CHECK(cost > 0 && (limit.size.tokens == 0 || cost <= limit.size.tokens), "a cost that no request can pay");
    }
  }
  if (!config.limit_store) return;
  const LimitStore& store = *config.limit_store;
  LG_CHECK(!store.servers.empty() && !store.prefix.empty(), "a store without a place");
  LG_CHECK(store.user.empty() || !store.password.empty(), "a user without a password");
}

void check_warnings(const Config& config, std::string_view text) {
  std::pair<int, int> last{0, 0};
  for (const Warning& warning : config.warnings) {
    std::pair at(warning.line, warning.column);
    LG_CHECK(at >= last && static_cast<std::size_t>(warning.line) <= line_count(text) + 1, "a warning out of place");
    for (char c : warning.message) LG_CHECK(c >= 0x20 && c < 0x7F, "a warning that is not one printable line");
    last = at;
  }
}

void check_config(const Config& config) {
  LG_CHECK(!config.listeners.empty() && !config.services.empty() && !config.routes.empty(), "half a configuration");
  LG_CHECK(config.limits.target <= config.limits.head && config.limits.token <= config.limits.head, "limits");
  check_limits(config);
  auto snapshot = compile_alone(config);
  check_routes(*snapshot);
  LG_CHECK(same_authentication(config, snapshot->config), "it differs from itself");
}

// The tree as flow YAML, every text quoted.
void write(const YamlNode& node, std::string& out) {
  auto quote = [&](std::string_view text) {
    out += '"';
    for (char c : text) {
      bool plain = (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') || (c & 0x80) != 0;
      out += plain ? std::string(1, c) : fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
    }
    out += '"';
  };
  bool is_map = node.kind == YamlNode::Kind::map;
  switch (node.kind) {
    case YamlNode::Kind::null: out += '~'; return;
    case YamlNode::Kind::scalar: quote(node.text); return;
    case YamlNode::Kind::sequence:
    case YamlNode::Kind::map: break;
  }
  out += is_map ? '{' : '[';
  for (const YamlNode& child : node.children) {
    if (is_map) {
      out += "? ";  // without it a key may have at most 1024 characters
      quote(child.key);
      out += " : ";
    }
    write(child, out);
    out += ",\n";
  }
  out += is_map ? '}' : ']';
}

bool same_tree(const YamlNode& a, const YamlNode& b) {
  return a.kind == b.kind && a.text == b.text && a.key == b.key &&
         std::equal(a.children.begin(), a.children.end(), b.children.begin(), b.children.end(), same_tree);
}

void check_yaml(std::string_view text) {
  YamlTree tree = parse_yaml(text);
  LG_CHECK(tree.complete || !tree.problems.empty(), "stopped without a reason");
  if (!tree.complete || !tree.problems.empty()) return;
  std::string written;
  write(tree.root, written);
  YamlTree again = parse_yaml(written);
  LG_CHECK(again.complete && again.problems.empty(), "a tree written anew does not parse");
  LG_CHECK(same_tree(tree.root, again.root), "a tree written anew is another");
}

void check_units(std::string_view text) {
  if (auto duration = parse_duration(text)) LG_CHECK(parse_duration(to_text(*duration)) == duration, "a duration");
  if (auto size = parse_size(text)) LG_CHECK(parse_size(size_to_text(*size)) == size, "a size");
  if (auto rate = parse_rate(text)) LG_CHECK(*rate >= 0 && *rate < 1e300 && parse_rate(rate_to_text(*rate)), "a rate");
  if (auto url = parse_redis_url(text)) LG_CHECK(!url->server.host.empty() && url->server.port != 0, "a store's place");
}

void check(std::string_view text) {
  static const Folder folder;
  check_yaml(text);
  check_units(text);
  auto config = load_config_text(text, folder.file());
  if (config) {
    check_config(*config);
    check_warnings(*config, text);
  } else {
    check_errors(config.error(), text);
  }
}

}  // namespace
}  // namespace lotagate::config

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lotagate::config::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
