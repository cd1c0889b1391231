// accumulate: running totals of losses and metrics.
#include "kernels.h"
#include "tree.cuh"

namespace neurite::cuda {
namespace {

// total = (sum, compensation, count). One block adds up values * weights and weights as a tree, then adds both to the totals, the
// sum with Kahan's compensation: what `sum + next` lost is subtracted from the next addend.
__global__ void __launch_bounds__(kThreads)
    accumulateKernel(int64_t size, const float* __restrict__ values, const float* __restrict__ weights,
                     float* __restrict__ total) {
  float sum = 0.0f, count = 0.0f;
  for (int64_t i = threadIdx.x; i < size; i += kThreads) {
    const float weight = weights != nullptr ? weights[i] : 1.0f;
    sum += values[i] * weight;
    count += weight;
  }
  sum = reduceBlock<kThreads>(sum, SumOf{});
  count = reduceBlock<kThreads>(count, SumOf{});
  if (threadIdx.x == 0) {
    const float before = total[0];
    const float addend = sum - total[1];
    const float after = before + addend;
    total[0] = after;
    total[1] = (after - before) - addend;
    total[2] += count;
  }
}

}  // namespace

void accumulate(const Call& call) {
  const Tensor &values = call.in[1], &weights = call.in[2];
  launch(call, accumulateKernel, 1, kThreads, 0, values.size(), values.as<const float>(), weights.as<const float>(),
         call.in[0].as<float>());
}

}  // namespace neurite::cuda
