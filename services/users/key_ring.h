// The signing keys of a moment, and when each is used: next (published, not yet signing), active, retiring (published
// until its last token has expired), gone. All of it follows from times that are stored with the keys, so instances
// that share them agree without talking to each other.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "users/signing_key.h"

namespace lotagate::users {

using KeyTime = std::chrono::sys_time<std::chrono::milliseconds>;

KeyTime key_time_now();

struct KeyTimes {
  // The age at which a key gives way to the next one.
  std::chrono::milliseconds rotation;
  // How long a key is published before it signs: longer than a gateway uses a key set before it fetches it again, so
  // that no gateway meets a key it does not know.
  std::chrono::milliseconds lead;
  // How long a key stays published after its last token has expired, for gateways whose clocks are behind.
  std::chrono::milliseconds grace;
  // The life of the tokens that this instance signs.
  std::chrono::milliseconds token_life;
};

enum class KeyState { kNext, kActive, kRetiring, kGone };
std::string_view to_text(KeyState state);

struct RingKey {
  std::shared_ptr<const SigningKey> key;
  KeyTime active_from;
  // Of all instances that sign with it.
  std::chrono::milliseconds longest_token;
};

// Immutable.
class KeyRing {
 public:
  // `keys` in any order.
  KeyRing(std::vector<RingKey> keys, std::chrono::milliseconds grace);

  const std::vector<RingKey>& keys() const { return keys_; }  // oldest first
  bool empty() const { return keys_.empty(); }
  KeyState state(std::size_t index, KeyTime now) const;
  // The one that signs now. The ring is not empty.
  const SigningKey& signer(KeyTime now) const;
  // The JWK set: every key that is not gone.
  std::string jwks(KeyTime now) const;
  // Of those keys, each once.
  std::vector<std::string> algorithms(KeyTime now) const;

 private:
  std::size_t active_index(KeyTime now) const;

  std::vector<RingKey> keys_;
  std::chrono::milliseconds grace_;
};

}  // namespace lotagate::users
