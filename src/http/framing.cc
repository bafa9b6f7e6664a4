#include "http/framing.h"

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

bool connection_has(const FieldList& fields, std::string_view wanted) {
  if (fields.first(FieldName::connection) == nullptr) return false;
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
  std::size_t lengths = head.fields.count(FieldName::content_length);
  std::size_t codings = head.fields.count(FieldName::transfer_encoding);
  if (lengths == 0 && codings == 0) return Framing{};
  if (lengths > 0 && codings > 0) return bad("Content-Length with Transfer-Encoding");
  if (lengths > 1) return bad("repeated Content-Length");
  if (codings > 1) return bad("repeated Transfer-Encoding");
  if (codings == 1) {
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
  std::size_t lengths = head.fields.count(FieldName::content_length);
  std::size_t codings = head.fields.count(FieldName::transfer_encoding);
  if (lengths > 1) return bad("repeated Content-Length");
  if (codings > 1) return bad("repeated Transfer-Encoding");
  if (lengths > 0 && codings > 0) return bad("Content-Length with Transfer-Encoding");
  LengthAnswer length{true, 0};
  if (lengths == 1) length = parse_length(head.fields.first(FieldName::content_length)->value);
  if (!length.sound) return bad("Content-Length");
  if (codings == 1) {
    if (head.minor == 0) return bad("Transfer-Encoding in HTTP/1.0");
    if (!iequals(head.fields.first(FieldName::transfer_encoding)->value, "chunked")) return bad("Transfer-Encoding");
  }

  bool bodyless = to_head || head.status < 200 || head.status == 204 || head.status == 304;
  if (bodyless) return Framing{};
  if (codings == 1) return Framing{.kind = Framing::Kind::chunked};
  if (lengths == 1) return Framing{.kind = Framing::Kind::length, .length = length.value};
  return Framing{.kind = Framing::Kind::until_close};
}

bool keeps_alive(const FieldList& fields, int minor) {
  if (connection_has(fields, "close")) return false;
  return minor >= 1 || connection_has(fields, "keep-alive");
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
  if (fields.first(FieldName::connection) == nullptr) return false;
  bool found = false;
  for (const Field& field : fields.items) {
    if (field.id != FieldName::connection || iequals(field.value, "keep-alive") || iequals(field.value, "close"))
      continue;
    found = true;
  }
  return found;
}

bool is_nominated(const FieldList& fields, std::string_view name) { return connection_has(fields, name); }

}  // namespace lotagate::http
