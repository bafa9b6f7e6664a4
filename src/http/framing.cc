#include "http/framing.h"

#include <algorithm>

#include "base/text.h"

namespace lotagate::http {
namespace {

// Lengths near 2^64 serve nobody and overflow somewhere; 2^62 is 4 EiB.
constexpr std::uint64_t kMaxLength = 1ull << 62;

struct LengthAnswer {
  bool sound;
  std::uint64_t value;
};

LengthAnswer parse_length(std::string_view text) {
  auto value = parse_decimal(text);
  return {value.has_value() && *value <= kMaxLength, value.value_or(0)};
}

// A well-formed list of codings unknown here before a final chunked (RFC 9112 6.1): sound, but nothing we can read.
bool is_foreign_coding(std::string_view list) {
  auto last_comma = list.rfind(',');
  if (last_comma == std::string_view::npos || !iequals(trim(list.substr(last_comma + 1)), "chunked")) return false;
  bool foreign = true;
  for_each_list_item(list.substr(0, last_comma), [&](std::string_view coding) {
    foreign &= is_token(coding) && !iequals(coding, "chunked") && !iequals(coding, "identity");
  });
  return foreign;
}

// The two values that nearly every Connection field has, as they are nearly always spelled.
constexpr std::string_view kKeepAlive = "keep-alive";
constexpr std::string_view kClose = "close";

bool is_connection_option(std::string_view value) {
  return value == kKeepAlive || value == kClose || iequals(value, kKeepAlive) || iequals(value, kClose);
}

bool connection_has(const FieldList& fields, std::string_view wanted) {
  if (!fields.has(FieldName::connection)) return false;
  for (const Field& field : fields.items) {
    if (field.id != FieldName::connection) continue;
    bool found = false;
    for_each_list_item(field.value, [&](std::string_view item) { found |= iequals(item, wanted); });
    if (found) return true;
  }
  return false;
}

}  // namespace

Result<Framing> request_framing(const RequestHead& head) {
  auto bad = [](std::string_view reason) { return fail(ErrorCode::bad_request, Origin::downstream, reason); };
  bool has_length = head.fields.has(FieldName::content_length);
  bool has_coding = head.fields.has(FieldName::transfer_encoding);
  if (!has_length && !has_coding) return Framing{};
  if (has_length && has_coding) return bad("Content-Length with Transfer-Encoding");
  if (head.fields.repeats(FieldName::content_length)) return bad("repeated Content-Length");
  if (head.fields.repeats(FieldName::transfer_encoding)) return bad("repeated Transfer-Encoding");
  if (has_coding) {
    if (head.minor == 0) return bad("Transfer-Encoding in HTTP/1.0");
    std::string_view coding = head.fields.first(FieldName::transfer_encoding)->value;
    if (iequals(coding, "chunked")) return Framing{.kind = Framing::Kind::chunked};
    if (is_foreign_coding(coding)) return fail(ErrorCode::not_implemented, Origin::downstream, "transfer coding");
    return bad("Transfer-Encoding");
  }
  std::string_view text = head.fields.first(FieldName::content_length)->value;
  LengthAnswer length = parse_length(text);
  if (!length.sound) return bad("Content-Length");
  return Framing{.kind = Framing::Kind::length, .length = length.value};
}

Result<Framing> response_framing(const ResponseHead& head, bool to_head) {
  auto bad = [](std::string_view reason) { return fail(ErrorCode::upstream_invalid, Origin::upstream, reason); };
  bool has_length = head.fields.has(FieldName::content_length);
  bool has_coding = head.fields.has(FieldName::transfer_encoding);
  if (head.fields.repeats(FieldName::content_length)) return bad("repeated Content-Length");
  if (head.fields.repeats(FieldName::transfer_encoding)) return bad("repeated Transfer-Encoding");
  if (has_length && has_coding) return bad("Content-Length with Transfer-Encoding");
  LengthAnswer length{true, 0};
  if (has_length) length = parse_length(head.fields.first(FieldName::content_length)->value);
  if (!length.sound) return bad("Content-Length");
  if (has_coding) {
    if (head.minor == 0) return bad("Transfer-Encoding in HTTP/1.0");
    if (!iequals(head.fields.first(FieldName::transfer_encoding)->value, "chunked")) return bad("Transfer-Encoding");
  }

  bool bodyless = to_head || head.status < 200 || head.status == 204 || head.status == 304;
  if (bodyless) return Framing{};
  if (has_coding) return Framing{.kind = Framing::Kind::chunked};
  if (has_length) return Framing{.kind = Framing::Kind::length, .length = length.value};
  return Framing{.kind = Framing::Kind::until_close};
}

bool keeps_alive(const FieldList& fields, int minor) {
  const Field* only = fields.only(FieldName::connection);
  if (only != nullptr && only->value == kKeepAlive) return true;
  if (connection_has(fields, kClose)) return false;
  return minor >= 1 || connection_has(fields, kKeepAlive);
}

Result<void> check_nominations(const FieldList& fields) {
  if (!has_nominations(fields)) return {};
  for (const Field& field : fields.items) {
    if (field.id != FieldName::connection) continue;
    bool refused = false;
    for_each_list_item(field.value,
                       [&](std::string_view item) { refused |= !item.empty() && !may_be_nominated(item); });
    if (refused) return fail(ErrorCode::bad_request, Origin::downstream, "Connection nominates a protected field");
  }
  return {};
}

bool has_nominations(const FieldList& fields) {
  if (!fields.has(FieldName::connection)) return false;
  if (const Field* only = fields.only(FieldName::connection)) return !is_connection_option(only->value);
  return std::any_of(fields.items.begin(), fields.items.end(), [](const Field& field) {
    return field.id == FieldName::connection && !is_connection_option(field.value);
  });
}

bool is_nominated(const FieldList& fields, std::string_view name) { return connection_has(fields, name); }

}  // namespace lotagate::http
