#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "trainer/options.h"

namespace bessemer::trainer {

/// What model FLOPs utilisation (MFU) is measured against: peak FLOP/s of one rank's device.
struct PeakFlops {
  double per_second = 0;
  std::string source;  ///< in words, for the start of the log
};

/// On a CPU: the best of a few 512 x 512 x 512 matrix products (256 in a dtype that is slow there) in the run's
/// dtype on the run's threads (no data sheet knows a container's share of a processor), measured once a process. On a
/// GPU: the data sheet's dense figure, by name.
PeakFlops peak_flops(Precision precision, at::Device device);

}  // namespace bessemer::trainer
