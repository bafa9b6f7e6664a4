// The audit log: who changed what, when, from where. Append-only; an entry is written in the transaction of its change.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/database.h"
#include "common/http.h"

namespace lotagate::users {

struct Authority;

struct AuditEntry {
  std::string actor;      // the subject that did it; empty if nobody is known, as for a login that failed
  std::string actor_key;  // the id of the API key it came with, if it came with one
  std::string tenant;     // whose data it concerns: its auditors see the entry
  std::string action;     // "account.create": the kind of the target, then what was done to it
  std::string target_kind;
  std::string target_id;
  std::string detail = "{}";  // a JSON object. Never a password, a token or a key, nor a digest of one
  std::string request_id;
  std::string client;  // the X-Forwarded-For of the gateway; its last address is the one that the gateway itself saw
};

// As above, with what append_audit() gives it.
struct StoredAuditEntry : AuditEntry {
  std::string id;         // `aud_...`; in the order of time
  std::int64_t time = 0;  // seconds since 1970
};

// An entry with what the request tells: actor and key as the gateway named them, request id, client.
AuditEntry audit_entry(const services::Request& request);

void append_audit(services::Transaction& transaction, const AuditEntry& entry);

// What to list; an empty text matches everything.
struct AuditFilter {
  std::string tenant;
  std::string actor;
  std::string action;
  std::string target;
  std::int64_t since = 0;          // seconds since 1970, inclusive
  std::int64_t until = INT64_MAX;  // exclusive
};

// At most `limit` entries that the caller can see, newest first, beginning after the entry `after` (empty: with the
// newest). Entries of a tenant are for those of it, all entries for admins of the platform.
std::vector<StoredAuditEntry> list_audit(services::Transaction& transaction, const Authority& caller,
                                         const AuditFilter& filter, std::string_view after, std::int64_t limit);

std::optional<StoredAuditEntry> find_audit(services::Transaction& transaction, std::string_view id,
                                           const Authority& caller);

}  // namespace lotagate::users
