#include "models/blocks/block.h"

#include <algorithm>

#include "parallel/error.h"
#include "parallel/random.h"

namespace bessemer::models {

Pass pass_of(const data::Batch& batch, const Context& context, const ModelOptions& options, bool sequence_parallel) {
  const at::Tensor& tokens = batch["tokens"];
  BESSEMER_CHECK(tokens.size(1) <= options.sequence, "a batch has rows of ", tokens.size(1),
                 " tokens, the model's sequence is ", options.sequence, "; choose a model.sequence of at least that");
  Pass pass;
  pass.context = context;
  pass.first_row = batch.first_row;
  pass.sequence_parallel = sequence_parallel;
  pass.tokens = tokens.t().contiguous();  // [s, b]
  if (batch.has("starts")) {
    pass.starts = batch["starts"];
    pass.positions = (at::arange(tokens.size(1), tokens.options()) - pass.starts).t().contiguous();
  }
  if (batch.has("ends")) pass.ends = batch["ends"];
  return pass;
}

std::vector<Parameter*> parameters_of(const std::vector<Block*>& blocks) {
  std::vector<Parameter*> all;
  for (const Block* block : blocks) {
    for (Parameter* p : block->parameters()) {
      if (std::find(all.begin(), all.end(), p) == all.end()) all.push_back(p);
    }
  }
  return all;
}

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
