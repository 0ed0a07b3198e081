#include "data/objective.h"

#include <ATen/Functions.h>

#include "parallel/error.h"

namespace bessemer::data {

Batch make_batch(const Rows& rows, ObjectiveKind, at::Device device, int64_t sequence) {  // causal is the only kind yet
  const int64_t b = static_cast<int64_t>(rows.rows.size()), width = rows.sequence;
  const int64_t s = sequence > 0 ? sequence : width, pieces = width / s;
  BESSEMER_CHECK(pieces * s == width, "rows of ", width, " positions cannot be cut into sequences of ", s);
  const auto of_rows = [&](const void* data, int64_t columns, at::ScalarType type) {
    return at::from_blob(const_cast<void*>(data), {b, columns}, type);
  };
  const auto cut = [&](const at::Tensor& x) {  // clone: the batch outlives the loader's buffer
    return x.clone(at::MemoryFormat::Contiguous).view({b * pieces, s});
  };
  const auto all = of_rows(rows.tokens.data(), width + 1, at::kLong);
  // A copy from pageable memory would wait for all that the GPU has been given so far.
  const auto there = [&](const at::Tensor& x) {
    return device.is_cpu() ? x : x.pin_memory().to(device, /*non_blocking=*/true);
  };
  Batch batch;
  batch.first_row = rows.rows.empty() ? 0 : rows.rows.front() * pieces;
  batch.tensors["tokens"] = there(cut(all.narrow(1, 0, width)));
  batch.tensors["targets"] = there(cut(all.narrow(1, 1, width)));
  if (!rows.starts.empty()) {
    const auto begins = at::arange(pieces, at::kLong).mul_(s).repeat({b}).unsqueeze(1);  // of each piece in its row
    const auto starts = cut(of_rows(rows.starts.data(), width, at::kLong));
    batch.tensors["starts"] = there((starts - begins).clamp_min_(0));
  }
  if (!rows.counted.empty())
    batch.tensors["loss_mask"] = there(cut(of_rows(rows.counted.data(), width, at::kByte)).to(at::kFloat));
  return batch;
}

}  // namespace bessemer::data
