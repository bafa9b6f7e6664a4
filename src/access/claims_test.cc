#include "access/claims.h"

#include <gtest/gtest.h>

#include <string>

namespace lotagate::access {
namespace {

constexpr std::size_t kMax = 8192;

WallTime at(std::int64_t time_s) { return WallTime(seconds(time_s)); }

std::string_view refusal(std::string_view json) {
  auto claims = parse_claims(json, kMax);
  return claims ? "" : claims.error();
}

// A good claims set with `more` members added.
std::string with(std::string_view more) {
  return R"({"iss":"https://i","sub":"u-1","exp":2000)" + std::string(more) + "}";
}

Claims claims_of(std::string_view json) {
  auto claims = parse_claims(json, kMax);
  EXPECT_TRUE(claims) << json << ": " << claims.error();
  return claims ? claims->registered() : Claims{};
}

const std::vector<std::string> kAudiences{"lotabots", "other"};

std::string_view verdict(std::string_view json, std::int64_t now_s, std::span<const std::string> audiences = {}) {
  auto checked = check_claims(claims_of(json),
                              {.issuer = "https://i", .audiences = audiences, .clock_skew = seconds(30)}, at(now_s));
  return checked ? "ok" : checked.error().reason;
}

TEST(Claims, AreReadAsValues) {
  auto claims = claims_of(with(R"(,"aud":["a","b"],"nbf":1000,"iat":999.5,"scope":"x")"));
  EXPECT_EQ(claims.issuer, "https://i");
  EXPECT_EQ(claims.subject, "u-1");
  EXPECT_EQ(claims.audiences, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(claims.expires, at(2000));
  EXPECT_EQ(claims.not_before, at(1000));
  EXPECT_EQ(claims.issued_at, at(999) + milliseconds(500));
}

TEST(Claims, AreFoundByTheirPaths) {
  auto set = parse_claims(with(R"(,"realm_access":{"roles":["a","b"],"none":null},"a.b":"whole","a":{"b":"nested"},)"
                               R"("https://x.example/roles":["x"],"n":7,"t":true,"mixed":["a",1],"o":{"p":{}})"),
                          kMax);
  ASSERT_TRUE(set);
  using Kind = ClaimSet::Kind;
  using Scalars = ClaimSet::Scalars;
  struct Case {
    std::string_view path;
    Scalars scalars;
    Kind kind;
    std::vector<std::string> texts;
  };
  for (const Case& c :
       {Case{"realm_access.roles", Scalars::strings, Kind::list, {"a", "b"}},
        Case{"a.b", Scalars::strings, Kind::text, {"whole"}},
        Case{"https://x.example/roles", Scalars::strings, Kind::list, {"x"}},
        Case{"realm_access.none", Scalars::strings, Kind::absent, {}},
        Case{"realm_access.roles.0", Scalars::strings, Kind::absent, {}},
        Case{"iss.x", Scalars::strings, Kind::absent, {}}, Case{"realm_access", Scalars::any, Kind::malformed, {}},
        Case{"n", Scalars::strings, Kind::malformed, {}}, Case{"n", Scalars::any, Kind::text, {"7"}},
        Case{"t", Scalars::any, Kind::text, {"true"}}, Case{"mixed", Scalars::any, Kind::list, {"a", "1"}},
        Case{"", Scalars::any, Kind::absent, {}}, Case{".", Scalars::any, Kind::absent, {}}}) {
    std::vector<std::string> texts;
    EXPECT_EQ(set->read(c.path, c.scalars, texts), c.kind) << c.path;
    if (c.kind != Kind::malformed) EXPECT_EQ(texts, c.texts) << c.path;
    EXPECT_EQ(set->has(c.path), c.kind != Kind::absent) << c.path;
  }
  std::vector<std::string> texts;
  EXPECT_EQ(set->read("mixed", Scalars::strings, texts), Kind::malformed);
}

TEST(Claims, RequiredOnesAreRequired) {
  EXPECT_EQ(refusal(R"({"sub":"u","exp":1})"), "claim_iss_missing");
  EXPECT_EQ(refusal(R"({"iss":"i","exp":1})"), "claim_sub_missing");
  EXPECT_EQ(refusal(R"({"iss":"i","sub":"u"})"), "claim_exp_missing");
  EXPECT_EQ(refusal(R"({"iss":["i"],"sub":"u","exp":1})"), "claim_iss_malformed");
  EXPECT_EQ(refusal("[]"), "claims_not_an_object");
  EXPECT_EQ(refusal("foo"), "json_malformed");
  EXPECT_EQ(refusal(with(R"(,"exp":3000)")), "json_duplicate_member");
}

TEST(Claims, TheSubjectFitsAHeaderField) {
  auto subject = [](std::string_view value) {
    return refusal(R"({"iss":"i","exp":1,"sub":)" + std::string(value) + "}");
  };
  EXPECT_EQ(subject('"' + std::string(256, 's') + '"'), "");
  for (const std::string& bad :
       {std::string(R"("")"), '"' + std::string(257, 's') + '"', std::string("1"), std::string("null"),
        std::string(R"("a b")"), std::string(R"("a\r\nX-Role: admin")"), std::string(R"("a\u0000")"),
        std::string("\"\xC3\xA9\""), std::string(R"("\u007f")")}) {
    EXPECT_EQ(subject(bad), "claim_sub_malformed") << bad;
  }
}

TEST(Attack, J12_NumericDatesAreNumbers) {
  for (auto name : {"exp", "nbf", "iat"}) {
    for (auto bad : {R"("2000")", "null", "true", "[]", "{}", R"("")"}) {
      std::string json = name == std::string_view("exp") ? R"({"iss":"i","sub":"u","exp":)" + std::string(bad) + "}"
                                                         : with(",\"" + std::string(name) + "\":" + bad);
      EXPECT_EQ(refusal(json), "claim_" + std::string(name) + "_malformed") << json;
    }
  }
  for (auto bad : {"NaN", "Infinity", "1e999", "-1e999", "0x10", "010", "1e", "100000000000000000000"}) {
    EXPECT_NE(refusal(R"({"iss":"i","sub":"u","exp":)" + std::string(bad) + "}"), "") << bad;
  }
}

TEST(Attack, J12_TimesSaturate) {
  auto expires = [](std::string_view exp) {
    return claims_of(R"({"iss":"i","sub":"u","exp":)" + std::string(exp) + "}").expires;
  };
  for (auto huge : {"1e20", "1.7976931348623157e308", "18446744073709551615", "9223372036854775807", "9223372037"}) {
    EXPECT_EQ(expires(huge), WallTime::max()) << huge;
  }
  for (auto tiny : {"-1e20", "-1.7e308", "-9223372036854775808"}) EXPECT_EQ(expires(tiny), WallTime::min()) << tiny;
  EXPECT_EQ(expires("9223372035"), at(9223372035));
  EXPECT_EQ(expires("-1"), at(-1));
  EXPECT_EQ(expires("1.5"), at(1) + milliseconds(500));
  EXPECT_EQ(expires("0"), at(0));

  auto forever = R"({"iss":"https://i","sub":"u","exp":1e300})";
  EXPECT_EQ(verdict(forever, 9223372036), "ok") << "exp plus skew must not wrap";
  EXPECT_EQ(verdict(R"({"iss":"https://i","sub":"u","exp":-1e300})", 0), "claim_exp_passed");
  EXPECT_EQ(verdict(R"({"iss":"https://i","sub":"u","exp":9e9,"nbf":1e300})", 0), "claim_nbf_in_future");
}

TEST(Attack, J12_TimesAreCheckedWithSkew) {
  EXPECT_EQ(verdict(with(""), 1999), "ok");
  EXPECT_EQ(verdict(with(""), 2029), "ok");
  EXPECT_EQ(verdict(with(""), 2030), "claim_exp_passed");
  EXPECT_EQ(verdict(with(R"(,"nbf":1000)"), 970), "ok");
  EXPECT_EQ(verdict(with(R"(,"nbf":1000)"), 969), "claim_nbf_in_future");
  EXPECT_EQ(verdict(with(R"(,"iat":1000)"), 970), "ok");
  EXPECT_EQ(verdict(with(R"(,"iat":1000)"), 969), "claim_iat_in_future");

  auto expired = check_claims(claims_of(with("")), {.issuer = "https://i", .audiences = {}}, at(5000));
  EXPECT_EQ(expired.error().code, ErrorCode::expired_token);
  auto early = check_claims(claims_of(with(R"(,"nbf":1900)")), {.issuer = "https://i", .audiences = {}}, at(1));
  EXPECT_EQ(early.error().code, ErrorCode::invalid_token);
}

TEST(Attack, J13_AudienceIsTextOrAListOfIt) {
  EXPECT_EQ(verdict(with(R"(,"aud":"lotabots")"), 1000, kAudiences), "ok");
  EXPECT_EQ(verdict(with(R"(,"aud":["x","other"])"), 1000, kAudiences), "ok");
  for (auto other : {R"("lotabot")", R"("lotabots2")", R"("LOTABOTS")", R"("lotabots ")", R"("")", "[]", R"(["x"])",
                     R"("lotabots,other")", R"("lotabots other")"}) {
    EXPECT_EQ(verdict(with(std::string(R"(,"aud":)") + other), 1000, kAudiences), "claim_aud_mismatch") << other;
  }
  EXPECT_EQ(verdict(with(""), 1000, kAudiences), "claim_aud_mismatch");
  for (auto bad : {"7", "null", "{}", R"({"lotabots":1})", R"(["lotabots",7])", R"([["lotabots"]])"}) {
    EXPECT_EQ(refusal(with(std::string(R"(,"aud":)") + bad)), "claim_aud_malformed") << bad;
  }
  EXPECT_EQ(verdict(with(""), 1000), "ok") << "without configured audiences none is asked for";
}

TEST(Attack, J13_IssuerIsExact) {
  for (auto iss : {"https://i/", "https://i.evil", "http://i", "HTTPS://I", " https://i", ""}) {
    auto json = R"({"sub":"u","exp":2000,"iss":")" + std::string(iss) + "\"}";
    EXPECT_EQ(verdict(json, 1000), "claim_iss_unknown") << iss;
  }
}

}  // namespace
}  // namespace lotagate::access
