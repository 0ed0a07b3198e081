// The CUDA kernel adds in the tree of the host's tree_reduce: bit for bit, for any number of ranks.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "parallel/tree_sum.h"
#include "parallel/tree_sum_cuda.h"

namespace bessemer::parallel {

TEST(TreeSumOnGpu, EqualsTheHostsTreeBitForBit) {
  const std::pair<at::ScalarType, CudaType> types[] = {{at::kFloat, CudaType::kFloat},
                                                       {at::kBFloat16, CudaType::kBf16},
                                                       {at::kHalf, CudaType::kHalf},
                                                       {at::kLong, CudaType::kInt64}};
  for (const auto& [dtype, type] : types) {
    for (const int ranks : {1, 2, 3, 5, 8, 13, 64, kMaxCudaRanks}) {
      for (const int64_t n : {0, 1, 257, 5000}) {
        at::manual_seed(ranks);
        const auto parts = (at::randn({ranks, n}) * 100).to(dtype);
        std::vector<const void*> pointers;
        for (int r = 0; r < ranks; ++r) pointers.push_back(parts[r].const_data_ptr());
        auto want = at::empty({n}, dtype);
        tree_reduce(pointers, want.mutable_data_ptr(), n, dtype);
        const auto on_gpu = parts.to(at::kCUDA), got = at::empty({n}, on_gpu.options());
        ASSERT_EQ(cuda_tree_sum(on_gpu.const_data_ptr(), got.mutable_data_ptr(), n, ranks, type, nullptr), 0);
        EXPECT_TRUE(at::equal(got.cpu(), want)) << dtype << ", " << ranks << " ranks, " << n << " elements";
      }
    }
  }
}

}  // namespace bessemer::parallel
