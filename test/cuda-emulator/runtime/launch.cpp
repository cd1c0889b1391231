// Checks a launch as the driver would, and queues it.
#include "gpu.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdlib>

#include "../engine/state.h"
#include "device.h"

namespace emulator {
namespace {

constexpr size_t kDefaultSharedBytes = 48 << 10;
constexpr uint64_t kMostCooperativeBlocks = 32;

// The kernel's name if the symbol is exported, else where it was launched.
std::string nameOf(const LaunchRequest& request) {
  const std::string site = siteOf(request.at).c_str();
  Dl_info info;
  if (dladdr(request.kernel, &info) == 0 || info.dli_saddr != request.kernel || info.dli_sname == nullptr)
    return "the kernel launched at " + site;
  int status = 0;
  char* demangled = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : info.dli_sname;
  std::free(demangled);
  return name + " launched at " + site;
}

std::string describe(const LaunchRequest& r) {
  return nameOf(r) + ", grid " + indexText(r.grid) + ", block " + indexText(r.block) + ", " +
         std::to_string(r.dynamicSharedBytes) + " bytes of dynamic shared memory";
}

bool validShape(dim3 grid, dim3 block) {
  const uint64_t threads = uint64_t(block.x) * block.y * block.z;
  return threads > 0 && threads <= 1024 && block.x <= 1024 && block.y <= 1024 && block.z <= 64 && grid.x > 0 &&
         grid.y > 0 && grid.z > 0 && grid.x <= 2147483647u && grid.y <= 65535 && grid.z <= 65535;
}

cudaError_t check(const LaunchRequest& r) {
  if (!validShape(r.grid, r.block))
    return reject(cudaErrorInvalidConfiguration, "the grid or block is not possible: " + describe(r));
  size_t limit = kDefaultSharedBytes;
  {
    std::lock_guard lock(device().mutex);
    const auto found = device().dynamicSharedLimits.find(r.kernel);
    if (found != device().dynamicSharedLimits.end()) limit = std::max(limit, size_t(found->second));
  }
  if (r.dynamicSharedBytes > limit)
    return reject(cudaErrorInvalidValue,
                  "more dynamic shared memory than the " + std::to_string(limit) + " bytes allowed: " + describe(r));
  if (r.cooperative && uint64_t(r.grid.x) * r.grid.y * r.grid.z > kMostCooperativeBlocks)
    return reject(cudaErrorCooperativeLaunchTooLarge, "at most 32 cooperative blocks: " + describe(r));
  for (const PointerArgument& pointer : r.pointers)
    if (pointer.value != nullptr && !isDeviceMemory(pointer.value, 0) && !isPinnedMemory(pointer.value, 0)) {
      const std::string text = "argument " + std::to_string(pointer.position) + " is no device pointer: " + describe(r);
      device().setError(cudaErrorIllegalAddress, text);
      return finish(cudaErrorIllegalAddress);
    }
  return cudaSuccess;
}

}  // namespace

cudaError_t submitLaunch(LaunchRequest request) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  if (const cudaError_t error = check(request); error != cudaSuccess) return error;
  Launch launch{nameOf(request),     request.grid,           request.block, request.dynamicSharedBytes,
                request.cooperative, std::move(request.body)};
  std::lock_guard lock(device().mutex);
  const std::shared_ptr<Stream> stream = device().find(request.stream);
  if (!stream) return finish(cudaErrorInvalidResourceHandle);
  return finish(device().submit(stream, [launch = std::move(launch)] {
    const std::string error = scheduler().run(launch);
    if (!error.empty()) device().setError(cudaErrorLaunchFailure, error);
  }));
}

}  // namespace emulator
