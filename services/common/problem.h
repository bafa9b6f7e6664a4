// What a service answers instead of a result: application/problem+json (RFC 9457).
#pragma once

#include <chrono>
#include <expected>
#include <string>

#include "common/http.h"

namespace lotagate::services {

struct Problem {
  int status = 400;
  std::string code;                    // stable, for programs: "username_taken"
  std::string detail;                  // for people
  std::chrono::seconds retry_after{};  // when it may be worth coming again; a 503 without it says 1
};

// Also works with TRY of base/result.h.
template <typename T>
using Outcome = std::expected<T, Problem>;

inline std::unexpected<Problem> refuse(int status, std::string code, std::string detail) {
  return std::unexpected(Problem{status, std::move(code), std::move(detail), {}});
}

Response problem_response(const Problem& problem);

// A handler made of a step that may fail.
template <typename Step>
Handler answering(Step step) {
  return [step = std::move(step)](const Request& request) {
    Outcome<Response> outcome = step(request);
    return outcome ? std::move(*outcome) : problem_response(outcome.error());
  };
}

}  // namespace lotagate::services
