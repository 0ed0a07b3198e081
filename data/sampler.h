#pragma once
#include <cstdint>
#include <vector>

namespace bessemer::data {

/// Which window is which row of which step: a pure function (DESIGN, contract "Rows").
///
/// Window w is tokens [w s, w s + s + 1) of the concatenated shards. Row k of step t is window
/// permute(seed, epoch, i mod W) with i = t * global_batch + k and epoch = i div W. Ranks, accumulation and resume
/// change nothing.
class Sampler {
 public:
  /// \param windows  W, at least 1.
  Sampler(uint64_t seed, int64_t windows, int64_t global_batch);
  int64_t window(int64_t row) const;  ///< of global row number i = t * global_batch + k
  int64_t epoch(int64_t row) const { return row / windows_; }
  int64_t windows() const { return windows_; }
  int64_t global_batch() const { return global_batch_; }
  /// The global row numbers of micro-step `micro_step` of dp rank `dp_rank`: its part of the global batch is
  /// contiguous.
  std::vector<int64_t> rows(int64_t step, int64_t micro_step, int dp_rank, int dp_size, int64_t micro_batch) const;

 private:
  uint64_t seed_;
  int64_t windows_;
  int64_t global_batch_;
};

}  // namespace bessemer::data
