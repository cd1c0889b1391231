// Activation functions and their derivatives in float32, shared by the elementwise ops, matmul's epilogue and the backward passes.
#pragma once
#include "dtype.h"

namespace neurite::cuda {

inline constexpr float kSeluAlpha = 1.6732632423543772f;
inline constexpr float kSeluScale = 1.0507009873554805f;

GPU_DEVICE float sigmoidOf(float x) { return 1.0f / (1.0f + expf(-x)); }
GPU_DEVICE float reluOf(float x) { return x < 0.0f ? 0.0f : x; }
// log(1 + exp(x)) without overflow.
GPU_DEVICE float softplusOf(float x) { return gpu::maxNan(x, 0.0f) + log1pf(expf(-fabsf(x))); }
// x where |x| <= limit, else the limit with x's sign: a factor that meets a zero must not be infinite. NaN stays NaN.
GPU_DEVICE float bounded(float x, float limit) { return x < -limit ? -limit : x > limit ? limit : x; }
// Phi(x), the normal distribution function, from erfc, which keeps the relative accuracy of the lower tail.
GPU_DEVICE float normalCdf(float x) { return 0.5f * erfcf(-0.70710678118654752f * x); }
GPU_DEVICE float normalPdf(float x) { return 0.39894228040143268f * expf(-0.5f * x * x); }
// tanh(sqrt(2 / pi) * (x + 0.044715 x^3)), of the approximate gelu.
GPU_DEVICE float geluTanh(float x) { return tanhf(0.79788456080286536f * x * (1.0f + 0.044715f * x * x)); }

// The activations of matmul and biasActivationGrad.
template <Activation A> struct ActivationOf {
  GPU_DEVICE static float value(float x) {
    if constexpr (A == Activation::relu) return reluOf(x);
    if constexpr (A == Activation::sigmoid) return sigmoidOf(x);
    if constexpr (A == Activation::tanh) return tanhf(x);
    return x;
  }
  // dy * f'(x), from y = f(x). A NaN y gives NaN.
  GPU_DEVICE static float gradient(float dy, float y) {
    if constexpr (A == Activation::relu) return y > 0.0f ? dy : y != y ? y : 0.0f;
    if constexpr (A == Activation::sigmoid) return dy * y * (1.0f - y);
    if constexpr (A == Activation::tanh) return dy * (1.0f - y * y);
    return dy;
  }
};

}  // namespace neurite::cuda
