// Mean and variance of columns, and a total over blocks: bugs 9, 10, 11, 12, 16, 19, 24, 27 and 29.
#include "planted.h"
#include "suite.h"

namespace {

constexpr int kThreads = 128;

// The sum over the block, for every thread. Called more than once, so the scratch must be free before it is written.
__device__ float blockSum(float value, float* scratch) {
  if (!planted::bug(24)) __syncthreads();
  scratch[threadIdx.x] = value;
  if (!planted::bug(9)) __syncthreads();
  float sum = 0;
  for (int i = 0; i < kThreads; i++) sum += scratch[i];
  return sum;
}

// x (rows, columns); one block per column.
__global__ void __launch_bounds__(kThreads)
    columnStatisticsKernel(int rows, int columns, const float* __restrict__ x, float* mean, float* variance) {
  GPU_SHARED(float, scratch, [kThreads]);
  const int column = blockIdx.x;
  if (planted::bug(11) && threadIdx.x >= 64) return;
  if (planted::bug(10) && threadIdx.x < 32) __syncthreads();
  if (planted::bug(19)) {
    if (threadIdx.x % 64 < 32) {
      __syncthreads();
    } else {
      __syncthreads();
    }
  }
  float sum = 0;
  for (int row = threadIdx.x; row < rows; row += kThreads) sum += x[size_t(row) * columns + column];
  if (planted::bug(12) && threadIdx.x % 32 < 16) sum += 0 * gpu::shfl(sum, 31);
  const float m = blockSum(sum, scratch) / rows;
  float squares = 0;
  for (int row = threadIdx.x; row < rows; row += kThreads) {
    const float d = x[size_t(row) * columns + column] - m;
    squares = fmaf(d, d, squares);
  }
  const float v = blockSum(squares, scratch) / rows;
  if (threadIdx.x == 0) {
    mean[column] = m;
    variance[column] = v;
  }
}

// A sum over all blocks without atomics on floats: the last block to finish adds the partial sums in order.
__global__ void __launch_bounds__(kThreads)
    totalKernel(int n, const float* __restrict__ x, float* partial, unsigned* finished, float* total) {
  GPU_SHARED(float, scratch, [kThreads]);
  GPU_SHARED(bool, last);
  float sum = 0;
  for (int i = blockIdx.x * kThreads + threadIdx.x; i < n; i += gridDim.x * kThreads) sum += x[i];
  const float blockTotal = blockSum(sum, scratch);
  if (planted::bug(16)) {
    if (threadIdx.x == 0) *total = (blockIdx.x == 0 ? 0.0f : *total) + blockTotal;
    return;
  }
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = blockTotal;
    if (!planted::bug(27)) __threadfence();
    last = gpu::atomicAdd(finished, 1u) + 1 == gridDim.x;
  }
  __syncthreads();
  if (planted::bug(29)) {
    while (gpu::atomicAdd(finished, 0u) < gridDim.x) {}
  }
  if (last && threadIdx.x == 0) {
    if (!planted::bug(27)) __threadfence();
    float all = 0;
    for (unsigned block = 0; block < gridDim.x; block++) all += gpu::loadL2(partial + block);
    *total = all;
  }
}

}  // namespace

SUITE_CASE(plantedStatistics) {
  for (const auto& [rows, columns] : {std::array{37, 3}, std::array{301, 2}}) {
    const std::vector<float> x = suite::uniform(size_t(rows) * columns, -1, 3);
    const suite::DeviceBuffer<float> dx(x);
    const suite::DeviceBuffer<float> dMean(columns), dVariance(columns);
    SUITE_CUDA(gpu::launch(columnStatisticsKernel, columns, kThreads, 0, suite::stream(), rows, columns, dx.data(),
                           dMean.data(), dVariance.data()));
    std::vector<double> mean(columns), variance(columns);
    for (size_t i = 0; i < x.size(); i++) mean[i % columns] += double(x[i]) / rows;
    for (size_t i = 0; i < x.size(); i++) variance[i % columns] += std::pow(x[i] - mean[i % columns], 2) / rows;
    suite::expectClose("mean", dMean.download(), mean, 1e-5);
    suite::expectClose("variance", dVariance.download(), variance, 1e-5);
  }
}

SUITE_CASE(plantedTotal) {
  constexpr int kBlocks = 3;
  const std::vector<float> x = suite::uniform(1000, -1, 3);
  const suite::DeviceBuffer<float> dx(x), partial(kBlocks), total(1);
  const suite::DeviceBuffer<unsigned> finished(std::vector<unsigned>{0});
  SUITE_CUDA(gpu::launch(totalKernel, kBlocks, kThreads, 0, suite::stream(), int(x.size()), dx.data(), partial.data(),
                         finished.data(), total.data()));
  double reference = 0;
  for (const float value : x) reference += value;
  suite::expectClose("total", total.download(), {reference}, 1e-5);
}
