#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "trainer/files.h"

namespace bessemer::trainer {

struct Metric {
  std::string name;
  std::variant<int64_t, float, double, std::string>
      value;  ///< a float is written with as few digits as give back that float
};

/// One flat JSON object without newline. Numbers in shortest round-trip form, so equal text means equal bits; a
/// non-finite one is null, and "NAME_nonfinite" says "nan", "inf" or "-inf".
std::string to_json(std::span<const Metric> metrics);

/// metrics.jsonl: one object per line, appended with one write each. Lines that the disk has no room for wait in memory
/// and follow when it has.
class MetricsLog {
 public:
  /// Drops lines of later steps (a torn last line too), atomically, then appends.
  /// \param last_step  lines with a greater "step" go; -1 empties the file.
  MetricsLog(const std::string& path, int64_t last_step);
  bool evaluated() const { return evaluated_; }  ///< a line of `last_step` that was there holds an "eval_loss"
  /// \return "", or why the line waits (said once; lines that wait with it say nothing).
  std::string write(std::span<const Metric> metrics);
  std::string flush();  ///< tries again what waits; likewise
  /// To disk; before a checkpoint refers to it. Any thread.
  void sync() const;

 private:
  std::string path_;
  Descriptor file_;
  std::string waiting_;
  bool waits_ = false, evaluated_ = false;
};

}  // namespace bessemer::trainer
