#include "users/key_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "common/files.h"
#include "common/log.h"
#include "common/startup_error.h"
#include "users/audit.h"

namespace lotagate::users {
namespace {

using services::Rows;
using services::StartupError;
using services::Transaction;
using std::chrono::milliseconds;

// How often the keys are looked at: a few rows each time.
constexpr milliseconds kLongestPause(1000);
constexpr milliseconds kShortestPause(50);

std::int64_t stored(KeyTime time) { return time.time_since_epoch().count(); }

// The database's own record of who ended a key; nobody's request for what the schedule did.
void audit_keys(Transaction& transaction, std::string_view verb, std::string_view id) {
  AuditEntry entry;
  entry.action = fmt::format("signing_key.{}", verb);
  entry.target_kind = "signing_key";
  entry.target_id = id;
  append_audit(transaction, entry);
}

std::optional<SigningKey> read_first_key(const std::string& path) {
  auto pem = services::read_file(path);
  if (!pem) return std::nullopt;
  auto key = SigningKey::from_pem(*pem);
  if (!key) throw StartupError(fmt::format("{} holds no private key for RS256, ES256 or EdDSA", path));
  return key;
}

}  // namespace

KeyStore::KeyStore(services::Database& database, MasterKey master_key, Options options)
    : database_(database), master_key_(std::move(master_key)), options_(std::move(options)) {
  make_first();
  tend();
  thread_ = std::thread([this] { run(); });
}

KeyStore::~KeyStore() {
  stop_.raise();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<const KeyRing> KeyStore::ring() const {
  std::scoped_lock lock(mutex_);
  return ring_;
}

void KeyStore::publish(KeyRing ring) {
  auto next = std::make_shared<const KeyRing>(std::move(ring));
  std::scoped_lock lock(mutex_);
  ring_ = std::move(next);
}

KeyRing KeyStore::load(Transaction& transaction) const {
  std::vector<RingKey> keys;
  Rows rows = transaction.query("SELECT id, sealed_key, active_from_ms, longest_token_ms FROM signing_keys");
  while (rows.next()) {
    std::string id = rows.text(0);
    auto pem = master_key_.open(rows.text(1), id);
    auto key = pem ? SigningKey::from_pem(*pem) : std::nullopt;
    if (!key || key->id() != id) {
      throw StartupError(
          "the signing keys in the database were sealed with another master key; every instance needs the same one "
          "(--master-key-file)");
    }
    keys.push_back({.key = std::make_shared<const SigningKey>(std::move(*key)),
                    .active_from = KeyTime(milliseconds(rows.integer(2))),
                    .longest_token = milliseconds(rows.integer(3))});
  }
  return {std::move(keys), options_.times.grace};
}

void KeyStore::insert(Transaction& transaction, const SigningKey& key, KeyTime active_from) const {
  std::string sealed = master_key_.seal(key.to_pem(), key.id());
  transaction.run(
      "INSERT INTO signing_keys (id, algorithm, public_jwk, sealed_key, created_at_ms, active_from_ms, "
      "longest_token_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
      {std::string_view(key.id()), to_text(key.algorithm()), std::string_view(key.jwk()), std::string_view(sealed),
       stored(key_time_now()), stored(active_from), std::int64_t{options_.times.token_life.count()}});
  audit_keys(transaction, "create", key.id());
}

// Made outside of the transaction, which no other change can pass meanwhile: an RSA key takes a tenth of a second.
void KeyStore::make_first() {
  bool none =
      database_.read([](Transaction& transaction) { return !transaction.query("SELECT 1 FROM signing_keys").next(); });
  if (!none) return;
  auto imported = read_first_key(options_.first_key_file);
  SigningKey key = imported ? std::move(*imported) : SigningKey::generate(options_.algorithm);
  bool used = database_.transact([&](Transaction& transaction) {
    // Another instance that starts now may have been first.
    if (transaction.query("SELECT 1 FROM signing_keys").next()) return false;
    insert(transaction, key, key_time_now());
    return true;
  });
  if (!used || !std::filesystem::exists(options_.first_key_file)) return;
  std::filesystem::rename(options_.first_key_file, options_.first_key_file + ".imported");
  services::log_line(fmt::format("{} was imported and renamed; remove it once it is not needed for going back",
                                 options_.first_key_file));
}

// When the next key is to sign, if it is time to publish it.
std::optional<KeyTime> KeyStore::next_due(const KeyRing& ring, KeyTime now) const {
  const RingKey& newest = ring.keys().back();
  if (newest.active_from > now) return std::nullopt;  // it is published already
  auto [rotation, lead, grace, token_life] = options_.times;
  if (newest.key->algorithm() != options_.algorithm) return now + lead;
  if (now < newest.active_from + rotation - lead) return std::nullopt;
  return std::max(newest.active_from + rotation, now + lead);
}

bool KeyStore::needs_care(const KeyRing& ring, KeyTime now) const {
  if (next_due(ring, now) || ring.state(0, now) == KeyState::kGone) return true;
  return std::ranges::any_of(ring.keys(),
                             [&](const RingKey& key) { return key.longest_token < options_.times.token_life; });
}

void KeyStore::remove_gone(Transaction& transaction, const KeyRing& ring, KeyTime now) const {
  for (std::size_t index = 0; index < ring.keys().size(); ++index) {
    if (ring.state(index, now) != KeyState::kGone) continue;
    const std::string& id = ring.keys()[index].key->id();
    transaction.run("DELETE FROM signing_keys WHERE id = ?", {std::string_view(id)});
    audit_keys(transaction, "remove", id);
  }
}

void KeyStore::tend() {
  std::scoped_lock tending(tending_);
  KeyTime now = key_time_now();
  KeyRing ring = database_.read([&](Transaction& transaction) { return load(transaction); });
  if (ring.empty()) throw std::runtime_error("the signing keys are gone from the database");
  if (needs_care(ring, now)) {
    std::optional<SigningKey> fresh;
    if (next_due(ring, now)) fresh = SigningKey::generate(options_.algorithm);
    ring = database_.transact([&](Transaction& transaction) {
      KeyRing current = load(transaction);
      KeyTime later = key_time_now();               // making the key took its time, and its lead begins now
      auto active_from = next_due(current, later);  // unless another instance was first
      if (active_from && fresh) insert(transaction, *fresh, *active_from);
      remove_gone(transaction, current, later);
      std::int64_t life = options_.times.token_life.count();
      transaction.run("UPDATE signing_keys SET longest_token_ms = ? WHERE longest_token_ms < ?", {life, life});
      return load(transaction);
    });
  }
  publish(std::move(ring));
}

std::shared_ptr<const KeyRing> KeyStore::rotate(bool emergency) {
  SigningKey fresh = SigningKey::generate(options_.algorithm);
  std::scoped_lock tending(tending_);
  KeyRing ring = database_.transact([&](Transaction& transaction) {
    KeyTime now = key_time_now();
    KeyRing current = load(transaction);
    if (emergency) {
      transaction.run("DELETE FROM signing_keys");
      for (const RingKey& key : current.keys()) audit_keys(transaction, "revoke", key.key->id());
      insert(transaction, fresh, now);
    } else if (current.keys().back().active_from > now) {
      // The next one is published already; it is only brought forward, as far as it is known to everybody.
      std::string_view id = current.keys().back().key->id();
      std::int64_t soon = stored(now + options_.times.lead);
      transaction.run("UPDATE signing_keys SET active_from_ms = ? WHERE id = ? AND active_from_ms > ?",
                      {soon, id, soon});
    } else {
      insert(transaction, fresh, now + options_.times.lead);
    }
    return load(transaction);
  });
  publish(std::move(ring));
  return this->ring();
}

void KeyStore::run() {
  auto pause = std::clamp(options_.times.lead / 4, kShortestPause, kLongestPause);
  std::string last_trouble;
  while (!stop_.wait_for(pause)) {
    try {
      tend();
      last_trouble.clear();
    } catch (const services::DatabaseUnavailable&) {
      // What is published stays so; whether its time is over follows from the clock.
    } catch (const std::exception& error) {
      if (last_trouble != error.what()) services::log_line(fmt::format("signing keys: {}", error.what()));
      last_trouble = error.what();
    }
  }
}

}  // namespace lotagate::users
