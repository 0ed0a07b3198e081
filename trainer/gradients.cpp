#include "trainer/gradients.h"

#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <bit>

#include "trainer/flat_ops.h"

namespace bessemer::trainer {

using torch::autograd::variable_list;

Gradients::Gradients(FlatState& state, const parallel::Grid& grid, int64_t local_shards)
    : state_(state), grid_(grid), expected_(state.layout().buckets().size()), waiting_(expected_.size()) {
  partials_.reserve(static_cast<std::size_t>(tree_buffers(local_shards)));
  hook_parameters();
}

Gradients::~Gradients() {
  for (auto& work : works_) {
    if (work) work->wait();  // peers may be inside it
  }
}

int64_t Gradients::tree_buffers(int64_t local_shards) {
  return std::bit_width(static_cast<uint64_t>(local_shards)) - 1;
}

void Gradients::hook_parameters() {
  for (const auto& slot : state_.layout().slots()) {
    expected_[slot.bucket] += slot.parameter->uses;
    auto accumulator = torch::autograd::impl::grad_accumulator(slot.parameter->value);
    accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
        [this, bucket = slot.bucket](const variable_list& outputs, const variable_list&) {
          arrived(bucket);
          return outputs;
        }));
    accumulators_.push_back(std::move(accumulator));
  }
}

void Gradients::begin(bool last_micro_step, bool last_shard) {
  waiting_ = expected_;
  last_micro_step_ = last_micro_step, last_shard_ = last_shard;
  active_ = true;
}

at::Tensor Gradients::bucket_view(const at::Tensor& flat, std::size_t bucket) const {
  const Range& range = state_.layout().buckets()[bucket];
  return flat.narrow(0, range.begin, range.size());
}

void Gradients::arrived(std::size_t bucket) {
  if (!active_ || --waiting_[bucket] != 0) return;
  if (state_.half()) add_and_clear(bucket_view(state_.grads, bucket), bucket_view(state_.low_grads, bucket));
  launch_ready();
  for (auto& work : works_) {
    if (work) work->poll();  // backends without progress of their own move on here
  }
}

void Gradients::launch_ready() {
  if (!last_micro_step_ || !last_shard_) return;
  while (launched_ < waiting_.size() && waiting_[launched_] <= 0) launch(launched_++);
}

void Gradients::launch(std::size_t bucket) {
  const at::NoGradGuard no_grad;
  auto mine = bucket_view(state_.grads, bucket);
  // The last shard closes the local tree: earlier partial sums stand to its left, the newest nearest.
  for (auto it = partials_.rbegin(); it != partials_.rend(); ++it) mine.add_(bucket_view(it->sum, bucket));
  if (grid_.dp.size() == 1) return;
  if (!state_.zero()) {
    works_.push_back(grid_.dp.start_all_reduce(mine));
    return;
  }
  const Range own = state_.owned(bucket);
  auto part = state_.grads.narrow(0, own.begin, own.size());  // a slice of `mine`: allowed, see Group
  works_.push_back(grid_.dp.start_reduce_scatter(mine, part));
}

void Gradients::end() {
  for (std::size_t b = 0; b < waiting_.size(); ++b) {  // what got no gradient this time counts as zero
    if (waiting_[b] > 0 && state_.half()) {
      add_and_clear(bucket_view(state_.grads, b), bucket_view(state_.low_grads, b));
    }
    waiting_[b] = 0;
  }
  active_ = false;
  launch_ready();
  if (last_micro_step_ && !last_shard_) fold_shard();
}

void Gradients::fold_shard() {
  // A binary counter: equal levels merge, left + right, as the tree over ranks does.
  const at::NoGradGuard no_grad;
  int level = 0;
  while (!partials_.empty() && partials_.back().level == level) {
    state_.grads.add_(partials_.back().sum);
    partials_.pop_back();
    ++level;
  }
  partials_.push_back({level, state_.grads.clone()});
  state_.grads.zero_();
}

void Gradients::finish() {
  for (auto& work : works_) {
    if (work) work->wait();
  }
  works_.clear();
  partials_.clear();
  launched_ = 0;
  sum_over_tp();
}

void Gradients::sum_over_tp() {
  if (grid_.tp.size() == 1) return;
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> views;
  for (const auto& slot : state_.layout().slots()) {
    const Range range = state_.updated(slot);
    if (slot.parameter->sum_over_tp && !range.empty())
      views.push_back(state_.grads.narrow(0, range.begin, range.size()));
  }
  if (views.empty()) return;
  auto together = at::cat(views);  // one collective for many vectors
  grid_.tp.all_reduce(together);
  int64_t at = 0;
  for (auto& view : views) view.copy_(together.narrow(0, at, view.numel())), at += view.numel();
}

void Gradients::clear() { state_.grads.zero_(); }

parallel::ExactSum Gradients::own_squares() const {
  parallel::ExactSum sum;
  if (!state_.zero() && grid_.dp.rank() != 0) return sum;  // every dp rank holds the same gradients
  std::vector<at::Tensor> parts;
  for (const auto& slot : state_.layout().slots()) {
    if (slot.parameter->replicated && grid_.tp.rank() != 0) continue;
    const Range range = state_.updated(slot);
    if (!range.empty()) parts.push_back(state_.grads.narrow(0, range.begin, range.size()));
  }
  for (const double block : block_squares(parts, FlatLayout::kBlock)) sum.add(block);
  return sum;
}

}  // namespace bessemer::trainer
