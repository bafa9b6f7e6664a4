#include "training/models.h"

#include <fmt/format.h>

#include <chrono>

#include "base/check.h"
#include "common/json_writer.h"
#include "common/secrets.h"

namespace lotagate::training {
namespace {

using services::Outcome;
using services::refuse;
using services::Rows;
using services::Transaction;

std::int64_t now_seconds() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

// The columns that both queries below select.
Model model_of(const Rows& rows) {
  return {.id = rows.text(0),
          .name = rows.text(1),
          .kind = rows.text(2),
          .state = rows.text(3),
          .error = rows.text(4),
          .created_at = rows.integer(5),
          .version = rows.integer(6),
          .trained_at = rows.integer(7),
          .rows = rows.integer(8),
          .features = rows.integer(9),
          .intercept = rows.real(10),
          .coefficients = rows.text(11),
          .metrics = rows.text(12)};
}

std::optional<Model> select_model(Transaction& transaction, std::string_view tenant, std::string_view id) {
  Rows rows = transaction.query(
      "SELECT id, name, kind, state, error, created_at, version, trained_at, rows, features, intercept, coefficients, "
      "metrics FROM models WHERE id = ? AND tenant = ?",
      {id, tenant});
  if (!rows.next()) return std::nullopt;
  return model_of(rows);
}

std::unexpected<services::Problem> unknown_model() { return refuse(404, "unknown_model", "There is no such model."); }

}  // namespace

ModelStore::ModelStore(services::Database& database) : database_(database) {
  database_.transact([](Transaction& transaction) {
    transaction.run("UPDATE models SET state = 'failed', error = 'interrupted by a restart' WHERE state = 'training'");
  });
}

Outcome<Model> ModelStore::create(std::string_view tenant, std::string_view name, std::string_view kind) {
  std::string id = services::random_id("mdl_");
  return database_.transact([&](Transaction& transaction) -> Outcome<Model> {
    if (transaction.query("SELECT 1 FROM models WHERE tenant = ? AND name = ?", {tenant, name}).next()) {
      return refuse(409, "name_taken", fmt::format("There is a model `{}` already.", name));
    }
    transaction.run(
        "INSERT INTO models (id, tenant, name, kind, state, created_at) VALUES (?, ?, ?, ?, 'registered', ?)",
        {std::string_view(id), tenant, name, kind, now_seconds()});
    auto model = select_model(transaction, tenant, id);
    LG_CHECK(model.has_value(), "a model is there after it was written");
    return std::move(*model);
  });
}

Outcome<Model> ModelStore::find(std::string_view tenant, std::string_view id) {
  auto model = database_.read([&](Transaction& transaction) { return select_model(transaction, tenant, id); });
  if (!model) return unknown_model();
  return std::move(*model);
}

std::vector<Model> ModelStore::list(std::string_view tenant, std::string_view after, std::int64_t limit) {
  return database_.read([&](Transaction& transaction) {
    std::vector<Model> models;
    Rows rows = transaction.query(
        "SELECT id, name, kind, state, error, created_at, version, trained_at, rows, features, intercept, "
        "coefficients, metrics FROM models WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?",
        {tenant, after, limit});
    while (rows.next()) models.push_back(model_of(rows));
    return models;
  });
}

Outcome<void> ModelStore::remove(std::string_view tenant, std::string_view id) {
  return database_.transact([&](Transaction& transaction) -> Outcome<void> {
    if (transaction.run("DELETE FROM models WHERE id = ? AND tenant = ?", {id, tenant}) == 0) return unknown_model();
    return {};
  });
}

Outcome<void> ModelStore::begin_training(std::string_view tenant, std::string_view id) {
  return database_.transact([&](Transaction& transaction) -> Outcome<void> {
    auto model = select_model(transaction, tenant, id);
    if (!model) return unknown_model();
    if (model->state == "training") return refuse(409, "already_training", "The model is being trained.");
    transaction.run("UPDATE models SET state = 'training', error = '' WHERE id = ?", {id});
    return {};
  });
}

void ModelStore::succeed(std::string_view id, std::int64_t rows, const Fit& fit) {
  services::JsonWriter coefficients;
  coefficients.array(fit.coefficients);
  services::JsonWriter metrics;
  metrics.begin_object();
  for (const auto& [name, value] : fit.metrics) metrics.member(name, value);
  metrics.end_object();
  std::string coefficients_json = coefficients.take();
  std::string metrics_json = metrics.take();

  database_.transact([&](Transaction& transaction) {
    transaction.run(
        "UPDATE models SET state = 'ready', version = version + 1, trained_at = ?, rows = ?, features = ?, "
        "intercept = ?, coefficients = ?, metrics = ? WHERE id = ?",
        {now_seconds(), rows, static_cast<std::int64_t>(fit.coefficients.size()), fit.intercept,
         std::string_view(coefficients_json), std::string_view(metrics_json), id});
  });
}

void ModelStore::fail(std::string_view id, std::string_view error) {
  database_.transact([&](Transaction& transaction) {
    transaction.run("UPDATE models SET state = 'failed', error = ? WHERE id = ?", {error, id});
  });
}

}  // namespace lotagate::training
