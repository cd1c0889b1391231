// Softmax and log-softmax along an axis, and their gradients.
//
//   softmax         y = exp(x - max) / sum(exp(x - max))        logSoftmax       y = x - max - log(sum(exp(x - max)))
//   softmaxGrad     dx = y * (dy - sum(dy * y))                 logSoftmaxGrad   dx = dy - exp(y) * sum(dy)
// Each row is read twice, the second time from the cache, and written once.
#include "kernels.h"
#include "rows.cuh"

namespace neurite::cuda {
namespace {

// 0, or NaN: a row with an infinite maximum has no softmax.
GPU_DEVICE float nanIfInfinite(float largest) { return largest - largest; }

// Each has a State per thread of a row, its merge, and the result of an element. b is used by the gradients.
struct Softmax {
  using State = LogSumExp;
  using Merge = MergeLogSumExp;
  GPU_DEVICE static void add(State& s, float x, float) { s.add(x); }
  GPU_DEVICE static float prepare(const State& s) { return 1.0f / s.sum + nanIfInfinite(s.largest); }
  GPU_DEVICE static float result(const State& s, float scale, float x, float) { return expf(x - s.largest) * scale; }
};
struct LogSoftmax {
  using State = LogSumExp;
  using Merge = MergeLogSumExp;
  GPU_DEVICE static void add(State& s, float x, float) { s.add(x); }
  GPU_DEVICE static float prepare(const State& s) { return logf(s.sum) + nanIfInfinite(s.largest); }
  GPU_DEVICE static float result(const State& s, float log, float x, float) { return x - s.largest - log; }
};
struct SoftmaxGrad {
  using State = float;
  using Merge = SumOf;
  GPU_DEVICE static void add(State& s, float dy, float y) { s += dy * y; }
  GPU_DEVICE static float prepare(State s) { return s; }
  GPU_DEVICE static float result(State s, float, float dy, float y) { return y * (dy - s); }
};
struct LogSoftmaxGrad {
  using State = float;
  using Merge = SumOf;
  GPU_DEVICE static void add(State& s, float dy, float) { s += dy; }
  GPU_DEVICE static float prepare(State s) { return s; }
  GPU_DEVICE static float result(State s, float, float dy, float y) { return dy - expf(y) * s; }
};

// V > 1 only where inner = 1. b is null for the forward ops.
template <class F, class T, int V>
__global__ void __launch_bounds__(kThreads)
    softmaxKernel(Rows rows, const T* __restrict__ a, const T* __restrict__ b, T* __restrict__ y) {
  using Values = gpu::Vec<T, V>;
  const int64_t start = rows.start(rows.row());
  const int64_t step = int64_t{rows.group} * V;
  typename F::State state{};
  for (int64_t i = int64_t{rows.lane()} * V; i < rows.length; i += step) {
    const int64_t p = start + i * rows.inner;
    const Values left = gpu::loadVec<V>(a + p);
    const Values right = b != nullptr ? gpu::loadVec<V>(b + p) : left;
#pragma unroll
    for (int k = 0; k < V; k++) F::add(state, static_cast<float>(left[k]), static_cast<float>(right[k]));
  }
  state = reduceRow(rows, state, typename F::Merge{});
  if (!rows.active()) return;
  const float prepared = F::prepare(state);
  for (int64_t i = int64_t{rows.lane()} * V; i < rows.length; i += step) {
    const int64_t p = start + i * rows.inner;
    const Values left = gpu::loadVec<V>(a + p);
    const Values right = b != nullptr ? gpu::loadVec<V>(b + p) : left;
    Values result;
#pragma unroll
    for (int k = 0; k < V; k++) {
      result[k] = static_cast<T>(F::result(state, prepared, static_cast<float>(left[k]), static_cast<float>(right[k])));
    }
    gpu::storeVec(y + p, result);
  }
}

template <class F> void overAxis(const Call& call, int64_t axis) {
  const Tensor &a = call.in[0], &b = call.inputs > 1 ? call.in[1] : call.in[0], &y = call.out[0];
  const Rows rows(a, static_cast<int>(axis));
  withFloat(call, a.dtype, [&]<class T>() {
    constexpr int V = gpu::kVecWidth<T>;
    const bool vectors =
        rows.inner == 1 && rows.length % V == 0 && aligned(a.data, 16) && aligned(b.data, 16) && aligned(y.data, 16);
    launch(call, vectors ? softmaxKernel<F, T, V> : softmaxKernel<F, T, 1>, rows.grid(), kThreads, 0, rows,
           a.as<const T>(), call.inputs > 1 ? b.as<const T>() : nullptr, y.as<T>());
  });
}

}  // namespace

void softmax(const Call& call) { overAxis<Softmax>(call, attributesOf<attributes::softmax>(call).axis); }
void logSoftmax(const Call& call) { overAxis<LogSoftmax>(call, attributesOf<attributes::logSoftmax>(call).axis); }
void softmaxGrad(const Call& call) { overAxis<SoftmaxGrad>(call, attributesOf<attributes::softmaxGrad>(call).axis); }
void logSoftmaxGrad(const Call& call) {
  overAxis<LogSoftmaxGrad>(call, attributesOf<attributes::logSoftmaxGrad>(call).axis);
}

}  // namespace neurite::cuda
