// Formulas of the activation functions, shared by the ops and by the kernels that fuse them.
#pragma once
#include "vector-math.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr float kSeluScale = 1.05070098735548049342f, kSeluAlpha = 1.67326324235437728481f;
inline constexpr float kSqrtHalf = 0.70710678118654752440f, kInvSqrt2Pi = 0.39894228040143267794f;
inline constexpr float kSqrt2OverPi = 0.79788456080286535588f, kGeluCubic = 0.044715f;
inline constexpr float kTwoOverSqrtPi = 1.12837916709551257390f;

NEURITE_INLINE F32 one() { return broadcast(1.0f); }
NEURITE_INLINE F32 half() { return broadcast(0.5f); }

// The derivatives of the activations that matmul fuses, from y = f(x). A NaN in y gives NaN.
NEURITE_INLINE F32 reluGrad(F32 dy, F32 y) { return select(lessEqual(y, zeros()), zeros(), select(isNan(y), y, dy)); }
NEURITE_INLINE F32 sigmoidGrad(F32 dy, F32 y) { return dy * (y * (one() - y)); }
NEURITE_INLINE F32 tanhGrad(F32 dy, F32 y) { return dy * (one() - y * y); }

}  // namespace neurite::cpu::NEURITE_ISA
