// What happens to sums before they are stored: bias, activation, another tensor, rounding to the output's dtype.
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

GPU_DEVICE float biasAt(const Output& output, int32_t column) {
  if (output.bias == nullptr) return 0.0f;
  return output.biasBfloat16 ? load(static_cast<const bf16*>(output.bias) + column)
                             : static_cast<const float*>(output.bias)[column];
}

GPU_DEVICE float addendAt(const Output& output, int64_t at) {
  if (output.addend == nullptr) return 0.0f;
  return output.bfloat16 ? load(static_cast<const bf16*>(output.addend) + at)
                         : static_cast<const float*>(output.addend)[at];
}

// What becomes of the sum at `at` of C, where bias number `column` belongs.
GPU_DEVICE float finished(const Output& output, int64_t at, int32_t column, float sum) {
  return activate(output.activation, sum + biasAt(output, column) + addendAt(output, at));
}

// Stores the first `valid` of N neighbouring sums at offset `at` of C, where bias number `column` belongs: as they are in the slice's part
// of `partial`, or finished. `vector`: N elements from `at` on may be written at once.
template <int N>
GPU_DEVICE void storeSums(const Output& output, int32_t slice, int64_t at, int32_t column, int32_t valid, bool vector,
                          const float (&sums)[N]) {
  const bool whole = vector && valid >= N;
  const auto put = [&](auto* p, auto&& value) {
    using T = std::remove_pointer_t<decltype(p)>;
    constexpr int kAtOnce = N * sizeof(T) > 16 ? 16 / sizeof(T) : N;
#pragma unroll
    for (int first = 0; first < N; first += kAtOnce) {
      gpu::Vec<T, kAtOnce> values;
#pragma unroll
      for (int i = 0; i < kAtOnce; i++) values[i] = first + i < valid ? static_cast<T>(value(first + i)) : T{};
      if (whole) {
        gpu::storeVec(p + first, values);
      } else {
#pragma unroll
        for (int i = 0; i < kAtOnce; i++) {
          if (first + i < valid) p[first + i] = values[i];
        }
      }
    }
  };
  if (output.partial != nullptr) return put(output.partial + slice * output.size + at, [&](int i) { return sums[i]; });
  const auto done = [&](int i) { return finished(output, at + i, column + i, sums[i]); };
  if (output.bfloat16)
    put(static_cast<bf16*>(output.c) + at, done);
  else
    put(static_cast<float*>(output.c) + at, done);
}

// Stores N neighbouring sums of a product's tile, from `column` of the row that is at `row` of C (-1: outside).
template <int N, class Block>
GPU_DEVICE void storeTile(const Gemm& gemm, const Block& block, int32_t slice, int64_t row, int32_t column,
                          const float (&sums)[N]) {
  if (row < 0) return;
  storeSums(gemm, slice, row + column, block.biasOffset() + column, gemm.n - column, gemm.n % N == 0, sums);
}

}  // namespace neurite::cuda
