#include <ATen/Context.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include "parallel/device.h"
#include "parallel/error.h"

namespace bessemer::parallel {

int gpu_count(std::string& why) {
  int count = 0;  // CUDA leaves it alone where there is no driver
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  why = concat("no usable GPU: ",
               status == cudaSuccess ? "none is visible (CUDA_VISIBLE_DEVICES?)" : cudaGetErrorString(status));
  return 0;
}

at::Device use_gpu(int index, bool deterministic) {
  const cudaError_t status = cudaSetDevice(index);
  BESSEMER_CHECK_ENV(status == cudaSuccess, "cudaSetDevice(", index, ") failed: ", cudaGetErrorString(status));
  // cuBLAS repeats itself only with a workspace of its own, of one of the sizes it names; set before its first use.
  if (deterministic) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  at::globalContext().setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

void* current_stream(at::Device device) { return c10::cuda::getCurrentCUDAStream(device.index()).stream(); }

std::string describe_device(at::Device device) {
  if (!device.is_cuda()) return "cpu";
  cudaDeviceProp properties{};
  const cudaError_t status = cudaGetDeviceProperties(&properties, device.index());
  if (status != cudaSuccess)
    return concat("cuda:", static_cast<int>(device.index()), " (", cudaGetErrorString(status), ")");
  return concat("cuda:", static_cast<int>(device.index()), " ", properties.name, " ", properties.totalGlobalMem >> 30,
                " GiB");
}

}  // namespace bessemer::parallel
