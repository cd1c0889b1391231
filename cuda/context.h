// What a launcher gets from its device besides the call, and how it launches.
//
// Launchers run twice: once eagerly and once under stream capture. So they allocate nothing, read nothing back, and pass to
// kernels only what follows from shapes and attributes: whatever changes from step to step is read from device memory.
#pragma once
#include <string>

#include "../native/check.h"
#include "../native/ops.h"
#include "../native/status.h"
#include "gpu.h"

namespace neurite::cuda {

// Owned by cuda/device.cc.
struct Context {
  cudaStream_t stream = nullptr;
  int capability = 0;               // 75, 80, 86, 89, 90, 100, 120
  int multiprocessors = 0;          // may size grids, but never the split of a sum
  size_t sharedMemoryPerBlock = 0;  // that a kernel may opt in to, bytes
  IndexReport* report = nullptr;    // device memory: where the command that runs reports to

  // Device memory for the command that runs, aligned to 256 bytes, contents undefined. Valid until the next command; a second
  // call invalidates the first. Stays at one address for as long as graphs use it.
  void* scratch(size_t bytes);
};

inline Context& contextOf(const Call& call) { return *static_cast<Context*>(call.stream); }

[[noreturn]] inline void fail(const std::string& what) { neurite::fail("DeviceError", "%s", what.c_str()); }

inline void check(cudaError_t status) {
  if (status != cudaSuccess) fail(std::string("CUDA: ") + cudaGetErrorString(status));
}

// Launches on the call's stream; a failed launch throws. An empty grid is nothing to do.
template <class... P, class... A>
void launch(const Call& call, void (*kernel)(P...), dim3 grid, dim3 block, size_t sharedBytes, A&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (sharedBytes > 48 * 1024) {  // what every architecture grants unasked
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(sharedBytes)));
  }
  check(gpu::launch(kernel, grid, block, sharedBytes, contextOf(call).stream, std::forward<A>(arguments)...));
}

GPU_HOST_DEVICE constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Threads of a block of a grid-stride kernel.
inline constexpr int kThreads = 256;

// Blocks of a grid-stride kernel over `items`: enough to fill the GPU several times over, so that the tail is short.
inline unsigned gridFor(const Call& call, int64_t items, int threads = kThreads) {
  const int64_t most = int64_t{contextOf(call).multiprocessors} * 32;
  const int64_t wanted = ceilDiv(items, threads);
  return static_cast<unsigned>(wanted < most ? wanted : most);
}

}  // namespace neurite::cuda
