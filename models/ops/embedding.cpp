#include "models/ops/embedding.h"

#include <numeric>

#include "models/ops/cpu_convert.h"
#include "models/ops/gradient.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

/// Copies rows of the table; ids of other ranks' slices give zeros.
void gather_rows(const at::Tensor& ids, const at::Tensor& weight, int64_t vocab_begin, at::Tensor& y) {
  const int64_t rows = weight.size(0), bytes = weight.size(1) * weight.element_size();
  const auto* id = ids.const_data_ptr<int64_t>();
  const auto* table = static_cast<const char*>(weight.const_data_ptr());
  auto* out = static_cast<char*>(y.mutable_data_ptr());
  for (int64_t i = 0; i < ids.numel(); ++i) {
    const int64_t row = id[i] - vocab_begin;
    if (row >= 0 && row < rows) {
      std::copy_n(table + row * bytes, bytes, out + i * bytes);
    } else {
      std::fill_n(out + i * bytes, bytes, 0);
    }
  }
}

/// grad[row] += the gradients of all uses of the row, summed in fp32 in the order of the batch, rounded once per row.
void scatter_rows(const at::Tensor& ids, const at::Tensor& dy, int64_t vocab_begin, at::Tensor& grad) {
  const int64_t rows = grad.size(0), h = grad.size(1);
  const auto type = grad.scalar_type();
  const auto* id = ids.const_data_ptr<int64_t>();
  std::vector<int64_t> uses;
  for (int64_t i = 0; i < ids.numel(); ++i) {
    if (id[i] >= vocab_begin && id[i] < vocab_begin + rows) uses.push_back(i);
  }
  std::stable_sort(uses.begin(), uses.end(), [id](int64_t a, int64_t b) { return id[a] < id[b]; });
  std::vector<float> sum(h), buffer(h);
  for (std::size_t first = 0; first < uses.size();) {
    const int64_t token = id[uses[first]], at = (token - vocab_begin) * h;
    const float* before = to_float(grad.const_data_ptr(), type, at, h, buffer.data());
    std::copy(before, before + h, sum.begin());
    for (; first < uses.size() && id[uses[first]] == token; ++first) {
      const float* row = to_float(dy.const_data_ptr(), type, uses[first] * h, h, buffer.data());
      for (int64_t j = 0; j < h; ++j) sum[j] += row[j];
    }
    from_float(sum.data(), h, grad.mutable_data_ptr(), type, at);
  }
}

struct CpuEmbedding : torch::autograd::Function<CpuEmbedding> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& ids, const at::Tensor& weight,
                            int64_t vocab_begin) {
    const auto tokens = ids.contiguous();
    ctx->save_for_backward({tokens, weight});
    ctx->saved_data["vocab_begin"] = vocab_begin;
    auto shape = ids.sizes().vec();
    shape.push_back(weight.size(1));
    auto y = at::empty(shape, weight.options());
    gather_rows(tokens, weight.contiguous(), vocab_begin, y);
    return y;
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const bool in_place = accumulates_in_place(saved[1]) && saved[1].grad().is_contiguous();
    auto grad = in_place ? saved[1].grad() : at::zeros(saved[1].sizes(), saved[1].options());
    scatter_rows(saved[0], gradients[0].contiguous(), ctx->saved_data["vocab_begin"].toInt(), grad);
    return {{}, in_place ? at::Tensor() : grad, {}};
  }
};

/// Of LibTorch's operators; the gradient of a row is summed in fp32 in the order of the batch, and rounded once.
struct GpuEmbedding : torch::autograd::Function<GpuEmbedding> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& ids, const at::Tensor& weight,
                            int64_t vocab_begin) {
    const auto local = ids - vocab_begin;
    const auto ours = at::logical_and(local.ge(0), local.lt(weight.size(0)));
    const auto rows = at::where(ours, local, 0);
    ctx->save_for_backward({rows, ours, weight});
    return at::where(ours.unsqueeze(-1), at::embedding(weight, rows), at::zeros({}, weight.options()));
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto dy = gradients[0].to(at::kFloat) * saved[1].unsqueeze(-1);
    return {{}, hand_over(saved[2], at::embedding_dense_backward(dy, saved[0], saved[2].size(0), -1, false)), {}};
  }
};

struct AddPositions : torch::autograd::Function<AddPositions> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight, int64_t first) {
    ctx->save_for_backward({weight});
    ctx->saved_data["first"] = first;
    return x + weight.narrow(0, first, x.size(0)).unsqueeze(1);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto weight = ctx->get_saved_variables()[0];
    const auto& dy = gradients[0];
    const auto rows = at::sum(dy, {1}, false, at::kFloat);  // [s, h]
    const int64_t first = ctx->saved_data["first"].toInt();
    if (accumulates_in_place(weight)) {
      weight.grad().narrow(0, first, dy.size(0)).add_(rows);
      return {dy, {}, {}};
    }
    auto dweight = at::zeros(weight.sizes(), weight.options());
    dweight.narrow(0, first, dy.size(0)).copy_(rows);
    return {dy, dweight, {}};
  }
};

}  // namespace

at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight, int64_t vocab_begin) {
  return weight.is_cpu() ? CpuEmbedding::apply(ids, weight, vocab_begin)
                         : GpuEmbedding::apply(ids, weight, vocab_begin);
}

at::Tensor add_positions(const at::Tensor& x, const at::Tensor& weight, int64_t first_position) {
  return AddPositions::apply(x, weight, first_position);
}

}  // namespace bessemer::models::ops
