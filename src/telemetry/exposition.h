// The text format of Prometheus, family by family. For whoever writes a part of the exposition.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>

#include "telemetry/metrics.h"

namespace lotagate::telemetry {

struct Label {
  std::string_view name;
  std::string_view value;
};
using Labels = std::initializer_list<Label>;

inline constexpr double kSecondsPerNano = 1e-9;

// Writes families one after another.
class Exposition {
 public:
  explicit Exposition(std::string& out) : out_(out) {}

  // `type`: counter, gauge or histogram. `name` without the common prefix.
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(std::back_inserter(out_), "# HELP lotagate_{} {}\n# TYPE lotagate_{} {}\n", name, help, name, type);
  }

  template <typename Number>
  void sample(Labels labels, Number value, std::string_view suffix = {}) {
    out_ += "lotagate_";
    out_ += name_;
    out_ += suffix;
    char separator = '{';
    auto append = [&](const Label& label) {
      out_ += separator;
      separator = ',';
      out_ += label.name;
      out_ += "=\"";
      escaped(label.value);
      out_ += '"';
    };
    for (const Label& label : labels) append(label);
    if (!bound_.empty()) append({"le", bound_});
    if (separator == ',') out_ += '}';
    fmt::format_to(std::back_inserter(out_), " {}\n", value);
  }

  // One histogram of the family; `labels` without `le`.
  void histogram(Labels labels, const HistogramSum& histogram) {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < histogram.buckets.size(); ++i) {
      count += histogram.buckets[i];
      bound_ = i < kHistogramBounds.size() ? fmt::format("{}", static_cast<double>(kHistogramBounds[i].count()) / 1e9)
                                           : "+Inf";
      sample(labels, count, "_bucket");
    }
    bound_.clear();
    sample(labels, static_cast<double>(histogram.sum_ns) * kSecondsPerNano, "_sum");
    sample(labels, count, "_count");
  }

  // A family of one sample.
  template <typename Number>
  void single(std::string_view name, std::string_view type, std::string_view help, Number value) {
    family(name, type, help);
    sample({}, value);
  }

 private:
  void escaped(std::string_view value) {
    for (char c : value) {
      if (c == '\n') {
        out_ += "\\n";
        continue;
      }
      if (c == '\\' || c == '"') out_ += '\\';
      out_ += c;
    }
  }

  std::string& out_;
  std::string_view name_;
  std::string bound_;  // of the bucket that is written
};

}  // namespace lotagate::telemetry
