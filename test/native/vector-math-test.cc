// The vector functions of native/cpu/vector-math.h against the float64 library: errors in ulp, special values.
//
// Compiled once per instruction set. Prints the largest error found of each function and ends with 1 if one exceeds
// its bound.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>

#include "../../native/cpu/vector-math.h"

namespace isa = neurite::cpu::NEURITE_ISA;
using isa::F32;
using isa::kLanes;

namespace {

int failures = 0;

uint32_t randomState = 7;
uint32_t randomBits() {
  randomState = randomState * 1664525u + 1013904223u;
  return randomState;
}
double uniform() { return (randomBits() >> 8) / 16777216.0; }
float anyFloat() {
  const uint32_t bits = (randomBits() >> 16) | (randomBits() & 0xffff0000u);
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
// Every float of a few million evenly spaced ones between low and high, by their bits.
struct EveryFloat {
  float low, high;
  uint32_t bits = 0;
  float operator()() {
    float x;
    do {
      bits += 2593;
      memcpy(&x, &bits, 4);
    } while (!(x >= low && x <= high));
    return x;
  }
};
bool denormal(float x) { return std::abs(x) < std::numeric_limits<float>::min(); }

double ulps(float received, double expected) {
  if (std::isnan(expected)) return std::isnan(received) ? 0 : 1e9;
  const double limit = std::ldexp(1.0, 128);
  if (std::abs(expected) >= limit * (1 - 1e-8))
    return std::isinf(received) && (received > 0) == (expected > 0) ? 0 : 1e9;
  if (std::isnan(received) || std::isinf(received)) return 1e9;
  const int exponent = std::max(-126, std::ilogb(expected == 0 ? 1e-300 : expected));
  // Denormal results may be flushed.
  if (std::abs(expected) < 1.2e-38 && received == 0) return 0;
  return std::abs(received - expected) / std::ldexp(1.0, exponent - 23);
}

template <class Vector, class Exact, class Draw>
void check(const char* name, double bound, Vector&& vector, Exact&& exact, Draw&& draw) {
  double worst = 0, worstAt = 0;
  for (int round = 0; round < 100000; ++round) {
    float x[kLanes], y[kLanes];
    for (float& v : x) {
      do v = static_cast<float>(draw());
      while (denormal(v) && v != 0);
    }
    isa::store(y, vector(isa::load(x)));
    for (int i = 0; i < kLanes; ++i) {
      const double error = ulps(y[i], exact(static_cast<double>(x[i])));
      if (error > worst) worst = error, worstAt = static_cast<double>(x[i]);
    }
  }
  const bool right = worst <= bound;
  printf("%s %-12s %.2f ulp at %.9g (bound %.1f)\n", right ? "    " : "FAIL", name, worst, worstAt, bound);
  if (!right) ++failures;
}

// Special arguments give what the library gives, the sign of zero included.
template <class Vector, class Exact> void checkSpecial(const char* name, Vector&& vector, Exact&& exact) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (float x : {0.0f, -0.0f, 1.0f, -1.0f, inf, -inf, nan, 3.4e38f, -3.4e38f, 1.2e-38f, -1.2e-38f}) {
    const float received = vector(isa::broadcast(x))[0];
    const double expected = exact(static_cast<double>(x));
    const bool zeroSign = expected != 0 || received != 0 || std::signbit(expected) == std::signbit(received);
    if (ulps(received, expected) > 4 || !zeroSign) {
      printf("FAIL %s(%g): expected %g, received %g\n", name, double(x), expected, double(received));
      ++failures;
    }
  }
}

template <class Vector, class Exact, class Draw>
void checkBoth(const char* name, double bound, Vector&& vector, Exact&& exact, Draw&& draw) {
  check(name, bound, vector, exact, draw);
  checkSpecial(name, vector, exact);
}

void testPow() {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const float values[] = {0.0f, -0.0f, 1.0f,  -1.0f,  2.0f, -2.0f, 0.5f, -0.5f,
                          3.0f, -3.0f, 1e30f, -1e30f, inf,  -inf,  nan};
  for (float x : values) {
    for (float y : values) {
      const float received = isa::pow(isa::broadcast(x), isa::broadcast(y))[0];
      const double expected = std::pow(double(x), double(y));
      const bool sign = std::isnan(expected) || std::signbit(expected) == std::signbit(received);
      if (ulps(received, expected) > 2 || !sign) {
        printf("FAIL pow(%g, %g): expected %g, received %g\n", double(x), double(y), expected, double(received));
        ++failures;
      }
    }
  }
  double worst = 0;
  for (int round = 0; round < 300000; ++round) {
    float x[kLanes], y[kLanes], z[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      x[i] = static_cast<float>(std::exp2(uniform() * 40 - 20));
      y[i] = static_cast<float>((uniform() - 0.5) * 16);
    }
    isa::store(z, isa::pow(isa::load(x), isa::load(y)));
    for (int i = 0; i < kLanes; ++i) worst = std::fmax(worst, ulps(z[i], std::pow(double(x[i]), double(y[i]))));
  }
  printf("%s %-12s %.2f ulp (bound 1.0)\n", worst <= 1 ? "    " : "FAIL", "pow", worst);
  if (!(worst <= 1)) ++failures;
}

void expectSame(const char* what, float received, float expected) {
  if (std::bit_cast<uint32_t>(received) == std::bit_cast<uint32_t>(expected) ||
      (std::isnan(received) && std::isnan(expected)))
    return;
  printf("FAIL %s: expected %g, received %g\n", what, double(expected), double(received));
  ++failures;
}

// simd.h itself: what must keep NaN, rounding to bfloat16 and to integers, partial loads and stores, transposition.
void testVectors() {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (float a : {1.0f, -1.0f, 0.0f, inf, -inf, nan}) {
    expectSame("relu", isa::relu(isa::broadcast(a))[0], a < 0 ? 0 : a);
    for (float b : {2.0f, -2.0f, inf, -inf, nan}) {
      const bool either = std::isnan(a) || std::isnan(b);
      expectSame("maximum", isa::maximum(isa::broadcast(a), isa::broadcast(b))[0], either ? nan : a < b ? b : a);
      expectSame("minimum", isa::minimum(isa::broadcast(a), isa::broadcast(b))[0], either ? nan : b < a ? b : a);
    }
  }
  for (int round = 0; round < 100000; ++round) {
    const float x = round < 8 ? static_cast<float>(round) - 3.5f : anyFloat();
    if (denormal(x)) continue;
    uint32_t bits;
    memcpy(&bits, &x, 4);
    const uint32_t nearest =
        std::isnan(x) ? (bits | 0x400000) & 0xffff0000u : (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    uint16_t half[kLanes];
    isa::storeBfloat16(half, isa::broadcast(x));
    if (half[kLanes - 1] != nearest >> 16) {
      printf("FAIL bfloat16 of %g: expected %x, received %x\n", double(x), nearest >> 16, half[kLanes - 1]);
      ++failures;
      break;
    }
    float back;
    memcpy(&back, &nearest, 4);
    expectSame("float32 of bfloat16", isa::loadBfloat16(half)[0], back);
    expectSame("roundToEven", isa::roundToEven(isa::broadcast(x))[0], std::nearbyint(x));
    expectSame("floor", isa::floor(isa::broadcast(x))[0], std::floor(x));
    expectSame("ceil", isa::ceil(isa::broadcast(x))[0], std::ceil(x));
    expectSame("sqrt", isa::sqrt(isa::broadcast(x))[0], std::sqrt(x));
    if (failures > 20) return;
  }
  for (int n = -1; n <= kLanes + 1; ++n) {
    float from[kLanes], to[kLanes + 1];
    uint16_t half[kLanes + 1];
    for (int i = 0; i < kLanes; ++i) from[i] = static_cast<float>(i + 1);
    for (int i = 0; i <= kLanes; ++i) to[i] = -1, half[i] = 1;
    isa::storePartial(to, isa::loadPartial(from, kLanes), n);
    isa::storeBfloat16Partial(half, isa::load(from), n);
    const F32 part = isa::loadPartial(from, n), partHalf = isa::loadBfloat16Partial(half, n);
    for (int i = 0; i < kLanes; ++i) {
      expectSame("storePartial", to[i], i < n ? from[i] : -1.0f);
      expectSame("loadPartial", part[i], i < n ? from[i] : 0.0f);
      expectSame("partial bfloat16", partHalf[i], i < n ? from[i] : 0.0f);
      if (i >= n && half[i] != 1) expectSame("storeBfloat16Partial wrote", half[i], 1);
    }
  }
  F32 rows[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < kLanes; ++j) rows[i][j] = static_cast<float>(i * kLanes + j);
  }
  isa::transpose(rows);
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < kLanes; ++j) expectSame("transpose", rows[i][j], static_cast<float>(j * kLanes + i));
  }
}

}  // namespace

int main() {
  const auto wide = [] { return anyFloat(); };
  const auto around = [](double range) { return [range] { return (uniform() - 0.5) * 2 * range; }; };
  testVectors();
  checkBoth(
      "exp", 1.1, [](F32 x) { return isa::exp(x); }, [](double x) { return std::exp(x); }, around(105));
  checkBoth(
      "expm1", 2.0, [](F32 x) { return isa::expm1(x); }, [](double x) { return std::expm1(x); }, around(30));
  check(
      "expm1 small", 2.0, [](F32 x) { return isa::expm1(x); }, [](double x) { return std::expm1(x); }, around(0.7));
  const auto logVector = [](F32 x) { return isa::log(x); };
  checkBoth(
      "log", 1.1, logVector, [](double x) { return std::log(x); }, wide);
  check(
      "every log", 1.1, logVector, [](double x) { return std::log(x); }, EveryFloat{0.5f, 2});
  check(
      "log near 1", 1.1, logVector, [](double x) { return std::log(x); }, [] { return uniform() * 2; });
  const auto log1pVector = [](F32 x) { return isa::log1p(x); };
  checkBoth(
      "log1p", 2.0, log1pVector, [](double x) { return std::log1p(x); }, wide);
  check(
      "log1p small", 2.0, log1pVector, [](double x) { return std::log1p(x); }, around(1.5));
  const auto tanhVector = [](F32 x) { return isa::tanh(x); };
  checkBoth(
      "tanh", 3.0, tanhVector, [](double x) { return std::tanh(x); }, around(11));
  check(
      "tanh small", 3.0, tanhVector, [](double x) { return std::tanh(x); }, around(0.5));
  check(
      "tanh wide", 3.0, tanhVector, [](double x) { return std::tanh(x); }, wide);
  check(
      "every tanh", 3.0, tanhVector, [](double x) { return std::tanh(x); }, EveryFloat{-10, 10});
  checkBoth(
      "sigmoid", 3.0, [](F32 x) { return isa::sigmoid(x); }, [](double x) { return 1 / (1 + std::exp(-x)); },
      around(87));
  const auto softplus = [](double x) {
    return std::fmax(x, 0) + std::log1p(std::exp(-std::abs(x))) + (std::isnan(x) ? x : 0);
  };
  checkBoth(
      "softplus", 3.0, [](F32 x) { return isa::softplus(x); }, softplus, around(87));
  check(
      "every softplus", 3.0, [](F32 x) { return isa::softplus(x); }, softplus, EveryFloat{-87, 20});
  check(
      "logSigmoid", 3.0, [](F32 x) { return isa::logSigmoid(x); }, [&](double x) { return -softplus(-x); }, around(87));
  const auto erfVector = [](F32 x) { return isa::erf(x); };
  checkBoth(
      "erf", 3.0, erfVector, [](double x) { return std::erf(x); }, around(4.5));
  check(
      "erf wide", 3.0, erfVector, [](double x) { return std::erf(x); }, wide);
  check(
      "every erf", 3.0, erfVector, [](double x) { return std::erf(x); }, EveryFloat{-4.5f, 4.5f});
  // Without a fused multiply-add what the rounding of the square lost is not known.
  check(
      "normal tail", kLanes > 4 ? 10 : 200, [](F32 x) { return isa::NormalTail(x).q; },
      [](double x) { return 0.5 * std::erfc(x * std::sqrt(0.5)); }, [] { return uniform() * 14; });
  const auto geluVector = [](F32 x) { return isa::gelu(x); };
  const auto gelu = [](double x) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); };
  for (double range : {3.8, 12.9}) check("gelu", kLanes > 4 ? 10 : 200, geluVector, gelu, around(range));
  check("every gelu", kLanes > 4 ? 10 : 200, geluVector, gelu, EveryFloat{-12.9f, 20});
  const auto sinVector = [](F32 x) { return isa::sin(x); };
  const auto cosVector = [](F32 x) { return isa::cos(x); };
  const auto tanVector = [](F32 x) { return isa::tan(x); };
  for (double range : {1.0, 100.0, 1e5, 1.1e6, 2e7, 1e30}) {
    check(
        "sin", 2.0, sinVector, [](double x) { return std::sin(x); }, around(range));
    check(
        "cos", 2.0, cosVector, [](double x) { return std::cos(x); }, around(range));
    check(
        "tan", 3.0, tanVector, [](double x) { return std::tan(x); }, around(range));
  }
  checkSpecial("sin", sinVector, [](double x) { return std::sin(x); });
  checkSpecial("cos", cosVector, [](double x) { return std::cos(x); });
  checkSpecial("tan", tanVector, [](double x) { return std::tan(x); });
  testPow();
  printf("%d failures\n", failures);
  return failures != 0;
}
