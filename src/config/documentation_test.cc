// What people read about the configuration agrees with the loader: the reference page and the examples.
#include <gtest/gtest.h>

#include <filesystem>

#include "config/file.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/test_folder.h"

namespace lotagate::config {
namespace {

const std::filesystem::path kRoot = LG_SOURCE_DIR;

std::string read(const std::filesystem::path& file) {
  auto content = read_file(file.string(), 1024 * 1024);
  EXPECT_TRUE(content) << file << ": " << content.error();
  return content ? *std::move(content) : "";
}

TEST(Documentation, NamesEveryKeyThatTheLoaderKnows) {
  std::string page = read(kRoot / "docs/configuration.md");
  for (const KeyGroup& group : kAllKeys) {
    for (std::string_view key : group.keys) {
      std::string full = "| `" + std::string(group.path) + std::string(key) + "` |";
      EXPECT_NE(page.find(full), std::string::npos) << full << " is not in a table of docs/configuration.md";
    }
  }
}

// The ```yaml blocks that are whole configurations, and those about rate limits, which lack what every file has.
TEST(Documentation, ItsCompleteExamplesLoad) {
  constexpr std::string_view kRest =
      "listeners: [ { address: 127.0.0.1:0 } ]\nservices: { s: { endpoints: [ http://s ] } }\n"
      "routes: [ { path: /, service: s, public: true } ]\n";
  TestFolder folder;
  folder.write("service.token", "secret");
  std::string page = read(kRoot / "docs/configuration.md");
  int loaded = 0;
  for (std::size_t at = 0; (at = page.find("```yaml\n", at)) != std::string::npos;) {
    at += 8;
    std::string text = page.substr(at, page.find("```", at) - at);
    if (text.starts_with("limit_store:")) text.insert(0, kRest);
    if (!text.starts_with("listeners:")) continue;
    auto config = load_config_text(text, folder.path("gateway.yaml"));
    EXPECT_TRUE(config) << to_string(config.error()[0]);
    ++loaded;
  }
  EXPECT_GE(loaded, 2);
}

// Examples name files that the reference platform makes at its first start, or their reader, so they are loaded from a
// copy of the tree with such files.
TEST(Examples, AllLoad) {
  TestFolder folder;
  std::filesystem::copy(kRoot / "examples", folder.path("examples"), std::filesystem::copy_options::recursive);
  folder.write("var/users/service-token", "secret\n");
  folder.write("var/shared-secret", std::string(64, 's'));
  int loaded = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path("examples"))) {
    if (entry.path().extension() != ".yaml") continue;
    auto config = load_config(entry.path().string());
    EXPECT_TRUE(config) << to_string(config.error()[0]);
    ++loaded;
  }
  EXPECT_GE(loaded, 2);
}

}  // namespace
}  // namespace lotagate::config
