// Cross-entropy from logits, with dense targets, with labels, and for independent classes, and the gradients.
//
// logits (..., C), rows of C. With lse = log(sum(exp(x))):
//   softmaxCrossEntropy        loss = sum(t * (lse - x))            dx = dloss * (exp(x - lse) * sum(t) - t)
//   sparseSoftmaxCrossEntropy  loss = lse - x[label]                dx = dloss * (exp(x - lse) - [c = label])
//   sigmoidCrossEntropy        loss = max(x, 0) - x t + log1p(exp(-|x|))   dx = dloss * (sigmoid(x) - t)
// A forward row is read twice, the second time from the cache; so is a backward row of targets.
#include "activations.cuh"
#include "kernels.h"
#include "map.cuh"
#include "report.cuh"
#include "rows.cuh"

namespace neurite::cuda {
namespace {

template <class T> GPU_DEVICE LogSumExp rowLogSumExp(const Rows& rows, const T* x) {
  LogSumExp state{};
#pragma unroll 4
  for (int64_t i = rows.lane(); i < rows.length; i += rows.group) state.add(load(x + i));
  return reduceRow(rows, state, MergeLogSumExp{});
}

template <class T, class U>
__global__ void __launch_bounds__(kThreads)
    softmaxCrossEntropyKernel(Rows rows, const T* __restrict__ logits, const U* __restrict__ targets,
                              float* __restrict__ loss, float* __restrict__ logSumExp) {
  const int64_t row = rows.row();
  const T* x = logits + row * rows.length;
  const U* t = targets + row * rows.length;
  const float lse = rowLogSumExp(rows, x).value();
  float sum = 0.0f;
  for (int64_t i = rows.lane(); i < rows.length; i += rows.group) {
    const float target = load(t + i);
    if (target != 0.0f) sum += target * (lse - load(x + i));  // a class that is masked by -infinity costs nothing
  }
  sum = reduceRow(rows, sum, SumOf{});
  if (rows.active() && rows.lane() == 0) {
    loss[row] = sum;
    logSumExp[row] = lse;
  }
}

template <class T, class U>
__global__ void __launch_bounds__(kThreads)
    softmaxCrossEntropyGradKernel(Rows rows, const float* __restrict__ dloss, const T* __restrict__ logits,
                                  const U* __restrict__ targets, const float* __restrict__ logSumExp,
                                  T* __restrict__ dlogits) {
  const int64_t row = rows.row();
  const int64_t start = row * rows.length;
  float total = 0.0f;
  for (int64_t i = rows.lane(); i < rows.length; i += rows.group) total += load(targets + start + i);
  total = reduceRow(rows, total, SumOf{});
  if (!rows.active()) return;
  const float scale = dloss[row], lse = logSumExp[row];
  for (int64_t i = start + rows.lane(); i < start + rows.length; i += rows.group) {
    dlogits[i] = static_cast<T>(scale * (expf(load(logits + i) - lse) * total - load(targets + i)));
  }
}

template <class T, class Label>
__global__ void __launch_bounds__(kThreads)
    sparseSoftmaxCrossEntropyKernel(Rows rows, Reporter reporter, const T* __restrict__ logits,
                                    const Label* __restrict__ labels, float* __restrict__ loss,
                                    float* __restrict__ logSumExp) {
  const int64_t row = rows.row();
  const T* x = logits + row * rows.length;
  const float lse = rowLogSumExp(rows, x).value();
  if (rows.active() && rows.lane() == 0) {
    const int64_t label = checkedIndex(labels[row], rows.length, reporter);
    loss[row] = lse - load(x + label);
    logSumExp[row] = lse;
  }
}

template <class T, class Label>
__global__ void __launch_bounds__(kThreads)
    sparseSoftmaxCrossEntropyGradKernel(Rows rows, const float* __restrict__ dloss, const T* __restrict__ logits,
                                        const Label* __restrict__ labels, const float* __restrict__ logSumExp,
                                        T* __restrict__ dlogits) {
  if (!rows.active()) return;
  const int64_t row = rows.row();
  const int64_t start = row * rows.length;
  const int64_t label = clampedIndex(labels[row], rows.length);
  const float scale = dloss[row], lse = logSumExp[row];
  for (int64_t i = rows.lane(); i < rows.length; i += rows.group) {
    const float target = i == label ? 1.0f : 0.0f;
    dlogits[start + i] = static_cast<T>(scale * (expf(load(logits + start + i) - lse) - target));
  }
}

struct SigmoidCrossEntropy {
  GPU_DEVICE float operator()(float x, float target) const {
    return gpu::maxNan(x, 0.0f) - x * target + log1pf(expf(-fabsf(x)));
  }
};
struct SigmoidCrossEntropyGrad {
  GPU_DEVICE float operator()(float dloss, float x, float target) const { return dloss * (sigmoidOf(x) - target); }
};

// ---- Launchers

Rows rowsOf(const Tensor& logits) { return Rows(logits, logits.rank - 1); }

template <class F> void withLabel(const Call& call, DType dtype, F&& f) {
  if (dtype == DType::uint8) return f.template operator()<uint8_t>();
  if (dtype != DType::int32) unsupported(call, dtype);
  f.template operator()<int32_t>();
}

}  // namespace

void softmaxCrossEntropy(const Call& call) {
  const Tensor &logits = call.in[0], &targets = call.in[1];
  const Rows rows = rowsOf(logits);
  withFloat(call, logits.dtype, [&]<class T>() {
    withFloat(call, targets.dtype, [&]<class U>() {
      launch(call, softmaxCrossEntropyKernel<T, U>, rows.grid(), kThreads, 0, rows, logits.as<const T>(),
             targets.as<const U>(), call.out[0].as<float>(), call.out[1].as<float>());
    });
  });
}

void softmaxCrossEntropyGrad(const Call& call) {
  const Tensor &logits = call.in[1], &targets = call.in[2];
  const Rows rows = rowsOf(logits);
  withFloat(call, logits.dtype, [&]<class T>() {
    withFloat(call, targets.dtype, [&]<class U>() {
      launch(call, softmaxCrossEntropyGradKernel<T, U>, rows.grid(), kThreads, 0, rows, call.in[0].as<const float>(),
             logits.as<const T>(), targets.as<const U>(), call.in[3].as<const float>(), call.out[0].as<T>());
    });
  });
}

void sparseSoftmaxCrossEntropy(const Call& call) {
  const Tensor &logits = call.in[0], &labels = call.in[1];
  const Rows rows = rowsOf(logits);
  withFloat(call, logits.dtype, [&]<class T>() {
    withLabel(call, labels.dtype, [&]<class Label>() {
      launch(call, sparseSoftmaxCrossEntropyKernel<T, Label>, rows.grid(), kThreads, 0, rows, reporterOf(call),
             logits.as<const T>(), labels.as<const Label>(), call.out[0].as<float>(), call.out[1].as<float>());
    });
  });
}

void sparseSoftmaxCrossEntropyGrad(const Call& call) {
  const Tensor &logits = call.in[1], &labels = call.in[2];
  const Rows rows = rowsOf(logits);
  withFloat(call, logits.dtype, [&]<class T>() {
    withLabel(call, labels.dtype, [&]<class Label>() {
      launch(call, sparseSoftmaxCrossEntropyGradKernel<T, Label>, rows.grid(), kThreads, 0, rows,
             call.in[0].as<const float>(), logits.as<const T>(), labels.as<const Label>(), call.in[3].as<const float>(),
             call.out[0].as<T>());
    });
  });
}

void sigmoidCrossEntropy(const Call& call) {
  const Tensor &logits = call.in[0], &targets = call.in[1];
  withFloat(call, logits.dtype, [&]<class T>() {
    withFloat(call, targets.dtype,
              [&]<class U>() { map<float, T, U>(call, SigmoidCrossEntropy{}, call.out[0], logits, targets); });
  });
}

void sigmoidCrossEntropyGrad(const Call& call) {
  const Tensor &dloss = call.in[0], &logits = call.in[1], &targets = call.in[2];
  withFloat(call, logits.dtype, [&]<class T>() {
    withFloat(call, targets.dtype, [&]<class U>() {
      map<T, float, T, U>(call, SigmoidCrossEntropyGrad{}, call.out[0], dloss, logits, targets);
    });
  });
}

}  // namespace neurite::cuda
