// A request's JSON body, checked as it is read. Includes simdjson: for the .cc files that read bodies, never for
// headers.
#pragma once

#include <fmt/format.h>
#include <simdjson.h>

#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "common/problem.h"

namespace lotagate::services {

// A JSON object. Owns what its elements, arrays and texts view.
class JsonBody {
 public:
  // Refuses (400) what is not one JSON object, a member that is not listed, and a member given twice: a misspelt
  // member must not silently mean the default.
  static Outcome<JsonBody> parse(std::string_view body, std::initializer_list<std::string_view> members);

  // The member as T: std::string_view, bool, double, std::int64_t or simdjson's array. 400 for another type.
  template <typename T>
  Outcome<std::optional<T>> optional(std::string_view name) const {
    simdjson::dom::element element;
    if (object_.at_key(name).get(element) != simdjson::SUCCESS) return std::nullopt;
    T value;
    if (element.get(value) == simdjson::SUCCESS) return value;
    return refuse(400, "wrong_type", fmt::format("`{}` must be {}.", name, type_name<T>()));
  }

  // As above, and 400 if there is none.
  template <typename T>
  Outcome<T> required(std::string_view name) const {
    TRY(value, optional<T>(name));
    if (value) return *value;
    return refuse(400, "missing_member", fmt::format("`{}` is missing; it must be {}.", name, type_name<T>()));
  }

 private:
  template <typename T>
  static constexpr std::string_view type_name() {
    if constexpr (std::is_same_v<T, std::string_view>) return "a string";
    if constexpr (std::is_same_v<T, bool>) return "true or false";
    if constexpr (std::is_same_v<T, double>) return "a number";
    if constexpr (std::is_same_v<T, std::int64_t>) return "an integer";
    if constexpr (std::is_same_v<T, simdjson::dom::array>) return "an array";
  }

  std::unique_ptr<simdjson::dom::parser> parser_;  // elements point into it, so it stays where it is
  simdjson::dom::object object_;
};

// An array of numbers; `name` is what a refusal (400) calls it.
Outcome<std::vector<double>> read_numbers(simdjson::dom::array array, std::string_view name);

// An array of strings.
Outcome<std::vector<std::string>> read_strings(simdjson::dom::array array, std::string_view name);

}  // namespace lotagate::services
