// The key that seals what the database must not tell: whoever has a copy of the database alone cannot sign tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lotagate::users {

class MasterKey {
 public:
  // One line of 43 base64url characters. Made (0600) if the file does not exist; several processes may start at once.
  // Throws StartupError.
  static MasterKey load_or_create(const std::string& path);

  // AES-256-GCM. `label` is not kept in the result and must be the same for both: it binds a secret to its place.
  std::string seal(std::string_view secret, std::string_view label) const;
  // Nothing if it was sealed by another key, for another label, or was changed.
  std::optional<std::string> open(std::string_view sealed, std::string_view label) const;

 private:
  explicit MasterKey(std::string bytes) : bytes_(std::move(bytes)) {}

  std::string bytes_;
};

}  // namespace lotagate::users
