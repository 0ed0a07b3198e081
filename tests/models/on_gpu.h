// The same weights on the CPU and on a GPU.
#pragma once
#include "tests/models/gpt_cases.h"

namespace bessemer::models {

inline std::unique_ptr<Model> copy_to_gpu(Model& cpu, at::ScalarType dtype) {
  parallel::Grid grid;
  grid.device = at::Device(at::kCUDA, 0);
  auto gpu = make_model(cpu.options(), grid, /*sequence_parallel=*/false);
  allocate(*gpu, dtype, grid.device);
  for (std::size_t i = 0; i < cpu.parameters().size(); ++i) {
    const at::NoGradGuard no_gradients;
    at::Tensor& value = gpu->parameters()[i]->value;
    value.copy_(cpu.parameters()[i]->value);
    value.set_requires_grad(true);
  }
  return gpu;
}

inline data::Batch copy_to_gpu(const data::Batch& batch) {
  data::Batch out = batch;
  for (auto& [name, tensor] : out.tensors) tensor = tensor.to(at::kCUDA);
  return out;
}

inline void expect_the_cpus_numbers(const ModelOptions& o, const data::Batch& batch, at::ScalarType dtype,
                                    double loss_tolerance, double gradient_tolerance) {
  auto cpu = build(o);
  for (Parameter* p : cpu->parameters()) {  // the same weights in both, so that only arithmetic differs
    const at::NoGradGuard no_gradients;
    p->value.copy_(p->value.to(dtype));
  }
  auto gpu = copy_to_gpu(*cpu, dtype);
  const LossSum want = cpu->loss(batch, {11, 3, true}), got = gpu->loss(copy_to_gpu(batch), {11, 3, true});
  EXPECT_EQ(got.weight, want.weight);
  EXPECT_NEAR(got.sum.item<double>() / want.sum.item<double>(), 1.0, loss_tolerance);
  want.sum.backward();
  got.sum.backward();
  expect_close(gradients(*gpu), gradients(*cpu), gradient_tolerance, dtype == at::kFloat ? 0.0 : 0.03);
}

}  // namespace bessemer::models
