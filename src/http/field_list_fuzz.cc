// Any list of fields: its framing, persistence and nominations are what the RFC says of them, decided a second time.
// Input: a line "MINOR STATUS" ("1 200", "0 404 HEAD"), then lines "Name: value".
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/text.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/test_rfc_fields.h"

namespace lotagate::http {
namespace {

struct Input {
  int minor = 1;
  std::uint16_t status = 200;
  bool to_head = false;
  rfc::Fields fields = {};
};

std::string_view take_line(std::string_view& text) {
  std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

// Lines that no parser lets pass are left out: the list is what a parsed head holds.
Input read_input(std::string_view text) {
  Input input;
  std::string_view first = take_line(text);
  input.minor = first.starts_with('0') ? 0 : 1;
  auto status = parse_decimal(first.substr(std::min<std::size_t>(first.size(), 2), 3));
  if (status && *status >= 100 && *status <= 599) input.status = static_cast<std::uint16_t>(*status);
  input.to_head = first.ends_with("HEAD");
  while (!text.empty()) rfc::read_field(take_line(text), input.fields);
  return input;
}

// The copy keeps the texts, the list has views of them.
FieldList list_of(const rfc::Fields& fields) {
  FieldList list;
  for (const auto& [name, value] : fields) {
    list.add({.name = name, .value = value, .id = classify_field(name)});
  }
  return list;
}

std::string word(const Result<Framing>& framing) {
  if (!framing) return framing.error().code == ErrorCode::not_implemented ? "not_implemented" : "refused";
  switch (framing->kind) {
    case Framing::Kind::none: return "none";
    case Framing::Kind::chunked: return "chunked";
    case Framing::Kind::until_close: return "until_close";
    case Framing::Kind::length: break;
  }
  return std::to_string(framing->length);
}

void check_framing(const Input& input, const FieldList& list) {
  RequestHead request{.method = "POST", .target = "/", .minor = input.minor, .fields = list};
  LG_CHECK(word(request_framing(request)) == rfc::request_framing(input.fields, input.minor),
           "a request framed another way");
  ResponseHead response{.status = input.status, .reason = {}, .minor = input.minor, .fields = list};
  LG_CHECK(word(response_framing(response, input.to_head)) ==
               rfc::response_framing(input.fields, input.minor, input.status, input.to_head),
           "an answer framed another way");
  LG_CHECK(keeps_alive(list, input.minor) == rfc::keeps_alive(input.fields, input.minor), "kept alive another way");
}

void check_nominations_of(const rfc::Fields& fields, const FieldList& list) {
  auto options = rfc::members_of(fields, "connection");
  bool allowed = std::none_of(options.begin(), options.end(), [](auto& name) { return rfc::is_protected(name); });
  LG_CHECK(check_nominations(list).has_value() == allowed, "nominations judged another way");
  for (const auto& [name, value] : fields) {
    bool nominated = options.contains(rfc::lower(name));
    LG_CHECK(is_nominated(list, name) == nominated, "nominated another way");
    bool is_option = iequals(name, "close") || iequals(name, "keep-alive");
    LG_CHECK(!nominated || is_option || has_nominations(list), "a nomination that is overlooked");
  }
  for (const std::string& option : options) {
    LG_CHECK(is_nominated(list, option), "a nomination without a field is lost");
    LG_CHECK(option == "close" || option == "keep-alive" || has_nominations(list), "nominations are overlooked");
  }
}

// Every name has one meaning, whatever its case; aliases have that of the gateway's own (I02).
void check_names(const rfc::Fields& fields, const FieldList& list) {
  for (const Field& field : list.items) {
    LG_CHECK(classify_field(rfc::lower(field.name)) == field.id, "the case of a name matters");
    LG_CHECK((field.id == FieldName::gateway_owned) == rfc::is_owned(field.name), "owned by another");
    LG_CHECK(may_be_nominated(field.name) != rfc::is_protected(field.name), "protected another way");
    std::size_t count = list.count(field.id);
    auto same = [&](const Field& other) { return other.id == field.id; };
    LG_CHECK(count == static_cast<std::size_t>(std::count_if(list.items.begin(), list.items.end(), same)), "counted");
    auto first = std::find_if(list.items.begin(), list.items.end(), same);
    LG_CHECK(list.has(field.id) && list.first(field.id) == &*first, "another is taken for the first");
    LG_CHECK(list.repeats(field.id) == (count > 1), "repeated and not repeated");
    LG_CHECK((list.only(field.id) != nullptr) == (count == 1), "one of several taken for the only one");
  }
  for (FieldName id : {FieldName::host, FieldName::content_length, FieldName::transfer_encoding, FieldName::connection,
                       FieldName::authorization, FieldName::expect, FieldName::upgrade, FieldName::te}) {
    constexpr std::string_view kNames[] = {"host",          "content-length", "transfer-encoding", "connection",
                                           "authorization", "expect",         "upgrade",           "te"};
    std::size_t count = 0;
    for (std::string_view name : kNames) {
      if (classify_field(name) == id) count = rfc::values_of(fields, name).size();
    }
    LG_CHECK(list.count(id) == count, "another number of fields of this name");
  }
}

void check(std::string_view text) {
  Input input = read_input(text);
  FieldList list = list_of(input.fields);
  check_framing(input, list);
  check_nominations_of(input.fields, list);
  check_names(input.fields, list);
}

}  // namespace
}  // namespace lotagate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lotagate::http::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
