// Any bytes in any field: the line stays within its bound, is one JSON object, and shows no value of the query.
#include <simdjson.h>

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "telemetry/json_line.h"

namespace lotagate::telemetry {
namespace {

// Hands out pieces of the fuzzer's input, each behind two bytes of length.
class Pieces {
 public:
  explicit Pieces(std::string_view input) : rest_(input) {}

  std::string_view text() {
    if (rest_.size() < 2) return {};
    auto size = static_cast<std::size_t>(static_cast<unsigned char>(rest_[0])) << 4 |
                (static_cast<unsigned char>(rest_[1]) & 15u);
    rest_.remove_prefix(2);
    std::string_view piece = rest_.substr(0, size);
    rest_.remove_prefix(piece.size());
    return piece;
  }
  template <typename Number>
  Number number() {
    Number value{};
    if (rest_.size() < sizeof value) return value;
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }

 private:
  std::string_view rest_;
};

RequestRecord record_of(Pieces& pieces) {
  RequestRecord record;
  record.time = WallTime(nanoseconds(pieces.number<std::int64_t>()));
  record.duration = nanoseconds(pieces.number<std::int64_t>());
  record.upstream_duration = nanoseconds(pieces.number<std::int64_t>());
  record.bytes_in = pieces.number<std::uint64_t>();
  record.status = pieces.number<std::uint16_t>();
  record.attempts = pieces.number<std::uint8_t>();
  std::uint8_t code = pieces.number<std::uint8_t>();
  if (code < kErrorCodeCount) record.code = static_cast<ErrorCode>(code);
  record.end = static_cast<RequestEnd>(pieces.number<std::uint8_t>() % kRequestEndCount);
  record.client.bytes = pieces.number<std::array<std::uint8_t, 16>>();
  record.path = pieces.text();
  record.query = pieces.text();
  record.request_id = pieces.text();
  record.trace_id = pieces.text();
  record.method = pieces.text();
  record.route = pieces.text();
  record.service = pieces.text();
  record.endpoint = pieces.text();
  record.user = pieces.text();
  record.reason = pieces.text();
  return record;
}

void check_line(std::string_view line) {
  LG_CHECK(line.size() <= kMaxLineBytes, "a line has a bound");
  LG_CHECK(line.find('\n') == line.size() - 1, "a record is one line");
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  LG_CHECK(parser.parse(line.data(), line.size()).get(object) == simdjson::SUCCESS, "a line is a JSON object");
  LG_CHECK(object.size() == 19, "a line always has the same members");
}

}  // namespace
}  // namespace lotagate::telemetry

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lotagate::telemetry;
  Pieces pieces({reinterpret_cast<const char*>(data), size});
  RequestRecord record = record_of(pieces);
  std::vector<char> out(kMaxLineBytes);
  LineFormatter formatter;
  char* end = formatter.format(out.data(), record);
  check_line({out.data(), static_cast<std::size_t>(end - out.data())});
  return 0;
}
