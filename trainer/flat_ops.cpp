#include "trainer/flat_ops.h"

#include <ATen/Parallel.h>

namespace bessemer::trainer {
namespace {

constexpr int64_t kGrain = 1 << 15;  // elements a thread should have at least

LowKind low_kind(const at::Tensor& low) {
  if (!low.defined()) return LowKind::kNone;
  return low.scalar_type() == at::kBFloat16 ? LowKind::kBf16 : LowKind::kFp16;
}

uint16_t* low_data(const at::Tensor& low) { return low.defined() ? static_cast<uint16_t*>(low.data_ptr()) : nullptr; }

/// cpu(part of the buffers, its size) on all threads.
template <class Cpu>
void on_threads(const AdamBuffers& all, int64_t n, const Cpu& cpu) {
  at::parallel_for(0, n, kGrain, [&](int64_t begin, int64_t end) { cpu(all.from(begin), end - begin); });
}

}  // namespace

void adam_update(const AdamStep& step, at::Tensor weight, at::Tensor gradient, at::Tensor momentum, at::Tensor variance,
                 at::Tensor low) {
  const AdamBuffers all{weight.data_ptr<float>(),
                        gradient.data_ptr<float>(),
                        momentum.data_ptr<float>(),
                        variance.data_ptr<float>(),
                        low_data(low),
                        low_kind(low)};
  if (weight.is_cuda()) return adam_update_cuda(step, all, weight.numel());
  on_threads(all, weight.numel(), [&](const AdamBuffers& part, int64_t n) { adam_update_cpu(step, part, n); });
}

void lamb_direction(const AdamStep& step, at::Tensor weight, at::Tensor gradient, at::Tensor momentum,
                    at::Tensor variance) {
  const AdamBuffers all{weight.data_ptr<float>(),
                        gradient.data_ptr<float>(),
                        momentum.data_ptr<float>(),
                        variance.data_ptr<float>(),
                        nullptr,
                        LowKind::kNone};
  if (weight.is_cuda()) return lamb_direction_cuda(step, all, weight.numel());
  on_threads(all, weight.numel(), [&](const AdamBuffers& part, int64_t n) { lamb_direction_cpu(step, part, n); });
}

void lamb_apply(float length, at::Tensor weight, at::Tensor direction, at::Tensor low) {
  auto *to = weight.data_ptr<float>(), *by = direction.data_ptr<float>();
  const AdamBuffers all{to, by, by, by, low_data(low), low_kind(low)};  // momentum and variance are not touched
  if (weight.is_cuda()) return lamb_apply_cuda(length, all, weight.numel());
  on_threads(all, weight.numel(), [&](const AdamBuffers& part, int64_t n) { lamb_apply_cpu(length, part, n); });
}

void add_and_clear(at::Tensor into, at::Tensor low) {
  auto* to = into.data_ptr<float>();
  auto* from = static_cast<uint16_t*>(low.data_ptr());
  const auto kind = low_kind(low);
  if (into.is_cuda()) return add_and_clear_cuda(to, from, kind, into.numel());
  at::parallel_for(0, into.numel(), kGrain,
                   [&](int64_t begin, int64_t end) { add_and_clear_cpu(to + begin, from + begin, kind, end - begin); });
}

std::vector<double> block_squares(const std::vector<at::Tensor>& parts, int64_t block) {
  const auto blocks_of = [block](const at::Tensor& x) { return (x.numel() + block - 1) / block; };
  int64_t blocks = 0;
  for (const auto& x : parts) blocks += blocks_of(x);
  std::vector<double> sums(static_cast<std::size_t>(blocks));
  if (blocks == 0) return sums;
  const bool on_gpu = parts.front().is_cuda();
  const auto on_device = on_gpu ? at::empty({blocks}, parts.front().options().dtype(at::kDouble)) : at::Tensor();
  double* at = on_gpu ? on_device.data_ptr<double>() : sums.data();
  for (const auto& x : parts) {
    const float* data = x.data_ptr<float>();
    const int64_t n = x.numel();
    if (on_gpu) {
      block_squares_cuda(data, n, block, at);
    } else {
      at::parallel_for(0, blocks_of(x), kGrain / block + 1, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b) at[b] = sum_squares_cpu(data + b * block, std::min(block, n - b * block));
      });
    }
    at += blocks_of(x);
  }
  if (on_gpu) std::copy_n(on_device.cpu().data_ptr<double>(), blocks, sums.data());
  return sums;
}

}  // namespace bessemer::trainer
