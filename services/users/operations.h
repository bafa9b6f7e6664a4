// What every operation behind the gateway has in common: one transaction in which the caller is looked up, the change
// is made, its audit entry is written and the gateways' news of it is queued. All of it or nothing.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/http.h"
#include "users/audit.h"
#include "users/authority.h"
#include "users/change_feed.h"

namespace lotagate::users {

// One call in its transaction.
struct Call {
  const services::Request& request;
  services::Transaction& transaction;
  ChangeFeed& changes;
  const Authority& caller;
};

// What an audit entry is about.
struct Target {
  std::string_view kind;
  std::string_view id;
  std::string_view tenant;
};

// Writes the entry of this call's change: `kind.verb`.
void audit(const Call& call, const Target& target, std::string_view verb, std::string detail);

class Operations {
 public:
  using Step = std::function<services::Outcome<services::Response>(Call&)>;

  Operations(services::Database& database, ChangeFeed& changes) : database_(database), changes_(changes) {}

  // Runs `step`, which must not change anything but its own locals: it may run again when another transaction was in
  // the way.
  services::Outcome<services::Response> read(const services::Request& request, const Step& step) const;
  // As above; what it changes is committed unless it refuses.
  services::Outcome<services::Response> change(const services::Request& request, const Step& step) const;

  // The first accounts, made by the service itself: only while there is none. True if there are none, that is.
  bool nobody_yet() const;
  services::Outcome<services::Response> begin(const Step& step) const;

  // The same as handlers.
  services::Handler reading(Step step) const;
  services::Handler changing(Step step) const;
  // `parse` makes of the request what `step(call, wanted)` is to do. It comes before the transaction: a body takes time
  // to read, and nobody else changes anything meanwhile.
  template <typename Parse, typename StepOfWanted>
  services::Handler changing(Parse parse, StepOfWanted step) const {
    return services::answering([this, parse, step](const services::Request& request) {
      auto wanted = parse(request);
      if (!wanted) return services::Outcome<services::Response>(std::unexpected(std::move(wanted).error()));
      return change(request, [&](Call& call) { return step(call, *wanted); });
    });
  }

 private:
  services::Outcome<services::Response> run(services::Transaction& transaction, const services::Request& request,
                                            const Step& step) const;

  services::Database& database_;
  ChangeFeed& changes_;
};

}  // namespace lotagate::users
