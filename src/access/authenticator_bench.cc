// What a bearer token costs from its text to a principal: known to the worker, and seen for the first time.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "access/authenticator.h"
#include "access/key_set.h"
#include "jose/test_signer.h"

namespace lotagate::access {
namespace {

constexpr WallTime kNow{seconds(1000000)};

// As many claims as an access token usually has; they differ in `jti`.
std::vector<std::string> tokens(const jose::TestSigner& signer, int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) {
    out.push_back(signer.sign(
        R"({"iss":"https://id.example","sub":"user-4711","aud":["lotabots"],"exp":1000900,"iat":1000000,"nbf":1000000,)"
        R"("sid":"ses_5f0c1e9a7b3d4c2e","tenant":"acme","roles":["trainer","member"],"jti":")" +
        std::to_string(i) + R"("})"));
  }
  return out;
}

std::unique_ptr<Authenticator> authenticator_of(const jose::TestSigner& signer, std::size_t cache_bytes) {
  IssuerSettings issuer{.issuer = "https://id.example", .audiences = {"lotabots"}, .algorithms = {signer.algorithm()}};
  issuer.required_claims = {"jti"};
  issuer.rights.roles = "roles";
  auto out = std::make_unique<Authenticator>(
      AuthenticationSettings{.issuers = {std::move(issuer)}, .cache_bytes = cache_bytes});
  auto keys = std::make_shared<const KeySet>(*parse_jwks(jose::jwks_of({&signer})));
  out->replace_keys(std::make_shared<const KeyRing>(KeyRing{{{std::move(keys), 1}}}));
  return out;
}

// Tokens in turn; `cold`: many more of them than the cache has room for.
void authenticate(benchmark::State& state, jose::Algorithm algorithm, bool cold) {
  jose::TestSigner signer(algorithm, "key-1");
  auto authenticator = authenticator_of(signer, cold ? 64 * 1024 : 16 * 1024 * 1024);
  auto all = tokens(signer, cold ? 1000 : 100);
  std::size_t next = 0;
  bool accepted = true;
  for (auto _ : state) {
    accepted = authenticator->authenticate(all[next], kNow).has_value() && accepted;
    if (++next == all.size()) next = 0;
  }
  if (!accepted) state.SkipWithError("a good token was refused");
  state.counters["hit_share"] =
      static_cast<double>(authenticator->counters().hits) / static_cast<double>(state.iterations());
}
BENCHMARK_CAPTURE(authenticate, cached_RS256, jose::Algorithm::RS256, false);
BENCHMARK_CAPTURE(authenticate, cold_RS256, jose::Algorithm::RS256, true);
BENCHMARK_CAPTURE(authenticate, cold_ES256, jose::Algorithm::ES256, true);
BENCHMARK_CAPTURE(authenticate, cold_EdDSA, jose::Algorithm::EdDSA, true);

}  // namespace
}  // namespace lotagate::access
