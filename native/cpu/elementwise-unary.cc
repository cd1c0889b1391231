// Elementwise functions of one operand.
#include "activation.h"
#include "elementwise.h"
#include "kernels.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

template <auto f> void floats(const Call& call, int64_t cost = kLight, const Params& params = {}) {
  elementwise(call, 1, unaryLoops<f>, params, cost);
}

// Floats and int32.
template <auto f, auto g> void numbers(const Call& call, const Params& params = {}) {
  elementwise(call, 1, isFloat(call.in[0].dtype) ? unaryLoops<f> : FloatLoop(loop1<I32, I32, g>), params);
}

// Floats in, bool out.
template <auto f> void test(const Call& call) { elementwise(call, 1, loop1<I32, F32, f>); }

NEURITE_INLINE I32 truth(Mask mask) { return select(mask, broadcastInt(1), I32{}); }

// int32 wraps around on overflow.
NEURITE_INLINE I32 negative(I32 x) { return (I32)(U32{} - (U32)x); }

#define UNARY [](F32 x, [[maybe_unused]] const Params& p) __attribute__((always_inline))
#define UNARY_INT [](I32 x, [[maybe_unused]] const Params& p) __attribute__((always_inline))

}  // namespace

// The formatter takes the brackets around a lambda for comparisons.
// clang-format off

void logicalNot(const Call& call) {
  elementwise(call, 1, loop1<I32, I32, UNARY_INT { return truth(equal(x, I32{})); }>);
}

void neg(const Call& call) {
  numbers<UNARY { return -x; },
          UNARY_INT { return negative(x); }>(call);
}
void abs(const Call& call) {
  numbers<UNARY { return abs(x); },
          UNARY_INT { return select(less(x, I32{}), negative(x), x); }>(call);
}
void sign(const Call& call) {
  numbers<UNARY { return select(equal(x, zeros()) | isNan(x), x, copySign(one(), x)); },
          UNARY_INT { return (x >> 31) | truth(less(I32{}, x)); }>(call);
}
void square(const Call& call) {
  numbers<UNARY { return x * x; },
          UNARY_INT { return (I32)((U32)x * (U32)x); }>(call);
}
void clip(const Call& call) {
  const auto& a = attributesOf<attributes::clip>(call);
  const Params params{static_cast<float>(a.low), static_cast<float>(a.high), saturate(a.low), saturate(a.high)};
  numbers<UNARY { return secondIfUnorderedMin(broadcast(p.b), secondIfUnorderedMax(broadcast(p.a), x)); },
          UNARY_INT {
    const I32 low = broadcastInt(p.ia), high = broadcastInt(p.ib);
    const I32 raised = select(less(x, low), low, x);
    return select(less(high, raised), high, raised);
  }>(call, params);
}

void reciprocal(const Call& call) { floats<UNARY { return one() / x; }>(call); }
void exp(const Call& call) { floats<UNARY { return exp(x); }>(call, kHeavy); }
void expm1(const Call& call) { floats<UNARY { return expm1(x); }>(call, kHeavy); }
void log(const Call& call) { floats<UNARY { return log(x); }>(call, kHeavy); }
void log1p(const Call& call) { floats<UNARY { return log1p(x); }>(call, kHeavy); }
void sqrt(const Call& call) { floats<UNARY { return sqrt(x); }>(call, kMedium); }
void rsqrt(const Call& call) { floats<UNARY { return one() / sqrt(x); }>(call, kMedium); }
void sin(const Call& call) { floats<UNARY { return sin(x); }>(call, kHeavy); }
void cos(const Call& call) { floats<UNARY { return cos(x); }>(call, kHeavy); }
void tan(const Call& call) { floats<UNARY { return tan(x); }>(call, kHeavy); }
void tanh(const Call& call) { floats<UNARY { return tanh(x); }>(call, kHeavy); }
void erf(const Call& call) { floats<UNARY { return erf(x); }>(call, kHeavy); }
void floor(const Call& call) { floats<UNARY { return floor(x); }>(call); }
void ceil(const Call& call) { floats<UNARY { return ceil(x); }>(call); }
void round(const Call& call) { floats<UNARY { return roundToEven(x); }>(call); }

void sigmoid(const Call& call) { floats<UNARY { return sigmoid(x); }>(call, kHeavy); }
void logSigmoid(const Call& call) { floats<UNARY { return logSigmoid(x); }>(call, kHeavy); }
void softplus(const Call& call) { floats<UNARY { return softplus(x); }>(call, kHeavy); }
void softsign(const Call& call) {
  // x / (1 + |x|) would be Inf / Inf at infinity, where the limit is a sign.
  floats<UNARY {
    const F32 magnitude = abs(x);
    return select(equal(magnitude, broadcast(__builtin_inff())), copySign(one(), x), x / (one() + magnitude));
  }>(call);
}
void relu(const Call& call) { floats<UNARY { return relu(x); }>(call); }
void leakyRelu(const Call& call) {
  const Params params{static_cast<float>(attributesOf<attributes::leakyRelu>(call).negativeSlope)};
  floats<UNARY { return select(less(x, zeros()), x * broadcast(p.a), x); }>(call, kLight, params);
}
void elu(const Call& call) {
  const Params params{static_cast<float>(attributesOf<attributes::elu>(call).alpha)};
  floats<UNARY { return select(greater(x, zeros()), x, broadcast(p.a) * expm1(x)); }>(call, kHeavy, params);
}
void selu(const Call& call) {
  floats<UNARY {
    return broadcast(kSeluScale) * select(greater(x, zeros()), x, broadcast(kSeluAlpha) * expm1(x));
  }>(call, kHeavy);
}
void gelu(const Call& call) {
  if (attributesOf<attributes::gelu>(call).approximate) {
    floats<UNARY {
      const F32 inner = x * fma(x * x, broadcast(kSqrt2OverPi * kGeluCubic), broadcast(kSqrt2OverPi)), halved = half() * x;
      return fma(halved, tanh(inner), halved);
    }>(call, kHeavy);
  } else {
    floats<UNARY { return gelu(x); }>(call, kHeavy);
  }
}
void silu(const Call& call) { floats<UNARY { return x / (one() + exp(-x)); }>(call, kHeavy); }
void hardSigmoid(const Call& call) {
  floats<UNARY {
    const F32 line = x * broadcast(1.0f / 6.0f) + half();
    return secondIfUnorderedMin(one(), secondIfUnorderedMax(zeros(), line));
  }>(call);
}

void isNan(const Call& call) { test<UNARY { return truth(isNan(x)); }>(call); }
void isInf(const Call& call) { test<UNARY { return truth(equal(abs(x), broadcast(__builtin_inff()))); }>(call); }
void isFinite(const Call& call) { test<UNARY { return truth(less(abs(x), broadcast(__builtin_inff()))); }>(call); }

}  // namespace neurite::cpu::NEURITE_ISA
