// Cost of the record step: metrics and access log of one request, together and apart.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>

#include "telemetry/access_log.h"
#include "telemetry/metrics.h"

namespace lotagate::telemetry {
namespace {

RequestRecord typical_record() {
  RequestRecord record;
  record.time = WallTime(seconds(1'763'869'000));
  record.request_id = "0193567c-8f3a-7d2e-b1c4-5a6f7e8d9c0b";
  record.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  record.method = "GET";
  record.path = "/api/v1/models/7f3c/predictions";
  record.query = "page=2&limit=50";
  record.route = "/api/v1/models";
  record.service = "training";
  record.endpoint = "127.0.0.1:7002";
  record.user = "user-000017";
  record.client = parse_ip("192.168.17.23").value();
  record.status = 200;
  record.bytes_out = 1834;
  record.duration = std::chrono::microseconds(1834);
  record.upstream_duration = std::chrono::microseconds(1790);
  record.attempts = 1;
  record.route_slot = 0;
  record.method_index = 0;
  return record;
}

void format_line(benchmark::State& state) {
  LineFormatter formatter;
  std::array<char, kMaxLineBytes> out;
  RequestRecord record = typical_record();
  for (auto _ : state) {
    record.time += std::chrono::microseconds(20);
    benchmark::DoNotOptimize(formatter.format(out.data(), record));
  }
}
BENCHMARK(format_line);

void count_request(benchmark::State& state) {
  Metrics metrics(1);
  RequestRecord record = typical_record();
  for (auto _ : state) {
    record.duration += nanoseconds(100);
    metrics.shard(0).record(record);
  }
}
BENCHMARK(count_request);

// Lines and metrics; /dev/null takes the lines, so that this is the worker's cost while the log thread keeps up.
void record_request(benchmark::State& state) {
  Metrics metrics(1);
  auto log = AccessLog::open({.file = "/dev/null", .buffer_bytes = 16 * 1024 * 1024, .workers = 1}).value();
  RequestRecord record = typical_record();
  for (auto _ : state) {
    record.time += std::chrono::microseconds(20);
    metrics.shard(0).record(record);
    log->shard(0).write(record);
  }
  state.counters["dropped"] = static_cast<double>(log->stats().dropped_lines);
}
BENCHMARK(record_request);

}  // namespace
}  // namespace lotagate::telemetry
