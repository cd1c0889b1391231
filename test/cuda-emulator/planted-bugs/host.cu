// Mistakes of the host: bugs 22, 23 and 28.
#include "planted.h"
#include "suite.h"

namespace {

__global__ void __launch_bounds__(32) twiceKernel(int n, const float* x, float* y) {
  for (int i = threadIdx.x; i < n; i += 32) y[i] = 2 * x[i];
}

}  // namespace

SUITE_CASE(plantedHost) {
  constexpr int kCount = 100;
  const std::vector<float> x = suite::uniform(kCount, -1, 1);
  const suite::DeviceBuffer<float> dx(x), dy(kCount);
  float* pinned = nullptr;
  SUITE_CUDA(cudaMallocHost(&pinned, kCount * sizeof(float)));
  const float* const source = planted::bug(23) ? x.data() : dx.data();
  SUITE_CUDA(gpu::launch(twiceKernel, 1, 32, 0, suite::stream(), kCount, source, dy.data()));
  SUITE_CUDA(cudaMemcpyAsync(pinned, dy.data(), dy.bytes(), cudaMemcpyDeviceToHost, suite::stream()));
  if (!planted::bug(22)) SUITE_CUDA(cudaStreamSynchronize(suite::stream()));
  std::vector<double> reference(kCount);
  for (int i = 0; i < kCount; i++) reference[i] = 2.0 * x[i];
  suite::expectClose("twice", std::vector<float>(pinned, pinned + kCount), reference, 0);

  cudaGraph_t graph = nullptr;
  void* extra = nullptr;
  SUITE_CUDA(cudaStreamBeginCapture(suite::stream(), cudaStreamCaptureModeThreadLocal));
  if (planted::bug(28)) SUITE_CUDA(cudaMalloc(&extra, 4));
  SUITE_CUDA(gpu::launch(twiceKernel, 1, 32, 0, suite::stream(), kCount, dx.data(), dy.data()));
  SUITE_CUDA(cudaStreamEndCapture(suite::stream(), &graph));
  if (graph != nullptr) SUITE_CUDA(cudaGraphDestroy(graph));
  SUITE_CUDA(cudaFreeHost(pinned));
}
