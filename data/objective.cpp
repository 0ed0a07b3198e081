#include "data/objective.h"

#include <ATen/Functions.h>

#include "data/prefix.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

at::Tensor of_rows(const void* data, int64_t rows, int64_t columns, at::ScalarType type) {
  return at::from_blob(const_cast<void*>(data), {rows, columns}, type);
}

}  // namespace

Objective make_objective(const DataOptions& options, const Tokenizer& tokenizer, uint64_t seed) {
  Objective out;
  out.kind = options.objective, out.seed = seed;
  if (out.kind == ObjectiveKind::kMasked) out.masking = make_masking(options, tokenizer);
  return out;
}

void apply(const Objective& objective, Rows& rows) {
  if (objective.kind == ObjectiveKind::kMasked) mask_rows(objective.masking, objective.seed, rows);
  if (objective.kind == ObjectiveKind::kPrefix) add_prefixes(objective.seed, rows);
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
  const bool masked = objective.kind == ObjectiveKind::kMasked;
  Rows changed;
  if (objective.kind != ObjectiveKind::kCausal) changed = rows, apply(objective, changed);
  const Rows& made = objective.kind != ObjectiveKind::kCausal ? changed : rows;
  at::Tensor counted;  // [b * pieces, s]
  if (!made.counted.empty()) counted = cut(of_rows(made.counted.data(), b, width, at::kByte));
  batch.tensors["tokens"] = there(cut(of_rows(made.tokens.data(), b, width + 1, at::kLong).narrow(1, 0, width)));
  batch.tensors["targets"] = there(cut(all.narrow(1, masked ? 0 : 1, width)));
  if (masked) batch.tensors["predicted"] = there(at::nonzero(counted.t().reshape({-1})).view({-1}));
  if (!rows.pair_labels.empty()) {
    BESSEMER_CHECK(pieces == 1, "rows of pairs cannot be cut into sequences of ", s);
    batch.tensors["segments"] = there(cut(of_rows(rows.segments.data(), b, width, at::kByte)).to(at::kLong));
    batch.tensors["pair_labels"] = there(of_rows(rows.pair_labels.data(), b, 1, at::kLong).clone().view({b}));
    batch.targets = batch["predicted"].numel();
  }
  if (counted.defined()) batch.tensors["loss_mask"] = there(counted.to(at::kFloat));
  const auto begins = at::arange(pieces, at::kLong).mul_(s).repeat({b}).unsqueeze(1);  // of each piece in its row
  const auto add_places = [&](const char* name, const std::vector<int64_t>& places) {
    if (places.empty()) return;
    batch.tensors[name] = there((cut(of_rows(places.data(), b, width, at::kLong)) - begins).clamp_(0, s));
  };
  add_places("starts", made.starts), add_places("ends", made.ends);
  return batch;
}

}  // namespace bessemer::data
