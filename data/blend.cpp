#include "data/blend.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/options.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr uint64_t kMostShare = uint64_t{1} << 55;  // of one source: a sum of 255 stays below 2^63

/// A decimal number as numerator / 10^digits.
struct Decimal {
  uint64_t numerator = 0;
  int digits = 0;
};

/// Without spaces and tabs at its ends.
std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t");
  return begin == text.npos ? std::string_view() : text.substr(begin, end - begin + 1);
}

/// What stands between the commas of an option's list, trimmed; one empty part for an empty text.
std::vector<std::string_view> comma_parts(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    parts.push_back(trimmed(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return parts;
}

/// "0.7", "70%", "3B", "1.5M"; false where it is none.
bool read_decimal(std::string_view text, Decimal& out) {
  int power = 0;
  if (!text.empty()) {
    switch (text.back()) {
      case '%': power = -2; break;
      case 'k': power = 3; break;
      case 'M': power = 6; break;
      case 'B': power = 9; break;
      case 'T': power = 12; break;
      default: break;
    }
    if (power != 0) text.remove_suffix(1);
  }
  bool point = false, any = false;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9' || out.numerator > kMostShare / 10) return false;
    out.numerator = out.numerator * 10 + static_cast<uint64_t>(c - '0');
    out.digits += point;
    any = true;
  }
  for (; power > 0; --power) {
    if (out.digits > 0) {
      --out.digits;
    } else if (out.numerator > kMostShare / 10) {
      return false;
    } else {
      out.numerator *= 10;
    }
  }
  out.digits -= power;
  return any;
}

/// To one denominator, then without a common divisor.
void make_whole(std::vector<Decimal>& numbers, std::vector<Share>& shares, const std::string& text) {
  int digits = 0;
  for (const auto& n : numbers) digits = std::max(digits, n.digits);
  uint64_t divisor = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    uint64_t value = numbers[i].numerator;
    for (int d = numbers[i].digits; d < digits; ++d) {
      BESSEMER_CHECK(value <= kMostShare / 10, "'", text, "' has shares too far apart; write them with fewer digits");
      value *= 10;
    }
    shares[i].share = value;
    divisor = std::gcd(divisor, value);
  }
  for (auto& share : shares) share.share /= divisor;
}

}  // namespace

std::vector<Share> parse_blend(const std::string& text) {
  std::vector<Share> shares;
  std::vector<Decimal> numbers;
  for (const auto part : comma_parts(text)) {
    BESSEMER_CHECK(!part.empty(), "'", text, "' has a source without a name; write for example 0.7 web, 0.3 code");
    const auto space = part.find_first_of(" \t");
    Decimal number;
    if (space == part.npos) {
      shares.push_back({std::string(part), 0});
      continue;
    }
    const auto word = part.substr(0, space);
    BESSEMER_CHECK(
        read_decimal(word, number), "'", word, "' of '", part,
        "' is no share; write for example 0.7, 70% or 3B (tokens), then the directory (one with a space in its name "
        "needs a share)");
    BESSEMER_CHECK(number.numerator > 0, "'", part, "' has no share; leave the source out");
    shares.push_back({std::string(trimmed(part.substr(space))), 0});
    numbers.push_back(number);
  }
  BESSEMER_CHECK(numbers.empty() || numbers.size() == shares.size(), "'", text,
                 "' gives some sources a share and others none; give all one, or none (then their sizes count)");
  BESSEMER_CHECK(shares.size() <= 255, "'", text, "' has ", shares.size(), " sources; 255 are the most");
  for (std::size_t i = 0; i < shares.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j)
      BESSEMER_CHECK(shares[i].path != shares[j].path, "'", shares[i].path, "' is named twice; add its shares up");
  }
  if (!numbers.empty()) make_whole(numbers, shares, text);
  return shares;
}

std::string blend_text(const std::vector<Share>& blend) {
  std::string text;
  for (const auto& share : blend) {
    text += text.empty() ? "" : ", ";
    text += share.share > 0 ? concat(share.share, " ", share.path) : share.path;
  }
  return text;
}

std::vector<NamedPath> parse_named_paths(const std::string& text) {
  std::vector<NamedPath> all;
  if (trimmed(text).empty()) return all;
  for (const auto part : comma_parts(text)) {
    const auto equals = std::min(part.find('='), part.size());
    const std::string name(trimmed(part.substr(0, equals))),
        path(trimmed(part.substr(std::min(equals + 1, part.size()))));
    BESSEMER_CHECK(!name.empty() && !path.empty(), "'", part,
                   "' is no named set; write NAME=DIR, for example web=data/web");
    for (const auto& other : all) BESSEMER_CHECK(other.name != name, "two sets are called '", name, "'; rename one");
    all.push_back({name, path});
  }
  return all;
}

std::string named_paths_text(const std::vector<NamedPath>& all) {
  std::string text;
  for (const auto& one : all) text += concat(text.empty() ? "" : ", ", one.name, "=", one.path);
  return text;
}

std::vector<uint64_t> shares_by_size(std::span<const int64_t> tokens, double temperature) {
  std::vector<uint64_t> shares;
  if (temperature == 1.0) {
    uint64_t divisor = 0;
    for (const int64_t n : tokens) divisor = std::gcd(divisor, static_cast<uint64_t>(n));
    for (const int64_t n : tokens) shares.push_back(static_cast<uint64_t>(n) / divisor);
    return shares;
  }
  const auto most = static_cast<double>(*std::max_element(tokens.begin(), tokens.end()));
  for (const int64_t n : tokens) {
    const double part = std::pow(static_cast<double>(n) / most, 1.0 / temperature);
    shares.push_back(std::max<uint64_t>(1, static_cast<uint64_t>(std::llround(part * 4294967296.0))));
  }
  return shares;
}

}  // namespace bessemer::data
