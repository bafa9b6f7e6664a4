// What a token costs that no cache knows: reading it, and its signature.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "jose/jws.h"
#include "jose/test_signer.h"

namespace lotagate::jose {
namespace {

// As many claims as an access token usually has.
constexpr std::string_view kClaims =
    R"({"iss":"https://id.example","sub":"user-4711","aud":["lotabots"],"exp":1790000000,"iat":1789999100,)"
    R"("nbf":1789999100,"jti":"0d9b6f4e2a7c4f1b","sid":"5f0c1e9a7b3d4c2e","tenant":"acme","scope":"models:read models:write"})";

void parse(benchmark::State& state) {
  std::string token = TestSigner(Algorithm::RS256).sign(kClaims);
  for (auto _ : state) benchmark::DoNotOptimize(parse_compact_jws(token));
}
BENCHMARK(parse);

// Argument: the algorithm.
void parse_and_verify(benchmark::State& state) {
  static const std::vector<TestSigner> signers(kAlgorithms.begin(), kAlgorithms.end());
  const TestSigner& signer = signers[static_cast<std::size_t>(state.range(0))];
  VerificationKey key = verification_key_of(signer);
  std::string token = signer.sign(kClaims);
  bool accepted = true;
  for (auto _ : state) accepted = verify_compact_jws(token, key).has_value() && accepted;
  if (!accepted) state.SkipWithError("a good token was refused");
  state.SetLabel(std::string(algorithm_name(signer.algorithm())));
}
BENCHMARK(parse_and_verify)->DenseRange(0, kAlgorithms.size() - 1);

}  // namespace
}  // namespace lotagate::jose
