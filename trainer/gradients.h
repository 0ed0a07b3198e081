#pragma once
#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/function.h>

#include <memory>
#include <vector>

#include "parallel/exact_sum.h"
#include "parallel/grid.h"
#include "trainer/flat_state.h"

namespace bessemer::trainer {

/// Sums the gradients of a step over micro-batches, virtual shards and data-parallel ranks while backward still runs.
///
/// Inside a virtual shard micro-batches add in order; shards of this rank in a fixed binary tree; ranks in the same
/// tree (Group's order). So the sum is the same, bit for bit, on every number of ranks that divides virtual_dp
/// (decision 3). Buckets start their reduction in their order, each when its last gradient of the step has arrived.
///
/// A step: for each local shard, for each micro-step: begin(...); loss.backward(); end(). Then finish().
/// Collective over dp (and over tp in finish(), for parameters with sum_over_tp).
class Gradients {
 public:
  /// \param local_shards  virtual shards of this rank, a power of two; more than one takes log2 more fp32 buffers.
  Gradients(FlatState& state, const parallel::Grid& grid, int64_t local_shards);
  ~Gradients();
  Gradients(const Gradients&) = delete;
  Gradients& operator=(const Gradients&) = delete;

  void begin(bool last_micro_step, bool last_shard);  ///< before a backward
  void end();                                         ///< after it
  void finish();  ///< returns when state.grads holds the sum: of every bucket, or under ZeRO-1 of what we own
  void clear();   ///< zero, for a step that is skipped

  /// The sum of squares of all gradients, as one vector over tp (and over dp under ZeRO-1): each rank's own share, to
  /// be added over `world`; parameters that each tp rank holds whole count on tp rank 0 only. inf or nan if any element
  /// is.
  parallel::ExactSum own_squares() const;

  static int64_t tree_buffers(int64_t local_shards);  ///< extra fp32 buffers

 private:
  struct Partial {  ///< the sum of 2^level finished shards
    int level;
    at::Tensor sum;
  };
  void hook_parameters();
  void arrived(std::size_t bucket);
  void launch_ready();
  void launch(std::size_t bucket);
  void fold_shard();
  void sum_over_tp();
  at::Tensor bucket_view(const at::Tensor& flat, std::size_t bucket) const;

  FlatState& state_;
  parallel::Grid grid_;
  std::vector<std::shared_ptr<torch::autograd::Node>> accumulators_;  ///< they own the hooks
  std::vector<int> expected_, waiting_;                               ///< gradients per bucket
  std::vector<parallel::Work> works_;
  std::vector<at::Tensor> parts_;  ///< ZeRO-1: where a reduce-scatter puts our part
  std::vector<Partial> partials_;
  std::size_t launched_ = 0;
  bool last_micro_step_ = false, last_shard_ = false, active_ = false;
};

}  // namespace bessemer::trainer
