#include "gateway/request_checks.h"

#include "base/text.h"

namespace lotagate {
namespace {

std::unexpected<Error> bad_request(std::string_view reason) {
  return fail(ErrorCode::bad_request, Origin::downstream, reason);
}

// OPTIONS counts its hops down. Elsewhere the field says nothing.
Result<void> check_max_forwards(const http::RequestHead& request, FieldFindings& found) {
  if (request.method != "OPTIONS" || !request.fields.has(http::FieldName::max_forwards)) return {};
  const http::Field* field = request.fields.only(http::FieldName::max_forwards);
  if (field != nullptr) found.max_forwards = parse_decimal(field->value);
  return found.max_forwards ? Result<void>{} : bad_request("Max-Forwards");
}

}  // namespace

Result<void> check_fields(const http::RequestHead& request, std::string_view instance, FieldFindings& found) {
  if (request.method == "CONNECT" || request.method == "TRACE") {
    return fail(ErrorCode::not_implemented, Origin::downstream, "method");
  }
  TRY_VOID(http::check_nominations(request.fields));
  TRY_VOID(check_max_forwards(request, found));
  for (auto id : {http::FieldName::authorization, http::FieldName::content_type}) {
    if (request.fields.repeats(id)) return bad_request("repeated Authorization or Content-Type");
  }
  for (const http::Field& field : request.fields.items) {
    bool names_us = field.id == http::FieldName::via && !instance.empty() && field.value.contains(instance);
    if (names_us) return fail(ErrorCode::loop_detected, Origin::downstream, "own name in Via");
    if (field.id != http::FieldName::expect) continue;
    if (found.expects_continue || !iequals(field.value, "100-continue")) {
      return fail(ErrorCode::expectation_failed, Origin::downstream, "Expect");
    }
    found.expects_continue = request.minor >= 1;  // RFC 9110 10.1.1: ignored in HTTP/1.0
  }
  return {};
}

Result<void> check_length(const http::Framing& framing, std::uint64_t max_body) {
  bool too_large = framing.kind == http::Framing::Kind::length && framing.length > max_body;
  return too_large ? fail(ErrorCode::body_too_large, Origin::downstream, "Content-Length") : Result<void>{};
}

}  // namespace lotagate
