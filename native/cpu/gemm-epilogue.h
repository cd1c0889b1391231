// What matrix products and convolutions do to their sums besides storing them: bias, activation, conversion.
#pragma once
#include "../thread-pool.h"
#include "elementwise.h"
#include "gemm-pack.h"
#include "vector-math.h"

namespace neurite::cpu::NEURITE_ISA {

// A bias in float32: in place, or widened into memory of its own, since gemm has the scratch memory.
class Bias {
 public:
  explicit Bias(const Tensor& bias) {
    if (!bias.present()) return;
    values_ = bias.as<const float>();
    if (bias.dtype == DType::float32) return;
    const int64_t n = bias.size();
    float* wide = n <= kFew ? few_ : static_cast<float*>(own_.reserve(static_cast<size_t>(n) * 4));
    kWiden[static_cast<int>(bias.dtype)](bias.data, wide, n);
    values_ = wide;
  }
  const float* values() const { return values_; }

 private:
  static constexpr int64_t kFew = 4096;
  const float* values_ = nullptr;
  Memory own_;
  float few_[kFew];
};

NEURITE_INLINE F32 activate(Activation activation, F32 x) {
  switch (activation) {
    case Activation::relu:
      return relu(x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::tanh:
      return tanh(x);
    case Activation::none:
      break;
  }
  return x;
}

// f(std::integral_constant<Activation, activation>).
template <class F> auto withActivation(Activation activation, F&& f) {
  switch (activation) {
    case Activation::relu:
      return f(std::integral_constant<Activation, Activation::relu>());
    case Activation::sigmoid:
      return f(std::integral_constant<Activation, Activation::sigmoid>());
    case Activation::tanh:
      return f(std::integral_constant<Activation, Activation::tanh>());
    case Activation::none:
      break;
  }
  return f(std::integral_constant<Activation, Activation::none>());
}

// What the micro-kernel does not do itself, over a tile that is still in L1: sigmoid and tanh, conversion to bfloat16;
// the bias where tiles are sums alone. from and to may be the same.
template <class To>
void finishTile(const float* from, int64_t fromStride, To* to, int64_t toStride, int64_t rows, int64_t columns,
                Activation activation, const float* bias = nullptr) {
  if constexpr (sizeof(To) == 2) {
    if (activation == Activation::none && !bias && columns == kPanelWidth) {  // only the conversion, of whole vectors
      for (int64_t i = 0; i < rows; ++i, from += fromStride, to += toStride) {
        NEURITE_UNROLL
        for (int j = 0; j < kTileVectors; ++j) storeBfloat16(to + j * kLanes, load(from + j * kLanes));
      }
      return;
    }
  }
  for (int64_t i = 0; i < rows; ++i, from += fromStride, to += toStride) {
    for (int64_t j = 0; j < columns; j += kLanes) {
      const F32 sum = loadFloats(from + j, columns - j);
      const F32 y = activate(activation, bias ? sum + loadFloats(bias + j, columns - j) : sum);
      if constexpr (sizeof(To) == 2) {
        storeBfloat16Partial(to + j, y, columns - j);
      } else {
        storePartial(to + j, y, columns - j);
      }
    }
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
