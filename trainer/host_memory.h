#pragma once
#include <cstdint>
#include <memory>

namespace bessemer::trainer {

/// LibTorch's allocator of host memory while this lives: counts what is in use and its peak, and keeps freed blocks for
/// the next step, so that a step touches no fresh pages (glibc gives blocks above its threshold back to the kernel at
/// each free, and faults them in again at each malloc).
///
/// One per process, made in main before the first tensor and destroyed after the last. Thread-safe.
class HostMemory {
 public:
  HostMemory();
  ~HostMemory();
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  int64_t in_use() const;    ///< bytes of live tensors
  int64_t peak() const;      ///< the most that was in use since the start or reset_peak()
  int64_t reserved() const;  ///< bytes held from the system, free blocks included
  void reset_peak();

 private:
  class Allocator;
  Allocator* allocator_;  // never freed: LibTorch may release tensors of static storage after us
};

/// Resident memory of this process and its peak (VmRSS, VmHWM), bytes.
int64_t resident_bytes();
int64_t peak_resident_bytes();

}  // namespace bessemer::trainer
