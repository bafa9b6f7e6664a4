#include "gateway/simulation/plan.h"

#include <fmt/core.h>

#include <array>

#include "base/text.h"

namespace lotagate::simulation {
namespace {

constexpr std::size_t kChunkBytes = 1000;

// The number behind `name` in the query.
std::optional<std::uint64_t> member(std::string_view query, std::string_view name) {
  auto at = query.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  query.remove_prefix(at + name.size());
  return parse_decimal(query.substr(0, query.find('&')));
}

std::string field_lines(const RequestPlan& plan) {
  std::string out;
  if (plan.fault != RequestFault::no_host) out += "Host: gateway.example\r\n";
  if (plan.fault == RequestFault::space_before_colon) out += "X-Odd : 1\r\n";
  if (plan.fault == RequestFault::folded_field) out += "X-Odd: 1\r\n 2\r\n";
  if (plan.fault == RequestFault::two_lengths) out += "Content-Length: 1\r\nContent-Length: 2\r\n";
  if (plan.fault == RequestFault::length_and_chunked) out += "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
  if (plan.expect_continue) out += "Expect: 100-continue\r\n";
  if (plan.upgrade) {
    out +=
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  }
  if (plan.say_close) out += "Connection: close\r\n";
  if (!plan.token.empty()) out += "Authorization: Bearer " + plan.token + "\r\n";
  if (!plan.api_key.empty()) out += "X-API-Key: " + plan.api_key + "\r\n";
  return out;
}

std::string chunked(const RequestPlan& plan, std::uint64_t nonce) {
  std::string out;
  for (std::size_t at = 0; at < plan.body_bytes; at += kChunkBytes) {
    std::string piece = body_piece('q', nonce, at, std::min(kChunkBytes, plan.body_bytes - at));
    out += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  }
  return out + (plan.fault == RequestFault::bad_chunk ? "nonsense\r\n" : "0\r\n\r\n");
}

}  // namespace

std::string to_query(const AnswerPlan& plan) {
  return fmt::format("?status={}&style={}&bytes={}&fault={}&first={}", plan.status, static_cast<int>(plan.style),
                     plan.bytes, static_cast<int>(plan.fault), plan.only_first_time ? 1 : 0);
}

std::optional<AnswerPlan> parse_query(std::string_view query) {
  auto status = member(query, "status=");
  auto style = member(query, "style=");
  auto bytes = member(query, "bytes=");
  auto fault = member(query, "fault=");
  auto first = member(query, "first=");
  if (!status || !style || !bytes || !fault || !first || *fault >= kAnswerFaults) return std::nullopt;
  return AnswerPlan{.status = static_cast<int>(*status),
                    .style = static_cast<AnswerStyle>(*style),
                    .bytes = *bytes,
                    .fault = static_cast<AnswerFault>(*fault),
                    .only_first_time = *first != 0};
}

bool has_answer_body(const RequestPlan& plan) {
  bool allowed = plan.method != "HEAD" && plan.answer.status != 204 && plan.answer.status != 304;
  return allowed && (plan.answer.bytes > 0 || plan.answer.style == AnswerStyle::chunked);
}

bool can_be_whole(const RequestPlan& plan) {
  const AnswerPlan& answer = plan.answer;
  if (answer.only_first_time) return true;
  switch (answer.fault) {
    case AnswerFault::none:
    case AnswerFault::extra_bytes:
    case AnswerFault::close_after:
    case AnswerFault::say_close:
    case AnswerFault::early:
    case AnswerFault::early_close:
    case AnswerFault::interim:
    case AnswerFault::slow: return true;
    case AnswerFault::bad_chunk: return answer.style != AnswerStyle::chunked || !has_answer_body(plan);
    case AnswerFault::reset_in_body:
    case AnswerFault::stall_in_body: return !has_answer_body(plan);
    // The end of the connection ends such a body: a FIN in its middle cannot be told from its end.
    case AnswerFault::close_in_body: return answer.style == AnswerStyle::until_close || !has_answer_body(plan);
    case AnswerFault::reset_at_once:
    case AnswerFault::close_at_once:
    case AnswerFault::reset_before:
    case AnswerFault::close_before:
    case AnswerFault::reset_in_head:
    case AnswerFault::garbage:
    case AnswerFault::endless_head:
    case AnswerFault::two_lengths:
    case AnswerFault::stall_before: break;
  }
  return false;
}

std::string body_piece(char kind, std::uint64_t nonce, std::size_t from, std::size_t count) {
  std::string unit = fmt::format("{}{}.", kind, nonce);
  std::string out;
  out.reserve(count + unit.size());
  std::size_t skip = from % unit.size();
  while (out.size() < skip + count) out += unit;
  return out.substr(skip, count);
}

std::string to_wire(const RequestPlan& plan, std::uint64_t nonce) {
  std::string_view version = plan.old_version ? "HTTP/1.0" : "HTTP/1.1";
  if (plan.fault == RequestFault::bad_version) version = "HTTP/2.7";
  std::string out = fmt::format("{} {}/n{}-{} {}", plan.method, plan.route, nonce, to_query(plan.answer), version);
  out += plan.fault == RequestFault::bare_line_feed ? "\n" : "\r\n";
  out += field_lines(plan);
  switch (plan.body) {
    case BodyStyle::none: out += "\r\n"; return plan.upgrade ? out + body_piece('q', nonce, 0, plan.body_bytes) : out;
    case BodyStyle::length:
      out += fmt::format("Content-Length: {}\r\n\r\n", plan.body_bytes);
      return out + body_piece('q', nonce, 0, plan.body_bytes);
    case BodyStyle::chunked: break;
  }
  return out + "Transfer-Encoding: chunked\r\n\r\n" + chunked(plan, nonce);
}

}  // namespace lotagate::simulation
