// What the emulator says to kernels that go wrong. The errors are sticky until the device is reset.
#include "suite.h"

namespace {

__global__ void fewerThreadsKernel() {
  if (threadIdx.x < 32) gpu::barrierSync(1, 64);
}
__global__ void twoSitesKernel() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void earlyReturnKernel() {
  if (threadIdx.x >= 32) return;
  __syncthreads();
}
__global__ void differentCountsKernel() { gpu::barrierSync(1, threadIdx.x < 32 ? 64 : 96); }
__global__ void oddCountKernel() { gpu::barrierSync(1, 33); }
__global__ void differentCollectivesKernel() {
  if (threadIdx.x < 16) {
    gpu::shflXor(1.0f, 1);
  } else {
    gpu::any(true);
  }
}
__global__ void notInMaskKernel() { gpu::ballot(true, 0x0000ffffu); }
__global__ void returnedLaneKernel() {
  if (threadIdx.x >= 16) return;
  gpu::shflXor(1.0f, 16);
}
__global__ void partOfWarpLdmatrixKernel() {
  GPU_DYN_SHARED(shared);
  uint32_t r[4];
  if (threadIdx.x < 16) return;
  gpu::ldmatrixX4(r, shared);
}
__global__ void ldmatrixOfGlobalKernel(const uint16_t* rows) {
  uint32_t r[4];
  gpu::ldmatrixX4(r, rows);
}
__global__ void misalignedRowKernel() {
  GPU_DYN_SHARED(shared);
  uint32_t r[4];
  gpu::ldmatrixX4(r, shared + 8);
}
__global__ void misalignedLoadKernel(const float* x, float* y) { gpu::storeVec(y, gpu::loadVec<4>(x + 1)); }
__global__ void misalignedCopyKernel(const float* x) {
  GPU_DYN_SHARED(shared);
  gpu::cpAsync<16>(shared, x + 2);
}
__global__ void tooManyValidBytesKernel(const float* x) {
  GPU_DYN_SHARED(shared);
  gpu::cpAsync<4>(shared, x, 8);
}
__global__ void copyToGlobalKernel(float* x) { gpu::cpAsync<4>(x, x + 1); }
__global__ void gridSyncKernel() { gpu::gridSync(); }
__global__ void gridDeadlockKernel() {
  if (blockIdx.x == 0) gpu::gridSync();
}
__global__ void mmaKernel() {
  float d[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  gpu::mmaBf16M16n8k16(d, a, b, d);
}
__global__ void staticTooLargeKernel(float* y) {
  GPU_SHARED(float, half, [7000]);
  GPU_SHARED(float, rest, [7000]);
  half[0] = rest[0] = 0;
  *y = half[0];
}
__global__ void onesKernel(int n, float* y) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = 1;
}

template <class... P, class... A> cudaError_t run(void (*kernel)(P...), int threads, A... arguments) {
  return gpu::launch(kernel, 2, threads, 1024, suite::stream(), arguments...);
}

// Freed by the reset after the error.
template <class T> T* memory() {
  T* p = nullptr;
  SUITE_CUDA(cudaMalloc(&p, 256));
  return p;
}

}  // namespace

SUITE_CASE(errorsOfBarriers) {
  suite::expectEmulatorError("deadlock", [] { run(fewerThreadsKernel, 64); });
  suite::expectEmulatorError("wait in barrierSync at", [] { run(fewerThreadsKernel, 64); });
  suite::expectEmulatorError("while other threads of the block wait", [] { run(twoSitesKernel, 64); });
  suite::expectEmulatorError("do not return early", [] { run(earlyReturnKernel, 64); });
  suite::expectEmulatorError("expects", [] { run(differentCountsKernel, 96); });
  suite::expectEmulatorError("expected a multiple of 32", [] { run(oddCountKernel, 64); });
  suite::expectEmulatorError("not cooperative", [] { run(gridSyncKernel, 32); });
  suite::expectEmulatorError("deadlock", [] { gpu::launchCooperative(gridDeadlockKernel, 2, 32, 0, suite::stream()); });
}

SUITE_CASE(errorsOfCollectives) {
  suite::expectEmulatorError("wait for this lane in", [] { run(differentCollectivesKernel, 32); });
  suite::expectEmulatorError("is not in its own mask", [] { run(notInMaskKernel, 32); });
  suite::expectEmulatorError("which does not take part", [] { run(returnedLaneKernel, 32); });
  suite::expectEmulatorError("needs all 32 lanes", [] { run(partOfWarpLdmatrixKernel, 32); });
}

SUITE_CASE(errorsOfMemory) {
  suite::expectEmulatorError("is not in shared memory", [] { run(ldmatrixOfGlobalKernel, 32, memory<uint16_t>()); });
  suite::expectEmulatorError("row of ldmatrix", [] { run(misalignedRowKernel, 32); });
  suite::expectEmulatorError("is not aligned to 16 bytes", [] {
    float* const x = memory<float>();
    run(misalignedLoadKernel, 32, x, x);
  });
  suite::expectEmulatorError("source of cpAsync", [] { run(misalignedCopyKernel, 32, memory<float>()); });
  suite::expectEmulatorError("cpAsync of 4 bytes with 8", [] { run(tooManyValidBytesKernel, 32, memory<float>()); });
  suite::expectEmulatorError("destination of cpAsync", [] { run(copyToGlobalKernel, 32, memory<float>()); });
  suite::expectEmulatorError("more than 48 KiB", [] { run(staticTooLargeKernel, 32, memory<float>()); });
}

SUITE_CASE(errorsNameThePlace) {
  suite::expectEmulatorError("engine-errors/errors.cu:", [] { run(oddCountKernel, 64); });
  suite::expectEmulatorError("grid (2,1,1), block (64,1,1), blockIdx (", [] { run(oddCountKernel, 64); });
  suite::expectEmulatorError("threadIdx (", [] { run(oddCountKernel, 64); });
}

SUITE_CASE(tensorCoresNeedSm80) {
  int major = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  if (major >= 8) {
    SUITE_CUDA(run(mmaKernel, 32));
  } else {
    suite::expectEmulatorError("needs sm_80, this device is sm_75", [] { run(mmaKernel, 32); });
  }
}

SUITE_CASE(errorsAreSticky) {
  suite::expectEmulatorError("do not return early", [] {
    run(earlyReturnKernel, 64);
    cudaStreamSynchronize(suite::stream());
    void* p = nullptr;
    suite::expect(cudaMalloc(&p, 4) == cudaErrorLaunchFailure, "every call fails after an error");
    suite::expect(cudaGetLastError() == cudaErrorLaunchFailure, "the error is told");
    suite::expect(cudaGetLastError() == cudaErrorLaunchFailure, "and stays");
    suite::expect(run(oddCountKernel, 32) == cudaErrorLaunchFailure, "nothing is launched any more");
  });
  suite::DeviceBuffer<float> y(40);
  SUITE_CUDA(run(onesKernel, 32, 40, y.data()));  // after the reset everything works again
  suite::expectClose("after the reset", y.download(), std::vector<double>(40, 1), 0);
}

#ifndef EMULATOR_ASAN
SUITE_CASE(writesBehindAnAllocation) {
  suite::expectEmulatorError(
      "wrote behind an allocation of 256 bytes",
      [] {
        float* const y = memory<float>();
        run(onesKernel, 32, 65, y);
        suite::expect(cudaFree(y) == cudaErrorIllegalAddress, "seen when the memory is freed");
      },
      cudaErrorIllegalAddress);
}
#endif
