#include "trainer/flat_ops.h"

#include <ATen/Parallel.h>

namespace bessemer::trainer {
namespace {

constexpr int64_t kGrain = 1 << 15;  // elements a thread should have at least

LowKind low_kind(const at::Tensor& low) {
  if (!low.defined()) return LowKind::kNone;
  return low.scalar_type() == at::kBFloat16 ? LowKind::kBf16 : LowKind::kFp16;
}

}  // namespace

void adam_update(const AdamStep& step, at::Tensor weight, at::Tensor gradient, at::Tensor momentum, at::Tensor variance,
                 at::Tensor low) {
  const AdamBuffers all{weight.data_ptr<float>(),
                        gradient.data_ptr<float>(),
                        momentum.data_ptr<float>(),
                        variance.data_ptr<float>(),
                        low.defined() ? static_cast<uint16_t*>(low.data_ptr()) : nullptr,
                        low_kind(low)};
  if (weight.is_cuda()) return adam_update_cuda(step, all, weight.numel());
  at::parallel_for(0, weight.numel(), kGrain,
                   [&](int64_t begin, int64_t end) { adam_update_cpu(step, all.from(begin), end - begin); });
}

void add_and_clear(at::Tensor into, at::Tensor low) {
  auto* to = into.data_ptr<float>();
  auto* from = static_cast<uint16_t*>(low.data_ptr());
  const auto kind = low_kind(low);
  if (into.is_cuda()) return add_and_clear_cuda(to, from, kind, into.numel());
  at::parallel_for(0, into.numel(), kGrain,
                   [&](int64_t begin, int64_t end) { add_and_clear_cpu(to + begin, from + begin, kind, end - begin); });
}

std::vector<double> block_squares(const at::Tensor& x, int64_t block) {
  const int64_t n = x.numel(), blocks = (n + block - 1) / block;
  std::vector<double> sums(static_cast<std::size_t>(blocks));
  if (x.is_cuda()) {
    auto on_device = at::empty({blocks}, x.options().dtype(at::kDouble));
    block_squares_cuda(x.data_ptr<float>(), n, block, on_device.data_ptr<double>());
    const auto host = on_device.cpu();
    std::copy_n(host.data_ptr<double>(), blocks, sums.data());
    return sums;
  }
  const float* data = x.data_ptr<float>();
  at::parallel_for(0, blocks, kGrain / block + 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      sums[static_cast<std::size_t>(b)] = sum_squares_cpu(data + b * block, std::min(block, n - b * block));
    }
  });
  return sums;
}

}  // namespace bessemer::trainer
