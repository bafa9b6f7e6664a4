#include "access/access_answer.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace lotagate::access {
namespace {

constexpr std::string_view kGood =
    R"({"subject":"u-1","tenant":"acme","plan":"pro","roles":["admin","dev"],"permissions":["models:*"],"revision":7,"disabled":false})";

std::string_view refusal(std::string_view json, std::string_view subject = "u-1") {
  auto grant = parse_access_answer(json, subject);
  if (grant) return "";
  EXPECT_EQ(grant.error().code, ErrorCode::authorization_unavailable);
  EXPECT_EQ(grant.error().origin, Origin::upstream);
  return grant.error().reason;
}

// The good answer with one text replaced.
std::string replaced(std::string_view from, std::string_view to) {
  std::string json(kGood);
  auto at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return json.replace(at, from.size(), to);
}

TEST(AccessAnswer, IsReadWhole) {
  auto grant = parse_access_answer(kGood, "u-1");
  ASSERT_TRUE(grant) << grant.error().reason;
  EXPECT_EQ(grant->tenant, "acme");
  EXPECT_EQ(grant->plan, "pro");
  EXPECT_EQ(grant->roles, (std::vector<std::string>{"admin", "dev"}));
  EXPECT_EQ(grant->roles_joined, "admin,dev");
  EXPECT_EQ(grant->permissions, (std::vector<std::string>{"models:*"}));
  EXPECT_EQ(grant->revision, 7u);
  EXPECT_FALSE(grant->disabled);
  EXPECT_FALSE(grant->unknown);
}

TEST(AccessAnswer, AUserMayHaveNoTenantAndNoRoles) {
  auto json = replaced(R"("tenant":"acme","plan":"pro","roles":["admin","dev"],"permissions":["models:*"])",
                       R"("tenant":"","plan":"","roles":[],"permissions":[])");
  auto grant = parse_access_answer(json, "u-1");
  ASSERT_TRUE(grant) << grant.error().reason;
  EXPECT_EQ(grant->roles_joined, "");
  EXPECT_EQ(parse_access_answer(replaced("\"disabled\":false", "\"disabled\":true"), "u-1")->disabled, true);
}

TEST(Attack, U02_EveryMemberIsRequiredAndTyped) {
  for (auto bad : {"", "{}", "[]", "null", "true", "<html>", R"({"subject":"u-1"})", R"({"allow":true})"}) {
    EXPECT_NE(refusal(bad), "") << bad;
  }
  const std::pair<std::string_view, std::string_view> changes[] = {
      {R"("subject":"u-1",)", ""},
      {R"("tenant":"acme",)", ""},
      {R"("plan":"pro",)", ""},
      {R"("roles":["admin","dev"],)", ""},
      {R"("permissions":["models:*"],)", ""},
      {R"("revision":7,)", ""},
      {R"(,"disabled":false)", ""},
      {R"("u-1")", "1"},
      {R"("acme")", "null"},
      {R"("pro")", R"("platinum")"},
      {R"("pro")", R"("Pro")"},
      {R"("pro")", R"("")"},
      {R"(["admin","dev"])", R"("admin")"},
      {R"(["admin","dev"])", "null"},
      {R"(["admin","dev"])", R"(["admin",7])"},
      {R"(["models:*"])", R"(["models"])"},
      {R"(["models:*"])", R"(["*"])"},
      {R"(["models:*"])", R"({"models":"*"})"},
      {":7", ":-7"},
      {":7", ":7.5"},
      {":7", ":\"7\""},
      {"false", "0"},
      {"false", "\"false\""},
      {"false", "null"},
      {"}", R"(,"suspended":true})"},
      {"}", R"(,"disabled":false})"},
      {"}", "} x"},
  };
  for (const auto& [from, to] : changes) EXPECT_NE(refusal(replaced(from, to)), "") << from << " -> " << to;
}

TEST(Attack, U02_AnAnswerForSomebodyElse) {
  EXPECT_EQ(refusal(kGood, "u-2"), "answer_for_another_subject");
  EXPECT_EQ(refusal(kGood, "U-1"), "answer_for_another_subject");
  EXPECT_EQ(refusal(kGood, "u-10"), "answer_for_another_subject");
}

TEST(Attack, P08_TextThatCouldLeaveItsHeaderField) {
  for (auto role : {R"("a,b")", R"("a\r\nX: y")", R"("a b")", R"("")", R"("\u0000")", "\"\xC3\xA9\"", R"("\u007f")"}) {
    EXPECT_EQ(refusal(replaced(R"("dev")", role)), "answer_roles_malformed") << role;
  }
  EXPECT_EQ(refusal(replaced(R"("dev")", '"' + std::string(65, 'r') + '"')), "answer_roles_malformed");
  for (auto tenant : {R"("a\nb")", R"("a\tb")", "\"\xC3\xA9\"", R"("\u2028")"}) {
    EXPECT_EQ(refusal(replaced(R"("acme")", tenant)), "answer_tenant_malformed") << tenant;
  }
}

TEST(AccessAnswer, SizesAreBounded) {
  std::string roles;
  for (int i = 0; i < 65; ++i) roles += ",\"r" + std::to_string(i) + '"';
  EXPECT_EQ(refusal(replaced(R"(["admin","dev"])", "[" + roles.substr(1) + "]")), "answer_roles_malformed");
  EXPECT_EQ(refusal(std::string(kGood) + std::string(kMaxAccessAnswerBytes, ' ')), "json_too_large");
}

TEST(ChangesAnswer, NamesSubjectsOrAll) {
  auto some = parse_changes_answer(R"({"revision":9,"subjects":["u-1","u-2"]})");
  ASSERT_TRUE(some);
  EXPECT_EQ(some->revision, 9u);
  EXPECT_FALSE(some->all);
  EXPECT_EQ(some->subjects, (std::vector<std::string>{"u-1", "u-2"}));
  auto none = parse_changes_answer(R"({"revision":9,"subjects":[]})");
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->subjects.empty());
  auto all = parse_changes_answer(R"({"revision":10,"all":true})");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->all);
}

TEST(Attack, U02_AChangesAnswerThatIsNotUnderstood) {
  for (auto bad :
       {"", "{}", "[]", R"({"revision":9})", R"({"subjects":[]})", R"({"revision":9,"all":false})",
        R"({"revision":9,"all":1})", R"({"revision":9,"subjects":[],"all":true})", R"({"revision":"9","subjects":[]})",
        R"({"revision":-1,"subjects":[]})", R"({"revision":9,"subjects":"u-1"})", R"({"revision":9,"subjects":[1]})",
        R"({"revision":9,"subjects":[""]})", R"({"revision":9,"subjects":[],"more":true})"}) {
    auto answer = parse_changes_answer(bad);
    ASSERT_FALSE(answer) << bad;
    EXPECT_EQ(answer.error().code, ErrorCode::authorization_unavailable);
  }
}

}  // namespace
}  // namespace lotagate::access
