#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bessemer::data {

/// One stage of a ramp: `value` for so many steps.
struct Stage {
  int64_t value = 0;
  int64_t steps = 0;
  bool operator==(const Stage&) const = default;
};

/// A number that changes by stages with the step and then stays: the global batch of a batch-size ramp-up.
class Ramp {
 public:
  Ramp(std::vector<Stage> stages, int64_t last) : stages_(std::move(stages)), last_(last) {}
  int64_t at(int64_t step) const;      ///< in step number `step`, from 0
  int64_t before(int64_t step) const;  ///< the sum over all steps before `step`

 private:
  std::vector<Stage> stages_;
  int64_t last_;
};

/// "64x500, 128x1000": 64 for 500 steps, then 128 for 1,000. Errors: Error (64), a sentence.
std::vector<Stage> parse_stages(const std::string& text);
std::string stages_text(const std::vector<Stage>& stages);

}  // namespace bessemer::data
