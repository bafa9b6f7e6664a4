#include "users/key_ring.h"

#include <algorithm>

#include "base/check.h"
#include "common/json_writer.h"

namespace lotagate::users {

KeyTime key_time_now() { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); }

std::string_view to_text(KeyState state) {
  switch (state) {
    case KeyState::kNext: return "next";
    case KeyState::kActive: return "active";
    case KeyState::kRetiring: return "retiring";
    case KeyState::kGone: return "gone";
  }
  return {};
}

KeyRing::KeyRing(std::vector<RingKey> keys, std::chrono::milliseconds grace) : keys_(std::move(keys)), grace_(grace) {
  std::ranges::sort(keys_, [](const RingKey& a, const RingKey& b) {
    return a.active_from != b.active_from ? a.active_from < b.active_from : a.key->id() < b.key->id();
  });
}

// The newest whose time has come. A clock that was set back finds none; then the oldest signs.
std::size_t KeyRing::active_index(KeyTime now) const {
  LG_CHECK(!keys_.empty(), "there is always a key");
  std::size_t index = keys_.size() - 1;
  while (index > 0 && keys_[index].active_from > now) --index;
  return index;
}

KeyState KeyRing::state(std::size_t index, KeyTime now) const {
  std::size_t active = active_index(now);
  if (index == active) return KeyState::kActive;
  if (index > active) return KeyState::kNext;
  auto last_token_expires = keys_[index + 1].active_from + keys_[index].longest_token;
  return now < last_token_expires + grace_ ? KeyState::kRetiring : KeyState::kGone;
}

const SigningKey& KeyRing::signer(KeyTime now) const { return *keys_[active_index(now)].key; }

std::string KeyRing::jwks(KeyTime now) const {
  services::JsonWriter json;
  json.begin_object().key("keys").begin_array();
  for (std::size_t index = 0; index < keys_.size(); ++index) {
    if (state(index, now) != KeyState::kGone) json.raw(keys_[index].key->jwk());
  }
  return json.end_array().end_object().take();
}

std::vector<std::string> KeyRing::algorithms(KeyTime now) const {
  std::vector<std::string> names;
  for (std::size_t index = 0; index < keys_.size(); ++index) {
    std::string name(to_text(keys_[index].key->algorithm()));
    if (state(index, now) != KeyState::kGone && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace lotagate::users
