#include "trainer/memory.h"

#include <fmt/format.h>

#include <bit>

#include "trainer/flat_checkpoint.h"

namespace bessemer::trainer {

int64_t MemoryAccount::total() const {
  int64_t sum = 0;
  for (const auto& line : lines) sum += line.bytes;
  return sum;
}

std::string MemoryAccount::text() const {
  std::string out;
  const auto row = [&](const std::string& name, int64_t bytes) {
    out += fmt::format("  {:<34} {:>10.1f} MiB\n", name, static_cast<double>(bytes) / (1 << 20));
  };
  for (const auto& line : lines) row(line.name, line.bytes);
  row("in all, per rank", total());
  if (host_bytes > 0) row("besides, on the host: checkpoint copy", host_bytes);
  return out;
}

Copy copy_of(const CheckpointOptions& checkpoint, bool gpu) {
  if (gpu) return Copy::kOnHost;
  return checkpoint.asynchronous ? Copy::kHere : Copy::kNone;
}

MemoryAccount account_memory(models::Model& model, const TrainerOptions& options, const parallel::Topology& topology,
                             Copy copy) {
  MemoryAccount account;
  const auto dtype = dtype_of(options.train.precision);
  const auto parameters = model.parameters();
  const int64_t bucket = options.parallel.bucket_mb * (1 << 20) / static_cast<int64_t>(sizeof(float));
  const FlatLayout layout(parameters, topology.dp(), bucket);
  for (const auto& slot : layout.slots()) account.parameters += slot.count;
  const bool half = dtype != at::kFloat;
  const int64_t n = layout.size();
  const int64_t state = options.parallel.zero ? n / topology.dp() : n;
  const auto plan = plan_batch(options.train, options.parallel.virtual_dp, topology.dp());
  if (half) {
    account.lines.push_back({"16-bit parameters, 2 bytes each", 2 * n});
    account.lines.push_back({"16-bit gradients, 2 bytes each", 2 * n});
    account.lines.push_back({"fp32 gradients, 4 bytes each", 4 * n});
    account.lines.push_back({"fp32 Adam parameters, 4 bytes each", 4 * state});
  } else {
    account.lines.push_back({"fp32 parameters, 4 bytes each", 4 * n});
    account.lines.push_back({"fp32 gradients, 4 bytes each", 4 * n});
  }
  account.lines.push_back({"fp32 Adam momentum and variance", 8 * state});
  if (const int64_t buffers = Gradients::tree_buffers(plan.local_shards); buffers > 0) {
    account.lines.push_back({"partial sums of virtual_dp", 4 * n * buffers});
  }
  const int64_t copied = Snapshot::bytes(layout, topology.dp());
  if (copy == Copy::kHere) account.lines.push_back({"checkpoint copy, 12 bytes each / dp", copied});
  // LibTorch rounds each pinned block up to a power of two.
  if (copy == Copy::kOnHost)
    account.host_bytes = 3 * static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(copied / 3)));
  account.lines.push_back({"activations of a micro-batch", model.cost(plan.micro_batch, dtype).activation_bytes});
  return account;
}

}  // namespace bessemer::trainer
