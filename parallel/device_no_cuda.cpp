#include "parallel/device.h"
#include "parallel/error.h"

namespace bessemer::parallel {

int gpu_count(std::string& why) {
  why = "this build has no CUDA; build with cmake --preset cuda";
  return 0;
}

at::Device use_gpu(int, bool) {
  std::string why;
  gpu_count(why);
  fail(ExitCode::kEnvironment, "a GPU was asked for, but ", why);
}

void* current_stream(at::Device) { return nullptr; }

std::string describe_device(at::Device) { return "cpu"; }

}  // namespace bessemer::parallel
