// The rate limits of one request, in words: which hold, for whom, and how much there is. Nothing is counted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/limit_identity.h"

namespace lotagate {

// A part of a limit's key and the request's value for it.
struct ExplainedKeyPart {
  std::string part;   // as the configuration says it: `tenant`, `header x-team`
  std::string kind;   // of the value; another one than the part's own if something stands in
  std::string value;  // of addresses: the one that was given; empty: not known here
  std::string why;    // something stands in; empty: nothing does
};

struct ExplainedLimit {
  std::string name;
  config::LimitStage stage;
  bool reached;                         // nothing before its stage refuses the request
  std::vector<ExplainedKeyPart> key{};  // empty if it is not reached
  std::string matched_case{};           // empty without cases, or if it is not reached
  std::uint32_t tokens = 0;             // 0: unlimited, or not reached
  double refill_per_second = 0;
  std::uint32_t cost;                // with `cost_field` what is reserved
  std::string cost_field{};          // of the answer
  std::uint32_t most = 0;            // with `cost_field`
  std::vector<std::uint16_t> count;  // only answers with these statuses cost
  bool shared;
  bool report_only;
  std::string exempt{};          // why it does not hold for the request; empty: it does
  bool address_decides = false;  // some addresses are exempt, and the client's is not known here
};

struct LimitExplanation {
  bool address_known;  // LimitQuestion::client is somebody
  bool late_reached;   // the request is let through to the limits behind authentication
};

// Those of the route, in the order in which they are asked. The request has reached the first stage.
std::vector<ExplainedLimit> explain_limits(const LimitQuestion& question, const LimitExplanation& known);

// One line: "per_user: user alice, 100 tokens, 50/s, costs 1".
std::string to_text(const ExplainedLimit& limit);

}  // namespace lotagate
