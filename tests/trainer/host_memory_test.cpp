#include "trainer/host_memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace bessemer::trainer {

TEST(HostMemory, CountsLiveBytesAndTheirPeakAndReusesBlocks) {
  HostMemory memory;  // stays LibTorch's allocator for the rest of the process
  const int64_t before = memory.in_use();
  memory.reset_peak();
  {
    const auto a = at::empty({1000}, at::kFloat);
    EXPECT_EQ(memory.in_use(), before + 4000);
    const auto b = at::empty({10}, at::kFloat);
    EXPECT_EQ(memory.peak(), before + 4040);
  }
  EXPECT_EQ(memory.in_use(), before);
  EXPECT_EQ(memory.peak(), before + 4040);
  const int64_t reserved = memory.reserved();
  const auto again = at::empty({1000}, at::kFloat);
  EXPECT_EQ(memory.reserved(), reserved);  // the block of `a`
  EXPECT_EQ(reinterpret_cast<uintptr_t>(again.data_ptr()) % 64, 0u);
  EXPECT_EQ(at::empty({0}).numel(), 0);
}

TEST(HostMemory, ResidentMemoryIsRead) {
  EXPECT_GT(resident_bytes(), 1 << 20);
  EXPECT_GE(peak_resident_bytes(), resident_bytes());
}

}  // namespace bessemer::trainer
