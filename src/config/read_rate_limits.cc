// The section of rate limits, one by one: sizes, cases, costs, and what contradicts itself. Keys: read_limit_key.cc.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "config/sections.h"
#include "config/text_check.h"
#include "config/units.h"
#include "config/values.h"
#include "route/route_table.h"

namespace lotagate::config {
namespace {

constexpr std::size_t kMaxRateLimits = 1000;
// Buckets are counted by limit and case, in fewer kinds than BucketTable has.
constexpr std::size_t kMaxSizes = 1000;
constexpr std::size_t kMaxCases = 64;
constexpr std::size_t kMaxCaseBytes = 256;
constexpr std::size_t kMaxCounted = 200;  // statuses there are
constexpr std::size_t kMaxExemptNetworks = 1024;
constexpr std::size_t kMaxExempt = 256;  // paths, and users
constexpr NumberRange kTokens{1, 1'000'000};
constexpr NumberRange kCounted{400, 599};
constexpr double kMostPerSecond = 1'000'000;
// A bucket is one 64-bit time in nanoseconds: the time to fill it from empty must stay far from overflow.
constexpr double kMostSecondsToFill = 366.0 * 86400;
constexpr NumberRange kTableBytes{64ull * 1024, 4ull << 30};
constexpr std::string_view kSelectors[] = {"plan", "role"};                                // from Kind::plan on
constexpr std::string_view kStages[] = {"before_authentication", "after_authentication"};  // as LimitStage
constexpr std::string_view kStoreFailures[] = {"local", "closed", "open"};                 // as StoreFailure
constexpr std::string_view kEverybodyElse = "*";

void read_refill(MapReader& map, BucketSize& size) {
  const YamlNode* node = map.require("refill");
  if (node == nullptr) return;
  auto text = read_scalar(map.problems(), *node, "a rate such as `50/s`");
  if (!text) return;
  auto rate = parse_rate(*text);
  if (!rate) {
    map.problems().add(node->at, rate.error());
  } else if (!(*rate > 0) || *rate > kMostPerSecond) {
    map.problems().add(node->at,
                       fmt::format("`{}` is out of range: more than 0, at most {}/s", shown(*text), kMostPerSecond));
  } else if (size.tokens / *rate > kMostSecondsToFill) {
    map.problems().add(node->at, fmt::format("`{}` is too slow: {} tokens would take more than 366d to come back",
                                             shown(*text), size.tokens));
  } else {
    size.refill_per_second = *rate;
  }
}

// "1000/min": a bucket of 1000 that fills in a minute. Zeros, and a report, if it is none.
BucketSize read_quota(Problems& problems, const YamlNode& node) {
  auto text = read_scalar(problems, node, "a rate such as `1000/min`");
  if (!text) return {};
  auto rate = parse_rate(*text);
  if (!rate) {
    problems.add(node.at, rate.error());
    return {};
  }
  auto tokens = parse_decimal(text->substr(0, text->find('/')));
  if (!tokens) {
    problems.add(node.at, fmt::format("`{}` is not a whole number of tokens; say `tokens` and `refill`", shown(*text)));
  } else if (*tokens < kTokens.least || *tokens > kTokens.most) {
    problems.add(node.at,
                 fmt::format("`{}` is out of range: {} to {} tokens", shown(*text), kTokens.least, kTokens.most));
  } else {
    return {.tokens = static_cast<std::uint32_t>(*tokens), .refill_per_second = *rate};
  }
  return {};
}

// Of a map with `tokens` and `refill`, or `rate`.
BucketSize read_size(MapReader& map) {
  BucketSize size;
  if (const YamlNode* rate = map.find("rate")) {
    if (map.find("tokens") != nullptr || map.find("refill") != nullptr) {
      map.problems().add(rate->key_at, "`rate` cannot stand beside `tokens` or `refill`: it says both");
    }
    return read_quota(map.problems(), *rate);
  }
  map.require("tokens");
  set(size.tokens, map.number("tokens", kTokens));
  read_refill(map, size);
  return size;
}

std::optional<BucketSize> read_case(Problems& problems, const YamlNode& node) {
  if (node.kind == YamlNode::Kind::scalar && node.text == "unlimited") return std::nullopt;
  if (node.kind != YamlNode::Kind::map) return read_quota(problems, node);
  MapReader map(problems, node, kLimitCaseKeys);
  return read_size(map);
}

// One limit. The node and the problems outlive it.
class LimitReader {
 public:
  LimitReader(Problems& problems, const Config& config, const YamlNode& item)
      : problems_(problems), config_(config), map_(problems, item, kRateLimitKeys) {
    limit_.name = item.key;
  }

  RateLimit read() {
    if (const YamlNode* key = map_.find("key")) limit_.key = read_limit_key(problems_, *key, config_);
    if (const YamlNode* by = map_.find("by")) {
      read_selector(*by);
      read_cases();
    } else {
      if (const YamlNode* cases = map_.find("cases")) problems_.add(cases->key_at, "`cases` needs `by`");
      limit_.size = read_size(map_);
    }
    if (const YamlNode* cost = map_.find("cost")) read_cost(*cost);
    if (const YamlNode* count = map_.find("count")) read_count(*count);
    if (const YamlNode* exempt = map_.find("exempt")) read_exemptions(*exempt);
    read_stage();
    read_sharing();
    set(limit_.report_only, map_.boolean("report_only"));
    set(limit_.legacy_headers, map_.boolean("legacy_headers"));
    set(limit_.show_keys, map_.boolean("show_keys"));
    return std::move(limit_);
  }

 private:
  void read_selector(const YamlNode& node);
  void read_cases();
  void read_cost(const YamlNode& node);
  void check_debt(const YamlNode& most);
  void read_count(const YamlNode& node);
  void read_exemptions(const YamlNode& node);
  void read_stage();
  void read_sharing();

  Problems& problems_;
  const Config& config_;
  MapReader map_;
  RateLimit limit_;
};

void LimitReader::read_selector(const YamlNode& node) {
  for (const char* key : {"tokens", "refill", "rate"}) {
    const YamlNode* size = map_.find(key);
    if (size == nullptr) continue;
    problems_.add(size->key_at, fmt::format("`{}` cannot stand beside `by`: every case has its own size", key));
  }
  if (node.kind == YamlNode::Kind::map) {
    MapReader map(problems_, node, kLimitSelectorKeys);
    map.require("claim");
    limit_.by.kind = LimitSelector::Kind::claim;
    set(limit_.by.claim, read_claim(map, "claim"));
    return;
  }
  auto found = node.kind == YamlNode::Kind::scalar ? std::ranges::find(kSelectors, node.text) : std::end(kSelectors);
  if (found == std::end(kSelectors)) {
    problems_.add(node.at, fmt::format("expected one of plan, role, {{ claim: NAME }}, found {}{}", describe(node),
                                       hint(node.text, kSelectors)));
    return;
  }
  bool plan = found == std::begin(kSelectors);
  if (plan && !config_.user_management) {
    problems_.warn(node.at,
                   "nobody has a plan without `authorization.user_management`: everybody has the case `\"*\"`");
  }
  limit_.by.kind = plan ? LimitSelector::Kind::plan : LimitSelector::Kind::role;
}

void LimitReader::read_cases() {
  const YamlNode* node = map_.require("cases");
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::map || node->children.empty() || node->children.size() > kMaxCases) {
    problems_.add(node->at, fmt::format("expected a map of 1 to {} cases, found {}", kMaxCases,
                                        node->kind == YamlNode::Kind::map ? std::to_string(node->children.size())
                                                                          : describe(*node)));
    return;
  }
  for (const YamlNode& item : node->children) {
    // Roles have no comma: it stands between them.
    bool splits = limit_.by.kind == LimitSelector::Kind::role && item.key.contains(',');
    bool fits = !item.key.empty() && item.key.size() <= kMaxCaseBytes && is_printable(item.key) && !splits;
    if (!fits) {
      problems_.add(item.key_at,
                    fmt::format("`{}` is not a case: 1 to {} bytes of printable ASCII, for a role without comma",
                                shown(item.key), kMaxCaseBytes));
    }
    // Cases are tried in the order of the file, and this one takes whatever comes.
    if (item.key == kEverybodyElse && &item != &node->children.back()) {
      problems_.add(item.key_at, "`\"*\"` has to be the last case: those behind it would never be reached");
    }
    limit_.cases.push_back({.value = item.key, .size = read_case(problems_, item)});
  }
  if (std::ranges::find(limit_.cases, kEverybodyElse, &LimitCase::value) == limit_.cases.end()) {
    problems_.add(node->key_at, "`cases` has to say what everybody else has: add `\"*\"`");
  }
  auto is_unlimited = [](const LimitCase& one) { return !one.size; };
  if (std::ranges::all_of(limit_.cases, is_unlimited)) {
    problems_.warn(node->key_at, "limits nobody: every case is unlimited");
  }
}

void LimitReader::read_cost(const YamlNode& node) {
  const YamlNode* tokens = &node;
  if (node.kind == YamlNode::Kind::map) {
    MapReader map(problems_, node, kLimitCostKeys);
    const YamlNode* field = map.require("field");
    if (field != nullptr) {
      auto name = read_limit_field(problems_, *field, "a cost", config_.authentication.api_keys);
      set(limit_.cost.field, name);
    }
    set(limit_.cost.tokens, map.number("reserve", kTokens));
    const YamlNode* most = map.require("most");
    set(limit_.cost.most, map.number("most", kTokens));
    tokens = map.find("reserve");
    if (most != nullptr && limit_.cost.most != 0) check_debt(*most);
  } else {
    set(limit_.cost.tokens, map_.number("cost", kTokens));
  }
  std::uint32_t smallest = smallest_bucket(limit_);
  if (tokens != nullptr && smallest != 0 && limit_.cost.tokens > smallest) {
    problems_.add(tokens->at, fmt::format("{} is more than the bucket's {} tokens: no request would ever pass",
                                          limit_.cost.tokens, smallest));
  }
}

void LimitReader::check_debt(const YamlNode& most) {
  if (limit_.cost.most < limit_.cost.tokens) {
    problems_.add(most.at, fmt::format("`most` is less than the {} tokens of `reserve`", limit_.cost.tokens));
  }
  auto takes_too_long = [this](const BucketSize& size) {
    if (size.tokens == 0 || size.refill_per_second <= 0) return false;
    return (static_cast<double>(size.tokens) + limit_.cost.most) / size.refill_per_second > kMostSecondsToFill;
  };
  bool too_long = takes_too_long(limit_.size);
  for (const LimitCase& one : limit_.cases) too_long = too_long || (one.size && takes_too_long(*one.size));
  if (too_long) {
    problems_.add(most.at, fmt::format("{} is too much: so many tokens and a full bucket would take more than 366d to "
                                       "come back",
                                       limit_.cost.most));
  }
}

void LimitReader::read_count(const YamlNode& node) {
  if (!limit_.cost.field.empty()) {
    problems_.add(node.key_at, "`count` cannot stand beside `cost.field`: an answer costs what its field says");
  }
  for (const YamlNode& item : read_list(problems_, node, {.what = "a list of statuses", .most = kMaxCounted})) {
    bool plain = item.kind == YamlNode::Kind::scalar && !item.quoted;
    auto status = plain ? parse_decimal(item.text) : std::nullopt;
    if (!status || *status < kCounted.least || *status > kCounted.most) {
      problems_.add(item.at, fmt::format("expected a status from {} to {}, found {}", kCounted.least, kCounted.most,
                                         describe(item)));
    } else if (std::ranges::find(limit_.count, *status) != limit_.count.end()) {
      problems_.add(item.at, fmt::format("{} is repeated", *status));
    } else {
      limit_.count.push_back(static_cast<std::uint16_t>(*status));
    }
  }
  std::ranges::sort(limit_.count);
}

void LimitReader::read_exemptions(const YamlNode& node) {
  MapReader map(problems_, node, kLimitExemptKeys);
  if (map.is_map() && node.children.empty()) problems_.add(node.at, "exempts nobody; name addresses, paths or users");
  if (const YamlNode* addresses = map.find("addresses")) {
    limit_.exempt.addresses =
        read_networks(problems_, *addresses, {.what = "a list of networks", .most = kMaxExemptNetworks});
    if (std::ranges::any_of(limit_.exempt.addresses, is_everybody)) {
      problems_.warn(addresses->at, "exempts everybody: the limit holds for nobody");
    }
  }
  if (const YamlNode* paths = map.find("paths")) {
    for (const YamlNode* item : read_texts(problems_, *paths, {.what = "a list of paths", .most = kMaxExempt})) {
      auto canonical = canonical_route_path(item->text);
      if (!canonical) {
        problems_.add(item->at, canonical.error());
      } else if (canonical->contains(route::kSubjectSegment)) {
        problems_.add(item->at, fmt::format("`{}` has a placeholder; it is compared whole", shown(item->text)));
      } else if (*canonical != item->text) {
        problems_.add(item->at,
                      fmt::format("`{}` is not in canonical form; write `{}`", shown(item->text), shown(*canonical)));
      } else {
        limit_.exempt.paths.push_back(item->text);
      }
    }
  }
  if (const YamlNode* users = map.find("users")) {
    for (const YamlNode* item : read_texts(problems_, *users, {.what = "a list of users", .most = kMaxExempt})) {
      limit_.exempt.users.push_back(item->text);
    }
  }
}

void LimitReader::read_stage() {
  // What has to be known of the caller.
  std::string needed;
  if (auto part = part_of_caller(limit_.key); !part.empty()) {
    needed = fmt::format("the key's `{}`", part);
  } else if (map_.find("by") != nullptr) {
    needed = "`by`";
  } else if (!limit_.exempt.users.empty()) {
    needed = "`exempt.users`";
  }
  limit_.stage = needed.empty() ? LimitStage::before_authentication : LimitStage::after_authentication;
  auto stage = map_.choice("stage", kStages);
  if (!stage) return;
  if (*stage == 0 && !needed.empty()) {
    problems_.add(map_.find("stage")->at,
                  fmt::format("`before_authentication` is too early for {}: who asks is known afterwards", needed));
  }
  limit_.stage = static_cast<LimitStage>(*stage);
}

void LimitReader::read_sharing() {
  set(limit_.shared, map_.boolean("shared"));
  if (limit_.shared && !config_.limit_store) {
    problems_.add(map_.find("shared")->key_at, "`shared` needs `limit_store`, which says where");
  }
  set(limit_.on_store_failure, map_.choice("on_store_failure", kStoreFailures));
  const YamlNode* failure = map_.find("on_store_failure");
  if (failure != nullptr && !limit_.shared) problems_.add(failure->key_at, "`on_store_failure` needs `shared: true`");
}

}  // namespace

std::uint32_t smallest_bucket(const RateLimit& limit) {
  std::uint32_t smallest = limit.size.tokens;
  for (const LimitCase& one : limit.cases) {
    if (!one.size || one.size->tokens == 0) continue;
    smallest = smallest == 0 ? one.size->tokens : std::min(smallest, one.size->tokens);
  }
  return smallest;
}

void read_rate_limits(Problems& problems, const YamlNode& node, Config& config) {
  const CollectionRule rule{.what = "a map of rate limits", .most = kMaxRateLimits, .may_be_empty = true};
  std::size_t sizes = 0;
  for (const YamlNode& item : read_named(problems, node, rule)) {
    RateLimit limit = LimitReader(problems, config, item).read();
    std::size_t before = std::exchange(sizes, sizes + std::max<std::size_t>(limit.cases.size(), 1));
    if (before <= kMaxSizes && sizes > kMaxSizes) {
      problems.add(item.key_at, fmt::format("more than {} limits, counting every case as one", kMaxSizes));
    }
    config.rate_limits.push_back(std::move(limit));
  }
}

void read_rate_limit_table(Problems& problems, const YamlNode& node, RateLimitTable& table) {
  MapReader map(problems, node, kRateLimitTableKeys);
  set(table.memory_bytes, map.size("memory", kTableBytes));
}

}  // namespace lotagate::config
