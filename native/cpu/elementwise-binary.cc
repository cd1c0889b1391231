// Elementwise functions of two operands, and where: NumPy broadcasting, numbers as operands.
#include <cmath>

#include "elementwise.h"
#include "kernels.h"
#include "vector-math.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

template <class A> void run(const Call& call, FloatLoop floats, Loop ints, int64_t cost = kLight) {
  const auto& attributes = attributesOf<A>(call);
  const Tensor& operand = call.in[call.in[0].present() ? 0 : 1];
  elementwise(call, 2, isFloat(operand.dtype) ? floats : FloatLoop(ints), {}, cost, attributes.scalar);
}

template <auto f> I32 eachLane(I32 a, I32 b) {
  for (int i = 0; i < kLanes; ++i) a[i] = f(a[i], b[i]);
  return a;
}

// Quotients go through int64, where INT32_MIN / -1 exists.
int32_t floorQuotient(int32_t a, int32_t b) {
  if (b == 0) return 0;
  const int64_t quotient = int64_t{a} / b;
  return static_cast<int32_t>(quotient - (quotient * b != a && (a < 0) != (b < 0)));
}
int32_t floorRemainder(int32_t a, int32_t b) {
  if (b == 0) return 0;
  const int64_t remainder = int64_t{a} % b;
  return static_cast<int32_t>(remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder);
}
// A negative exponent rounds toward zero: only 1 and -1 have a power other than 0.
int32_t power(int32_t base, int32_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
  uint32_t result = 1, square = static_cast<uint32_t>(base);
  for (; exponent; exponent >>= 1, square *= square) {
    if (exponent & 1) result *= square;
  }
  return static_cast<int32_t>(result);
}
// fmod is exact, so a - floor(a / b) * b keeps all its digits even where a / b is large.
float floorRemainder(float a, float b) {
  const float remainder = fmodf(a, b);
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

NEURITE_INLINE I32 truth(Mask mask) { return select(mask, broadcastInt(1), I32{}); }

// clang-format off
#define FLOATS [](F32 a, F32 b, const Params&) __attribute__((always_inline))
#define INTS [](I32 a, I32 b, const Params&) __attribute__((always_inline))
#define FLOAT_LOOP(expression) FloatLoop(loop2<F32, F32, FLOATS { return expression; }>)
#define FLOAT_LOOPS(expression) binaryLoops<FLOATS { return expression; }>
#define INT_LOOP(expression) loop2<I32, I32, INTS { return expression; }>
#define COMPARE_LOOPS(mask) \
  loop2<I32, F32, FLOATS { return truth(mask); }>, loop2<I32, I32, INTS { return truth(mask); }>
// clang-format on

template <auto f> F32 eachLane(F32 a, F32 b) {
  for (int i = 0; i < kLanes; ++i) a[i] = f(a[i], b[i]);
  return a;
}
F32 modulo(F32 a, F32 b) {
  return eachLane<[](float x, float y) { return floorRemainder(x, y); }>(a, b);
}
I32 modulo(I32 a, I32 b) {
  return eachLane<[](int32_t x, int32_t y) { return floorRemainder(x, y); }>(a, b);
}

// where: the bits of a or b, whatever they stand for.
void whereLoop(const void* const* in, void* out, int64_t n, const Params& params) {
  const auto* condition = static_cast<const int32_t*>(in[0]);
  const auto* a = static_cast<const int32_t*>(in[1]);
  const auto* b = static_cast<const int32_t*>(in[2]);
  auto* y = static_cast<int32_t*>(out);
  eachVector(
      n, EACH_VECTOR {
        const Mask no = equal(loadUpTo(condition + i, left), I32{});
        storeResult<I32>(y + i, select(no, loadUpTo(b + i, left), loadUpTo(a + i, left)), left, params.stream);
      });
}

}  // namespace

// int32 (and uint8, which is computed in int32 and keeps the low byte) wraps around on overflow.
void add(const Call& call) { run<attributes::add>(call, FLOAT_LOOPS(a + b), INT_LOOP((I32)((U32)a + (U32)b))); }
void sub(const Call& call) { run<attributes::sub>(call, FLOAT_LOOPS(a - b), INT_LOOP((I32)((U32)a - (U32)b))); }
void mul(const Call& call) { run<attributes::mul>(call, FLOAT_LOOPS(a * b), INT_LOOP((I32)((U32)a * (U32)b))); }
void div(const Call& call) { run<attributes::div>(call, FLOAT_LOOP(a / b), nullptr); }
void floorDivide(const Call& call) {
  run<attributes::floorDivide>(call, FLOAT_LOOP(floor(a / b)), INT_LOOP(eachLane<floorQuotient>(a, b)), kMedium);
}
void mod(const Call& call) { run<attributes::mod>(call, FLOAT_LOOP(modulo(a, b)), INT_LOOP(modulo(a, b)), kHeavy); }
void pow(const Call& call) {
  const double exponent = attributesOf<attributes::pow>(call).scalar;
  if (!call.in[1].present() && exponent == 2) {
    return run<attributes::pow>(call, FLOAT_LOOP((static_cast<void>(b), a * a)),
                                INT_LOOP((static_cast<void>(b), (I32)((U32)a * (U32)a))));
  }
  run<attributes::pow>(call, FLOAT_LOOP(pow(a, b)), INT_LOOP(eachLane<power>(a, b)), kHeavy);
}
void maximum(const Call& call) {
  run<attributes::maximum>(call, FLOAT_LOOPS(maximum(a, b)), INT_LOOP(select(less(a, b), b, a)));
}
void minimum(const Call& call) {
  run<attributes::minimum>(call, FLOAT_LOOPS(minimum(a, b)), INT_LOOP(select(less(b, a), b, a)));
}

void equal(const Call& call) { run<attributes::equal>(call, COMPARE_LOOPS(equal(a, b))); }
void notEqual(const Call& call) { run<attributes::notEqual>(call, COMPARE_LOOPS(~equal(a, b))); }
void less(const Call& call) { run<attributes::less>(call, COMPARE_LOOPS(less(a, b))); }
void greater(const Call& call) { run<attributes::greater>(call, COMPARE_LOOPS(less(b, a))); }
void lessEqual(const Call& call) {
  run<attributes::lessEqual>(call, loop2<I32, F32, FLOATS { return truth(lessEqual(a, b)); }>,
                             loop2<I32, I32, INTS { return truth(~less(b, a)); }>);
}
void greaterEqual(const Call& call) {
  run<attributes::greaterEqual>(call, loop2<I32, F32, FLOATS { return truth(lessEqual(b, a)); }>,
                                loop2<I32, I32, INTS { return truth(~less(a, b)); }>);
}

// bools are 0 or 1. A number stands for true unless it is 0.
void logicalAnd(const Call& call) {
  run<attributes::logicalAnd>(call, FloatLoop(nullptr), INT_LOOP(truth(~(equal(a, I32{}) | equal(b, I32{})))));
}
void logicalOr(const Call& call) {
  run<attributes::logicalOr>(call, FloatLoop(nullptr), INT_LOOP(truth(~(equal(a, I32{}) & equal(b, I32{})))));
}
void logicalXor(const Call& call) {
  run<attributes::logicalXor>(call, FloatLoop(nullptr), INT_LOOP(truth(equal(a, I32{}) ^ equal(b, I32{}))));
}

void where(const Call& call) { elementwise(call, 3, whereLoop); }

}  // namespace neurite::cpu::NEURITE_ISA
