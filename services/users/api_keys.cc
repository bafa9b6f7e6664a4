#include "users/api_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/result.h"
#include "common/clock.h"
#include "common/http_revision.h"
#include "common/secrets.h"
#include "users/accounts.h"
#include "users/change_note.h"
#include "users/schema.h"
#include "users/words.h"

namespace lotagate::users {
namespace {

using services::Bound;
using services::Outcome;
using services::refuse;
using services::Rows;
using services::Transaction;

constexpr std::string_view kKeyPrefix = "lgk_";
constexpr std::size_t kKeyBytes = 32;  // 43 characters
constexpr std::size_t kHintBytes = 4;  // 24 of 256 bits
// Enough for every machine to have its own; bounds what one account can make the service keep.
constexpr std::int64_t kMaxKeysOfAccount = 50;

#define LG_KEY_COLUMNS \
  "id, account, name, last_four, permissions, disabled, created_at, expires_at, revision, disabled_by"

ApiKey key_of(const Rows& rows) {
  return {.id = rows.text(0),
          .account = rows.text(1),
          .name = rows.text(2),
          .hint = fmt::format("{}...{}", kKeyPrefix, rows.text(3)),
          .permissions = split_words(rows.text(4)),
          .disabled = rows.integer(5) != 0,
          .created_at = rows.integer(6),
          .expires_at = rows.is_null(7) ? std::nullopt : std::optional(rows.integer(7)),
          .revision = rows.integer(8),
          .disabled_by = rows.text(9)};
}

bool is_admin(const Account& account) { return std::ranges::find(account.roles, kAdminRole) != account.roles.end(); }

// The owner, if the caller may do this with his keys. One's own keys need no permission.
Outcome<Account> owner(Call& call, std::string_view account, std::string_view permission) {
  TRY_VOID(require_unless_own(call.caller, permission, account));
  auto found = find_account(call.transaction, account, call.caller);
  if (!found) return refuse(404, "unknown_user", "There is no such user.");
  return std::move(*found);
}

std::optional<ApiKey> select_key(Transaction& transaction, std::string_view account, std::string_view id) {
  Rows rows = transaction.query("SELECT " LG_KEY_COLUMNS " FROM api_keys WHERE account = ? AND id = ?", {account, id});
  if (!rows.next()) return std::nullopt;
  return key_of(rows);
}

std::unexpected<services::Problem> unknown_key() { return refuse(404, "unknown_api_key", "There is no such API key."); }

// The owner and the key as it is now, if the caller may change it.
struct OwnedKey {
  Account owner;
  ApiKey key;
};

Outcome<OwnedKey> changeable(Call& call, std::string_view account, std::string_view id) {
  TRY(found, owner(call, account, "api_keys:write"));
  // An admin's machines are not for a tenant's manager to stop.
  if (account != call.caller.subject && is_admin(found)) TRY_VOID(require_admin(call.caller));
  auto key = select_key(call.transaction, account, id);
  if (!key) return unknown_key();
  TRY_VOID(services::match_revision(call.request, key->revision));
  return OwnedKey{std::move(found), std::move(*key)};
}

// Who has a key of somebody else's can do what that one will be able to do tomorrow. So the key itself must be bounded
// by what its maker holds today, whatever its owner holds. `*:*` would be every tenant, should its owner be made an
// admin; in one's own name it gives nothing away.
Outcome<void> may_make(const Authority& caller, const Account& owner, const std::vector<std::string>& permissions) {
  if (caller.subject == owner.id) return {};
  if (is_admin(owner)) TRY_VOID(require_admin(caller));
  for (const std::string& permission : permissions) {
    if (permission == kEverything && !caller.is_admin) {
      return refuse(403, "escalation", "Only an admin gives a key for `*:*` to somebody else; name its permissions.");
    }
    if (caller.holds(permission)) continue;
    return refuse(403, "escalation",
                  fmt::format("You do not hold the permission `{}`, so you cannot give it.", permission));
  }
  return {};
}

// A key that leaked must leave nothing behind when it ends: it makes no other in its owner's name, and none that
// outlives it.
Outcome<void> key_may_make(const Authority& caller, const Account& owner, std::optional<std::int64_t> expires_at) {
  if (!caller.key_permissions) return {};
  if (caller.subject == owner.id) return refuse(403, "forbidden", "An API key makes no API keys of its user.");
  if (!caller.key_expires_at || (expires_at && *expires_at <= *caller.key_expires_at)) return {};
  return refuse(403, "escalation",
                fmt::format("The API key in use expires at {}; what it makes cannot be good for longer.",
                            *caller.key_expires_at));
}

// Whether only an admin takes back what `account` has decided: an admin has, or nobody knows who, as he is gone.
bool decides_as_admin(Transaction& transaction, std::string_view account) {
  return !transaction
              .query(
                  "SELECT 1 FROM accounts WHERE id = ? AND NOT EXISTS "
                  "(SELECT 1 FROM account_roles WHERE account = accounts.id AND role = ?)",
                  {account, kAdminRole})
              .next();
}

// Nobody undoes with a key what may have been done because of a key, and an owner only what he did himself.
Outcome<void> may_enable(Call& call, const Account& owner, const ApiKey& key) {
  const Authority& caller = call.caller;
  if (caller.key_permissions) return refuse(403, "forbidden", "An API key enables no API keys.");
  if (caller.subject == key.disabled_by) return may_make(caller, owner, key.permissions);
  if (caller.subject == owner.id) return refuse(403, "forbidden", "Somebody else has disabled this API key.");
  if (decides_as_admin(call.transaction, key.disabled_by)) TRY_VOID(require_admin(caller));
  return may_make(caller, owner, key.permissions);
}

// The key as `caller` leaves it. Disabling what is disabled already counts if it outranks who did it: somebody else
// than the owner, or an admin.
void set_disabled(const Authority& caller, const Account& owner, ApiKey& key, bool disabled) {
  bool outranks = caller.subject != owner.id && (key.disabled_by == owner.id || caller.is_admin);
  if (!disabled) {
    key.disabled_by.clear();
  } else if (!key.disabled || outranks) {
    key.disabled_by = caller.subject;
  }
  key.disabled = disabled;
}

void tell_gateways(Call& call, std::string_view id) {
  std::string digest;
  {
    Rows rows = call.transaction.query("SELECT digest FROM api_keys WHERE id = ?", {id});
    LG_CHECK(rows.next(), "a key is told about while it is there");
    digest = rows.text(0);
  }
  call.changes.append_api_key(call.transaction, digest);
}

}  // namespace

std::optional<KeyGrant> key_grant(Transaction& transaction, std::string_view digest) {
  Rows rows = transaction.query(
      "SELECT id, account, permissions, disabled, expires_at, (SELECT max(revision) FROM changes) FROM api_keys "
      "WHERE digest = ?",
      {digest});
  if (!rows.next()) return std::nullopt;
  return KeyGrant{.id = rows.text(0),
                  .account = rows.text(1),
                  .permissions = split_words(rows.text(2)),
                  .revision = rows.integer(5),
                  .disabled = rows.integer(3) != 0,
                  .expires_at = rows.is_null(4) ? std::nullopt : std::optional(rows.integer(4))};
}

Outcome<std::vector<ApiKey>> list_api_keys(Call& call, std::string_view account, std::string_view after,
                                           std::int64_t limit) {
  TRY_VOID(owner(call, account, "api_keys:read"));
  std::vector<ApiKey> keys;
  Rows rows =
      call.transaction.query("SELECT " LG_KEY_COLUMNS " FROM api_keys WHERE account = ? AND id > ? ORDER BY id LIMIT ?",
                             {account, after, limit});
  while (rows.next()) keys.push_back(key_of(rows));
  return keys;
}

Outcome<ApiKey> find_api_key(Call& call, std::string_view account, std::string_view id) {
  TRY_VOID(owner(call, account, "api_keys:read"));
  auto key = select_key(call.transaction, account, id);
  if (!key) return unknown_key();
  return std::move(*key);
}

Outcome<MadeApiKey> create_api_key(Call& call, std::string_view account, const NewApiKey& wanted) {
  TRY(whose, owner(call, account, "api_keys:write"));
  TRY_VOID(key_may_make(call.caller, whose, wanted.expires_at));
  TRY_VOID(may_make(call.caller, whose, wanted.permissions));
  std::int64_t now = services::now_seconds();
  if (wanted.expires_at && *wanted.expires_at <= now) {
    return refuse(422, "expired_already", "`expires_at` is a time to come, in seconds since 1970.");
  }
  {
    Rows rows = call.transaction.query("SELECT count(*) FROM api_keys WHERE account = ?", {account});
    rows.next();
    if (rows.integer(0) >= kMaxKeysOfAccount) {
      return refuse(409, "too_many_api_keys", fmt::format("An account has at most {} API keys.", kMaxKeysOfAccount));
    }
  }
  std::string text = std::string(kKeyPrefix) + services::random_token(kKeyBytes);
  std::string digest = services::sha256_hex(text);
  std::string id = services::random_id("key_");
  std::string permissions = join_words(in_order(wanted.permissions));
  call.transaction.run(
      "INSERT INTO api_keys (id, account, name, digest, last_four, permissions, created_at, expires_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      {std::string_view(id), account, std::string_view(wanted.name), std::string_view(digest),
       std::string_view(text).substr(text.size() - kHintBytes), std::string_view(permissions), now,
       wanted.expires_at ? Bound(*wanted.expires_at) : Bound(nullptr)});
  // A gateway may remember that the digest was unknown.
  tell_gateways(call, id);
  ChangeNote note;
  note.add("account", std::string(), whose.id);
  note.add("name", std::string(), wanted.name);
  note.add("permissions", {}, wanted.permissions);
  audit(call, {"api_key", id, whose.tenant}, "create", note.take());
  auto key = select_key(call.transaction, account, id);
  LG_CHECK(key.has_value(), "a key is there after it was written");
  return MadeApiKey{std::move(*key), std::move(text)};
}

Outcome<ApiKey> change_api_key(Call& call, std::string_view account, std::string_view id, const ApiKeyChange& change) {
  TRY(found, changeable(call, account, id));
  ApiKey key = found.key;
  if (change.name) key.name = *change.name;
  if (found.key.disabled && change.disabled == false) TRY_VOID(may_enable(call, found.owner, key));
  if (change.disabled) set_disabled(call.caller, found.owner, key, *change.disabled);
  ChangeNote note;
  note.add("name", found.key.name, key.name);
  note.add("disabled", found.key.disabled, key.disabled);
  note.add("disabled_by", found.key.disabled_by, key.disabled_by);
  if (note.empty()) return key;

  call.transaction.run(
      "UPDATE api_keys SET name = ?, disabled = ?, disabled_by = ?, revision = revision + 1 WHERE id = ?",
      {std::string_view(key.name), std::int64_t{key.disabled}, std::string_view(key.disabled_by), id});
  tell_gateways(call, id);
  audit(call, {"api_key", id, found.owner.tenant}, "change", note.take());
  key.revision += 1;
  return key;
}

Outcome<void> remove_api_key(Call& call, std::string_view account, std::string_view id) {
  TRY(found, changeable(call, account, id));
  tell_gateways(call, id);
  call.transaction.run("DELETE FROM api_keys WHERE id = ?", {id});
  ChangeNote note;
  note.add("account", found.owner.id, std::string());
  note.add("name", found.key.name, std::string());
  audit(call, {"api_key", id, found.owner.tenant}, "delete", note.take());
  return {};
}

}  // namespace lotagate::users
