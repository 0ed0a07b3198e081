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

at::Device use_gpu(int index) {
  const cudaError_t status = cudaSetDevice(index);
  BESSEMER_CHECK_ENV(status == cudaSuccess, "cudaSetDevice(", index, ") failed: ", cudaGetErrorString(status));
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

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
