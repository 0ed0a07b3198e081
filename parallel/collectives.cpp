#include "parallel/collectives.h"

#include <torch/custom_class.h>

#include "parallel/error.h"

namespace bessemer::parallel {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// A Group as a value that autograd can keep between forward and backward.
struct GroupCapsule : torch::CustomClassHolder {
  explicit GroupCapsule(Group g) : group(std::move(g)) {}
  Group group;
};

void keep(AutogradContext* context, const Group& group) {
  context->saved_data["group"] = c10::IValue::make_capsule(c10::make_intrusive<GroupCapsule>(group));
}

const Group& kept(AutogradContext* context) {
  return static_cast<const GroupCapsule&>(*context->saved_data.at("group").toCapsule()).group;
}

// None of these works in place: an incoming gradient may also be the residual branch's.
at::Tensor reduced(const at::Tensor& x, const Group& tp) {
  auto sum = x.clone(at::MemoryFormat::Contiguous);
  tp.all_reduce(sum);
  return sum;
}

at::Tensor gathered(const at::Tensor& x, const Group& tp) {
  auto shape = x.sizes().vec();
  shape.at(0) *= tp.size();
  auto whole = at::empty(shape, x.options());
  tp.all_gather(x.contiguous(), whole);
  return whole;
}

std::vector<int64_t> part_shape(const at::Tensor& whole, const Group& tp) {
  auto shape = whole.sizes().vec();
  BESSEMER_CHECK(shape.at(0) % tp.size() == 0, "a sequence of ", shape.at(0), " cannot be split over tp ", tp.size(),
                 "; choose a sequence that is a multiple, or parallel.sequence_parallel = false");
  shape.at(0) /= tp.size();
  return shape;
}

at::Tensor scattered(const at::Tensor& whole, const Group& tp) {
  auto part = at::empty(part_shape(whole, tp), whole.options());
  tp.reduce_scatter(whole.contiguous(), part);
  return part;
}

at::Tensor our_rows(const at::Tensor& whole, const Group& tp) {
  const int64_t n = part_shape(whole, tp)[0];
  return whole.narrow(0, tp.rank() * n, n).clone(at::MemoryFormat::Contiguous);
}

at::Tensor as_it_is(const at::Tensor& x, const Group&) { return x; }

using Collective = at::Tensor (*)(const at::Tensor&, const Group&);

template <Collective Forward, Collective Backward>
struct Conjugates : torch::autograd::Function<Conjugates<Forward, Backward>> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const Group& tp) {
    keep(context, tp);
    return Forward(x, tp);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {Backward(gradients[0], kept(context)), at::Tensor()};
  }
};

template <Collective Forward, Collective Backward>
at::Tensor apply(const at::Tensor& x, const Group& tp) {
  return tp.size() == 1 ? x : Conjugates<Forward, Backward>::apply(x, tp);
}

}  // namespace

at::Tensor copy_to(const at::Tensor& x, const Group& tp) { return apply<as_it_is, reduced>(x, tp); }
at::Tensor reduce_from(const at::Tensor& x, const Group& tp) { return apply<reduced, as_it_is>(x, tp); }
at::Tensor gather_sequence(const at::Tensor& x, const Group& tp) { return apply<gathered, scattered>(x, tp); }
at::Tensor gather_alike(const at::Tensor& x, const Group& tp) { return apply<gathered, our_rows>(x, tp); }
at::Tensor reduce_scatter_sequence(const at::Tensor& x, const Group& tp) { return apply<scattered, gathered>(x, tp); }
at::Tensor split_sequence(const at::Tensor& x, const Group& tp) { return apply<our_rows, gathered>(x, tp); }

}  // namespace bessemer::parallel
