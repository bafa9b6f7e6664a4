// The signing keys in the database, kept up to date by a thread: what is due is made, what is over is removed, what
// another instance did is noticed within a second.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "common/database.h"
#include "common/stop_signal.h"
#include "users/key_ring.h"
#include "users/master_key.h"

namespace lotagate::users {

class KeyStore {
 public:
  struct Options {
    Algorithm algorithm;  // of the keys that this instance makes
    KeyTimes times;
    // A PEM file that is the first key if the database has none (the only key of versions before this one); it is then
    // renamed, so that its key cannot come back.
    std::string first_key_file;
  };

  // Makes the first key if there is none. Throws StartupError, also for keys that another master key has sealed.
  KeyStore(services::Database& database, MasterKey master_key, Options options);
  ~KeyStore();

  // The keys as they were a moment ago; never empty. Needs no database.
  std::shared_ptr<const KeyRing> ring() const;

  // Ends the active key's time: planned, after a new one was published long enough; at once, together with all other
  // keys, if `emergency`. Returns the keys after it.
  std::shared_ptr<const KeyRing> rotate(bool emergency);

  const KeyTimes& times() const { return options_.times; }

 private:
  KeyRing load(services::Transaction& transaction) const;
  void insert(services::Transaction& transaction, const SigningKey& key, KeyTime active_from) const;
  void remove_gone(services::Transaction& transaction, const KeyRing& ring, KeyTime now) const;
  bool needs_care(const KeyRing& ring, KeyTime now) const;
  std::optional<KeyTime> next_due(const KeyRing& ring, KeyTime now) const;
  void make_first();
  void tend();
  void publish(KeyRing ring);
  void run();

  services::Database& database_;
  const MasterKey master_key_;
  const Options options_;
  std::mutex tending_;  // one look at the keys, or change of them, at a time: an older ring never follows a newer one
  mutable std::mutex mutex_;
  std::shared_ptr<const KeyRing> ring_;
  services::StopSignal stop_;
  std::thread thread_;  // the last member: it uses the others
};

}  // namespace lotagate::users
