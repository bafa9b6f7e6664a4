#include "access/access_grant.h"

#include <array>
#include <cstring>
#include <new>

#include "base/check.h"

namespace lotagate::access {
namespace {

enum Text : std::size_t { kKey, kSubject, kPermissions, kTenant, kPlan, kRoles, kSessions, kKeyId, kTexts };

}  // namespace

// The head of a block. The texts follow it, one behind another.
struct StoredGrant::Layout {
  std::uint64_t revision;
  WallTime expires;
  std::array<std::uint32_t, kTexts> ends;  // where each text ends, counted from the first one's begin
  bool disabled;
  bool unknown;

  const char* texts() const { return reinterpret_cast<const char*>(this + 1); }
  std::string_view text(Text which) const {
    std::uint32_t begin = which == 0 ? 0 : ends[which - 1];
    return {texts() + begin, ends[which] - begin};
  }
};

StoredGrant::StoredGrant(std::string_view key, const AccessGrant& grant) {
  // A user is kept under the subject: no need to store it twice.
  std::string_view subject = grant.subject == key ? std::string_view{} : grant.subject;
  const std::array<std::string_view, kTexts> texts{key,
                                                   subject,
                                                   grant.permissions.joined(),
                                                   grant.tenant,
                                                   grant.plan,
                                                   grant.roles.joined(),
                                                   grant.revoked_sessions.joined(),
                                                   grant.key_id};
  std::size_t bytes = sizeof(Layout);
  for (std::string_view text : texts) bytes += text.size();
  LG_CHECK(bytes <= UINT32_MAX, "a grant of gigabytes");

  block_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
  auto* layout = new (block_.get()) Layout{.revision = grant.revision,
                                           .expires = grant.expires,
                                           .ends = {},
                                           .disabled = grant.disabled,
                                           .unknown = grant.unknown};
  char* out = reinterpret_cast<char*>(layout + 1);
  std::uint32_t end = 0;
  for (std::size_t i = 0; i < kTexts; ++i) {
    if (!texts[i].empty()) std::memcpy(out + end, texts[i].data(), texts[i].size());
    end += static_cast<std::uint32_t>(texts[i].size());
    layout->ends[i] = end;
  }
}

const StoredGrant::Layout& StoredGrant::layout() const {
  return *std::launder(reinterpret_cast<const Layout*>(block_.get()));
}

std::string_view StoredGrant::key() const { return layout().text(kKey); }

AccessGrant StoredGrant::view() const {
  const Layout& from = layout();
  std::string_view subject = from.text(kSubject);
  return {.subject = subject.empty() ? from.text(kKey) : subject,
          .permissions = TextList(from.text(kPermissions)),
          .revision = from.revision,
          .disabled = from.disabled,
          .unknown = from.unknown,
          .tenant = from.text(kTenant),
          .plan = from.text(kPlan),
          .roles = TextList(from.text(kRoles)),
          .revoked_sessions = TextList(from.text(kSessions), kSessionSeparator),
          .key_id = from.text(kKeyId),
          .expires = from.expires};
}

std::size_t StoredGrant::bytes() const { return block_ ? sizeof(Layout) + layout().ends[kTexts - 1] : 0; }

StoredGrant unknown_grant(std::string_view key) { return StoredGrant(key, {.subject = key, .unknown = true}); }

}  // namespace lotagate::access
