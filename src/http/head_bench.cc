// What one request head costs: found, parsed, framed, its target and authority made canonical.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "base/arena.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/target.h"
#include "http/writer.h"

namespace lotagate::http {
namespace {

// About 900 bytes in 12 fields: what a browser client with an RS256 token sends.
std::string typical_request() {
  std::string head =
      "GET /api/v1/models/7f3c2a/versions?limit=20&order=desc HTTP/1.1\r\n"
      "Host: api.lotabots.example\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
      "Accept: application/json\r\n"
      "Accept-Language: en-GB,en;q=0.7\r\n"
      "Accept-Encoding: gzip, deflate\r\n"
      "Referer: https://console.lotabots.example/models\r\n"
      "Origin: https://console.lotabots.example\r\n"
      "Connection: keep-alive\r\n"
      "Sec-Fetch-Mode: cors\r\n"
      "Sec-Fetch-Site: same-site\r\n"
      "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
      "Authorization: Bearer ";
  head.append(384, 'x');
  return head + "\r\n\r\n";
}

void BM_ScanHead(benchmark::State& state) {
  std::string bytes = typical_request();
  for (auto _ : state) {
    HeadScanner scanner;
    benchmark::DoNotOptimize(scanner.scan(bytes));
  }
  state.counters["head_bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(BM_ScanHead);

void BM_ParseRequestHead(benchmark::State& state) {
  std::string bytes = typical_request();
  RequestHead head;
  for (auto _ : state) {
    auto parsed = parse_request_head(bytes, HeadLimits{}, head);
    benchmark::DoNotOptimize(parsed);
  }
  state.counters["head_bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(BM_ParseRequestHead);

// Everything this folder does for a request before it is routed.
void BM_WholeRequestHead(benchmark::State& state) {
  std::string bytes = typical_request();
  RequestHead head;
  Arena arena;
  for (auto _ : state) {
    HeadScanner scanner;
    benchmark::DoNotOptimize(scanner.scan(bytes));
    benchmark::DoNotOptimize(parse_request_head(bytes, HeadLimits{}, head));
    benchmark::DoNotOptimize(request_framing(head));
    benchmark::DoNotOptimize(check_nominations(head.fields));
    benchmark::DoNotOptimize(keeps_alive(head.fields, head.minor));
    benchmark::DoNotOptimize(resolve_target(head, arena));
    arena.reset();
  }
  state.counters["head_bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(BM_WholeRequestHead);

// The head that goes upstream: every end-to-end field written again.
void BM_WriteHead(benchmark::State& state) {
  std::string bytes = typical_request();
  RequestHead head;
  benchmark::DoNotOptimize(parse_request_head(bytes, HeadLimits{}, head));
  char out[4096];
  for (auto _ : state) {
    HeadWriter writer(out, sizeof out);
    writer.text(head.method);
    writer.text(" ");
    writer.text(head.target);
    writer.text(" HTTP/1.1\r\n");
    for (const Field& field : head.fields.items) {
      if (!is_hop_by_hop(field.id)) writer.field(field.name, field.value);
    }
    writer.end_of_head();
    benchmark::DoNotOptimize(writer.view());
  }
}
BENCHMARK(BM_WriteHead);

}  // namespace
}  // namespace lotagate::http
