#include "launch/stop_strings.h"

#include <algorithm>
#include <utility>

#include "parallel/error.h"

namespace bessemer::launch {

StopStrings::StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {
  for (const auto& one : strings_) BESSEMER_CHECK(!one.empty(), "--stop is empty; give the text to stop at");
}

bool StopStrings::may_begin(std::string_view end) const {
  return std::any_of(strings_.begin(), strings_.end(),
                     [&](const std::string& one) { return one.size() > end.size() && one.starts_with(end); });
}

std::string StopStrings::next(std::string_view piece) {
  for (const char c : piece) {
    if (stopped_) return "";
    held_ += c;
    std::size_t longest = 0;  // of those that end here
    for (const auto& one : strings_) {
      if (held_.ends_with(one)) longest = std::max(longest, one.size());
    }
    if (longest == 0) continue;
    stopped_ = true;
    held_.resize(held_.size() - longest);
    return std::exchange(held_, {});
  }
  std::size_t known = 0;
  while (known < held_.size() && !may_begin(std::string_view(held_).substr(known))) ++known;
  std::string out = held_.substr(0, known);
  held_.erase(0, known);
  return out;
}

std::string StopStrings::finish() {
  stopped_ = false;
  return std::exchange(held_, {});
}

}  // namespace bessemer::launch
