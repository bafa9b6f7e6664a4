#include "inference/parameters.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/result.h"
#include "common/http_client.h"
#include "inference/requests.h"

namespace lotagate::inference {
namespace {

using services::Outcome;
using services::refuse;

constexpr std::chrono::seconds kFreshFor(2);
constexpr std::size_t kMaxEntries = 1000;
// Leaves a stopping process, which waits for its requests, within two seconds.
constexpr std::chrono::milliseconds kFetchTime(1500);

std::unexpected<services::Problem> unavailable() {
  return refuse(503, "training_unavailable", "The training service, which keeps the models, does not answer.");
}

}  // namespace

Outcome<std::shared_ptr<const Parameters>> ParameterCache::get(std::string_view tenant, std::string_view model) {
  Key key(tenant, model);
  Entry known = look_up(key);
  if (known.parameters && Clock::now() - known.confirmed_at < kFreshFor) return known.parameters;

  std::vector<std::pair<std::string, std::string>> headers{{"X-Auth-Tenant", key.first}};
  if (known.parameters) headers.emplace_back("If-None-Match", fmt::format("\"{}\"", known.parameters->version));
  auto answer = services::http_get(training_, "/api/v1/models/" + key.second + "/parameters", headers, kFetchTime);
  if (!answer) return unavailable();
  switch (answer->status) {
    case 200: {
      auto fetched = read_parameters(answer->body);
      if (!fetched) return unavailable();
      known.parameters = std::make_shared<const Parameters>(std::move(*fetched));
      break;
    }
    case 304: break;
    case 404: return refuse(404, "unknown_model", "There is no such model.");
    case 409: return refuse(409, "not_trained", "The model has not been trained.");
    default: return unavailable();
  }
  store(key, known.parameters);
  return known.parameters;
}

ParameterCache::Entry ParameterCache::look_up(const Key& key) {
  std::scoped_lock lock(mutex_);
  auto place = entries_.find(key);
  return place == entries_.end() ? Entry{} : place->second;
}

void ParameterCache::store(const Key& key, std::shared_ptr<const Parameters> parameters) {
  std::scoped_lock lock(mutex_);
  if (entries_.size() >= kMaxEntries && !entries_.contains(key)) {
    entries_.erase(std::ranges::min_element(entries_, {}, [](const auto& entry) { return entry.second.confirmed_at; }));
  }
  entries_.insert_or_assign(key, Entry{std::move(parameters), Clock::now()});
}

}  // namespace lotagate::inference
