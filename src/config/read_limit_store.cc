// Where gateways share buckets. No message shows a URL: it may hold a password.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "config/sections.h"
#include "config/text_check.h"
#include "config/values.h"

namespace lotagate::config {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxServers = 16;
constexpr std::size_t kMaxPrefixBytes = 64;
constexpr std::size_t kMaxPasswordFileBytes = 8ull * 1024;
constexpr std::size_t kMaxUserBytes = 256;
constexpr NumberRange kLeaseBytes{64ull * 1024, 4ull << 30};
constexpr DurationRange kTimeout{1ms, 1s};  // nobody waits for it: longer ones only tell later that the store is down

bool is_prefix(std::string_view text) {
  auto fits = [](char c) {
    char lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || std::string_view("_-.:").contains(c);
  };
  return !text.empty() && text.size() <= kMaxPrefixBytes && std::ranges::all_of(text, fits);
}

// The store that is being read, and what one of its URLs has said already.
class StoreReader {
 public:
  StoreReader(Problems& problems, const std::filesystem::path& folder, LimitStore& store)
      : problems_(problems), folder_(folder), store_(store) {}

  void read(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::map) {
      read_map(node);
    } else {
      read_url(node);
    }
  }

 private:
  void read_map(const YamlNode& node);
  void read_urls(const YamlNode& node);
  void read_url(const YamlNode& node);
  void read_credentials(MapReader& map);
  void read_password(MapReader& map);

  Problems& problems_;
  const std::filesystem::path& folder_;
  LimitStore& store_;
  bool url_has_credentials_ = false;
  bool url_has_database_ = false;
};

void StoreReader::read_map(const YamlNode& node) {
  MapReader map(problems_, node, kLimitStoreKeys);
  if (const YamlNode* url = map.require("url")) read_urls(*url);
  read_credentials(map);
  if (auto prefix = map.text("prefix")) {
    if (is_prefix(*prefix)) {
      store_.prefix = *std::move(prefix);
    } else {
      problems_.add(map.find("prefix")->at, fmt::format("`{}` is not a prefix: 1 to {} letters, digits, `_`, `-`, `.`, "
                                                        "`:`",
                                                        shown(*prefix), kMaxPrefixBytes));
    }
  }
  set(store_.memory_bytes, map.size("memory", kLeaseBytes));
  set(store_.timeout, map.duration("timeout", kTimeout));
}

void StoreReader::read_urls(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::sequence) return read_url(node);
  for (const YamlNode& item : read_list(problems_, node, {.what = "a list of URLs", .most = kMaxServers})) {
    read_url(item);
  }
}

void StoreReader::read_url(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::scalar || node.text.empty()) {
    problems_.add(node.at, fmt::format("expected a URL such as `redis://127.0.0.1:6379/0`, found {}", describe(node)));
    return;
  }
  auto url = parse_redis_url(node.text);
  if (!url) {
    problems_.add(node.at, url.error());
    return;
  }
  if (std::ranges::find(store_.servers, url->server) != store_.servers.end()) {
    problems_.add(node.at, "the server is repeated");
    return;
  }
  store_.servers.push_back(std::move(url->server));
  if (!url->password.empty()) {
    bool differs = url_has_credentials_ && (url->user != store_.user || url->password != store_.password);
    if (differs) problems_.add(node.at, "the URL has another user or password than the one before it; all share one");
    problems_.warn(node.at, "the URL holds a password; `password_file` keeps it out of the configuration");
    store_.user = std::move(url->user);
    store_.password = std::move(url->password);
    url_has_credentials_ = true;
  }
  if (url->database) {
    bool differs = url_has_database_ && *url->database != store_.database;
    if (differs) problems_.add(node.at, "the URL has another database than the one before it; all share one");
    store_.database = *url->database;
    url_has_database_ = true;
  }
}

void StoreReader::read_credentials(MapReader& map) {
  for (const char* key : {"user", "password_file"}) {
    const YamlNode* node = map.find(key);
    if (node == nullptr || !url_has_credentials_) continue;
    problems_.add(node->key_at, fmt::format("`{}` cannot stand beside a password in the URL", key));
  }
  read_password(map);
  auto user = map.text("user");
  if (!user) return;
  if (user->size() > kMaxUserBytes || user->contains(' ') || !is_printable(*user)) {
    problems_.add(map.find("user")->at,
                  fmt::format("`{}` is not a user: up to {} bytes of visible ASCII", shown(*user), kMaxUserBytes));
  } else if (map.find("password_file") == nullptr) {
    problems_.add(map.find("user")->key_at, "`user` needs `password_file`");
  } else {
    store_.user = *std::move(user);
  }
}

void StoreReader::read_password(MapReader& map) {
  auto name = map.text("password_file");
  if (!name) return;
  const YamlNode& node = *map.find("password_file");
  auto content = read_named_file(problems_, node, (folder_ / *name).lexically_normal().string(), kMaxPasswordFileBytes);
  if (!content) return;
  content->erase(content->find_last_not_of("\r\n") + 1);
  if (content->empty() || content->find_first_of(std::string_view("\r\n\0", 3)) != content->npos) {
    problems_.add(node.key_at, "the file that `password_file` names has to hold one line");
    return;
  }
  store_.password = *std::move(content);
}

}  // namespace

void read_limit_store(Problems& problems, const YamlNode& node, const std::filesystem::path& folder,
                      LimitStore& store) {
  StoreReader(problems, folder, store).read(node);
}

}  // namespace lotagate::config
