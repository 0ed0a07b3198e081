#include "models/ops/dropout.h"

#include "models/ops/on_gpu.h"
#include "parallel/random.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

/// What each element is multiplied by before its division by 1 - p.
at::Tensor keep_mask(int64_t s, int64_t b, int64_t h, double p, const DropoutPlace& place) {
  auto mask = at::empty({s, b, h}, at::kByte);
  for (int64_t i = 0; i < s; ++i) {
    for (int64_t row = 0; row < b; ++row) {
      const int64_t begin = ((place.first_row + row) * place.positions + place.first_position + i) * h;
      parallel::fill_keep_mask(place.key, static_cast<uint64_t>(begin), static_cast<float>(p),
                               {mask.data_ptr<uint8_t>() + (i * b + row) * h, static_cast<std::size_t>(h)});
    }
  }
  return mask;
}

at::Tensor dropped(const at::Tensor& x, double p, const DropoutPlace& place) {
  const auto from = x.contiguous();
  auto y = at::empty_like(from);
  const int64_t h = x.size(2);
  dropout_cuda({cuda_type(from), static_cast<float>(p), static_cast<float>(1.0 / (1.0 - p)), place.key, x.size(0),
                x.size(1), h, place.positions, (place.first_row * place.positions + place.first_position) * h},
               data_of(from), written(y), stream_of(from));
  return y;
}

/// Makes the mask once more in the backward pass rather than keep it.
struct GpuDropout : torch::autograd::Function<GpuDropout> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, double p, DropoutPlace place) {
    ctx->saved_data["p"] = p;
    ctx->saved_data["place"] =
        std::vector<int64_t>{static_cast<int64_t>(place.key), place.first_row, place.first_position, place.positions};
    return dropped(x, p, place);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto place = ctx->saved_data["place"].toIntVector();
    const auto dx = dropped(gradients[0], ctx->saved_data["p"].toDouble(),
                            {static_cast<uint64_t>(place[0]), place[1], place[2], place[3]});
    return {dx, {}, {}};
  }
};

}  // namespace

at::Tensor dropout(const at::Tensor& x, double p, const DropoutPlace& place) {
  if (p == 0.0) return x;
  if (!x.is_cpu()) return GpuDropout::apply(x, p, place);
  const auto mask = keep_mask(x.size(0), x.size(1), x.size(2), p, place);
  return (x.to(at::kFloat) * mask / (1.0 - p)).to(x.scalar_type());
}

}  // namespace bessemer::models::ops
