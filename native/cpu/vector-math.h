// Elementary functions of float32 vectors by polynomials: exp, log, tanh, erf, sin, pow and their relatives.
//
// Polynomials are least-squares fits at Chebyshev nodes, rounded coefficient by coefficient. The errors given are the
// largest found against float64 (test/native/vector-math-test.cc asserts them), in units in the last
// place: with a fused multiply-add, and in brackets without. NaN gives NaN everywhere, infinities give the limits.
// Denormal arguments count as zero and denormal results may be zero: the compute threads flush them.
//
// AVX-512 looks lanes up in registers: there a function is one short polynomial per interval, with coefficients from vector-tables.h. 16
// intervals, one register per coefficient, are the best: looking up in two registers takes turns with multiply-adds.
#pragma once

#include <cmath>
#include <limits>

#include "simd.h"
#include "vector-tables.h"

namespace neurite::cpu::NEURITE_ISA {

// coefficient[0] + x · coefficient[1] + …: by Horner's rule in x^2 over pairs, half as long a chain of multiply-adds that
// wait for each other as in x.
template <int count> NEURITE_INLINE F32 polynomial(F32 x, const float (&coefficient)[count]) {
  const F32 square = x * x;
  F32 y = broadcast(coefficient[count - 1]);
  if constexpr (count % 2 == 0) y = fma(y, x, broadcast(coefficient[count - 2]));
  NEURITE_UNROLL
  for (int i = (count - 1) / 2 * 2 - 2; i >= 0; i -= 2) {
    y = fma(y, square, fma(broadcast(coefficient[i + 1]), x, broadcast(coefficient[i])));
  }
  return y;
}

// x + 1.5 · 2^23 is rounded to whole numbers, and its low bits count them, for |x| < 2^22.
inline constexpr float kWholeShift = 12582912.0f;

#if defined(__AVX512F__)
// One polynomial in d per interval: table[i] has the coefficients of d^i, and a lane's interval is its number mod 16.
template <int count> NEURITE_INLINE F32 piecewise(const float (&table)[count][16], I32 interval, F32 d) {
  F32 y = lookUp(table[count - 1], interval);
  NEURITE_UNROLL
  for (int i = count - 2; i >= 0; --i) y = fma(y, d, lookUp(table[i], interval));
  return y;
}

// The polynomial around the nearest multiple of `width`, a power of two, for x in [0, 15.5 width].
template <int count> NEURITE_INLINE F32 piecewise(const float (&table)[count][16], F32 x, float width) {
  const F32 shift = broadcast(kWholeShift * width), shifted = x + shift;
  return piecewise(table, bitsOf(shifted), x - (shifted - shift));
}
#endif

// Keeps NaN: the hardware's minimum and maximum return their second operand then.
NEURITE_INLINE F32 clampKeepingNan(F32 x, float low, float high) {
  return secondIfUnorderedMin(broadcast(high), secondIfUnorderedMax(broadcast(low), x));
}

// 2^n for n in [-126, 127].
NEURITE_INLINE F32 powerOfTwo(I32 n) { return fromBits((I32)(((U32)n + 127u) << 23)); }

// x 2^n for whole n in [-151, 129]; what lies below the normal numbers may be zero.
NEURITE_INLINE F32 scaleByPower(F32 x, F32 n) {
#if defined(__AVX512F__)
  return scale(x, n);
#else
  // Two factors: 2^n itself leaves the range of exponents while the result is still finite.
  const I32 whole = roundToInt(n), half = whole >> 1;
  return x * powerOfTwo(half) * powerOfTwo((I32)((U32)whole - (U32)half));
#endif
}

// x = whole ln 2 + r with |r| <= ln 2 / 2; the upper part of ln 2 has 9 bits, so that n times it is exact.
struct ExpReduction {
  F32 shifted, whole, r;
  explicit NEURITE_INLINE ExpReduction(F32 x) {
    shifted = fma(x, broadcast(1.44269504f), broadcast(kWholeShift));
    whole = shifted - broadcast(kWholeShift);
    r = negFma(whole, broadcast(0.693359375f), x);
    r = negFma(whole, broadcast(-2.12194440e-4f), r);
  }
  // Of x = -a^2 / 2: the product is formed with the subtraction, so that nothing of it is lost.
  static NEURITE_INLINE ExpReduction ofNegativeHalfSquare(F32 a) {
    ExpReduction e;
    e.shifted = fma(a * a, broadcast(-0.5f * 1.44269504f), broadcast(kWholeShift));
    e.whole = e.shifted - broadcast(kWholeShift);
    e.r = fma(a, broadcast(-0.5f) * a, e.whole * broadcast(-0.693359375f));
    e.r = negFma(e.whole, broadcast(-2.12194440e-4f), e.r);
    return e;
  }
  // 2^(whole + n), where that is a normal number.
  NEURITE_INLINE F32 power(int32_t n) const {
    return fromBits((I32)(((U32)bitsOf(shifted) << 23) + (static_cast<uint32_t>(127 + n) << 23)));
  }

 private:
  ExpReduction() = default;
};

// e^x of a reduced x in [-104, 89].
NEURITE_INLINE F32 expOf(const ExpReduction& e) {
  static constexpr float kQ[] = {5.e-01f, 1.6666509e-01f, 4.1666448e-02f, 8.369932e-03f, 1.3936601e-03f};
  return scaleByPower(fma(e.r * e.r, polynomial(e.r, kQ), e.r) + broadcast(1.0f), e.whole);
}

#if defined(__AVX512F__)
// 2^n e^r for a multiple n of 1 / 16, whose whole and fractional sixteenths `shifted` has in its low bits, and |r| <= ln 2 / 32.
NEURITE_INLINE F32 powerOfTwo(F32 shifted, F32 n, F32 r) {
  const F32 power = lookUp(kExpTable, bitsOf(shifted));
  return scale(fma(power, polynomial(r, kExpRest), power), n);
}
#endif

// e^x for x in [-104, 89].
NEURITE_INLINE F32 expInRange(F32 x) {
#if defined(__AVX512F__)
  // x = n ln 2 + r for a multiple n of 1 / 16, |r| <= ln 2 / 32; n has up to 12 bits, the upper part of ln 2 has 9.
  const F32 shifted = fma(x, broadcast(1.44269504f), broadcast(kWholeShift / 16));
  const F32 n = shifted - broadcast(kWholeShift / 16);
  F32 r = negFma(n, broadcast(0.693359375f), x);
  r = negFma(n, broadcast(-2.12194440e-4f), r);
  return powerOfTwo(shifted, n, r);
#else
  return expOf(ExpReduction(x));
#endif
}

// e^x. 1.1 ulp (1.1).
NEURITE_INLINE F32 exp(F32 x) { return expInRange(clampKeepingNan(x, -104.0f, 89.0f)); }

// e^r - 1 for |r| <= ln 2 / 2.
NEURITE_INLINE F32 expm1OfRest(F32 r) {
  static constexpr float kQ[] = {5.e-01f, 1.6666666e-01f, 4.166647e-02f, 8.333563e-03f, 1.393457e-03f, 1.9748106e-04f};
  return fma(r * r, polynomial(r, kQ), r);
}

// e^x - 1 for x <= 0, without the sign of a zero. 2 ulp (2).
NEURITE_INLINE F32 expm1OfNegative(F32 x) {
  const ExpReduction e(secondIfUnorderedMax(broadcast(-18.0f), x));
  const F32 scale = e.power(0);
  return fma(expm1OfRest(e.r), scale, scale - broadcast(1.0f));
}

// e^x - 1. 2 ulp (2).
NEURITE_INLINE F32 expm1(F32 x) {
  const ExpReduction e(clampKeepingNan(x, -18.0f, 89.0f));
  const F32 p = expm1OfRest(e.r);
  // 2^n (p + 1) - 1, halved so that 2^128 does not overflow before the end.
  const F32 scale = e.power(-1);
  const F32 half = fma(p, scale, scale - broadcast(0.5f));
  return copySign(half + half, x);
}

// ln x of positive, normal, finite x. 1.1 ulp (1).
NEURITE_INLINE F32 logOfNormal(F32 x) {
#if defined(__AVX512F__)
  // x = m 2^n with m in [0.758, 1.516), c near 1 / m, r = m c - 1 with |r| <= 0.017: ln x = n ln 2 - ln c + ln(1 + r). -ln c is a multiple
  // of 2^-17, so that its sum with n times the upper part of ln 2 is exact.
  const I32 bits = (I32)((U32)bitsOf(x) - 0x3f420000u), interval = shiftRightLogical(bits, 18);
  const F32 n = toFloat(bits & static_cast<int32_t>(0xff800000)), m = fromBits((bits & 0x7fffff) + 0x3f420000);
  const F32 r = fma(m, lookUp(kLogTable[0], interval), broadcast(-1.0f));
  const F32 upper = fma(n, broadcast(0.693359375f * 0x1p-23f), lookUp(kLogTable[1], interval));
  return upper + fma(r * r, polynomial(r, kLogRest), fma(n, broadcast(-2.12194440e-4f * 0x1p-23f), r));
#else
  static constexpr float kP[] = {3.333331e-01f,   -2.5000015e-01f, 2.0002227e-01f,  -1.6667727e-01f, 1.4217563e-01f,
                                 -1.2409747e-01f, 1.1905413e-01f,  -1.1655146e-01f, 6.684156e-02f};
  // x = m 2^n with m in [sqrt(1/2), sqrt(2)).
  const I32 bits = (I32)((U32)bitsOf(x) - 0x3f3504f3u);
  const F32 n = toFloat(bits >> 23);
  const F32 f = fromBits((bits & 0x7fffff) + 0x3f3504f3) - broadcast(1.0f);
  const F32 square = f * f;
  F32 y = polynomial(f, kP) * f * square;
  y = fma(n, broadcast(-2.12194440e-4f), y);
  y = negFma(broadcast(0.5f), square, y) + f;
  return fma(n, broadcast(0.693359375f), y);
#endif
}

#if !defined(__AVX512F__)
// y = ln x with what x has no number for: NaN for NaN and below zero, -Inf for zero, Inf for Inf.
NEURITE_INLINE F32 withLimitsOfLog(F32 y, F32 x) {
  const float infinity = std::numeric_limits<float>::infinity();
  y = select(less(x, broadcast(infinity)), y, x);
  y = select(less(x, broadcast(std::numeric_limits<float>::min())), broadcast(-infinity), y);
  return select(lessEqual(x, broadcast(-std::numeric_limits<float>::min())),
                broadcast(std::numeric_limits<float>::quiet_NaN()), y);
}
#endif

// ln x. 1.1 ulp (1).
NEURITE_INLINE F32 log(F32 x) { return withLimitsOfLog(logOfNormal(x), x); }

// ln(1 + x). 2 ulp (2).
NEURITE_INLINE F32 log1p(F32 x) {
  const F32 one = broadcast(1.0f), u = one + x;
  // u is 1 + x rounded; what the rounding lost enters by the derivative.
  const F32 lost = x - (u - one);
  const Mask usable = less(zeros(), u) & less(u, broadcast(std::numeric_limits<float>::infinity()));
  const F32 y = log(u) + select(usable, lost / u, zeros());
  return select(less(abs(x), broadcast(1e-7f)), x, y);
}

// (e^2x - 1) / (e^2x + 1), by e^-2|x| - 1. 3 ulp (3).
NEURITE_INLINE F32 tanh(F32 x) {
#if defined(__AVX512F__)
  // Four intervals to each octave of 0.8 |x| + 1 / 2, which the upper bits tell.
  const F32 capped = secondIfUnorderedMin(broadcast(9.1f), abs(x)),
            place = fma(capped, broadcast(0.8f), broadcast(0.5f));
  const F32 low = fma(fromBits(bitsOf(place) & static_cast<int32_t>(0xffe00000)), broadcast(1.25f), broadcast(-0.625f));
  return copySign(piecewise(kTanhTable, shiftRightLogical(bitsOf(place), 21), capped - low), x);
#else
  const F32 e = expm1OfNegative(broadcast(-2.0f) * abs(x));
  return copySign(quotient(e, e + broadcast(2.0f)), x);
#endif
}

// 1 / (1 + e^-x). 3 ulp (3).
NEURITE_INLINE F32 sigmoid(F32 x) {
  const F32 one = broadcast(1.0f);
  return one / (one + exp(-x));
}

// e^x of x <= 0.
NEURITE_INLINE F32 expOfNegative(F32 x) { return expInRange(secondIfUnorderedMax(broadcast(-104.0f), x)); }

// ln(1 + e^-|x|). 3 ulp (3).
NEURITE_INLINE F32 log1pOfExp(F32 x) {
  const F32 magnitude = abs(x);
#if defined(__AVX512F__)
  if (__builtin_expect(!any(less(broadcast(7.75f), magnitude)), 1)) return piecewise(kSoftplusTable, magnitude, 0.5f);
  const F32 e = expOfNegative(-magnitude), shift = broadcast(kWholeShift / 16);
  const F32 shifted = secondIfUnorderedMin(shift + broadcast(0.9375f), e + shift);
  return piecewise(kLog1pTable, bitsOf(shifted), e - (shifted - shift));
#else
  const F32 e = expOfNegative(-magnitude), u = broadcast(1.0f) + e;
  return logOfNormal(u) + (e - (u - broadcast(1.0f))) / u;  // what the rounding of u lost enters by the derivative
#endif
}

// ln(1 + e^x), as max(x, 0) + ln(1 + e^-|x|). 3 ulp (3).
NEURITE_INLINE F32 softplus(F32 x) { return relu(x) + log1pOfExp(x); }

// ln sigmoid(x) = -softplus(-x).
NEURITE_INLINE F32 logSigmoid(F32 x) { return -softplus(-x); }

// Error function: an odd polynomial up to 0.92, then 1 - e^-p(|x|) with p fitted to -ln erfc. 2 ulp (3).
NEURITE_INLINE F32 erf(F32 x) {
#if defined(__AVX512F__)
  const F32 capped = secondIfUnorderedMin(broadcast(3.96f), abs(x)), shift = broadcast(kWholeShift * 0.25f);
  const F32 shifted = secondIfUnorderedMin(shift + broadcast(3.75f), capped + shift);
  const F32 d = capped - (shifted - shift);
  const F32 distance = fma(piecewise(kErfSlopeTable, bitsOf(shifted), d), d, d);
  return copySign(lookUp(kErfTable, bitsOf(shifted)) + distance, x);
#else
  static constexpr float kSmall[] = {1.2837917e-01f, -3.7612632e-01f, 1.1283678e-01f, -2.6858672e-02f,
                                     5.1995935e-03f, -8.129061e-04f,  8.320441e-05f};
  static constexpr float kLarge[] = {-1.7325729e-04f, 1.1295091e+00f, 6.333565e-01f,   1.0827207e-01f,
                                     -2.5115967e-02f, 4.1704313e-03f, -4.3447813e-04f, 2.1109421e-05f};
  const F32 magnitude = abs(x);
  const F32 small = fma(x, polynomial(x * x, kSmall), x);
  const F32 capped = secondIfUnorderedMin(broadcast(4.0f), magnitude);
  const F32 large = copySign(broadcast(1.0f) - expOf(ExpReduction(-polynomial(capped, kLarge))), x);
  return select(less(magnitude, broadcast(0.92f)), small, large);
#endif
}

// The normal distribution at -a <= 0: its value Q = Phi(-a), and e^(-a^2 / 2) on the way. Q = e^(-a^2 / 2) P(t) with
// t = 1 / (1 + 0.3 a), P fitted for a <= 14. At 14.4, the most that a may be, both are zero. The relative error of Q is
// 6e-7 (1e-5).
struct NormalTail {
  F32 q, density;
  explicit NEURITE_INLINE NormalTail(F32 a) {
    static constexpr float kP[] = {9.06114656e-06f, 0.119452044f, 0.122199669f,  0.0934931114f, 0.1455587f,
                                   -0.0812041536f,  0.233035699f, -0.171407238f, 0.0388631448f};
    const F32 t = reciprocal(fma(broadcast(0.3f), a, broadcast(1.0f)));
    density = expOf(ExpReduction::ofNegativeHalfSquare(a));
    q = density * polynomial(t, kP);
  }
};

// x Phi(x) as max(x, 0) - |x| Phi(-|x|), whose tail below zero keeps its relative accuracy.
NEURITE_INLINE F32 gelu(F32 x) {
  const F32 magnitude = abs(x);
#if defined(__AVX512F__)
  if (__builtin_expect(!any(less(broadcast(3.875f), magnitude)), 1))
    return negFma(magnitude, piecewise(kNormalTable, magnitude, 0.25f), relu(x));
#endif
  const F32 a = secondIfUnorderedMin(broadcast(14.4f), magnitude);
  return negFma(a, NormalTail(a).q, relu(x));
}

// ---- Functions that need more than float32 inside: computed on float64 vectors, half the lanes at a time ----------

typedef float HalfF32 __attribute__((vector_size(kLanes * 2)));
typedef double HalfF64 __attribute__((vector_size(kLanes * 4)));
typedef int64_t HalfI64 __attribute__((vector_size(kLanes * 4)));

struct Halves {
  HalfF64 low, high;
};
NEURITE_INLINE Halves widen(F32 x) {
#if defined(__AVX512F__)
  return {widenLow(x), widenHigh(x)};
#else
  HalfF32 part[2];
  memcpy(part, &x, sizeof x);
  return {__builtin_convertvector(part[0], HalfF64), __builtin_convertvector(part[1], HalfF64)};
#endif
}
NEURITE_INLINE F32 narrow(const Halves& x) {
#if defined(__AVX512F__)
  return narrow(x.low, x.high);
#else
  const HalfF32 part[2] = {__builtin_convertvector(x.low, HalfF32), __builtin_convertvector(x.high, HalfF32)};
  F32 y;
  memcpy(&y, part, sizeof y);
  return y;
#endif
}
// x + 1.5 · 2^52 holds round(x) in its low bits, for |x| < 2^51.
inline constexpr double kRoundingShift = 6755399441055744.0;

// x = quadrant · π/2 + r, |r| <= π/4 (1 + 2^-20), for |x| < 2^20: the quadrant has 20 bits then.
struct QuadrantReduction {
  I32 quadrant;
  F32 r;
  explicit NEURITE_INLINE QuadrantReduction(F32 x) {
    const Halves wide = widen(x);
    Halves whole{}, rest{};
    const auto reduce = [](HalfF64 v, HalfF64 & n, HalfF64 & remainder) __attribute__((always_inline)) {
      n = (v * 0.63661977236758134 + kRoundingShift) - kRoundingShift;
      // π/2 in 33 bits, so that its product with n is exact, and the rest.
      remainder = (v - n * 1.5707963267341256) - n * 6.0771005065061922e-11;
    };
    reduce(wide.low, whole.low, rest.low);
    reduce(wide.high, whole.high, rest.high);
    quadrant = roundToInt(narrow(whole));
    r = narrow(rest);
  }
};
inline constexpr float kQuadrantLimit = 1048576.0f;

// Lanes beyond the vector code's range, by the scalar library function in float64.
template <class F> NEURITE_INLINE F32 fixLanes(F32 x, F32 y, Mask where, F&& f) {
  if (__builtin_expect(any(where), 0)) {
    float from[kLanes], to[kLanes];
    store(from, x);
    store(to, y);
    const F32 one = select(where, broadcast(1.0f), zeros());
    float chosen[kLanes];
    store(chosen, one);
    for (int i = 0; i < kLanes; ++i) {
      if (chosen[i] != 0.0f) to[i] = static_cast<float>(f(static_cast<double>(from[i])));
    }
    return load(to);
  }
  return y;
}
NEURITE_INLINE Mask beyondQuadrants(F32 x) { return ~less(abs(x), broadcast(kQuadrantLimit)); }

NEURITE_INLINE F32 sinOfRest(F32 r) {
  static constexpr float kP[] = {-1.6666654e-01f, 8.33211e-03f, -1.9508562e-04f};
  const F32 z = r * r;
  return fma(r * z, polynomial(z, kP), r);
}
NEURITE_INLINE F32 cosOfRest(F32 r) {
  static constexpr float kP[] = {4.1666646e-02f, -1.3887302e-03f, 2.4430881e-05f};
  const F32 z = r * r;
  return fma(z * z, polynomial(z, kP), negFma(broadcast(0.5f), z, broadcast(1.0f)));
}
// sin(quadrant · π/2 + r).
NEURITE_INLINE F32 sinOfQuadrant(I32 quadrant, F32 r) {
  const F32 y = select(equal(quadrant & 1, I32{}), sinOfRest(r), cosOfRest(r));
  return fromBits(bitsOf(y) ^ ((quadrant & 2) << 30));
}

// 2 ulp (2).
NEURITE_INLINE F32 sin(F32 x) {
  const QuadrantReduction q(x);
  const F32 y = select(equal(x, zeros()), x, sinOfQuadrant(q.quadrant, q.r));  // keeps the sign of zero
  return fixLanes(x, y, beyondQuadrants(x), [](double v) { return std::sin(v); });
}

// 2 ulp (2).
NEURITE_INLINE F32 cos(F32 x) {
  const QuadrantReduction q(x);
  return fixLanes(x, sinOfQuadrant(q.quadrant + 1, q.r), beyondQuadrants(x), [](double v) { return std::cos(v); });
}

// tan r, or -1 / tan r in odd quadrants. 3 ulp (3).
NEURITE_INLINE F32 tan(F32 x) {
  static constexpr float kP[] = {3.3333355e-01f, 1.3332492e-01f,  5.407837e-02f, 2.1189824e-02f,
                                 1.1070387e-02f, -2.0376015e-04f, 4.5195897e-03f};
  const QuadrantReduction q(x);
  const F32 z = q.r * q.r;
  const F32 t = fma(q.r * z, polynomial(z, kP), q.r);
  const F32 y = select(equal(q.quadrant & 1, I32{}), t, broadcast(-1.0f) / t);
  return fixLanes(x, y, beyondQuadrants(x), [](double v) { return std::tan(v); });
}

// |x|^y, by float64 logarithms to base 2, whatever x and y but for NaN where both are 1 and infinite or 0 and infinite.
NEURITE_INLINE F32 powerOfMagnitude(F32 x, F32 y) {
#if defined(__AVX512F__)
  // x = m 2^n with m in [0.766, 1.532), c near 1 / m, r = m c - 1 with |r| <= 0.032.
  constexpr uint32_t kLeast = 0x3f440000;
#else
  constexpr uint32_t kLeast = 0x3f3504f3;  // sqrt(1/2)
#endif
  const I32 bits = (I32)((U32)bitsOf(x) - kLeast);
  const Halves n = widen(withLimitsOfLog(toFloat(bits >> 23), x));
  const Halves m = widen(fromBits((bits & 0x7fffff) + static_cast<int32_t>(kLeast))), wideY = widen(y);
#if defined(__AVX512F__)
  const I32 interval = shiftRightLogical(bits, 19);
  const auto exponent =
      [](HalfF64 half, HalfF64 exponent, HalfF64 power, HalfI64 number) __attribute__((always_inline)) {
    const HalfF64 r = fma(half, lookUp(kLog2Table[0], number), HalfF64{} - 1.0);
    HalfF64 p = HalfF64{} + kLog2Rest[5];
    NEURITE_UNROLL
    for (int i = 4; i >= 0; --i) p = fma(p, r, HalfF64{} + kLog2Rest[i]);
    return power * fma(r, p, exponent + lookUp(kLog2Table[1], number));
  };
  const Halves e{exponent(m.low, n.low, wideY.low, widenLow(interval)),
                 exponent(m.high, n.high, wideY.high, widenHigh(interval))};
  // The nearest sixteenth, and the rest as float32.
  constexpr double kShift = kRoundingShift / 16;
  const Halves whole{(e.low + kShift) - kShift, (e.high + kShift) - kShift};
  const F32 sixteenth = narrow(whole), rest = narrow({e.low - whole.low, e.high - whole.high});
  // Where e is infinite or so large that it has no rest, the sixteenth decides alone.
  const F32 bounded = secondIfUnorderedMin(secondIfUnorderedMax(rest, broadcast(-0x1p-5f)), broadcast(0x1p-5f));
  return powerOfTwo(sixteenth + broadcast(kWholeShift / 16), sixteenth, bounded * broadcast(0.693147181f));
#else
  const auto power = [](HalfF64 half, HalfF64 exponent, HalfF64 power) __attribute__((always_inline)) {
    const HalfF64 s = (half - 1.0) / (half + 1.0), z = s * s;
    // ln m = 2 atanh s.
    HalfF64 a = z * 0.09805579946474427 + 0.11087020187246177;
    a = a * z + 0.1428608556757224;
    a = a * z + 0.1999999742178736;
    a = a * z + 0.33333333339871235;
    a = a * z + 0.9999999999999731;
    HalfF64 e = power * (a * s * 2.8853900817779268 + exponent);
    e = e < -200.0 ? HalfF64{} - 200.0 : e;
    e = e > 200.0 ? HalfF64{} + 200.0 : e;
    const HalfF64 shifted = e + kRoundingShift;
    const HalfF64 r = e - (shifted - kRoundingShift);
    const HalfI64 whole = (HalfI64)shifted - (HalfI64)(HalfF64{} + kRoundingShift);
    HalfF64 p = r * 1.5310081137407198e-05 + 0.0001546973197833081;
    p = p * r + 0.0013333450560412074;
    p = p * r + 0.009618025602952121;
    p = p * r + 0.055504109412154126;
    p = p * r + 0.24022651213595278;
    p = p * r + 0.6931471805459305;
    p = p * r + 0.9999999999595482;
    return p * (HalfF64)((whole + 1023) << 52);
  };
  return narrow({power(m.low, n.low, wideY.low), power(m.high, n.high, wideY.high)});
#endif
}

// x^y with the special cases of C's powf. 1 ulp (1).
NEURITE_INLINE F32 pow(F32 x, F32 y) {
  const F32 magnitude = abs(x), one = broadcast(1.0f);
  const F32 p = select(equal(magnitude, one) | equal(y, zeros()), one, powerOfMagnitude(magnitude, y));
  const Mask negative = less(bitsOf(x), I32{});
  if (kLanes > 4 && !any(negative)) return p;  // few lanes are all positive by chance: a wrong guess costs more
  // A negative base: sign of odd powers, no value for fractional ones.
  const F32 half = y * broadcast(0.5f);
  const Mask whole = equal(roundToEven(y), y), odd = whole & notEqual(roundToEven(half), half);
  const Mask limit = equal(x, zeros()) | equal(magnitude, broadcast(std::numeric_limits<float>::infinity()));
  const F32 nan = broadcast(std::numeric_limits<float>::quiet_NaN());
  return select(negative & ~whole & ~limit, nan, select(negative & odd, -p, p));
}

}  // namespace neurite::cpu::NEURITE_ISA
