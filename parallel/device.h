#pragma once
#include <c10/core/Device.h>

#include <string>

namespace bessemer::parallel {

/// GPUs that this process can use; 0 where the build has no CUDA, or no driver or GPU is there (then `why` says which).
int gpu_count(std::string& why);
/// Makes GPU `index` the current one of this thread and of the threads that autograd starts for it.
/// \param deterministic  for the whole process: none of LibTorch's operators may add in an order that depends on timing
/// (cuDNN's attention does, and is replaced); one that can do no other throws.
at::Device use_gpu(int index, bool deterministic);
/// The stream that LibTorch's operators of this thread run on, a cudaStream_t.
void* current_stream(at::Device device);
/// In words: "cpu" or "cuda:0 NVIDIA H200 141 GB".
std::string describe_device(at::Device device);

}  // namespace bessemer::parallel
