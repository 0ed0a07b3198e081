#include "configs/values.h"

#include <fmt/format.h>

#include <array>
#include <boost/algorithm/string/case_conv.hpp>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

#include "parallel/error.h"

namespace bessemer::configs {
namespace {

struct Quantity {
  double value = 0;
  std::string unit;
};

/// Splits "1.5k" into 1.5 and "k"; false where it does not begin with a finite number.
bool split(const std::string& text, Quantity& out) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, out.value);
  if (error != std::errc() || !std::isfinite(out.value)) return false;
  out.unit.assign(rest, end);
  return true;
}

template <std::size_t n>
double factor(const std::array<std::pair<const char*, double>, n>& units, const std::string& unit) {
  for (const auto& [name, value] : units) {
    if (unit == name) return value;
  }
  return 0;
}

int64_t whole(double value, const std::string& text, const char* what) {
  BESSEMER_CHECK(value == std::floor(value), "'", text, "' is not a whole number; ", what);
  BESSEMER_CHECK(value < 0x1p63, "'", text, "' is too large; the limit is 9.2e18");
  return static_cast<int64_t>(value);
}

}  // namespace

int64_t parse_count(const std::string& text) {
  static constexpr auto how = "write a count such as 512, 512k, 2M or 1e9";
  int64_t plain = 0;  // exact above 2^53, where a double is not
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, plain);
  if (error == std::errc() && rest == end && plain >= 0) return plain;
  Quantity q;
  BESSEMER_CHECK(split(text, q), "'", text, "' is not a count; ", how);
  BESSEMER_CHECK(!std::signbit(q.value), "'", text, "' is negative; ", how);
  static constexpr std::array<std::pair<const char*, double>, 11> units{{{"", 1},
                                                                         {"k", 1e3},
                                                                         {"K", 1e3},
                                                                         {"M", 1e6},
                                                                         {"G", 1e9},
                                                                         {"B", 1e9},
                                                                         {"T", 1e12},
                                                                         {"Ki", 0x1p10},
                                                                         {"Mi", 0x1p20},
                                                                         {"Gi", 0x1p30},
                                                                         {"Ti", 0x1p40}}};
  const double unit = factor(units, q.unit);
  BESSEMER_CHECK(unit > 0, "'", text, "' is not a count: '", q.unit, "' is not one of k, M, G (B), T, Ki, Mi, Gi, Ti; ",
                 how);
  return whole(q.value * unit, text, how);
}

uint64_t parse_seed(const std::string& text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  BESSEMER_CHECK(error == std::errc() && rest == end, "'", text,
                 "' is not a seed; write a whole number from 0 to 2^64 - 1");
  return value;
}

double parse_real(const std::string& text) {
  Quantity q;
  BESSEMER_CHECK(split(text, q) && q.unit.empty(), "'", text, "' is not a number; write one such as 0.1 or 3e-4");
  return q.value;
}

double parse_fraction(const std::string& text) {
  Quantity q;
  const bool good = split(text, q) && (q.unit.empty() || q.unit == "%");
  const double value = q.unit == "%" ? q.value / 100 : q.value;
  BESSEMER_CHECK(good && value >= 0 && value <= 1, "'", text,
                 "' is not a share; write one from 0 to 1, such as 0.1 or 10%");
  return value;
}

double parse_duration(const std::string& text) {
  static constexpr auto how = "write seconds or a duration such as 90s, 15m, 2h, 1h30m or 1.5d";
  static constexpr std::array<std::pair<const char*, double>, 4> units{
      {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}};
  Quantity q;
  BESSEMER_CHECK(split(text, q), "'", text, "' is not a duration; ", how);
  BESSEMER_CHECK(!std::signbit(q.value), "'", text, "' is negative; ", how);
  if (q.unit.empty()) return q.value;
  double seconds = 0;
  for (std::string rest = text; !rest.empty();) {
    const bool good = split(rest, q) && !q.unit.empty() && !std::signbit(q.value);
    const double unit = good ? factor(units, q.unit.substr(0, 1)) : 0;
    BESSEMER_CHECK(unit > 0, "'", text, "' is not a duration; ", how);
    seconds += q.value * unit;
    rest = q.unit.substr(1);
  }
  return seconds;
}

int64_t parse_bytes(const std::string& text) {
  static constexpr auto how = "write a size such as 4096, 16MiB, 1G (powers of 1,024) or 64MB (powers of 1,000)";
  Quantity q;
  BESSEMER_CHECK(split(text, q), "'", text, "' is not a size; ", how);
  BESSEMER_CHECK(!std::signbit(q.value), "'", text, "' is negative; ", how);
  static constexpr std::array<std::pair<const char*, double>, 15> units{{{"", 1},
                                                                         {"B", 1},
                                                                         {"K", 0x1p10},
                                                                         {"k", 0x1p10},
                                                                         {"M", 0x1p20},
                                                                         {"G", 0x1p30},
                                                                         {"T", 0x1p40},
                                                                         {"KiB", 0x1p10},
                                                                         {"MiB", 0x1p20},
                                                                         {"GiB", 0x1p30},
                                                                         {"TiB", 0x1p40},
                                                                         {"kB", 1e3},
                                                                         {"MB", 1e6},
                                                                         {"GB", 1e9},
                                                                         {"TB", 1e12}}};
  const double unit = factor(units, q.unit);
  BESSEMER_CHECK(unit > 0, "'", text, "' is not a size: unknown unit '", q.unit, "'; ", how);
  return whole(q.value * unit, text, how);
}

bool parse_switch(const std::string& text) {
  const std::string lower = boost::to_lower_copy(text);
  for (const char* yes : {"on", "yes", "true", "1"}) {
    if (lower == yes) return true;
  }
  for (const char* no : {"off", "no", "false", "0"}) {
    if (lower == no) return false;
  }
  fail(ExitCode::kUsage, "'", text, "' is neither yes nor no; write yes or no (on/off, true/false, 1/0)");
}

std::string real_text(double value) { return fmt::format("{}", value); }

std::string bytes_text(double bytes) {
  static constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < units.size(); ++unit) bytes /= 1024;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

}  // namespace bessemer::configs
