#include "common/json_reader.h"

#include <algorithm>

#include "common/printable.h"

namespace lotagate::services {

Outcome<JsonBody> JsonBody::parse(std::string_view body, std::initializer_list<std::string_view> members) {
  JsonBody result;
  result.parser_ = std::make_unique<simdjson::dom::parser>();
  simdjson::dom::element root;
  if (auto error = result.parser_->parse(body.data(), body.size()).get(root)) {
    return refuse(400, "malformed_json", fmt::format("The body is not JSON: {}", simdjson::error_message(error)));
  }
  if (root.get(result.object_) != simdjson::SUCCESS) {
    return refuse(400, "malformed_json", "The body must be a JSON object.");
  }
  std::vector<std::string_view> seen;
  for (auto [name, value] : result.object_) {
    if (std::ranges::find(members, name) == members.end()) {
      return refuse(400, "unknown_member", fmt::format("`{}` is not known here.", printable(name, kMaxEchoBytes)));
    }
    if (std::ranges::find(seen, name) != seen.end()) {
      return refuse(400, "duplicate_member", fmt::format("`{}` is given twice.", name));
    }
    seen.push_back(name);
  }
  return result;
}

Outcome<std::vector<double>> read_numbers(simdjson::dom::array array, std::string_view name) {
  std::vector<double> numbers;
  numbers.reserve(array.size());
  for (auto element : array) {
    double number;
    if (element.get(number) != simdjson::SUCCESS) {
      return refuse(400, "wrong_type", fmt::format("`{}` must hold numbers only.", name));
    }
    numbers.push_back(number);
  }
  return numbers;
}

Outcome<std::vector<std::string>> read_strings(simdjson::dom::array array, std::string_view name) {
  std::vector<std::string> strings;
  for (auto element : array) {
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS) {
      return refuse(400, "wrong_type", fmt::format("`{}` must hold strings only.", name));
    }
    strings.emplace_back(text);
  }
  return strings;
}

}  // namespace lotagate::services
