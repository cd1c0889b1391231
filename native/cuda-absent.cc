// What a build without CUDA says of GPUs.
#if !NEURITE_CUDA
#include "check.h"
#include "device.h"

namespace neurite::cuda {

std::vector<DeviceInfo> probe() {
  DeviceInfo info;
  info.name = "cuda";
  info.cuda = true;
  info.usable = false;
  info.description = "NVIDIA GPU";
  info.reason = "this build of neurite has no CUDA kernels (" NEURITE_BUILD_INFO ")";
  return {info};
}

std::unique_ptr<Device> make(int) { fail("DeviceError", "this build has no CUDA kernels"); }

}  // namespace neurite::cuda
#endif
