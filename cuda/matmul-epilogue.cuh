// What happens to the sums of a matrix product before they are stored: bias, activation, rounding to the output's dtype.
#pragma once
#include "activations.cuh"
#include "matmul.h"

namespace neurite::cuda {

GPU_DEVICE float activate(Activation activation, float x) {
  switch (activation) {
    case Activation::relu:
      return ActivationOf<Activation::relu>::value(x);
    case Activation::sigmoid:
      return ActivationOf<Activation::sigmoid>::value(x);
    case Activation::tanh:
      return ActivationOf<Activation::tanh>::value(x);
    default:
      return x;
  }
}

GPU_DEVICE float biasAt(const Gemm& gemm, int32_t column) {
  if (gemm.bias == nullptr) return 0.0f;
  return gemm.biasBfloat16 ? load(static_cast<const bf16*>(gemm.bias) + column)
                           : static_cast<const float*>(gemm.bias)[column];
}

// Stores N neighbouring sums of row `row` from `column` on: as they are in the slice's part of `partial`, or finished in C.
template <int N>
GPU_DEVICE void storeSums(const Gemm& gemm, const GemmTile& tile, int32_t row, int32_t column, const float (&sums)[N]) {
  if (row >= gemm.m) return;
  const int64_t matrix = int64_t{gemm.m} * gemm.n;
  const int64_t inMatrix = int64_t{row} * gemm.n + column;
  const bool whole = column + N <= gemm.n && gemm.n % N == 0;
  if (gemm.partial != nullptr) {
    float* p = gemm.partial + (int64_t{tile.slice} * gemm.batches + tile.batch) * matrix + inMatrix;
    if (whole) {
      gpu::Vec<float, N> values;
#pragma unroll
      for (int i = 0; i < N; i++) values[i] = sums[i];
      gpu::storeVec(p, values);
    } else {
#pragma unroll
      for (int i = 0; i < N; i++) {
        if (column + i < gemm.n) p[i] = sums[i];
      }
    }
    return;
  }
  const auto store = [&](auto* p) {
    using T = std::remove_pointer_t<decltype(p)>;
    gpu::Vec<T, N> values;
#pragma unroll
    for (int i = 0; i < N; i++) {
      values[i] =
          column + i < gemm.n ? static_cast<T>(activate(gemm.activation, sums[i] + biasAt(gemm, column + i))) : T{};
    }
    if (whole) {
      gpu::storeVec(p, values);
    } else {
#pragma unroll
      for (int i = 0; i < N; i++) {
        if (column + i < gemm.n) p[i] = values[i];
      }
    }
  };
  const int64_t i = tile.batch * matrix + inMatrix;
  if (gemm.cBfloat16)
    store(static_cast<bf16*>(gemm.c) + i);
  else
    store(static_cast<float*>(gemm.c) + i);
}

}  // namespace neurite::cuda
