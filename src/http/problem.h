// problem+json (RFC 9457): the one error format, and what is taken over from a backend's own error bodies.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace lotagate::http {

struct ProblemContext {
  std::string_view instance;  // canonical path; empty if the request had none
  std::string_view request_id;
  std::string_view service;               // which backend it came from; empty if the gateway itself
  std::string_view violated_policy = {};  // the limit that refused; empty: none did
};

// Appends the JSON document for `error` to `out`.
void write_problem(std::string& out, const Error& error, const ProblemContext& context);

// The message a backend put into its error body: `detail`, `message`, `error.message`, `error` of a JSON object, the
// first that is a non-empty string; at most 1,000 bytes. Nothing if the body is not JSON or says nothing.
std::optional<std::string> extract_message(std::string_view body);

// A backend's own problem+json completed with the members it lacks; false (and `out` untouched) if it is none.
// `status` is the response's: it replaces the body's.
bool complete_problem(std::string& out, std::string_view body, const Error& error, const ProblemContext& context);

}  // namespace lotagate::http
