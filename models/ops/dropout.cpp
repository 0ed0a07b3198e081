#include "models/ops/dropout.h"

#include "parallel/random.h"

namespace bessemer::models::ops {

at::Tensor dropout(const at::Tensor& x, double p, const DropoutPlace& place) {
  if (p == 0.0) return x;
  const int64_t s = x.size(0), b = x.size(1), h = x.size(2);
  auto mask = at::empty({s, b, h}, at::kByte);
  for (int64_t i = 0; i < s; ++i) {
    for (int64_t row = 0; row < b; ++row) {
      const int64_t begin = ((place.first_row + row) * place.positions + place.first_position + i) * h;
      parallel::fill_keep_mask(place.key, static_cast<uint64_t>(begin), static_cast<float>(p),
                               {mask.data_ptr<uint8_t>() + (i * b + row) * h, static_cast<std::size_t>(h)});
    }
  }
  return (x.to(at::kFloat) * mask.to(x.device()) / (1.0 - p)).to(x.scalar_type());
}

}  // namespace bessemer::models::ops
