#include "data/ramp.h"

#include <algorithm>
#include <charconv>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;  // sums over steps stay far from 2^63

int64_t number(std::string_view text, const std::string& whole) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  BESSEMER_CHECK(error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= kMost, "'", whole,
                 "' is no list of stages; write for example 64x500, 128x1000: 64 for 500 steps, then 128 for 1000");
  return value;
}

}  // namespace

int64_t Ramp::at(int64_t step) const {
  for (const auto& stage : stages_) {
    if (step < stage.steps) return stage.value;
    step -= stage.steps;
  }
  return last_;
}

int64_t Ramp::before(int64_t step) const {
  int64_t sum = 0;
  for (const auto& stage : stages_) {
    const int64_t n = std::min(step, stage.steps);
    sum += n * stage.value;
    step -= n;
  }
  return sum + step * last_;
}

std::vector<Stage> parse_stages(const std::string& text) {
  std::vector<Stage> stages;
  if (text.find_first_not_of(' ') == std::string::npos) return stages;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    const auto x = std::min(part.find('x'), part.size());
    stages.push_back({number(part.substr(0, x), text), number(part.substr(std::min(x + 1, part.size())), text)});
    begin = end + 1;
  }
  return stages;
}

std::string stages_text(const std::vector<Stage>& stages) {
  std::string text;
  for (const auto& stage : stages) text += concat(text.empty() ? "" : ", ", stage.value, "x", stage.steps);
  return text;
}

}  // namespace bessemer::data
