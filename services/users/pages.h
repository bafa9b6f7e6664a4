// One page of a list: {"users":[...],"next":"usr_..."}.
#pragma once

#include <string_view>
#include <vector>

#include "common/http_query.h"
#include "common/json_writer.h"

namespace lotagate::users {

// `items` hold one more than the page if there is a next one: ask the store for page.limit + 1.
template <typename Item, typename Write>
services::Response page_response(std::string_view name, std::vector<Item> items, const services::Page& page,
                                 Write write) {
  bool more = static_cast<std::int64_t>(items.size()) > page.limit;
  if (more) items.pop_back();
  services::JsonWriter json;
  json.begin_object().key(name).begin_array();
  for (const Item& item : items) write(json, item);
  json.end_array();
  if (more) json.member("next", items.back().id);
  return services::json_response(200, json.end_object().take());
}

}  // namespace lotagate::users
