#include "models/blocks/block.h"

#include "parallel/random.h"

namespace bessemer::models {

uint64_t DropoutSite::key(const Pass& pass) const {
  return parallel::stream_key(pass.context.seed, purpose_, static_cast<uint64_t>(pass.context.step));
}

at::Tensor DropoutSite::operator()(const at::Tensor& x, const Pass& pass, const parallel::Group& tp) const {
  if (!active(pass)) return x;
  ops::DropoutPlace place;
  place.key = key(pass);
  place.first_row = pass.first_row;
  place.positions = pass.tokens.size(0);
  place.first_position = pass.sequence_parallel ? tp.rank() * x.size(0) : 0;
  return ops::dropout(x, p_, place);
}

}  // namespace bessemer::models
