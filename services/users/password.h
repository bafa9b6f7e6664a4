// Password hashes: scrypt (RFC 7914) with its cost stated in the hash, so that the cost can rise later.
#pragma once

#include <string>
#include <string_view>

#include "common/problem.h"
#include "users/turns.h"

namespace lotagate::users {

// Each computation takes 32 MiB, so only as many run at once as there are cores, in the order in which they were asked
// for; a second is as long as one waits for its turn, then the outcome is 503.
class PasswordHasher {
 public:
  PasswordHasher();

  // "$scrypt$ln=15,r=8,p=3$SALT$HASH", a new salt each time.
  services::Outcome<std::string> hash(std::string_view password);

  // Does the same work whether the password fits or not.
  services::Outcome<bool> verify(std::string_view password, std::string_view stored);

  // Whether a hash was made with less work than new ones are.
  static bool is_cheap(std::string_view stored);

  // A hash that no password fits and that costs as much to check as a real one, for users that do not exist.
  const std::string& unmatchable() const { return unmatchable_; }

 private:
  Turns turns_;
  std::string unmatchable_;
};

}  // namespace lotagate::users
