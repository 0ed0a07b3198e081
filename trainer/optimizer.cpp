#include "trainer/optimizer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "parallel/exact_sum.h"
#include "trainer/flat_ops.h"

namespace bessemer::trainer {
namespace {

using parallel::ExactSum;

/// The tensors of flat elements that this rank updates.
struct Part {
  Part(const FlatState& state, std::size_t bucket, const Range& range)
      : weight(state.state(StateKind::kWeight, bucket, range)),
        gradient(state.grads.narrow(0, range.begin, range.size())),
        momentum(state.state(StateKind::kMomentum, bucket, range)),
        variance(state.state(StateKind::kVariance, bucket, range)) {
    if (state.half()) low = state.weights.narrow(0, range.begin, range.size());
  }
  at::Tensor weight, gradient, momentum, variance, low;
};

/// update(slot, step with the slot's own weight decay, part) for each slot that this rank updates some of.
template <class Update>
void for_each_part(const FlatState& state, AdamStep step, const Update& update) {
  const float decay = step.weight_decay;
  for (const auto& slot : state.layout().slots()) {
    const Range range = state.updated(slot);
    if (range.empty()) continue;
    step.weight_decay = slot.parameter->decay ? decay : 0.0f;
    update(slot, step, Part(state, slot.bucket, range));
  }
}

/// A canonical matrix, or what this rank updates of it; the list of them is the same on all ranks.
struct Matrix {
  const Slot* slot;
  Range range;
  bool counted;  ///< by this rank: what others hold alike is counted once
  ExactSum weight_squares, direction_squares;
};

std::vector<Matrix> matrices_of(const FlatState& state, const parallel::Grid& grid) {
  std::vector<Matrix> all;
  for (const auto& slot : state.layout().slots()) {
    const auto& parameter = *slot.parameter;
    if (!parameter.decay) continue;
    const bool counted = (state.zero() || grid.dp.rank() == 0) && (!parameter.replicated || grid.tp.rank() == 0);
    const int64_t width = slot.count / parameter.local_shape[0];
    for (const auto& piece : parameter.pieces) {
      const int64_t begin = slot.offset + piece.row * width;
      all.push_back({&slot, state.updated(slot) & Range{begin, begin + piece.rows * width}, counted, {}, {}});
    }
  }
  return all;
}

/// `range` cut where a block of the flat buffer ends, so that ZeRO-1, which cuts there too, finds the same blocks.
std::vector<Range> by_blocks(const Range& range) {
  const int64_t first = std::min(range.end, (range.begin / FlatLayout::kBlock + 1) * FlatLayout::kBlock);
  std::vector<Range> out;
  for (const Range& part : {Range{range.begin, first}, Range{first, range.end}}) {
    if (!part.empty()) out.push_back(part);
  }
  return out;
}

/// Adds this rank's blocks to the squares of each matrix, weights and directions in one go.
void add_squares(const FlatState& state, std::vector<Matrix>& matrices) {
  std::vector<at::Tensor> parts;
  std::vector<ExactSum*> sums;
  for (auto& matrix : matrices) {
    if (!matrix.counted) continue;
    for (const Range& range : by_blocks(matrix.range)) {
      parts.push_back(state.state(StateKind::kWeight, matrix.slot->bucket, range));
      sums.push_back(&matrix.weight_squares);
      parts.push_back(state.grads.narrow(0, range.begin, range.size()));
      sums.push_back(&matrix.direction_squares);
    }
  }
  const auto blocks = block_squares(parts, FlatLayout::kBlock);
  auto block = blocks.begin();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const int64_t count = (parts[i].numel() + FlatLayout::kBlock - 1) / FlatLayout::kBlock;
    for (int64_t b = 0; b < count; ++b) sums[i]->add(*block++);
  }
}

void sum_over_ranks(std::vector<Matrix>& matrices, const parallel::Group& world) {
  if (world.size() == 1) return;
  std::vector<int64_t> packed;
  for (const auto& matrix : matrices) {
    for (const auto* sum : {&matrix.weight_squares, &matrix.direction_squares}) {
      const auto words = sum->words();
      packed.insert(packed.end(), words.begin(), words.end());
    }
  }
  auto all = at::from_blob(packed.data(), {static_cast<int64_t>(packed.size())}, at::kLong);
  world.all_reduce(all);
  std::span<const int64_t> left(packed);
  for (auto& matrix : matrices) {
    for (auto* sum : {&matrix.weight_squares, &matrix.direction_squares}) {
      *sum = ExactSum::from_words(left.first(ExactSum::kWords));
      left = left.subspan(ExactSum::kWords);
    }
  }
}

double trust_ratio(const Matrix& matrix) {
  const double weight = std::sqrt(matrix.weight_squares.value());
  const double direction = std::sqrt(matrix.direction_squares.value());
  return weight > 0 && direction > 0 ? weight / direction : 1.0;
}

}  // namespace

void update_adamw(const FlatState& state, AdamStep step) {
  for_each_part(state, step, [](const Slot&, const AdamStep& own, const Part& part) {
    adam_update(own, part.weight, part.gradient, part.momentum, part.variance, part.low);
  });
}

void update_lamb(const FlatState& state, AdamStep step, const parallel::Grid& grid) {
  for_each_part(state, step, [](const Slot& slot, const AdamStep& own, const Part& part) {
    lamb_direction(own, part.weight, part.gradient, part.momentum, part.variance);
    if (!slot.parameter->decay) lamb_apply(own.lr, part.weight, part.gradient, part.low);
  });
  auto matrices = matrices_of(state, grid);
  add_squares(state, matrices);
  sum_over_ranks(matrices, grid.world);
  for (const auto& matrix : matrices) {
    if (matrix.range.empty()) continue;
    const Part part(state, matrix.slot->bucket, matrix.range);
    lamb_apply(static_cast<float>(step.lr * trust_ratio(matrix)), part.weight, part.gradient, part.low);
  }
}

}  // namespace bessemer::trainer
