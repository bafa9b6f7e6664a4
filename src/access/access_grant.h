// What the User Management Service said about a user or an API key: how the directory keeps it, and how callers see it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string_view>

#include "base/clock.h"

namespace lotagate::access {

// Texts written one behind another with a character between that none of them contains; none is empty. A view.
class TextList {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::string_view*;
    using reference = std::string_view;

    Iterator() = default;
    Iterator(std::string_view rest, char separator) : rest_(rest), separator_(separator) { step(); }
    std::string_view operator*() const { return text_; }
    Iterator& operator++() {
      step();
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      step();
      return before;
    }
    // Where the text begins says where in the list it is; at the end nothing begins.
    bool operator==(const Iterator& other) const { return text_.data() == other.text_.data(); }

   private:
    void step() {
      if (rest_.empty()) {
        text_ = {};
        return;
      }
      std::size_t end = rest_.find(separator_);
      text_ = rest_.substr(0, end);
      rest_ = end == rest_.npos ? std::string_view{} : rest_.substr(end + 1);
    }

    std::string_view text_;
    std::string_view rest_;
    char separator_ = ',';
  };

  TextList() = default;
  explicit TextList(std::string_view joined, char separator = ',') : joined_(joined), separator_(separator) {}

  Iterator begin() const { return {joined_, separator_}; }
  Iterator end() const { return {}; }
  bool empty() const { return joined_.empty(); }
  // All of them with the separator between.
  std::string_view joined() const { return joined_; }
  bool contains(std::string_view text) const {
    for (std::string_view item : *this) {
      if (item == text) return true;
    }
    return false;
  }

 private:
  std::string_view joined_;
  char separator_ = ',';
};

// Between ids of sessions, which may hold any visible character.
inline constexpr char kSessionSeparator = '\n';

// One answer of the service, or that it does not know whom it was asked about. All views.
struct AccessGrant {
  std::string_view subject = {};  // the user; of an API key: its owner, whose own access counts as well
  TextList permissions = {};      // all valid_permission(); of an API key: the most that its owner may do with it
  std::uint64_t revision = 0;
  bool disabled = false;  // a suspended user, a revoked key
  bool unknown = false;   // nothing else is set then, but whom was asked about

  // Of a user.
  std::string_view tenant = {};    // empty: none
  std::string_view plan = {};      // empty without a tenant
  TextList roles = {};             // joined() is fit for a header field
  TextList revoked_sessions = {};  // `sid` claims whose access tokens stopped working before they expire; any separator

  // Of an API key.
  std::string_view key_id = {};
  WallTime expires = WallTime::max();  // the key counts before this moment
};

// A grant and the text it is kept under, in one immutable block of memory: a usual user's takes about 250 bytes.
class StoredGrant {
 public:
  StoredGrant() = default;
  // `key`: the subject of a user, the digest of an API key. Copies all texts; `revoked_sessions` must be separated by
  // kSessionSeparator, the other lists by commas. All texts together stay below 4 GiB.
  StoredGrant(std::string_view key, const AccessGrant& grant);

  explicit operator bool() const { return block_ != nullptr; }
  std::string_view key() const;
  // Valid as long as the block, which moves leave in place.
  AccessGrant view() const;
  // Fetches a usual user's block into the cache all at once.
  void prefetch() const {
    for (std::size_t offset = 0; offset < 320; offset += 64) __builtin_prefetch(block_.get() + offset);
  }
  // Of the block; 0 without one.
  std::size_t bytes() const;

 private:
  struct Layout;
  const Layout& layout() const;

  std::unique_ptr<std::byte[]> block_;
};

// The service does not know whom it was asked about.
StoredGrant unknown_grant(std::string_view key);

}  // namespace lotagate::access
