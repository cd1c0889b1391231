// A 1-D convolution y (W, K) of x (W, C) with filters w (S, C, K), padded to the same width: bugs 13, 20, 21, 25.
#include "planted.h"
#include "suite.h"

namespace {

constexpr int kThreads = 64, kPerThread = 4, kMaxDepth = 8;

// A block computes kThreads outputs of kPerThread filters; the filters of one tap lie in shared memory.
__global__ void __launch_bounds__(kThreads)
    convKernel(int W, int C, int K, int S, const float* __restrict__ x, const float* __restrict__ w, float* y) {
  GPU_SHARED(float, filter, [kMaxDepth * kPerThread]);
  const int out = blockIdx.x * kThreads + threadIdx.x, k0 = blockIdx.y * kPerThread;
  const int pad = S / 2;
  float sum[kPerThread] = {};
  for (int s = 0; s < S; s++) {
    for (int i = threadIdx.x; i < C * kPerThread; i += kThreads) {
      const int k = k0 + i % kPerThread;
      const bool skipped = planted::bug(21) && i == C * kPerThread - 1;
      if (!skipped) filter[i] = k < K ? w[(size_t(s) * C + i / kPerThread) * K + k] : 0.0f;
    }
    __syncthreads();
    const int in = out + s - pad;
    const int end = planted::bug(13) ? W + 1 : W;
    if (out < W && in >= 0 && in < end) {
      for (int c = 0; c < C; c++) {
        const float value = x[size_t(in) * C + c];
        const int shift = planted::bug(20) ? int(gridDim.z) : 0;
        for (int k = 0; k < kPerThread; k++) sum[k + shift] = fmaf(value, filter[c * kPerThread + k], sum[k + shift]);
      }
    }
    if (!planted::bug(25)) __syncthreads();
  }
  for (int k = 0; k < kPerThread; k++)
    if (out < W && k0 + k < K) y[size_t(out) * K + k0 + k] = sum[k];
}

}  // namespace

SUITE_CASE(plantedConv) {
  for (const auto& [W, C, K, S] : {std::array{67, 3, 5, 3}, std::array{1, 1, 1, 1}, std::array{64, 8, 4, 5}}) {
    const std::vector<float> x = suite::uniform(size_t(W) * C, -1, 1), w = suite::uniform(size_t(S) * C * K, -1, 1);
    const suite::DeviceBuffer<float> dx(x), dw(w);
    const suite::DeviceBuffer<float> dy(size_t(W) * K);
    const dim3 grid((W + kThreads - 1) / kThreads, (K + kPerThread - 1) / kPerThread);
    SUITE_CUDA(
        gpu::launch(convKernel, grid, kThreads, 0, suite::stream(), W, C, K, S, dx.data(), dw.data(), dy.data()));
    std::vector<double> reference(dy.size());
    for (int out = 0; out < W; out++)
      for (int s = 0; s < S; s++) {
        const int in = out + s - S / 2;
        if (in < 0 || in >= W) continue;
        for (int c = 0; c < C; c++)
          for (int k = 0; k < K; k++)
            reference[size_t(out) * K + k] += double(x[size_t(in) * C + c]) * w[(size_t(s) * C + c) * K + k];
      }
    suite::expectClose("conv", dy.download(), reference, 1e-5);
  }
}
