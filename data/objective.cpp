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
  Batch batch;
  batch.first_row = rows.rows.empty() ? 0 : rows.rows.front() * pieces;
  batch.tensors["tokens"] = cut(all.narrow(1, 0, width)).to(device);
  batch.tensors["targets"] = cut(all.narrow(1, 1, width)).to(device);
  if (!rows.starts.empty()) {
    const auto begins = at::arange(pieces, at::kLong).mul_(s).repeat({b}).unsqueeze(1);  // of each piece in its row
    const auto starts = cut(of_rows(rows.starts.data(), width, at::kLong));
    batch.tensors["starts"] = (starts - begins).clamp_min_(0).to(device);
    batch.tensors["loss_mask"] = cut(of_rows(rows.counted.data(), width, at::kByte)).to(at::kFloat).to(device);
  }
  return batch;
}

}  // namespace bessemer::data
