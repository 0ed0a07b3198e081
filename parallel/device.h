#pragma once
#include <c10/core/Device.h>

#include <string>

namespace bessemer::parallel {

/// GPUs that this process can use; 0 where the build has no CUDA, or no driver or GPU is there (then `why` says which).
int gpu_count(std::string& why);
/// Makes GPU `index` the current one of this thread and of the threads that autograd starts for it.
at::Device use_gpu(int index);
/// In words: "cpu" or "cuda:0 NVIDIA H200 141 GB".
std::string describe_device(at::Device device);

}  // namespace bessemer::parallel
