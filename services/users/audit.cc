#include "users/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "common/identity.h"
#include "common/printable.h"
#include "common/secrets.h"
#include "users/authority.h"

namespace lotagate::users {
namespace {

using services::Rows;
using services::Transaction;

constexpr std::size_t kMaxRequestIdBytes = 128;
constexpr std::size_t kMaxClientBytes = 256;

// The columns in the order of entry_of().
#define LG_AUDIT_COLUMNS \
  "id, time, actor, actor_key, tenant, action, target_kind, target_id, detail, request_id, client"

StoredAuditEntry entry_of(const Rows& rows) {
  StoredAuditEntry entry;
  entry.id = rows.text(0);
  entry.time = rows.integer(1);
  entry.actor = rows.text(2);
  entry.actor_key = rows.text(3);
  entry.tenant = rows.text(4);
  entry.action = rows.text(5);
  entry.target_kind = rows.text(6);
  entry.target_id = rows.text(7);
  entry.detail = rows.text(8);
  entry.request_id = rows.text(9);
  entry.client = rows.text(10);
  return entry;
}

// An id is the time in microseconds and a random rest, so that a range of time is a range of ids. A `z` comes after
// every digit, in any language's order.
constexpr std::string_view kBeyondAll = "aud_z";

std::string id_start(std::int64_t microseconds) { return fmt::format("aud_{:014x}", microseconds); }

// Before every id of this second and of later ones.
std::string id_at(std::int64_t seconds) {
  constexpr std::int64_t kMicroseconds = 1'000'000;
  constexpr std::int64_t kLastSecond = (std::int64_t{1} << 56) / kMicroseconds;  // of 14 digits
  return seconds < kLastSecond ? id_start(seconds * kMicroseconds) : std::string(kBeyondAll);
}

// The first condition of a list is what its index goes by; the others only leave something out. A log grows for ever,
// and a tenant's share of it may be small.
struct Lead {
  std::string_view statement;
  std::string_view value;
};

#define LG_LIST_AUDIT_BY(condition)                                                          \
  "SELECT " LG_AUDIT_COLUMNS " FROM audit WHERE " condition                                  \
  " AND id >= ? AND id < ? AND id < ? AND (? = 1 OR tenant = ?) AND (? = '' OR tenant = ?) " \
  "AND (? = '' OR actor = ?) AND (? = '' OR action = ?) AND (? = '' OR target_id = ?) ORDER BY id DESC LIMIT ?"

Lead lead_of(const AuditFilter& filter, const Authority& caller) {
  if (!filter.target.empty()) return {LG_LIST_AUDIT_BY("target_id = ?"), filter.target};
  if (!filter.actor.empty()) return {LG_LIST_AUDIT_BY("actor = ?"), filter.actor};
  if (!filter.tenant.empty()) return {LG_LIST_AUDIT_BY("tenant = ?"), filter.tenant};
  if (!caller.is_admin) return {LG_LIST_AUDIT_BY("tenant = ?"), caller.tenant};
  return {LG_LIST_AUDIT_BY("? = ''"), ""};
}

}  // namespace

AuditEntry audit_entry(const services::Request& request) {
  auto caller = services::caller_of(request);
  auto client = request.header("X-Forwarded-For");
  // The end is what the gateway itself added: the beginning may be anybody's.
  if (client.size() > kMaxClientBytes) client.remove_prefix(client.size() - kMaxClientBytes);
  AuditEntry entry;
  entry.actor = std::move(caller.subject);
  entry.actor_key = std::move(caller.key_id);
  entry.request_id = services::printable(request.header("X-Request-Id"), kMaxRequestIdBytes);
  entry.client = services::printable(client, kMaxClientBytes);
  return entry;
}

void append_audit(Transaction& transaction, const AuditEntry& entry) {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  // In the order of time, and nobody learns from an id how much others do.
  std::string id = services::random_id(id_start(microseconds));
  transaction.run(
      "INSERT INTO audit (" LG_AUDIT_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {std::string_view(id), std::chrono::duration_cast<std::chrono::seconds>(now).count(),
       std::string_view(entry.actor), std::string_view(entry.actor_key), std::string_view(entry.tenant),
       std::string_view(entry.action), std::string_view(entry.target_kind), std::string_view(entry.target_id),
       std::string_view(entry.detail), std::string_view(entry.request_id), std::string_view(entry.client)});
}

std::vector<StoredAuditEntry> list_audit(Transaction& transaction, const Authority& caller, const AuditFilter& filter,
                                         std::string_view after, std::int64_t limit) {
  if (!filter.tenant.empty() && !caller.sees(filter.tenant)) return {};
  Lead lead = lead_of(filter, caller);
  std::string_view tenant = filter.tenant, actor = filter.actor, action = filter.action, target = filter.target;
  std::string since = id_at(filter.since);
  std::string until = id_at(filter.until);
  std::vector<StoredAuditEntry> entries;
  Rows rows = transaction.query(
      lead.statement, {lead.value, std::string_view(since), std::string_view(until), after.empty() ? kBeyondAll : after,
                       std::int64_t{caller.is_admin}, std::string_view(caller.tenant), tenant, tenant, actor, actor,
                       action, action, target, target, limit});
  while (rows.next()) entries.push_back(entry_of(rows));
  return entries;
}

std::optional<StoredAuditEntry> find_audit(Transaction& transaction, std::string_view id, const Authority& caller) {
  Rows rows = transaction.query("SELECT " LG_AUDIT_COLUMNS " FROM audit WHERE id = ? AND (? = 1 OR tenant = ?)",
                                {id, std::int64_t{caller.is_admin}, std::string_view(caller.tenant)});
  if (!rows.next()) return std::nullopt;
  return entry_of(rows);
}

}  // namespace lotagate::users
