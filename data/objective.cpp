#include "data/objective.h"

#include <ATen/Functions.h>

#include "data/tokenizer.h"
#include "parallel/error.h"
#include "parallel/random.h"

namespace bessemer::data {
namespace {

at::Tensor of_rows(const void* data, int64_t rows, int64_t columns, at::ScalarType type) {
  return at::from_blob(const_cast<void*>(data), {rows, columns}, type);
}

struct MaskedRows {
  at::Tensor tokens, predicted;  ///< int64 and uint8 [b, s]
};

MaskedRows masked(const Rows& rows, const Objective& objective) {
  const auto b = static_cast<int64_t>(rows.rows.size()), s = rows.sequence;
  MaskedRows out{
      of_rows(rows.tokens.data(), b, s + 1, at::kLong).narrow(1, 0, s).clone(at::MemoryFormat::Contiguous),
      rows.counted.empty() ? at::ones({b, s}, at::kByte) : of_rows(rows.counted.data(), b, s, at::kByte).clone()};
  const auto n = static_cast<std::size_t>(s);
  for (int64_t r = 0; r < b; ++r) {
    const auto key =
        parallel::stream_key(objective.seed, "mask", static_cast<uint64_t>(rows.rows[static_cast<std::size_t>(r)]));
    mask_row(objective.masking, key, {out.tokens.data_ptr<int64_t>() + r * s, n},
             {out.predicted.data_ptr<uint8_t>() + r * s, n});
  }
  return out;
}

}  // namespace

Objective make_objective(const DataOptions& options, const std::string& tokenizer, uint64_t seed) {
  Objective out;
  out.kind = options.objective, out.seed = seed;
  if (out.kind == ObjectiveKind::kMasked)
    out.masking = {options.mask_probability, options.mask_unit, masking_vocabulary(*load_tokenizer(tokenizer))};
  return out;
}

Batch make_batch(const Rows& rows, const Objective& objective, at::Device device, int64_t sequence) {
  const int64_t b = static_cast<int64_t>(rows.rows.size()), width = rows.sequence;
  const int64_t s = sequence > 0 ? sequence : width, pieces = width / s;
  BESSEMER_CHECK(pieces * s == width, "rows of ", width, " positions cannot be cut into sequences of ", s);
  const auto cut = [&](const at::Tensor& x) {  // clone: the batch outlives the loader's buffer
    return x.clone(at::MemoryFormat::Contiguous).view({b * pieces, s});
  };
  // A copy from pageable memory would wait for all that the GPU has been given so far.
  const auto there = [&](const at::Tensor& x) {
    return device.is_cpu() ? x : x.pin_memory().to(device, /*non_blocking=*/true);
  };
  const auto all = of_rows(rows.tokens.data(), b, width + 1, at::kLong);
  Batch batch;
  batch.first_row = rows.rows.empty() ? 0 : rows.rows.front() * pieces;
  at::Tensor counted;  // [b * pieces, s]
  if (objective.kind == ObjectiveKind::kMasked) {
    const auto hidden = masked(rows, objective);
    counted = cut(hidden.predicted);
    batch.tensors["tokens"] = there(cut(hidden.tokens));
    batch.tensors["targets"] = there(cut(all.narrow(1, 0, width)));
    batch.tensors["predicted"] = there(at::nonzero(counted.t().reshape({-1})).view({-1}));
  } else {
    if (!rows.counted.empty()) counted = cut(of_rows(rows.counted.data(), b, width, at::kByte));
    batch.tensors["tokens"] = there(cut(all.narrow(1, 0, width)));
    batch.tensors["targets"] = there(cut(all.narrow(1, 1, width)));
  }
  if (counted.defined()) batch.tensors["loss_mask"] = there(counted.to(at::kFloat));
  if (!rows.starts.empty()) {
    const auto begins = at::arange(pieces, at::kLong).mul_(s).repeat({b}).unsqueeze(1);  // of each piece in its row
    const auto starts = cut(of_rows(rows.starts.data(), b, width, at::kLong));
    batch.tensors["starts"] = there((starts - begins).clamp_min_(0));
  }
  return batch;
}

}  // namespace bessemer::data
