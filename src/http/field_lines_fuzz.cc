// Two readers of field lines have to agree, whatever comes in: ours and llhttp, which is widely attacked. What llhttp
// tolerates (folded lines, a bare CR behind a colon, a space in a name) its callbacks refuse here.
#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/text.h"
#include "http/field_lines.h"
#include "http/test_rewrite.h"

namespace {

using namespace lotagate;
using namespace lotagate::http;

constexpr std::size_t kMaxFields = 20;

// What the callbacks of one run collect.
struct LlhttpCollector {
  FieldList& fields;
  std::size_t max_fields;
  const char* first_line;  // of the fields
  FieldFault fault = FieldFault::none;
};

int refuse(LlhttpCollector& collector, FieldFault fault) {
  collector.fault = fault;
  return -1;
}

const char* skip_blanks(const char* at) {
  while (*at == ' ' || *at == '\t') ++at;
  return at;
}

// llhttp takes a bare CR behind a colon, with whatever byte follows it, for the end of a line, and it joins folded
// lines (obs-fold): so a name must stand where the line before it ends, and nothing but blanks around a value.
bool begins_line(const LlhttpCollector& collector, const char* next) {
  if (collector.fields.items.empty()) return next == collector.first_line;
  const Field& last = collector.fields.items.back();
  const char* at = skip_blanks(last.name.data() + last.name.size() + 1);
  if (!last.value.empty()) {
    if (at != last.value.data()) return false;
    at = skip_blanks(at + last.value.size());
  }
  return at + 2 == next && at[0] == '\r' && at[1] == '\n';
}

int on_llhttp_name(llhttp_t* parser, const char* at, std::size_t length) {
  auto& collector = *static_cast<LlhttpCollector*>(parser->data);
  if (collector.fields.items.size() == collector.max_fields) return refuse(collector, FieldFault::too_many);
  std::string_view name(at, length);
  // llhttp's table of token characters has a space too many.
  if (name.empty() || name.find(' ') != std::string_view::npos) return refuse(collector, FieldFault::syntax);
  if (!begins_line(collector, at)) return refuse(collector, FieldFault::syntax);
  collector.fields.add(Field{.name = name, .value = {}, .id = classify_field(name)});
  return 0;
}

int on_llhttp_value(llhttp_t* parser, const char* at, std::size_t length) {
  if (length == 0) return 0;
  auto& collector = *static_cast<LlhttpCollector*>(parser->data);
  Field& field = collector.fields.items.back();
  if (!field.value.empty()) return refuse(collector, FieldFault::syntax);  // a second piece: of a folded line
  field.value = trim({at, length});
  return 0;
}

// The same contract as read_field_lines(). The views of `out` point into `storage`.
FieldFault read_field_lines_by_llhttp(std::string_view lines, std::size_t max_fields, std::string& storage,
                                      FieldList& out) {
  constexpr std::string_view kFirstLine = "GET / HTTP/1.1\r\n";
  storage.assign(kFirstLine).append(lines);
  if (!storage.ends_with("\r\n\r\n")) return FieldFault::syntax;
  LlhttpCollector collector{.fields = out, .max_fields = max_fields, .first_line = storage.data() + kFirstLine.size()};
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_header_field = on_llhttp_name;
  settings.on_header_value = on_llhttp_value;
  settings.on_headers_complete = [](llhttp_t*) { return static_cast<int>(HPE_PAUSED); };
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  parser.data = &collector;
  llhttp_errno_t error = llhttp_execute(&parser, storage.data(), storage.size());
  if (collector.fault != FieldFault::none) return collector.fault;
  const char* end = storage.data() + storage.size();
  bool sound = (error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE) && llhttp_get_error_pos(&parser) == end;
  return sound && begins_line(collector, end - 2) ? FieldFault::none : FieldFault::syntax;
}

// llhttp decides framing while it reads (lengths that are no numbers, both framings): that is framing.h's part here.
bool is_about_framing(const FieldList& fields) {
  return fields.count(FieldName::content_length) + fields.count(FieldName::transfer_encoding) > 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view lines(reinterpret_cast<const char*>(data), size);
  FieldList ours;
  FieldList theirs;
  std::string storage;
  FieldFault fault = read_field_lines(lines, kMaxFields, ours);
  FieldFault second = read_field_lines_by_llhttp(lines, kMaxFields, storage, theirs);
  if (fault == FieldFault::none) {
    LG_CHECK(second == FieldFault::none || is_about_framing(ours), "llhttp refuses what we take");
    LG_CHECK(second != FieldFault::none || same_fields(ours, theirs), "two readers, two messages");
  } else {
    LG_CHECK(second != FieldFault::none, "llhttp takes what we refuse");
  }
  return 0;
}
