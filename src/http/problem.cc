#include "http/problem.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace lotagate::http {
namespace {

constexpr std::size_t kMaxMessageBytes = 1000;

void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (out.back() != '{') out += ',';
  out += '"';
  out += name;
  out += "\":\"";
  append_json_escaped(out, value);
  out += '"';
}

void append_raw_member(std::string& out, std::string_view name, std::string_view value) {
  if (out.back() != '{') out += ',';
  out += '"';
  out += name;
  out += "\":";
  out += value;
}

// Cuts at a UTF-8 boundary.
std::string_view shorten(std::string_view text) {
  if (text.size() <= kMaxMessageBytes) return text;
  std::size_t end = kMaxMessageBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::optional<std::string> text_member(const simdjson::dom::object& object, std::string_view name) {
  std::string_view text;
  if (object[name].get_string().get(text) != simdjson::SUCCESS || text.empty()) return std::nullopt;
  return std::string(shorten(text));
}

// Members every error has, apart from type, title, status and detail.
void append_common(std::string& out, const Error& error, const ProblemContext& context) {
  const ErrorInfo& info = error_info(error.code);
  if (!context.instance.empty()) append_member(out, "instance", context.instance);
  append_member(out, "code", info.name);
  append_member(out, "request_id", context.request_id);
  std::uint16_t status = error_status(error);
  bool retryable = error.code == ErrorCode::upstream_error ? status == 429 || status == 503 : info.retryable;
  append_raw_member(out, "retryable", retryable ? "true" : "false");
  if (!context.service.empty()) append_member(out, "service", context.service);
  if (context.violated_policy.empty()) return;
  // A list, as in the problem types of draft-ietf-httpapi-ratelimit-headers-11.
  std::string list = "[\"";
  append_json_escaped(list, context.violated_policy);
  append_raw_member(out, "violated-policies", list + "\"]");
}

constexpr std::array<std::string_view, 8> kOurMembers{"status",    "instance", "code",  "request_id",
                                                      "retryable", "service",  "title", "detail"};

}  // namespace

void write_problem(std::string& out, const Error& error, const ProblemContext& context) {
  const ErrorInfo& info = error_info(error.code);
  std::uint16_t status = error_status(error);
  out += '{';
  out += "\"type\":\"urn:lotagate:error:";
  out += info.name;
  out += '"';
  append_member(out, "title", status_title(status));
  append_raw_member(out, "status", std::to_string(status));
  append_member(out, "detail", error.detail.empty() ? info.detail : error.detail);
  append_common(out, error, context);
  out += '}';
}

std::optional<std::string> extract_message(std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(body.data(), body.size()).get_object().get(object) != simdjson::SUCCESS) return std::nullopt;
  for (std::string_view name : {"detail", "message"}) {
    if (auto text = text_member(object, name)) return text;
  }
  simdjson::dom::object nested;
  if (object["error"].get_object().get(nested) == simdjson::SUCCESS) return text_member(nested, "message");
  return text_member(object, "error");
}

bool complete_problem(std::string& out, std::string_view body, const Error& error, const ProblemContext& context) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(body.data(), body.size()).get_object().get(object) != simdjson::SUCCESS) return false;
  std::string_view type;
  std::uint16_t status = error_status(error);
  const ErrorInfo& info = error_info(error.code);
  bool typed = object["type"].get_string().get(type) == simdjson::SUCCESS;
  out += "{\"type\":\"";
  if (typed) {
    append_json_escaped(out, type);
  } else {
    out += "about:blank";  // RFC 9457 4.2.1: what a problem without a type means
  }
  out += '"';
  append_member(out, "title", text_member(object, "title").value_or(std::string(status_title(status))));
  append_raw_member(out, "status", std::to_string(status));
  append_member(out, "detail", text_member(object, "detail").value_or(std::string(info.detail)));
  append_common(out, error, context);
  for (auto member : object) {  // the backend's extension members stay
    bool ours =
        member.key == "type" || std::find(kOurMembers.begin(), kOurMembers.end(), member.key) != kOurMembers.end();
    if (ours) continue;
    std::string name;
    append_json_escaped(name, member.key);
    append_raw_member(out, name, simdjson::minify(member.value));
  }
  out += '}';
  return true;
}

}  // namespace lotagate::http
