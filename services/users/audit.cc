#include "users/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "common/identity.h"
#include "common/secrets.h"
#include "users/authority.h"

namespace lotagate::users {
namespace {

using services::Rows;
using services::Transaction;

constexpr std::size_t kMaxRequestIdBytes = 128;
constexpr std::size_t kMaxClientBytes = 256;

// The gateway writes these fields, but a log should not depend on that.
std::string printable(std::string_view text) {
  std::string kept(text);
  std::ranges::replace_if(kept, [](char c) { return c < ' ' || c > '~'; }, '?');
  return kept;
}

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

}  // namespace

AuditEntry audit_entry(const services::Request& request) {
  auto caller = services::caller_of(request);
  auto client = request.header("X-Forwarded-For");
  // The end is what the gateway itself added: the beginning may be anybody's.
  if (client.size() > kMaxClientBytes) client.remove_prefix(client.size() - kMaxClientBytes);
  AuditEntry entry;
  entry.actor = std::move(caller.subject);
  entry.actor_key = std::move(caller.key_id);
  entry.request_id = printable(request.header("X-Request-Id").substr(0, kMaxRequestIdBytes));
  entry.client = printable(client);
  return entry;
}

void append_audit(Transaction& transaction, const AuditEntry& entry) {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  // In the order of time, and nobody learns from an id how much others do.
  std::string id = services::random_id(fmt::format("aud_{:014x}", microseconds));
  transaction.run(
      "INSERT INTO audit (" LG_AUDIT_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {std::string_view(id), std::chrono::duration_cast<std::chrono::seconds>(now).count(),
       std::string_view(entry.actor), std::string_view(entry.actor_key), std::string_view(entry.tenant),
       std::string_view(entry.action), std::string_view(entry.target_kind), std::string_view(entry.target_id),
       std::string_view(entry.detail), std::string_view(entry.request_id), std::string_view(entry.client)});
}

std::vector<StoredAuditEntry> list_audit(Transaction& transaction, const Authority& caller, const AuditFilter& filter,
                                         std::string_view after, std::int64_t limit) {
  std::string_view tenant = filter.tenant, actor = filter.actor, action = filter.action, target = filter.target;
  std::vector<StoredAuditEntry> entries;
  Rows rows = transaction.query(
      "SELECT " LG_AUDIT_COLUMNS
      " FROM audit WHERE (? = 1 OR tenant = ?) AND (? = '' OR tenant = ?) AND (? = '' OR actor = ?) AND (? = '' OR "
      "action = ?) "
      "AND (? = '' OR target_id = ?) AND time >= ? AND time < ? AND (? = '' OR id < ?) ORDER BY id DESC LIMIT ?",
      {std::int64_t{caller.is_admin}, std::string_view(caller.tenant), tenant, tenant, actor, actor, action, action,
       target, target, filter.since, filter.until, after, after, limit});
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
