// accumulate: running totals of losses and metrics.
#include "kernels.h"
#include "tree.cuh"

namespace neurite::cuda {
namespace {

// total += value, with what the sum rounds away kept in `lost` for the next time (Kahan, with the exact error of the sum). Once the
// total is not finite there is nothing to keep.
GPU_DEVICE void addTo(float& total, float& lost, double value) {
  const double wanted = value - static_cast<double>(lost);
  const float addend = static_cast<float>(wanted), sum = total + addend, added = sum - total;
  const float error = (total - (sum - added)) + (addend - added);
  lost = error == error ? -error - static_cast<float>(wanted - static_cast<double>(addend)) : 0.0f;
  total = sum;
}

// total = (sum, compensation, count). One block adds up values * weights and weights in float64, as a tree, then adds both to the totals.
__global__ void __launch_bounds__(kThreads)
    accumulateKernel(int64_t size, const float* __restrict__ values, const float* __restrict__ weights,
                     float* __restrict__ total) {
  double sum = 0.0, count = 0.0;
  for (int64_t i = threadIdx.x; i < size; i += kThreads) {
    const double weight = weights != nullptr ? static_cast<double>(weights[i]) : 1.0;
    sum += static_cast<double>(values[i]) * weight;
    count += weight;
  }
  sum = reduceBlock<kThreads>(sum, SumOf{});
  count = reduceBlock<kThreads>(count, SumOf{});
  if (threadIdx.x == 0) {
    addTo(total[0], total[1], sum);
    total[2] = static_cast<float>(static_cast<double>(total[2]) + count);
  }
}

}  // namespace

void accumulate(const Call& call) {
  const Tensor &values = call.in[1], &weights = call.in[2];
  launch(call, accumulateKernel, 1, kThreads, 0, values.size(), values.as<const float>(), weights.as<const float>(),
         call.in[0].as<float>());
}

}  // namespace neurite::cuda
