#include "access/access_grant.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace lotagate::access {
namespace {

using Texts = std::vector<std::string>;
Texts texts_of(const TextList& list) { return {list.begin(), list.end()}; }

TEST(TextList, IsTakenApart) {
  EXPECT_EQ(texts_of(TextList()), Texts{});
  EXPECT_EQ(texts_of(TextList("")), Texts{});
  EXPECT_EQ(texts_of(TextList("a")), Texts{"a"});
  EXPECT_EQ(texts_of(TextList("a,bc,d")), (Texts{"a", "bc", "d"}));
  EXPECT_EQ(texts_of(TextList("a,b\nc", '\n')), (Texts{"a,b", "c"}));
}

TEST(TextList, ContainsWholeTextsOnly) {
  TextList list("models:read,infer:run");
  EXPECT_TRUE(list.contains("models:read"));
  EXPECT_TRUE(list.contains("infer:run"));
  for (auto other : {"", "models", "models:rea", "read", "infer:run,", "models:read,infer:run", ","}) {
    EXPECT_FALSE(list.contains(other)) << other;
  }
}

TEST(StoredGrant, KeepsAUser) {
  StoredGrant stored;
  {
    std::string text = "usr_1 tenant enterprise a,b x:y,z:* s-1\ns,2";
    std::string_view all = text;
    stored = StoredGrant("usr_1", {.subject = all.substr(0, 5),
                                   .permissions = TextList(all.substr(28, 7)),
                                   .revision = 7,
                                   .disabled = true,
                                   .tenant = all.substr(6, 6),
                                   .plan = all.substr(13, 10),
                                   .roles = TextList(all.substr(24, 3)),
                                   .revoked_sessions = TextList(all.substr(36), kSessionSeparator)});
    text.assign(text.size(), '?');
  }
  StoredGrant moved = std::move(stored);
  EXPECT_FALSE(stored);
  ASSERT_TRUE(moved);
  AccessGrant grant = moved.view();
  EXPECT_EQ(moved.key(), "usr_1");
  EXPECT_EQ(grant.subject, "usr_1");
  EXPECT_EQ(grant.permissions.joined(), "x:y,z:*");
  EXPECT_EQ(grant.revision, 7u);
  EXPECT_TRUE(grant.disabled);
  EXPECT_FALSE(grant.unknown);
  EXPECT_EQ(grant.tenant, "tenant");
  EXPECT_EQ(grant.plan, "enterprise");
  EXPECT_EQ(grant.roles.joined(), "a,b");
  EXPECT_EQ(texts_of(grant.revoked_sessions), (Texts{"s-1", "s,2"}));
  EXPECT_EQ(grant.key_id, "");
  EXPECT_EQ(grant.expires, WallTime::max());
}

TEST(StoredGrant, KeepsAnApiKeyUnderItsDigest) {
  std::string digest(64, 'd');
  WallTime expires{seconds(1900000000)};
  StoredGrant stored(digest,
                     {.subject = "usr_1", .permissions = TextList("*:*"), .key_id = "key_1", .expires = expires});
  EXPECT_EQ(stored.key(), digest);
  EXPECT_EQ(stored.view().subject, "usr_1");
  EXPECT_EQ(stored.view().key_id, "key_1");
  EXPECT_EQ(stored.view().permissions.joined(), "*:*");
  EXPECT_EQ(stored.view().expires, expires);
}

TEST(StoredGrant, OfNobody) {
  StoredGrant stored = unknown_grant("usr_1");
  EXPECT_TRUE(stored.view().unknown);
  EXPECT_EQ(stored.view().subject, "usr_1");
  EXPECT_TRUE(stored.view().permissions.empty());
  EXPECT_EQ(StoredGrant().bytes(), 0u);
  EXPECT_GT(stored.bytes(), 5u);
}

}  // namespace
}  // namespace lotagate::access
