#include "config/units.h"

#include <gtest/gtest.h>

namespace lotagate::config {
namespace {

TEST(Units, Durations) {
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("10s"), seconds(10));
  EXPECT_EQ(parse_duration("5m"), std::chrono::minutes(5));
  EXPECT_EQ(parse_duration("24h"), std::chrono::hours(24));
  EXPECT_EQ(parse_duration("7d"), std::chrono::hours(168));
  EXPECT_EQ(parse_duration("0"), milliseconds(0));
  EXPECT_EQ(parse_duration("0s"), milliseconds(0));
  for (auto bad : {"", "s", "10", "10 s", " 10s", "10s ", "1.5s", "-1s", "+1s", "1e3s", "10S", "10sec", "1m30s", "0x1s",
                   "104249992d", "9007199254740993ms", "99999999999999999999s", "1\0s"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
  EXPECT_EQ(parse_duration("30").error(), "`30` has no unit; write for example `30s` (ms, s, m, h or d)");
  EXPECT_EQ(parse_duration("soon").error(), "`soon` is not a duration; write for example `30s`");
  EXPECT_EQ(parse_duration("30sec").error(),
            "`30sec` is not a duration: a whole number followed by ms, s, m, h or d, for example `30s`");
  EXPECT_EQ(parse_duration("99999999999999999999s").error(), "`99999999999999999999s` is too large");
}

TEST(Units, Sizes) {
  EXPECT_EQ(parse_size("100B"), 100u);
  EXPECT_EQ(parse_size("1KB"), 1000u);
  EXPECT_EQ(parse_size("2MB"), 2'000'000u);
  EXPECT_EQ(parse_size("3GB"), 3'000'000'000u);
  EXPECT_EQ(parse_size("32KiB"), 32u * 1024);
  EXPECT_EQ(parse_size("10MiB"), 10u * 1024 * 1024);
  EXPECT_EQ(parse_size("4GiB"), 4ull << 30);
  EXPECT_EQ(parse_size("0"), 0u);
  for (auto bad : {"", "B", "10", "10 KiB", "10k", "10K", "10kb", "10Mib", "1.5MiB", "-1B", "8388609GiB"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
  EXPECT_EQ(parse_size("10").error(), "`10` has no unit; write for example `10MiB` (B, KiB, MiB, GiB, KB, MB or GB)");
}

TEST(Units, Rates) {
  EXPECT_EQ(parse_rate("50/s"), 50.0);
  EXPECT_EQ(parse_rate("0.5/s"), 0.5);
  EXPECT_EQ(parse_rate("120/m"), 2.0);
  EXPECT_EQ(parse_rate("120/min"), 2.0);
  EXPECT_EQ(parse_rate("7200/h"), 2.0);
  EXPECT_EQ(parse_rate("7200/hour"), 2.0);
  EXPECT_EQ(parse_rate("86400/d"), 1.0);
  EXPECT_EQ(parse_rate("86400/day"), 1.0);
  for (auto bad : {"", "/", "/s", "50", "50/", "50 / s", "50/sec", "50/ms", "-1/s", "+1/s", "1e3/s", "inf/s", "nan/s",
                   "0x10/s", "1.2.3/s", ".", "50/s/s", "1234567890123456789/s"}) {
    EXPECT_FALSE(parse_rate(bad)) << bad;
  }
}

TEST(Units, RatesAsPeopleWroteThem) {
  for (auto text : {"50/s", "1000/min", "1000/d", "7/h", "1/d", "1000000/s", "999999/d", "2.5/s", "1.5/d"}) {
    EXPECT_EQ(rate_to_text(*parse_rate(text)), std::string_view(text) == "2.5/s" ? "150/min" : text);
  }
  EXPECT_EQ(rate_to_text(*parse_rate("60/min")), "1/s");
  EXPECT_EQ(rate_to_text(1.0 / 7), "8.571429/min");
  EXPECT_EQ(rate_to_text(0.25 / 86400), "0.25/d");
}

TEST(Units, ShortestText) {
  EXPECT_EQ(to_text(milliseconds(0)), "0");
  EXPECT_EQ(to_text(milliseconds(1500)), "1500ms");
  EXPECT_EQ(to_text(seconds(90)), "90s");
  EXPECT_EQ(to_text(std::chrono::hours(48)), "2d");
  EXPECT_EQ(size_to_text(0), "0");
  EXPECT_EQ(size_to_text(1000), "1000B");
  EXPECT_EQ(size_to_text(60 * 1024), "60KiB");
  EXPECT_EQ(size_to_text(1ull << 40), "1024GiB");
}

}  // namespace
}  // namespace lotagate::config
