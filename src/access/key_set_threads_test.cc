// All workers verify with one key set: what a verification starts from must stay as it was.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "access/key_set.h"
#include "jose/jws.h"
#include "jose/test_signer.h"

namespace lotagate::access {
namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 20;

struct Case {
  const KeySet& keys;
  std::string good;
  std::string bad;  // signed by somebody else
};

int wrong_verdicts(const std::vector<Case>& cases) {
  int wrong = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (const Case& one : cases) {
      auto algorithm = jose::parse_compact_jws(one.good)->algorithm;
      const auto& key = *one.keys.find("k", algorithm);
      if (!jose::verify_compact_jws(one.good, key)) ++wrong;
      if (jose::verify_compact_jws(one.bad, key)) ++wrong;
    }
  }
  return wrong;
}

TEST(KeySetThreads, ShareEveryKindOfKey) {
  std::vector<KeySet> sets;
  std::vector<Case> cases;
  sets.reserve(jose::kAlgorithms.size());
  for (jose::Algorithm algorithm : jose::kAlgorithms) {
    jose::TestSigner signer(algorithm, "k");
    jose::TestSigner stranger(algorithm, "k");
    auto set = jose::is_symmetric(algorithm) ? secret_key_set(signer.secret(), std::vector{algorithm})
                                             : parse_jwks(jose::jwks_of({&signer}));
    ASSERT_TRUE(set) << set.error();
    sets.push_back(*std::move(set));
    cases.push_back({sets.back(), signer.sign("{}"), stranger.sign("{}")});
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&] { wrong += wrong_verdicts(cases); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace lotagate::access
