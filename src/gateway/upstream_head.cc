// The request head as the upstream sees it: re-serialised from what was validated, cleaned of what is not the
// client's to say, completed with who asks and for whom.
#include "base/address.h"
#include "base/text.h"
#include "gateway/connection.h"
#include "gateway/exchange.h"

namespace lotagate {
namespace {

// Lower-case hex, not all zero (W3C Trace Context 3.2.2).
bool is_trace_hex(std::string_view text) {
  bool any = false;
  for (char c : text) {
    bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (!hex) return false;
    any |= c != '0';
  }
  return any;
}

// The client's traceparent, version 00 as the standard writes it: 00-<32>-<16>-<2>.
bool is_traceparent(std::string_view text) {
  return text.size() == 55 && text.starts_with("00-") && text[35] == '-' && text[52] == '-' &&
         is_trace_hex(text.substr(3, 32)) && is_trace_hex(text.substr(36, 16)) &&
         (text.substr(53) == "00" || is_trace_hex(text.substr(53)));
}

}  // namespace

void Exchange::write_upstream_head(http::HeadWriter& out) {
  std::string_view host = target_.authority.empty() ? endpoint_ : target_.authority;
  out.text(request_.method, " ", target_.path, target_.query, " HTTP/1.1\r\nHost: ", host, "\r\n");
  bool has_nominations = http::has_nominations(request_.fields);
  std::string_view key_header = view_->snapshot->config.authentication.api_keys.header;
  bool drops_key = !route_->forward_token && view_->snapshot->has_own_key_header;
  for (const http::Field& field : request_.fields.items) {
    if (http::is_hop_by_hop(field.id)) continue;
    switch (field.id) {
      case http::FieldName::host:
      case http::FieldName::forwarded:
      case http::FieldName::x_request_id:
      case http::FieldName::traceparent:
      case http::FieldName::gateway_owned: continue;
      case http::FieldName::max_forwards:
        if (field_findings_.max_forwards) {
          out.field(field.name, *field_findings_.max_forwards - 1);
          continue;
        }
        break;
      case http::FieldName::authorization:
      case http::FieldName::x_api_key:
        if (!route_->forward_token) continue;
        break;
      default: break;
    }
    if (drops_key && iequals(field.name, key_header)) continue;
    if (has_nominations && http::is_nominated(request_.fields, field.name)) continue;
    out.relayed_field(field.name, field.value);
  }
  using Kind = http::Framing::Kind;
  if (request_framing_.kind == Kind::length) out.field("Content-Length", request_framing_.length);
  if (request_framing_.kind == Kind::chunked) out.text("Transfer-Encoding: chunked\r\n");
  if (upgrading_) out.text("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  write_forwarding(out);
  write_identity(out);
  write_trace(out);
  out.end_of_head();
}

void Exchange::write_forwarding(http::HeadWriter& out) {
  const IpAddress& peer = connection_->peer().ip;
  std::string_view ip = connection_->peer_text();
  std::string_view chain;
  std::string_view forwarded;
  std::string_view proto = "http";
  std::string_view host = target_.authority;
  if (peer_trusted_) {  // a trusted proxy's own words stay; ours are added
    for (const http::Field& field : request_.fields.items) {
      if (field.id == http::FieldName::forwarded) forwarded = field.value;
      if (field.id != http::FieldName::gateway_owned) continue;
      if (iequals(field.name, "x-forwarded-for"))
        chain = chain.empty() ? field.value : arena_.concat({chain, ", ", field.value});
      if (iequals(field.name, "x-forwarded-proto") && (field.value == "http" || field.value == "https"))
        proto = field.value;
      if (iequals(field.name, "x-forwarded-host") && http::canonical_authority(field.value, arena_)) host = field.value;
    }
  }
  auto separator = [](std::string_view before) { return std::string_view(before.empty() ? "" : ", "); };
  char client_text[kMaxIpText];
  std::string_view client = peer_trusted_ ? format_ip(client_ip_, client_text) : ip;
  out.text("X-Forwarded-For: ", chain, separator(chain), ip, "\r\nX-Real-IP: ", client,
           "\r\nX-Forwarded-Proto: ", proto, "\r\n");
  if (!host.empty()) out.text("X-Forwarded-Host: ", host, "\r\n");

  // RFC 7239 6: IPv6 in brackets and quotes.
  std::string_view open = peer.is_v4() ? "" : "\"[";
  std::string_view close = peer.is_v4() ? "" : "]\"";
  out.text("Forwarded: ", forwarded, separator(forwarded), "for=", open, ip, close);
  if (!target_.authority.empty()) out.text(";host=\"", target_.authority, "\"");
  std::string_view version = request_.minor == 0 ? "1.0 " : "1.1 ";
  out.text(";proto=http\r\nVia: ", version, worker_.shared().instance, "\r\n");
}

void Exchange::write_identity(http::HeadWriter& out) {
  out.field("X-Request-Id", request_id_);
  if (access_.subject().empty()) return;
  out.field("X-Auth-Subject", access_.subject());
  if (!access_.tenant().empty()) out.field("X-Auth-Tenant", access_.tenant());
  if (!access_.roles().empty()) out.field("X-Auth-Roles", access_.roles());
  if (!access_.key_id().empty()) out.field("X-Auth-Key-Id", access_.key_id());
  out.text(access_.claim_lines());
}

// Continues the client's trace or begins one; each hop is a span of its own.
void Exchange::write_trace(http::HeadWriter& out) {
  if (trace_id_.empty()) {
    const http::Field* given = request_.fields.only(http::FieldName::traceparent);
    bool usable = given != nullptr && is_traceparent(given->value);
    trace_id_ = usable ? given->value.substr(3, 32) : worker_.ids().id128(arena_);
    trace_flags_ = usable ? given->value.substr(53) : std::string_view("01");
  }
  out.text("traceparent: 00-", trace_id_, "-", worker_.ids().id64(arena_), "-", trace_flags_, "\r\n");
}

}  // namespace lotagate
