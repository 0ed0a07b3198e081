#include "data/objective.h"

namespace bessemer::data {

Batch make_batch(const Rows& rows, ObjectiveKind, at::Device device) {  // causal is the only kind so far
  const int64_t b = static_cast<int64_t>(rows.rows.size());
  const auto all = at::from_blob(const_cast<int64_t*>(rows.tokens.data()), {b, rows.sequence + 1}, at::kLong);
  Batch batch;
  batch.first_row = rows.rows.empty() ? 0 : rows.rows.front();
  // clone: the batch outlives the loader's buffer
  batch.tensors["tokens"] = all.narrow(1, 0, rows.sequence).clone(at::MemoryFormat::Contiguous).to(device);
  batch.tensors["targets"] = all.narrow(1, 1, rows.sequence).clone(at::MemoryFormat::Contiguous).to(device);
  if (!rows.starts.empty()) {
    const auto of_rows = [&](const void* data, at::ScalarType type) {
      return at::from_blob(const_cast<void*>(data), {b, rows.sequence}, type);
    };
    batch.tensors["starts"] = of_rows(rows.starts.data(), at::kLong).clone().to(device);
    batch.tensors["loss_mask"] = of_rows(rows.counted.data(), at::kByte).to(at::kFloat).to(device);
  }
  return batch;
}

}  // namespace bessemer::data
