#include "trainer/flat_state.h"

#include <algorithm>

namespace bessemer::trainer {
namespace {

int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

int64_t element_count(const models::Parameter& parameter) {
  int64_t n = 1;
  for (const int64_t d : parameter.local_shape) n *= d;
  return n;
}

}  // namespace

at::ScalarType dtype_of(Precision precision) {
  if (precision == Precision::kBf16) return at::kBFloat16;
  if (precision == Precision::kFp16) return at::kHalf;
  return at::kFloat;
}

FlatLayout::FlatLayout(const std::vector<models::Parameter*>& parameters, int dp_size, int64_t bucket_elements)
    : dp_size_(dp_size) {
  // Equal parts of whole blocks, so that a block has one owner.
  const int64_t unit = kBlock * dp_size;
  int64_t offset = 0;
  Range bucket;
  const auto close = [&] {
    if (offset == bucket.begin) return;
    offset = bucket.end = bucket.begin + round_up(offset - bucket.begin, unit);
    buckets_.push_back(bucket);
    bucket = {offset, offset};
  };
  for (auto it = parameters.rbegin(); it != parameters.rend(); ++it) {
    const int64_t count = element_count(**it);
    if (offset > bucket.begin && offset - bucket.begin + count > bucket_elements) close();
    slots_.push_back({*it, offset, count, buckets_.size()});
    offset += round_up(count, kBlock);
  }
  close();
}

Range FlatLayout::part(const Range& bucket, int dp_rank) const {
  const int64_t share = bucket.size() / dp_size_;
  return {bucket.begin + dp_rank * share, bucket.begin + (dp_rank + 1) * share};
}

FlatState::FlatState(models::Model& model, const parallel::Grid& grid, const Options& options)
    : layout_(model.parameters(), grid.dp.size(), options.bucket_elements), dp_rank_(grid.dp.rank()),
      zero_(options.zero && grid.dp.size() > 1) {
  const auto dtype = dtype_of(options.precision);
  int64_t held = 0;
  for (std::size_t b = 0; b < layout_.buckets().size(); ++b) {
    state_begin_.push_back(held);
    held += updated(b).size();
  }
  const auto on = at::TensorOptions().device(grid.device);
  const bool low = dtype != at::kFloat;
  weights = at::zeros({layout_.size()}, on.dtype(dtype));
  grads = at::zeros({layout_.size()}, on.dtype(at::kFloat));
  if (low) low_grads = at::zeros({layout_.size()}, on.dtype(dtype));
  if (low) master_ = at::zeros({held}, on.dtype(at::kFloat));
  momentum_ = at::zeros({held}, on.dtype(at::kFloat));
  variance_ = at::zeros({held}, on.dtype(at::kFloat));
  bind();
  fill_initial(options.seed);
}

void FlatState::bind() {
  const auto& gradient = half() ? low_grads : grads;
  for (const auto& slot : layout_.slots()) {
    // variable_data: a leaf with a version counter of its own, or an update of one would look like an update of all.
    auto value = weights.narrow(0, slot.offset, slot.count).view(slot.parameter->local_shape).variable_data();
    value.set_requires_grad(true);
    value.mutable_grad() =
        gradient.narrow(0, slot.offset, slot.count).view(slot.parameter->local_shape).variable_data();
    slot.parameter->value = value;
  }
}

at::Tensor FlatState::state(StateKind kind, std::size_t bucket, const Range& range) const {
  if (kind == StateKind::kWeight && !half()) return weights.narrow(0, range.begin, range.size());
  const auto& all = kind == StateKind::kWeight ? master_ : kind == StateKind::kMomentum ? momentum_ : variance_;
  return all.narrow(0, state_begin_[bucket] + range.begin - updated(bucket).begin, range.size());
}

void FlatState::fill_initial(uint64_t seed) {
  for (const auto& slot : layout_.slots()) {
    auto initial = at::zeros(slot.parameter->local_shape, at::kFloat);
    models::initialize(*slot.parameter, seed, initial);
    const auto flat = initial.view({-1});
    weights.narrow(0, slot.offset, slot.count).copy_(flat);
    const Range mine = updated(slot);
    if (half() && !mine.empty()) {
      state(StateKind::kWeight, slot.bucket, mine).copy_(flat.narrow(0, mine.begin - slot.offset, mine.size()));
    }
  }
}

void FlatState::publish_weights(const parallel::Group& dp) {
  for (std::size_t b = 0; half() && b < layout_.buckets().size(); ++b) {
    const Range mine = updated(b);
    weights.narrow(0, mine.begin, mine.size()).copy_(state(StateKind::kWeight, b, mine));
  }
  if (zero_) share_weights(dp);
}

void FlatState::share_weights(const parallel::Group& dp) {
  for (std::size_t b = 0; b < layout_.buckets().size(); ++b) {
    const Range& bucket = layout_.buckets()[b];
    const Range mine = owned(b);
    auto whole = weights.narrow(0, bucket.begin, bucket.size());
    dp.all_gather(weights.narrow(0, mine.begin, mine.size()).clone(), whole);
  }
}

}  // namespace bessemer::trainer
