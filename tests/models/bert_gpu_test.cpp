// The same weights on the CPU and on a GPU: the same loss and gradients.
#include "tests/models/bert_cases.h"
#include "tests/models/on_gpu.h"

namespace bessemer::models {
namespace {

TEST(BertOnGpu, LossAndGradientsEqualTheCpus) {
  for (const auto place : {NormPlace::kPost, NormPlace::kPre}) {
    for (const double dropout : {0.0, 0.1}) {
      ModelOptions o = small_bert();
      o.norm_place = place, o.dropout = dropout, o.init_std = 0.05, o.pair_head = true;
      auto batch = masked_batch(o, 3, o.sequence);
      add_segments(batch);
      batch.tensors["pair_labels"] = at::tensor({1, 0, 1}, at::kLong);
      expect_the_cpus_numbers(o, batch, at::kFloat, 1e-5, 1e-4);
      batch.tensors["starts"] = at::zeros({3, o.sequence}, at::kLong);
      batch.tensors["starts"][1].narrow(0, 5, o.sequence - 5).fill_(5);
      expect_the_cpus_numbers(o, batch, at::kFloat, 1e-5, 1e-4);
      expect_the_cpus_numbers(o, batch, at::kBFloat16, 1e-2, 1e-1);
    }
  }
}

}  // namespace
}  // namespace bessemer::models
