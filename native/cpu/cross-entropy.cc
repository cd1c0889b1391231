// Cross-entropy from logits, with dense targets, with labels, and for independent classes, and the gradients.
//
// logits (..., C), rows of C. With lse = log(sum(exp(x))):
//   softmaxCrossEntropy        loss = sum(t * (lse - x))                   dx = dloss * (exp(x - lse) * sum(t) - t)
//   sparseSoftmaxCrossEntropy  loss = lse - x[label]                       dx = dloss * (exp(x - lse) - [c = label])
//   sigmoidCrossEntropy        loss = max(x, 0) - x t + log1p(exp(-|x|))   dx = dloss * (sigmoid(x) - t)
// A class with target 0 costs nothing, also where it is masked by a logit of -Inf.
#include "../thread-pool.h"
#include "elementwise.h"
#include "indices.h"
#include "kernels.h"
#include "rows.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// Rows of a float tensor as float32: in place, or widened into a buffer.
struct RowsOf {
  const char* data;
  Convert widen;
  int64_t bytes, length;
  RowsOf(const Tensor& x, int64_t length)
      : data(x.as<const char>()),
        widen(kWiden[static_cast<int>(x.dtype)]),
        bytes(static_cast<int64_t>(dtypeBytes(x.dtype)) * length),
        length(length) {}
  const float* at(int64_t row, int64_t count, float* buffer) const {
    const char* p = data + row * bytes;
    if (!widen) return reinterpret_cast<const float*>(p);
    widen(p, buffer, count * length);
    return buffer;
  }
  const float* at(int64_t row, float* buffer) const { return at(row, 1, buffer); }
};

// f(row, buffer) for every row of the logits; buffer holds two rows and belongs to the chunk.
template <class F> void eachRow(const Tensor& logits, F&& f) {
  const int64_t length = logits.dims[logits.rank - 1];
  if (logits.size() == 0) return;
  const Split rows = split(logits.size() / length, (length + 8) * kHeavy);
  parallelFor(rows.chunks, [&](int64_t chunk) {
    const int64_t pitch = roundUp(length, kLanes);
    float* buffer = static_cast<float*>(threadScratch(static_cast<size_t>(2 * pitch) * 4));
    for (int64_t row = rows.begin(chunk); row < rows.end(chunk); ++row) f(row, buffer, buffer + pitch);
  });
}

// f(row, x, lse) for every row of the logits, kLanes of them at a time.
template <class F> void eachRowWithSum(const Tensor& logits, const RowsOf& xs, F&& f) {
  const int64_t length = xs.length;
  if (logits.size() == 0) return;
  const int64_t count = logits.size() / length;
  const Split groups = split(ceilDivide(count, kLanes), (length + 2) * kLanes * kHeavy);
  parallelFor(groups.chunks, [&](int64_t chunk) {
    float* buffer = static_cast<float*>(threadScratch(static_cast<size_t>(kLanes * length) * 4));
    for (int64_t group = groups.begin(chunk); group < groups.end(chunk); ++group) {
      const int64_t first = group * kLanes, rows = smaller(kLanes, count - first);
      const float* x = xs.at(first, rows, buffer);
      alignas(64) float sums[kLanes];
      rowsLogSumExp(x, rows, length, sums);
      for (int64_t r = 0; r < rows; ++r) f(first + r, x + r * length, sums[r]);
    }
  });
}

// dx[i] = value(i, lanes) along a row, stored as the tensor's dtype.
template <class F> NEURITE_INLINE void storeRow(const Tensor& dx, int64_t row, int64_t length, F&& value) {
  if (dx.dtype == DType::float32) {
    float* to = dx.as<float>() + row * length;
    eachVector(
        length, EACH_VECTOR { storeUpTo(to + i, value(i, left), left); });
  } else {
    uint16_t* to = dx.as<uint16_t>() + row * length;
    eachVector(
        length, EACH_VECTOR { storeBfloat16Partial(to + i, value(i, left), left); });
  }
}

#define ROW_VALUE [&](int64_t i, int64_t left) __attribute__((always_inline))

}  // namespace

void softmaxCrossEntropy(const Call& call) {
  const Tensor &logits = call.in[0], &targets = call.in[1];
  const int64_t length = logits.dims[logits.rank - 1];
  const Convert widen = kWiden[static_cast<int>(targets.dtype)];
  const int64_t bytes = static_cast<int64_t>(dtypeBytes(targets.dtype));
  eachRowWithSum(logits, RowsOf(logits, length), [&](int64_t row, const float* x, float lse) {
    const char* t = targets.as<const char>() + row * length * bytes;
    float loss = 0;
    for (int64_t begin = 0; begin < length; begin += kBlock) {
      alignas(64) float wide[kBlock];
      const int64_t n = smaller(kBlock, length - begin);
      if (widen) widen(t + begin * bytes, wide, n);
      const float* target = widen ? wide : reinterpret_cast<const float*>(t) + begin;
      loss += sumOver(
          n, ROW_VALUE {
            const F32 v = loadUpTo(target + i, left);
            return select(equal(v, zeros()), zeros(), v * (broadcast(lse) - loadUpTo(x + begin + i, left)));
          });
    }
    call.out[0].as<float>()[row] = loss;
    call.out[1].as<float>()[row] = lse;
  });
}

void softmaxCrossEntropyGrad(const Call& call) {
  const Tensor &logits = call.in[1], &dx = call.out[0];
  const int64_t length = logits.dims[logits.rank - 1];
  const RowsOf xs(logits, length), ts(call.in[2], length);
  eachRow(logits, [&](int64_t row, float* buffer, float* second) {
    const float *x = xs.at(row, buffer), *t = ts.at(row, second);
    const F32 lse = broadcast(call.in[3].as<const float>()[row]), scale = broadcast(call.in[0].as<const float>()[row]);
    const F32 total = broadcast(sumOver(
        length, ROW_VALUE { return loadUpTo(t + i, left); }));
    storeRow(
        dx, row, length,
        ROW_VALUE { return scale * (exp(loadUpTo(x + i, left) - lse) * total - loadUpTo(t + i, left)); });
  });
}

void sparseSoftmaxCrossEntropy(const Call& call) {
  const Tensor &logits = call.in[0], &labels = call.in[1];
  const int64_t length = logits.dims[logits.rank - 1];
  eachRowWithSum(logits, RowsOf(logits, length), [&](int64_t row, const float* x, float lse) {
    const int64_t label = checkedIndex(call, indexAt(labels, row), length);
    call.out[0].as<float>()[row] = lse - x[label];
    call.out[1].as<float>()[row] = lse;
  });
}

void sparseSoftmaxCrossEntropyGrad(const Call& call) {
  const Tensor &logits = call.in[1], &labels = call.in[2], &dx = call.out[0];
  const int64_t length = logits.dims[logits.rank - 1];
  const RowsOf xs(logits, length);
  eachRow(logits, [&](int64_t row, float* buffer, float*) {
    const float* x = xs.at(row, buffer);
    const F32 lse = broadcast(call.in[3].as<const float>()[row]), scale = broadcast(call.in[0].as<const float>()[row]);
    const I32 label = broadcastInt(static_cast<int32_t>(clampedIndex(indexAt(labels, row), length)));
    storeRow(
        dx, row, length, ROW_VALUE {
          const I32 index = laneNumbers() + static_cast<int32_t>(i);
          const F32 target = select(equal(index, label), broadcast(1.0f), zeros());
          return scale * (exp(loadUpTo(x + i, left) - lse) - target);
        });
  });
}

void sigmoidCrossEntropy(const Call& call) {
  elementwise(call, 2, loop2<F32, F32, [](F32 x, F32 t, const Params&) __attribute__((always_inline)) {
                return relu(x) - x * t + log1pOfExp(x);
              }>,
              {}, kHeavy);
}

void sigmoidCrossEntropyGrad(const Call& call) {
  elementwise(call, 3, loop3<F32, F32, [](F32 dloss, F32 x, F32 t, const Params&) __attribute__((always_inline)) {
                return dloss * (sigmoid(x) - t);
              }>,
              {}, kHeavy);
}

}  // namespace neurite::cpu::NEURITE_ISA
