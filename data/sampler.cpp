#include "data/sampler.h"

#include "parallel/error.h"
#include "parallel/random.h"

namespace bessemer::data {

Sampler::Sampler(uint64_t seed, int64_t windows, int64_t global_batch)
    : seed_(seed), windows_(windows), global_batch_(global_batch) {
  BESSEMER_CHECK(windows >= 1, "the data has ", windows, " windows; at least one is expected");
  BESSEMER_CHECK(global_batch >= 1, "train.global_batch is ", global_batch, "; at least 1 is expected");
}

int64_t Sampler::window(int64_t row) const {
  const uint64_t key = parallel::stream_key(seed_, "data/order", static_cast<uint64_t>(epoch(row)));
  return static_cast<int64_t>(
      parallel::permute(key, static_cast<uint64_t>(windows_), static_cast<uint64_t>(row % windows_)));
}

std::vector<int64_t> Sampler::rows(int64_t step, int64_t micro_step, int dp_rank, int dp_size,
                                   int64_t micro_batch) const {
  BESSEMER_CHECK(global_batch_ % (dp_size * micro_batch) == 0, "train.global_batch ", global_batch_,
                 " is not a multiple of dp ", dp_size, " x train.micro_batch ", micro_batch);
  const int64_t per_rank = global_batch_ / dp_size;
  const int64_t first = step * global_batch_ + dp_rank * per_rank + micro_step * micro_batch;
  std::vector<int64_t> rows(static_cast<std::size_t>(micro_batch));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = first + static_cast<int64_t>(i);
  return rows;
}

}  // namespace bessemer::data
