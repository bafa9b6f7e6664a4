#include "config/yaml.h"

#include <gtest/gtest.h>

namespace lotagate::config {
namespace {

// "LINE:COLUMN message" of every problem.
std::vector<std::string> problems(std::string_view text) {
  std::vector<std::string> out;
  YamlTree tree = parse_yaml(text);
  for (const YamlProblem& problem : tree.problems) {
    out.push_back(std::to_string(problem.at.line) + ":" + std::to_string(problem.at.column) + " " + problem.message);
  }
  return out;
}

using Texts = std::vector<std::string>;

TEST(Yaml, KeepsPositionsAndKinds) {
  YamlTree tree = parse_yaml("a: 1\nb:\n  - x\n  - \"1\"\n  - { c: , d: 'e' }\n");
  ASSERT_TRUE(tree.complete);
  const YamlNode& root = tree.root;
  ASSERT_EQ(root.children.size(), 2u);
  EXPECT_EQ(root.at, (Position{1, 1}));
  EXPECT_EQ(root.children[0].key, "a");
  EXPECT_EQ(root.children[0].at, (Position{1, 4}));
  const YamlNode& list = root.children[1];
  EXPECT_EQ(list.key_at, (Position{2, 1}));
  EXPECT_EQ(list.at, (Position{3, 3}));
  ASSERT_EQ(list.children.size(), 3u);
  EXPECT_FALSE(list.children[0].quoted);
  EXPECT_TRUE(list.children[1].quoted);
  EXPECT_EQ(list.children[1].at, (Position{4, 5}));
  const YamlNode& map = list.children[2];
  EXPECT_EQ(map.kind, YamlNode::Kind::map);
  EXPECT_EQ(map.children[0].kind, YamlNode::Kind::null);
  EXPECT_EQ(map.children[0].at, (Position{5, 7})) << "an absent value stands at its key";
  EXPECT_EQ(map.children[1].text, "e");
}

TEST(Yaml, AnEmptyDocumentIsNull) {
  for (auto text : {"", "\n", "# nothing\n", "---\n", "~", "--- # x\n...\n"}) {
    YamlTree tree = parse_yaml(text);
    EXPECT_TRUE(tree.complete) << text;
    EXPECT_EQ(tree.root.kind, YamlNode::Kind::null) << text;
  }
}

TEST(Yaml, AliasesAreCopies) {
  YamlTree tree = parse_yaml("a: &x [1, 2]\nb: *x\nc: [*x, *x]\n");
  ASSERT_TRUE(tree.complete);
  const YamlNode& b = tree.root.children[1];
  EXPECT_EQ(b.key, "b");
  ASSERT_EQ(b.children.size(), 2u);
  EXPECT_EQ(b.children[1].at, (Position{1, 11})) << "a mistake in a copy is mended where it is written";
  EXPECT_EQ(tree.root.children[2].children[1].children[0].text, "1");
}

TEST(Yaml, WindowsLinesAndByteOrderMark) {
  YamlTree tree = parse_yaml(
      "\xEF\xBB\xBF"
      "a: 1\r\nb: 2\r\n");
  ASSERT_TRUE(tree.complete);
  EXPECT_EQ(tree.root.children[0].key, "a");
  EXPECT_EQ(tree.root.children[1].text, "2");
  EXPECT_EQ(tree.root.children[1].at, (Position{2, 4}));
}

TEST(Yaml, Refusals) {
  EXPECT_EQ(problems("a: 1\nb: 2\na: 3\na: 4\n"),
            (Texts{"3:1 duplicate key `a`; first given at 1:1", "4:1 duplicate key `a`; first given at 1:1"}));
  EXPECT_EQ(problems("m:\n  \"a\": 1\n  a: 2\n"), (Texts{"3:3 duplicate key `a`; first given at 2:3"}));
  EXPECT_EQ(problems("a: 1\n---\nb: 2\n"), (Texts{"2:1 a second document; a configuration is one YAML document"}));
  EXPECT_EQ(problems("a: !!str 1\n"), (Texts{"1:4 tags have no meaning here; remove it"}));
  EXPECT_EQ(problems("a: !x [1]\n"), (Texts{"1:4 tags have no meaning here; remove it"}));
  EXPECT_EQ(problems("a: &x { b: 1 }\nc:\n  <<: *x\n"), (Texts{"3:3 merge keys (`<<`) are not supported"}));
  EXPECT_EQ(problems("? [a]\n: b\n"), (Texts{"1:3 a key has to be plain text"}));
  EXPECT_EQ(problems("? {a: b}\n: b\n"), (Texts{"1:3 a key has to be plain text"}));
  EXPECT_EQ(problems("a: &x b\n*x : c\n"), (Texts{"2:1 an alias cannot be a key"}));
  EXPECT_EQ(problems(": b\n"), (Texts{"1:1 a key is missing before `:`"}));
  EXPECT_EQ(problems("a: &x [*x]\n"), (Texts{"1:8 an alias inside the value it stands for"}));
  EXPECT_EQ(problems("a: *nowhere\n"), (Texts{"1:4 YAML syntax: the referenced anchor is not defined"}));
  EXPECT_EQ(problems("a: \"\\\x89\"\n"), (Texts{"1:7 YAML syntax: unknown escape character: ?"}));
  EXPECT_EQ(problems("a: [1\n"), (Texts{"2:1 YAML syntax: end of sequence flow not found"}));
  EXPECT_EQ(problems("a: 1\n\tb: 2\n"), (Texts{"2:1 YAML syntax: illegal tab when looking for indentation"}));
  EXPECT_EQ(problems(std::string_view("a: 1\nb\0: 2\n", 11)), (Texts{"2:2 control character 0x00"}));
  EXPECT_EQ(problems("a: \x04 b"), (Texts{"1:4 control character 0x04"}));
  EXPECT_EQ(problems("a: 1\rb: 2"), (Texts{"1:5 control character 0x0D"}));
  EXPECT_EQ(problems("a: 1\na: 2\nb: [\n"),
            (Texts{"2:1 duplicate key `a`; first given at 1:1", "4:1 YAML syntax: end of sequence flow not found"}));
}

TEST(Yaml, DepthIsBounded) {
  std::string deepest = "a: " + std::string(kMaxYamlDepth - 1, '[') + std::string(kMaxYamlDepth - 1, ']');
  EXPECT_TRUE(parse_yaml(deepest).complete);
  std::string deeper = "a: " + std::string(kMaxYamlDepth + 1, '[') + std::string(kMaxYamlDepth + 1, ']');
  EXPECT_EQ(problems(deeper), (Texts{"1:36 nested deeper than 32 levels"}));
  std::string by_alias =
      "a: &x [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\nb: [[[[[[[[[[[[[[[[[[[[*x]]]]]]]]]]]]]]]]]]]]\n";
  EXPECT_EQ(problems(by_alias), (Texts{"2:24 nested deeper than 32 levels"}));
}

TEST(Yaml, BillionLaughsAreRefusedEarly) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string name = "a" + std::to_string(i), before = "*a" + std::to_string(i - 1);
    text += name + ": &" + name + " [" + before;
    for (int j = 1; j < 10; ++j) text += ", " + before;
    text += "]\n";
  }
  EXPECT_EQ(problems(text).size(), 1u);
  EXPECT_TRUE(problems(text)[0].ends_with("more than 100000 values, counting what aliases stand for"));

  std::string long_text = "a: &a " + std::string(500'000, 'x') + "\nb: [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n";
  EXPECT_EQ(problems(long_text), (Texts{"2:29 too much text, counting what aliases stand for"}));
}

}  // namespace
}  // namespace lotagate::config
