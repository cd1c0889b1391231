// Dropout by a hash of the index, four elements at a time: bugs 14 and 15.
#include "planted.h"
#include "suite.h"

namespace {

constexpr int kThreads = 64;

GPU_HOST_DEVICE uint32_t hashOf(uint32_t i) {
  i = (i ^ i >> 16) * 0x7feb352du;
  i = (i ^ i >> 15) * 0x846ca68bu;
  return i ^ i >> 16;
}

GPU_HOST_DEVICE float dropped(float value, uint32_t index) { return hashOf(index) < 0x80000000u ? 0.0f : 2.0f * value; }

__global__ void __launch_bounds__(kThreads) dropoutKernel(unsigned n, const float* __restrict__ x, float* y) {
  const unsigned i = 4 * (blockIdx.x * kThreads + threadIdx.x);
  const unsigned shift = planted::bug(15) ? 1 : 0;
  if (i + 4 + shift <= n || (planted::bug(14) && i < n)) {
    const gpu::Vec<float, 4> in = gpu::loadVec<4>(x + i + shift);
    gpu::Vec<float, 4> out;
    for (int j = 0; j < 4; j++) out[j] = dropped(in[j], i + shift + j);
    gpu::storeVec(y + i + shift, out);
  } else {
    for (unsigned j = i; j < n; j++) y[j] = dropped(x[j], j);
  }
}

}  // namespace

SUITE_CASE(plantedDropout) {
  for (const unsigned n : {1u, 4u, 257u, 1022u}) {
    const std::vector<float> x = suite::uniform(n, -1, 1);
    const suite::DeviceBuffer<float> dx(x), dy(n);
    const unsigned blocks = (n + 4 * kThreads - 1) / (4 * kThreads);
    SUITE_CUDA(gpu::launch(dropoutKernel, blocks, kThreads, 0, suite::stream(), n, dx.data(), dy.data()));
    std::vector<double> reference(n);
    for (unsigned i = 0; i < n; i++) reference[i] = dropped(x[i], i);
    suite::expectClose("dropout", dy.download(), reference, 0);
  }
}
