#include "access/access_answer.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "access/claims.h"

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

using Texts = std::vector<std::string>;
Texts texts_of(const TextList& list) { return {list.begin(), list.end()}; }

TEST(AccessAnswer, IsReadWhole) {
  auto stored = parse_access_answer(kGood, "u-1");
  ASSERT_TRUE(stored) << stored.error().reason;
  EXPECT_EQ(stored->key(), "u-1");
  AccessGrant grant = stored->view();
  EXPECT_EQ(grant.subject, "u-1");
  EXPECT_EQ(grant.tenant, "acme");
  EXPECT_EQ(grant.plan, "pro");
  EXPECT_EQ(texts_of(grant.roles), (Texts{"admin", "dev"}));
  EXPECT_EQ(grant.roles.joined(), "admin,dev");
  EXPECT_EQ(texts_of(grant.permissions), Texts{"models:*"});
  EXPECT_EQ(grant.revision, 7u);
  EXPECT_FALSE(grant.disabled);
  EXPECT_FALSE(grant.unknown);
  EXPECT_TRUE(grant.revoked_sessions.empty());
}

TEST(AccessAnswer, AUserMayHaveNoTenantAndNoRoles) {
  auto json = replaced(R"("tenant":"acme","plan":"pro","roles":["admin","dev"],"permissions":["models:*"])",
                       R"("tenant":"","plan":"","roles":[],"permissions":[])");
  auto grant = parse_access_answer(json, "u-1");
  ASSERT_TRUE(grant) << grant.error().reason;
  EXPECT_TRUE(grant->view().roles.empty());
  EXPECT_TRUE(grant->view().permissions.empty());
  EXPECT_TRUE(parse_access_answer(replaced("\"disabled\":false", "\"disabled\":true"), "u-1")->view().disabled);
}

TEST(AccessAnswer, SessionsThatWereEnded) {
  auto stored = parse_access_answer(replaced("}", R"(,"revoked_sessions":["s-1","a,b;c"]})"), "u-1");
  ASSERT_TRUE(stored) << stored.error().reason;
  EXPECT_EQ(texts_of(stored->view().revoked_sessions), (Texts{"s-1", "a,b;c"}));
  EXPECT_TRUE(stored->view().revoked_sessions.contains("a,b;c"));
  EXPECT_FALSE(stored->view().revoked_sessions.contains("a"));
  EXPECT_TRUE(parse_access_answer(replaced("}", R"(,"revoked_sessions":[]})"), "u-1"));

  std::string most;
  for (std::size_t i = 0; i < kMaxRevokedSessions; ++i) most += (i == 0 ? "\"" : ",\"") + std::to_string(i) + '"';
  EXPECT_TRUE(parse_access_answer(replaced("}", ",\"revoked_sessions\":[" + most + "]}"), "u-1"));
  for (const auto& bad : {std::string("null"), std::string("\"s-1\""), std::string("[1]"), std::string("[\"\"]"),
                          std::string(R"(["a b"])"), std::string(R"(["a\nb"])"),
                          "[\"" + std::string(kMaxSessionBytes + 1, 's') + "\"]", "[" + most + ",\"x\"]"}) {
    EXPECT_EQ(refusal(replaced("}", ",\"revoked_sessions\":" + bad + "}")), "answer_revoked_sessions_malformed") << bad;
  }
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

constexpr std::string_view kDigest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view kGoodKey =
    R"({"key_id":"key_1","subject":"u-1","permissions":["models:read","infer:*"],"revision":7,"disabled":false,"expires_at":1900000000})";

std::string_view key_refusal(std::string_view from, std::string_view to) {
  std::string json(kGoodKey);
  auto at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  auto grant = parse_api_key_answer(json.replace(at, from.size(), to), kDigest);
  if (grant) return "";
  EXPECT_EQ(grant.error().code, ErrorCode::authorization_unavailable);
  return grant.error().reason;
}

TEST(ApiKeyAnswer, IsReadWhole) {
  auto stored = parse_api_key_answer(kGoodKey, kDigest);
  ASSERT_TRUE(stored) << stored.error().reason;
  EXPECT_EQ(stored->key(), kDigest);
  AccessGrant grant = stored->view();
  EXPECT_EQ(grant.key_id, "key_1");
  EXPECT_EQ(grant.subject, "u-1");
  EXPECT_EQ(texts_of(grant.permissions), (Texts{"models:read", "infer:*"}));
  EXPECT_EQ(grant.expires, WallTime(seconds(1900000000)));
  EXPECT_FALSE(grant.disabled);
}

TEST(ApiKeyAnswer, MayHaveNoEnd) {
  std::string json(kGoodKey);
  json.replace(json.find(R"(,"expires_at":1900000000)"), 24, "");
  auto stored = parse_api_key_answer(json, kDigest);
  ASSERT_TRUE(stored) << stored.error().reason;
  EXPECT_EQ(stored->view().expires, WallTime::max());
  EXPECT_EQ(key_refusal("1900000000", "18446744073709551615"), "") << "later than time goes is no end";
}

TEST(Attack, U02_AnApiKeyAnswerThatIsNotUnderstood) {
  const std::pair<std::string_view, std::string_view> changes[] = {
      {R"("key_id":"key_1",)", ""},
      {R"("subject":"u-1",)", ""},
      {R"("permissions":["models:read","infer:*"],)", ""},
      {R"("revision":7,)", ""},
      {R"("disabled":false,)", ""},
      {R"("key_1")", R"("")"},
      {R"("key_1")", R"("a b")"},
      {R"("key_1")", "1"},
      {R"("u-1")", R"("")"},
      {R"("u-1")", R"("a\nb")"},
      {R"("u-1")", "null"},
      {R"("infer:*")", R"("*")"},
      {R"("infer:*")", "null"},
      {":false", ":0"},
      {"1900000000", "1900000000.5"},
      {"1900000000", "-1"},
      {"1900000000", "null"},
      {"1900000000", "\"1900000000\""},
      {"1900000000", "1e400"},
      {"}", R"(,"scopes":[]})"},
      {"}", R"(,"roles":[]})"},
      {"}", R"(,"disabled":true})"},
  };
  for (const auto& [from, to] : changes) EXPECT_NE(key_refusal(from, to), "") << from << " -> " << to;
  EXPECT_FALSE(parse_api_key_answer(kGood, kDigest)) << "a user is no key";
  EXPECT_FALSE(parse_access_answer(kGoodKey, "u-1")) << "a key is no user";
  EXPECT_EQ(key_refusal(R"("key_1")", '"' + std::string(129, 'k') + '"'), "answer_key_id_malformed");
}

// A subject is an issuer's prefix and a `sub`: both may be as long as they may.
TEST(AccessAnswer, NamesTheLongestSubjectThatATokenCanHave) {
  const std::string longest(kMaxSubjectPrefixBytes + kMaxSubjectBytes, 'x');
  auto changes = [](const std::string& subject) {
    return parse_changes_answer(R"({"revision":9,"subjects":[")" + subject + "\"]}");
  };
  auto named = changes(longest);
  ASSERT_TRUE(named);
  EXPECT_EQ(named->subjects, (std::vector<std::string>{longest}));
  EXPECT_FALSE(changes(longest + "x"));
  auto key = [](const std::string& subject) {
    return parse_api_key_answer(
        R"({"key_id":"k","subject":")" + subject + R"(","permissions":[],"revision":1,"disabled":false})",
        std::string(64, '0'));
  };
  auto owned = key(longest);
  ASSERT_TRUE(owned);
  EXPECT_EQ(owned->view().subject, longest);
  EXPECT_FALSE(key(longest + "x"));
}

TEST(ChangesAnswer, NamesSubjectsOrAll) {
  auto some = parse_changes_answer(R"({"revision":9,"subjects":["u-1","u-2"]})");
  ASSERT_TRUE(some);
  EXPECT_EQ(some->revision, 9u);
  EXPECT_FALSE(some->all);
  EXPECT_EQ(some->subjects, (Texts{"u-1", "u-2"}));
  EXPECT_TRUE(some->api_keys.empty());
  auto keys = parse_changes_answer(R"({"revision":9,"subjects":[],"api_keys":[")" + std::string(kDigest) + "\"]}");
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->api_keys, Texts{std::string(kDigest)});
  auto none = parse_changes_answer(R"({"revision":9,"subjects":[]})");
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->subjects.empty());
  auto all = parse_changes_answer(R"({"revision":10,"all":true})");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->all);
}

TEST(Attack, U02_AChangesAnswerThatIsNotUnderstood) {
  for (
      auto bad :
      {"", "{}", "[]", R"({"revision":9})", R"({"subjects":[]})", R"({"revision":9,"all":false})",
       R"({"revision":9,"all":1})", R"({"revision":9,"subjects":[],"all":true})", R"({"revision":"9","subjects":[]})",
       R"({"revision":-1,"subjects":[]})", R"({"revision":9,"subjects":"u-1"})", R"({"revision":9,"subjects":[1]})",
       R"({"revision":9,"subjects":[""]})", R"({"revision":9,"subjects":[],"more":true})",
       R"({"revision":9,"api_keys":[]})", R"({"revision":9,"all":true,"api_keys":[]})",
       R"({"revision":9,"subjects":[],"api_keys":null})", R"({"revision":9,"subjects":[],"api_keys":["short"]})",
       R"({"revision":9,"subjects":[],"api_keys":["BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"]})"}) {
    auto answer = parse_changes_answer(bad);
    ASSERT_FALSE(answer) << bad;
    EXPECT_EQ(answer.error().code, ErrorCode::authorization_unavailable);
  }
}

}  // namespace
}  // namespace lotagate::access
