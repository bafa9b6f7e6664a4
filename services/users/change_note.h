// The detail of an audit entry about a change: {"disabled":{"from":false,"to":true}}, of the members that differ.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json_writer.h"

namespace lotagate::users {

class ChangeNote {
 public:
  ChangeNote() { json_.begin_object(); }

  template <typename Value>
  void add(std::string_view name, const Value& from, const Value& to) {
    if (from == to) return;
    empty_ = false;
    json_.key(name).begin_object().key("from");
    write(from);
    json_.key("to");
    write(to);
    json_.end_object();
  }

  // Whether nothing differed: then there is nothing to write, to tell, or to count.
  bool empty() const { return empty_; }
  std::string take() { return json_.end_object().take(); }

 private:
  void write(const std::vector<std::string>& words) { json_.array(words); }
  template <typename Value>
  void write(const Value& value) {
    json_.value(value);
  }

  services::JsonWriter json_;
  bool empty_ = true;
};

}  // namespace lotagate::users
