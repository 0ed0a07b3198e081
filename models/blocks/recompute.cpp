#include "models/blocks/recompute.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

namespace bessemer::models {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

/// What the second run needs besides the input.
struct Trip : torch::CustomClassHolder {
  Trip(Block& to_run, Pass from) : block(to_run), pass(std::move(from)) {
    pass.residual.reset(), pass.branch.reset();  // kept by autograd, or not at all
  }
  Block& block;
  Pass pass;
};

/// The stream, and where there is one the branch, behind the block.
tensor_list outputs(const Pass& pass) {
  if (!pass.branch.defined()) return {pass.residual};
  return {pass.residual, pass.branch};
}

struct Recomputed : torch::autograd::Function<Recomputed> {
  static tensor_list forward(AutogradContext* ctx, const at::Tensor& residual, const std::optional<at::Tensor>& branch,
                             const c10::intrusive_ptr<Trip>& trip) {
    Pass pass = trip->pass;
    pass.residual = residual, pass.branch = branch.value_or(at::Tensor());
    trip->block.run(pass);
    ctx->save_for_backward({branch ? residual + *branch : residual});
    ctx->saved_data["branch"] = branch.has_value();
    ctx->saved_data["trip"] = c10::IValue::make_capsule(trip);
    ctx->set_materialize_grads(false);
    return outputs(pass);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto trip = c10::static_intrusive_pointer_cast<Trip>(ctx->saved_data["trip"].toCapsule());
    const bool has_branch = ctx->saved_data["branch"].toBool();
    Pass pass = trip->pass;
    const auto input = ctx->get_saved_variables()[0].detach().requires_grad_(true);
    {
      const at::AutoGradMode with_gradients(true);
      pass.residual = input;
      if (has_branch) pass.branch = at::zeros_like(input);  // the sum again; its gradient is that of both
      trip->block.run(pass);
    }
    tensor_list of, given;
    const auto again = outputs(pass);
    for (std::size_t i = 0; i < again.size(); ++i) {
      if (gradients[i].defined()) of.push_back(again[i]), given.push_back(gradients[i]);
    }
    pass = Pass();  // what the first run freed before its backward, this one does, too
    torch::autograd::backward(of, given);
    return {input.grad(), has_branch ? input.grad() : at::Tensor(), {}};
  }
};

}  // namespace

void run_layer(Block& layer, Pass& pass, Recompute recompute) {
  if (recompute == Recompute::kNone || !at::GradMode::is_enabled() || !pass.residual.requires_grad())
    return layer.run(pass);
  const auto branch = pass.branch.defined() ? std::optional(pass.branch) : std::nullopt;
  const auto out = Recomputed::apply(pass.residual, branch, c10::make_intrusive<Trip>(layer, pass));
  pass.residual = out[0];
  pass.branch = out.size() > 1 ? out[1] : at::Tensor();
}

}  // namespace bessemer::models
