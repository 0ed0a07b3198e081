#include "trainer/host_memory.h"

#include <c10/core/CPUAllocator.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

namespace bessemer::trainer {
namespace {

constexpr std::size_t kAlignment = 64;  // also the room for the header before each block

/// Sizes are rounded up to an eighth of their power of two, so that blocks are found again by a similar request.
std::size_t size_class(std::size_t n) {
  if (n <= kAlignment) return kAlignment;
  const std::size_t step = std::max(kAlignment, std::bit_floor(n) / 8);
  return (n + step - 1) / step * step;
}

int64_t status_field(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kib = 0;
    if (word == name && status >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace

class HostMemory::Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t n) override {
    void* data = n == 0 ? nullptr : take(n);
    return {data, data, &Allocator::release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Allocator::release; }
  void copy_data(void* to, const void* from, std::size_t n) const override { default_copy_data(to, from, n); }

  std::atomic<int64_t> in_use{0}, peak{0}, reserved{0};

 private:
  struct Header {
    Allocator* owner;
    std::size_t bytes;  // asked for
    std::size_t room;   // its size class
  };

  void* take(std::size_t n) {
    const std::size_t room = size_class(n);
    void* block = reuse(room);
    if (block == nullptr) block = fresh(room);
    new (block) Header{this, n, room};
    const int64_t now = in_use += static_cast<int64_t>(n);
    for (int64_t before = peak; before < now && !peak.compare_exchange_weak(before, now);) {
    }
    return static_cast<char*>(block) + kAlignment;
  }

  void* reuse(std::size_t room) {
    const std::lock_guard lock(mutex_);
    const auto found = free_.find(room);
    if (found == free_.end() || found->second.empty()) return nullptr;
    void* block = found->second.back();
    found->second.pop_back();
    return block;
  }

  void* fresh(std::size_t room) {
    void* block = std::aligned_alloc(kAlignment, room + kAlignment);
    if (block == nullptr) {  // what lies idle may be what is missing
      give_back();
      block = std::aligned_alloc(kAlignment, room + kAlignment);
    }
    TORCH_CHECK(block != nullptr, "out of memory: ", room, " bytes asked for, ", in_use.load(), " in use by tensors");
    reserved += static_cast<int64_t>(room);
    return block;
  }

  void give_back() {
    const std::lock_guard lock(mutex_);
    for (auto& [room, blocks] : free_) {
      for (void* block : blocks) std::free(block), reserved -= static_cast<int64_t>(room);
      blocks.clear();
    }
  }

  static void release(void* data) {
    if (data == nullptr) return;
    void* block = static_cast<char*>(data) - kAlignment;
    const Header header = *static_cast<Header*>(block);
    header.owner->in_use -= static_cast<int64_t>(header.bytes);
    const std::lock_guard lock(header.owner->mutex_);
    header.owner->free_[header.room].push_back(block);
  }

  std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<void*>> free_;
};

HostMemory::HostMemory() : allocator_(new Allocator) { c10::SetCPUAllocator(allocator_, /*priority=*/200); }
HostMemory::~HostMemory() = default;  // tensors may outlive us, and the allocator with them
int64_t HostMemory::in_use() const { return allocator_->in_use; }
int64_t HostMemory::peak() const { return allocator_->peak; }
int64_t HostMemory::reserved() const { return allocator_->reserved; }
void HostMemory::reset_peak() { allocator_->peak = allocator_->in_use.load(); }

int64_t resident_bytes() { return status_field("VmRSS:"); }
int64_t peak_resident_bytes() { return status_field("VmHWM:"); }

}  // namespace bessemer::trainer
