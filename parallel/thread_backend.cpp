#include "parallel/thread_backend.h"

#include "parallel/shared_memory.h"

namespace bessemer::parallel {

std::vector<std::shared_ptr<Backend>> make_thread_backends(int ranks) {
  struct alignas(64) RankMemory {
    std::byte bytes[SharedMemoryBackend::kRankBytes];
  };
  static_assert(sizeof(RankMemory) == SharedMemoryBackend::kRankBytes);
  const auto memory = std::make_shared<std::vector<RankMemory>>(static_cast<std::size_t>(ranks));  // zeroed
  SharedMemoryBackend::Memory shared;
  for (auto& rank : *memory) shared.ranks.push_back(rank.bytes);
  shared.owner = memory;
  constexpr int kSpins = 50;  // tests run more threads than there are cores
  std::vector<std::shared_ptr<Backend>> backends;
  for (int r = 0; r < ranks; ++r)
    backends.push_back(std::make_shared<SharedMemoryBackend>("threads", r, shared, kSpins));
  return backends;
}

}  // namespace bessemer::parallel
