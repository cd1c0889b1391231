// Gradients of the elementwise functions: dx from dy and x, or from dy and y = f(x), in one pass.
#include "activation.h"
#include "elementwise.h"
#include "kernels.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

template <auto f> void gradient(const Call& call, int64_t cost = kLight, const Params& params = {}) {
  elementwise(call, 2, loop2<F32, F32, f>, params, cost);
}

// x where |x| <= limit, else the limit with x's sign: a factor that meets a zero must not be infinite. NaN stays NaN.
NEURITE_INLINE F32 bounded(F32 x, float limit) {
  return secondIfUnorderedMin(broadcast(limit), secondIfUnorderedMax(broadcast(-limit), x));
}

// Where a comparison chose dx, a NaN in x has to be put back.
NEURITE_INLINE F32 orNan(F32 x, F32 dx) { return select(isNan(x), x, dx); }

#define FROM_Y [](F32 dy, F32 y, const Params&) __attribute__((always_inline))
#define FROM_X [](F32 dy, F32 x, [[maybe_unused]] const Params& p) __attribute__((always_inline))

}  // namespace

// The formatter takes the brackets around a lambda for comparisons.
// clang-format off

void tanhGrad(const Call& call) { gradient<FROM_Y { return tanhGrad(dy, y); }>(call); }
void sigmoidGrad(const Call& call) { gradient<FROM_Y { return sigmoidGrad(dy, y); }>(call); }
void reluGrad(const Call& call) { elementwise(call, 2, binaryLoops<FROM_Y { return reluGrad(dy, y); }>); }

void leakyReluGrad(const Call& call) {
  const Params params{static_cast<float>(attributesOf<attributes::leakyReluGrad>(call).negativeSlope)};
  gradient<FROM_X { return orNan(x, select(less(x, zeros()), dy * broadcast(p.a), dy)); }>(call, kLight, params);
}
void eluGrad(const Call& call) {
  const Params params{static_cast<float>(attributesOf<attributes::eluGrad>(call).alpha)};
  gradient<FROM_X { return select(greater(x, zeros()), dy, dy * broadcast(p.a) * exp(x)); }>(call, kHeavy, params);
}
void seluGrad(const Call& call) {
  gradient<FROM_X {
    return dy * select(greater(x, zeros()), broadcast(kSeluScale), broadcast(kSeluScale * kSeluAlpha) * exp(x));
  }>(call, kHeavy);
}

// erf form: Phi(x) + x phi(x). tanh form: (1 + t) / 2 + x (1 - t^2) / 2 * u', with t = tanh(u). Both are settled
// (0 or 1) long before |x| = 14, so x may be bounded there.
void geluGrad(const Call& call) {
  if (attributesOf<attributes::geluGrad>(call).approximate) {
    gradient<FROM_X {
      const F32 z = bounded(x, 20.0f), square = z * z;
      const F32 t = tanh(broadcast(kSqrt2OverPi) * (z + broadcast(kGeluCubic) * (square * z)));
      const F32 slope = broadcast(kSqrt2OverPi) * (one() + broadcast(3 * kGeluCubic) * square);
      return dy * half() * ((one() + t) + z * (one() - t * t) * slope);
    }>(call, kHeavy);
  } else {
    gradient<FROM_X {
      const F32 z = bounded(x, 14.4f);
      const NormalTail tail(abs(z));
      const F32 distribution = select(less(z, zeros()), tail.q, one() - tail.q);
      return dy * fma(z * broadcast(kInvSqrt2Pi), tail.density, distribution);
    }>(call, kHeavy);
  }
}
void siluGrad(const Call& call) {
  gradient<FROM_X {
    const F32 z = bounded(x, 200.0f), s = sigmoid(z);
    return dy * (s * (one() + z * (one() - s)));
  }>(call, kHeavy);
}
void softplusGrad(const Call& call) { gradient<FROM_X { return dy * sigmoid(x); }>(call, kHeavy); }
void softsignGrad(const Call& call) {
  gradient<FROM_X {
    const F32 root = one() + abs(x);
    return dy / (root * root);
  }>(call);
}
void hardSigmoidGrad(const Call& call) {
  gradient<FROM_X {
    return orNan(x, select(less(abs(x), broadcast(3.0f)), dy * broadcast(1.0f / 6.0f), zeros()));
  }>(call);
}
void erfGrad(const Call& call) {
  gradient<FROM_X { return dy * (broadcast(kTwoOverSqrtPi) * exp(-(x * x))); }>(call, kHeavy);
}
void clipGrad(const Call& call) {
  const auto& a = attributesOf<attributes::clipGrad>(call);
  const Params params{static_cast<float>(a.low), static_cast<float>(a.high)};
  gradient<FROM_X {
    return orNan(x, select(lessEqual(broadcast(p.a), x) & lessEqual(x, broadcast(p.b)), dy, zeros()));
  }>(call, kLight, params);
}

}  // namespace neurite::cpu::NEURITE_ISA
