#include "limit/redis_answers.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace lotagate::limit {
namespace {

constexpr std::size_t kMaxHostBytes = 253;

bool is_host(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._:%").contains(c);
  };
  return !text.empty() && text.size() <= kMaxHostBytes && std::ranges::all_of(text, fits);
}

}  // namespace

std::optional<StoreAddress> told_address(std::string_view host, std::int64_t port, const StoreAddress& from) {
  if (port <= 0 || port > 65535) return std::nullopt;
  const bool named = !host.empty() && host != "?";
  if (named && !is_host(host)) return std::nullopt;
  return StoreAddress{.host = named ? std::string(host) : from.host, .port = static_cast<std::uint16_t>(port)};
}

std::optional<Redirection> parse_redirection(std::string_view error, const StoreAddress& from) {
  const bool moved = error.starts_with("MOVED ");
  if (!moved && !error.starts_with("ASK ")) return std::nullopt;
  const std::string_view target = error.substr(error.rfind(' ') + 1);
  const std::size_t colon = target.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::uint16_t port = 0;
  const char* const last = target.data() + target.size();
  const auto [end, failure] = std::from_chars(target.data() + colon + 1, last, port);
  if (failure != std::errc() || end != last) return std::nullopt;
  auto to = told_address(target.substr(0, colon), port, from);
  if (!to) return std::nullopt;
  return Redirection{.moved = moved, .to = *std::move(to)};
}

std::vector<SlotRange> parse_slots(const RedisReply& reply, const StoreAddress& from) {
  std::vector<SlotRange> ranges;
  for (std::size_t i = 0; i < reply.size(); ++i) {
    const RedisReply range = reply.at(i);
    const RedisReply master = range.at(2);
    const std::int64_t first = range.at(0).integer(), last = range.at(1).integer();
    auto address = told_address(master.at(0).text(), master.at(1).integer(), from);
    if (!address || first < 0 || first > last || last >= static_cast<std::int64_t>(kSlots)) continue;
    ranges.push_back({.first = static_cast<std::size_t>(first),
                      .last = static_cast<std::size_t>(last),
                      .master = *std::move(address)});
  }
  return ranges;
}

}  // namespace lotagate::limit
