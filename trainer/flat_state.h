#pragma once
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/model.h"
#include "parallel/grid.h"
#include "trainer/options.h"

namespace bessemer::trainer {

at::ScalarType dtype_of(Precision precision);

/// A parameter's place in the flat buffers.
struct Slot {
  models::Parameter* parameter = nullptr;
  int64_t offset = 0;  ///< elements, a multiple of FlatState::kBlock
  int64_t count = 0;
  std::size_t bucket = 0;
};

/// Elements [begin, end) of a flat buffer.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  bool empty() const { return end <= begin; }
  Range operator&(const Range& other) const { return {std::max(begin, other.begin), std::min(end, other.end)}; }
};

/// How parameters are laid out in flat buffers: arithmetic, no memory (the planner uses it too).
///
/// Parameters lie in about the order in which backward finishes them (the reverse of forward), cut into buckets of
/// whole parameters. Each bucket is cut into dp equal parts; part r belongs to dp rank r: it writes that part into
/// checkpoints, and under ZeRO-1 it alone holds the part's Adam state and updates it. Every slot begins on a multiple
/// of kBlock, so that a block of kBlock elements never holds two parameters: norms are sums over blocks.
class FlatLayout {
 public:
  static constexpr int64_t kBlock = 1024;
  FlatLayout(const std::vector<models::Parameter*>& parameters, int dp_size, int64_t bucket_elements);

  const std::vector<Slot>& slots() const { return slots_; }
  const std::vector<Range>& buckets() const { return buckets_; }
  int64_t size() const { return buckets_.empty() ? 0 : buckets_.back().end; }
  Range part(const Range& bucket, int dp_rank) const;

 private:
  std::vector<Slot> slots_;
  std::vector<Range> buckets_;
  int dp_size_;
};

enum class StateKind { kWeight, kMomentum, kVariance };

/// The memory of all parameters, their gradients and their Adam state (DESIGN, contract "Gradients").
///
/// Bytes per parameter: 16-bit runs 2 + 2 + 4 + 12 = 20, ZeRO-1 over d ranks 8 + 12 / d; fp32 runs 16, ZeRO-1 8 + 8 /
/// d.
class FlatState {
 public:
  struct Options {
    Precision precision = Precision::kFp32;
    bool zero = false;
    int64_t bucket_elements = 1 << 22;
    uint64_t seed = 0;
  };
  /// Allocates, binds every `parameter->value` (and its `.grad`) to views, and fills in the initial weights of the
  /// seed.
  FlatState(models::Model& model, const parallel::Grid& grid, const Options& options);

  const FlatLayout& layout() const { return layout_; }
  bool half() const { return low_grads.defined(); }
  bool zero() const { return zero_; }
  /// Our part of each bucket: what this rank writes into checkpoints.
  Range owned(std::size_t bucket) const { return layout_.part(layout_.buckets()[bucket], dp_rank_); }
  /// What this rank updates of each bucket: all of it, or under ZeRO-1 what it owns.
  Range updated(std::size_t bucket) const { return zero_ ? owned(bucket) : layout_.buckets()[bucket]; }
  /// What this rank updates of one parameter; may be empty under ZeRO-1.
  Range updated(const Slot& slot) const { return updated(slot.bucket) & Range{slot.offset, slot.offset + slot.count}; }
  /// fp32 view of Adam's state of flat elements `range`, which lie in updated(bucket).
  at::Tensor state(StateKind kind, std::size_t bucket, const Range& range) const;
  /// After fp32 weights were set through state(): writes the compute weights everywhere. Collective over dp with
  /// ZeRO-1.
  void publish_weights(const parallel::Group& dp);
  void share_weights(const parallel::Group& dp);  ///< ZeRO-1: gathers the compute weights from their owners

  at::Tensor weights;    ///< compute dtype [size]; in fp32 runs also the fp32 weights of Adam
  at::Tensor low_grads;  ///< 16-bit runs: what backward adds into [size]
  at::Tensor grads;      ///< fp32 [size]; in fp32 runs what backward adds into

 private:
  void bind();
  void fill_initial(uint64_t seed);

  FlatLayout layout_;
  int dp_rank_ = 0;
  bool zero_ = false;
  std::vector<int64_t> state_begin_;         ///< per bucket: where updated(bucket) begins in the tensors below
  at::Tensor master_, momentum_, variance_;  ///< fp32; master_ in 16-bit runs only
};

}  // namespace bessemer::trainer
