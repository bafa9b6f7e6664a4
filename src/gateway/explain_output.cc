// An Explanation as lines for people and as JSON for scripts.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/units.h"
#include "gateway/explain.h"
#include "gateway/json_writer.h"

namespace lotagate {
namespace {

void line(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) out += fmt::format("{:<12} {}\n", name, value);
}

void list(std::string& out, std::string_view name, const std::vector<std::string>& texts) {
  line(out, name, fmt::format("{}", fmt::join(texts, ", ")));
}

void list(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.begin_array(name);
  for (const std::string& text : texts) json.element(text);
  json.end_array();
}

void optional_text(JsonWriter& json, std::string_view name, std::string_view value) {
  value.empty() ? json.null(name) : json.text(name, value);
}

std::string decision_of(const Explanation& e) {
  if (!e.refusal) return e.would_deny.empty() ? "allowed" : "allowed, because the route is `report_only`";
  const ErrorInfo& info = error_info(e.refusal->code);
  return fmt::format("refused with {} {}", info.status, info.name);
}

void write(JsonWriter& json, const ExplainedKeyPart& part) {
  json.begin_object();
  json.text("part", part.part);
  json.text("kind", part.kind);
  optional_text(json, "value", part.value);
  optional_text(json, "why", part.why);
  json.end_object();
}

// What does not count for the request is null.
void write(JsonWriter& json, const ExplainedLimit& limit) {
  json.begin_object();
  json.text("name", limit.name);
  bool early = limit.stage == config::LimitStage::before_authentication;
  json.text("stage", early ? "before_authentication" : "after_authentication");
  json.boolean("reached", limit.reached);
  json.begin_array("key");
  for (const ExplainedKeyPart& part : limit.key) write(json, part);
  json.end_array();
  optional_text(json, "case", limit.matched_case);
  if (limit.tokens == 0) {
    for (std::string_view name : {"tokens", "refill"}) json.null(name);
  } else {
    json.number("tokens", limit.tokens);
    json.text("refill", config::rate_to_text(limit.refill_per_second));
  }
  json.number("cost", limit.cost);
  optional_text(json, "cost_field", limit.cost_field);
  if (limit.most == 0) {
    json.null("most");
  } else {
    json.number("most", limit.most);
  }
  json.begin_array("count");
  for (std::uint16_t status : limit.count) json.number({}, status);
  json.end_array();
  json.boolean("shared", limit.shared);
  json.boolean("report_only", limit.report_only);
  optional_text(json, "exempt", limit.exempt);
  json.boolean("address_decides", limit.address_decides);
  json.end_object();
}

}  // namespace

std::string to_text(const Explanation& e) {
  std::string out;
  line(out, "request", e.path.empty() ? e.method : e.method + " " + e.path);
  if (!e.route.empty()) {
    line(out, "route", fmt::format("{} -> {}{}", e.route, e.service, e.is_public ? " (public)" : ""));
  }
  line(out, "caller", e.subject);
  line(out, "by",
       e.credential == "api_key" ? fmt::format("API key {}", e.key_id)
       : e.issuer.empty()        ? ""
                                 : fmt::format("token of {}", e.issuer));
  line(out, "tenant", e.plan.empty() ? e.tenant : fmt::format("{} ({})", e.tenant, e.plan));
  list(out, "roles", e.roles);
  list(out, "permissions", e.permissions);
  list(out, "scopes", e.scopes);
  list(out, "key may", e.key_permissions);
  for (const std::string& need : e.needs) line(out, "needs", need);
  for (const ExplainedLimit& limit : e.limits) line(out, "limit", to_text(limit));
  list(out, "concurrency", e.concurrency);
  for (const std::string& note : e.notes) line(out, "note", note);
  line(out, "decision", decision_of(e));
  line(out, "reason", e.refusal ? e.refusal->reason : std::string_view(e.would_deny));
  return out;
}

std::string to_json(const Explanation& e) {
  JsonWriter json;
  json.begin_object();
  json.boolean("allowed", e.allowed());
  if (e.refusal) {
    json.number("status", error_info(e.refusal->code).status);
    json.text("code", error_info(e.refusal->code).name);
    json.text("reason", e.refusal->reason);
  } else {
    for (std::string_view name : {"status", "code"}) json.null(name);
    optional_text(json, "reason", e.would_deny);
  }
  json.text("method", e.method);
  optional_text(json, "path", e.path);
  optional_text(json, "route", e.route);
  optional_text(json, "service", e.service);
  json.boolean("public", e.is_public);
  json.boolean("report_only", e.report_only);
  optional_text(json, "credential", e.credential);
  optional_text(json, "subject", e.subject);
  optional_text(json, "issuer", e.issuer);
  optional_text(json, "key_id", e.key_id);
  optional_text(json, "tenant", e.tenant);
  optional_text(json, "plan", e.plan);
  list(json, "roles", e.roles);
  list(json, "permissions", e.permissions);
  list(json, "scopes", e.scopes);
  list(json, "key_permissions", e.key_permissions);
  list(json, "needs", e.needs);
  json.begin_array("limits");
  for (const ExplainedLimit& limit : e.limits) write(json, limit);
  json.end_array();
  list(json, "concurrency_limits", e.concurrency);
  list(json, "notes", e.notes);
  json.end_object();
  return json.take();
}

}  // namespace lotagate
