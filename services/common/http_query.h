// What the query of a list says: its filters and its page.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "common/problem.h"

namespace lotagate::services {

// Refuses (400) a parameter that is not listed or given twice: a misspelt filter must not silently mean everything.
Outcome<void> only_parameters(const Request& request, std::initializer_list<std::string_view> names);

struct Page {
  std::string after;       // the cursor that an earlier page gave as `next`; empty: from the beginning
  std::int64_t limit = 0;  // 1 to 1000, 100 if the query does not say
};

// `after` and `limit`. 400 for anything that no page ever gave out.
Outcome<Page> page_of(const Request& request);

// The parameter as a whole number; 400 for anything else.
Outcome<std::optional<std::int64_t>> number_parameter(const Request& request, std::string_view name);

// Whether `text` could be an id: 1 to 256 of letters, digits and . _ - @. What is not one names nothing, and no
// database needs to be asked.
bool is_id(std::string_view text);

}  // namespace lotagate::services
