#pragma once
#include <memory>
#include <string>

#include "parallel/group.h"

namespace bessemer::parallel {

struct NcclOptions {
  int rank = 0;
  int size = 1;
  int device = 0;
  bool tree_order = false;  ///< sums in the fixed tree (the same bits as every other backend); else as NCCL likes
};

/// What rank 0 makes and every rank of the group hands to make_nccl_backend: an ncclUniqueId as bytes.
std::string make_nccl_id();
/// Collectives on device tensors through NCCL; collective over the group. Sums are plain sums: ncclAvg multiplies in
/// half precision first. Blocking calls are ordered on the current stream and do not hold up the host; start_* run on a
/// stream of their own beside it. Error (69) where this build has no NCCL.
std::shared_ptr<Backend> make_nccl_backend(const std::string& id, const NcclOptions& options);

}  // namespace bessemer::parallel
