#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <numeric>

#include "models/model.h"
#include "parallel/random.h"

namespace bessemer::models {

namespace {

int64_t product(const std::vector<int64_t>& shape, size_t begin, size_t end) {
  return std::accumulate(shape.begin() + begin, shape.begin() + end, int64_t{1}, std::multiplies<>());
}

/// The piece's values in row-major order of its slice: `outer` runs of consecutive global elements.
void fill_piece(const Piece& piece, uint64_t seed, float* out) {
  const auto dim = static_cast<size_t>(piece.dim);
  const int64_t outer = product(piece.shape, 0, dim);
  const int64_t inner = product(piece.shape, dim + 1, piece.shape.size());
  const int64_t run = (piece.end - piece.begin) * inner;
  if (piece.init != Init::kNormal) {
    std::fill(out, out + outer * run, piece.init == Init::kOnes ? 1.0f : 0.0f);
    return;
  }
  const uint64_t key = parallel::stream_key(seed, "init/" + piece.name);
  const auto fill = [&](int64_t from, int64_t to) {  // elements of the slice, in its own order
    while (from < to) {
      const int64_t o = from / run;
      const int64_t n = std::min(to, (o + 1) * run) - from;
      const int64_t global = (o * piece.shape[dim] + piece.begin) * inner + (from - o * run);
      parallel::fill_normal(key, static_cast<uint64_t>(global), piece.init_std, {out + from, static_cast<size_t>(n)});
      from += n;
    }
  };
  at::parallel_for(0, outer * run, 1 << 16, fill);
}

}  // namespace

void allocate(Model& model, at::ScalarType dtype, at::Device device) {
  for (Parameter* parameter : model.parameters()) {
    parameter->value = at::zeros(parameter->local_shape, at::TensorOptions(dtype).device(device));
  }
}

void initialize(const Parameter& parameter, uint64_t seed, at::Tensor& out) {
  TORCH_INTERNAL_ASSERT(out.is_contiguous() && out.scalar_type() == at::kFloat && out.sizes() == parameter.local_shape);
  out.zero_();  // rows of padding
  const int64_t width = product(parameter.local_shape, 1, parameter.local_shape.size());
  for (const Piece& piece : parameter.pieces) {
    fill_piece(piece, seed, out.data_ptr<float>() + piece.row * width);
  }
}

}  // namespace bessemer::models
