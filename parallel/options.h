#pragma once
#include <cstdint>
#include <string>

namespace bessemer::parallel {

enum class BackendKind { kAuto, kMpi, kShm, kNccl };
enum class DeviceKind { kAuto, kCpu, kCuda };

/// [parallel]: how the ranks of a job share one model.
struct ParallelOptions {
  int64_t dp = 0;                  ///< data-parallel size; 0 = ranks / tp
  int64_t tp = 1;                  ///< tensor-parallel size
  bool sequence_parallel = false;  ///< split norms and dropout along the sequence over tp
  bool zero = false;               ///< ZeRO-1: split optimizer state over dp
  int64_t virtual_dp = 0;          ///< same bits on every dp that divides it (a power of two); 0 = dp
  BackendKind backend = BackendKind::kAuto;
  DeviceKind device = DeviceKind::kAuto;
  bool deterministic = true;  ///< the same run twice gives the same bits on a GPU too; CPUs always do
  bool share_gpu = false;  ///< several ranks on one GPU: only to try NCCL on a machine with one (see README.md)
  int64_t threads = 0;     ///< compute threads per rank; 0 = usable cores / ranks on this host
  int64_t bucket_mb = 16;  ///< size of a gradient bucket, MiB
};

}  // namespace bessemer::parallel
