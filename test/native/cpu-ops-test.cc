// The CPU kernels against naive float64 references: odd sizes, all dtypes, broadcasts, NaN and infinity.
//
// Compiled once per instruction set like the kernels it tests. Prints each failure with its case and ends with 1.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "native/ops.h"
#include "native/philox.h"
#include "native/status.h"

using namespace neurite;

namespace neurite::cpu {
static int reports = 0;
void reportIndex(const Call&, int64_t, int64_t) { reports++; }
namespace NEURITE_ISA {
extern const KernelTable table;
}
}  // namespace neurite::cpu

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
constexpr auto F = DType::float32, H = DType::bfloat16, I = DType::int32, U = DType::uint8, B = DType::boolean;

int failures = 0, checks = 0;

uint32_t randomState = 1;
double uniform() {
  randomState = randomState * 1664525u + 1013904223u;
  return (randomState >> 8) / 16777216.0;
}

float fromBfloat16(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value;
  memcpy(&value, &wide, 4);
  return value;
}
uint16_t toBfloat16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

using Dims = std::vector<int64_t>;
int64_t sizeOf(const Dims& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

// A tensor with guard bytes on both sides, its values as doubles beside it.
struct Value {
  static constexpr size_t kGuard = 64;
  DType type = F;
  Dims dims;
  std::vector<double> values;
  std::vector<unsigned char> memory;
  bool absent = false;

  Value() : absent(true) {}
  Value(DType type, Dims dims, std::vector<double> given = {})
      : type(type), dims(std::move(dims)), values(std::move(given)) {
    values.resize(static_cast<size_t>(sizeOf(this->dims)));
    memory.assign(2 * kGuard + values.size() * dtypeBytes(type) + 64, 0xa5);
    write();
  }
  // A copy lies elsewhere, at another distance from the next aligned address.
  Value(const Value& other) : absent(true) {
    if (!other.absent) *this = Value(other.type, other.dims, other.values);
  }
  Value(Value&&) = default;
  Value& operator=(Value&&) = default;

  unsigned char* data() {
    auto address = reinterpret_cast<uintptr_t>(memory.data()) + kGuard;
    return reinterpret_cast<unsigned char*>((address + 63) / 64 * 64);
  }
  void write() {
    for (size_t i = 0; i < values.size(); i++) {
      const double v = values[i];
      unsigned char* p = data() + i * dtypeBytes(type);
      if (type == F) {
        const float x = static_cast<float>(v);
        memcpy(p, &x, 4);
        values[i] = static_cast<double>(x);
      }
      if (type == H) {
        const uint16_t x = toBfloat16(static_cast<float>(v));
        memcpy(p, &x, 2);
        values[i] = static_cast<double>(fromBfloat16(x));
      }
      if (type == I) {
        const int32_t x = static_cast<int32_t>(v);
        memcpy(p, &x, 4);
        values[i] = x;
      }
      if (type == U || type == B) {
        *p = static_cast<unsigned char>(v);
        values[i] = *p;
      }
    }
  }
  void read() {
    for (size_t i = 0; i < values.size(); i++) {
      const unsigned char* p = data() + i * dtypeBytes(type);
      if (type == F) {
        float x;
        memcpy(&x, p, 4);
        values[i] = static_cast<double>(x);
      }
      if (type == H) {
        uint16_t x;
        memcpy(&x, p, 2);
        values[i] = static_cast<double>(fromBfloat16(x));
      }
      if (type == I) {
        int32_t x;
        memcpy(&x, p, 4);
        values[i] = x;
      }
      if (type == U || type == B) values[i] = *p;
    }
  }
  bool guarded() {
    const unsigned char* begin = data();
    const unsigned char* end = begin + values.size() * dtypeBytes(type);
    for (const unsigned char* p = memory.data(); p < memory.data() + memory.size(); p++) {
      if ((p < begin || p >= end) && *p != 0xa5) return false;
    }
    return true;
  }
  Tensor tensor() {
    Tensor t;
    t.dtype = type;
    t.rank = static_cast<int32_t>(dims.size());
    for (size_t i = 0; i < dims.size(); i++) t.dims[i] = dims[i];
    t.data = absent ? nullptr : data();
    return t;
  }
};

Value randomValue(DType type, Dims dims, double low = -3, double high = 3) {
  Value v(type, dims);
  for (double& x : v.values) x = low + uniform() * (high - low);
  if (type == I)
    for (double& x : v.values) x = std::floor(x * 10);
  if (type == U)
    for (double& x : v.values) x = std::floor(std::abs(x) * 40);
  if (type == B)
    for (double& x : v.values) x = x > 0.5 * (low + high);
  v.write();
  return v;
}
// NaN and the infinities at a few places of a float tensor.
Value withSpecials(Value v) {
  const double specials[] = {kNan, kInf, -kInf, 0.0, -0.0, 3.4e38, -3.4e38};
  for (size_t i = 0; i < v.values.size() && i < 49; i += 7) v.values[i] = specials[i / 7];
  v.write();
  return v;
}

void run(Op op, std::vector<Value*> in, std::vector<Value*> out, const void* attributes) {
  std::vector<Tensor> ins, outs;
  for (Value* v : in) ins.push_back(v->tensor());
  for (Value* v : out) outs.push_back(v->tensor());
  Call call;
  call.op = op;
  call.inputs = static_cast<int32_t>(ins.size());
  call.outputs = static_cast<int32_t>(outs.size());
  call.in = ins.data();
  call.out = outs.data();
  call.attributes = attributes;
  cpu::NEURITE_ISA::table.kernels[static_cast<int>(op)](call);
  for (Value* v : out) v->read();
  for (Value* v : in)
    if (!v->absent) v->read();
  for (Value* v : out) {
    if (!v->guarded()) {
      failures++;
      printf("%s: guard words of the output overwritten\n", kOpNames[static_cast<int>(op)]);
    }
  }
  for (Value* v : in) {
    if (!v->absent && !v->guarded()) {
      failures++;
      printf("%s: guard words of an input overwritten\n", kOpNames[static_cast<int>(op)]);
    }
  }
}

std::string shapeText(const Dims& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); i++) text += (i ? "," : "") + std::to_string(dims[i]);
  return text + "]";
}

// |received - expected| <= relative |expected| + absolute; bfloat16 outputs may also be off by their own rounding.
// NaN matches NaN.
void expectClose(const std::string& name, const Value& got, const std::vector<double>& expected, double relative,
                 double absolute = 1e-37) {
  checks++;
  if (got.type == H) relative += 0x1p-8;
  for (size_t i = 0; i < expected.size(); i++) {
    const double e = expected[i], g = got.values[i];
    const bool same = (std::isnan(e) && std::isnan(g)) || e == g ||
                      std::abs(g - e) <= relative * std::abs(e) + absolute ||
                      (std::isinf(g) && std::abs(e) > 3.39e38 && (g > 0) == (e > 0));
    if (!same) {
      failures++;
      printf("%s %s %s: at %zu expected %.9g, received %.9g\n", name.c_str(), dtypeName(got.type),
             shapeText(got.dims).c_str(), i, e, g);
      return;
    }
  }
}

// ---- Elementwise

std::vector<int64_t> broadcastIndices(const Dims& from, const Dims& to) {
  std::vector<int64_t> indices(static_cast<size_t>(sizeOf(to)));
  for (int64_t i = 0; i < sizeOf(to); i++) {
    int64_t rest = i, index = 0, stride = 1;
    for (size_t d = 0; d < to.size(); d++) {
      const size_t axis = to.size() - 1 - d;
      const int64_t place = rest % to[axis];
      rest /= to[axis];
      if (d < from.size()) {
        const int64_t dim = from[from.size() - 1 - d];
        index += (dim == 1 ? 0 : place) * stride;
        stride *= dim;
      }
    }
    indices[static_cast<size_t>(i)] = index;
  }
  return indices;
}
Dims broadcastDims(const Dims& a, const Dims& b) {
  Dims result(std::max(a.size(), b.size()), 1);
  for (size_t d = 0; d < result.size(); d++) {
    const int64_t x = d < a.size() ? a[a.size() - 1 - d] : 1, y = d < b.size() ? b[b.size() - 1 - d] : 1;
    result[result.size() - 1 - d] = std::max(x, y);
  }
  return result;
}

struct BinaryCase {
  Op op;
  std::function<double(double, double)> f;
  std::vector<DType> types;
  bool compare;
  double relative;
};

double floorMod(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
double integer(DType type, double v) {  // wraps as the dtype does
  if (type == I) return static_cast<double>(static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(v))));
  if (type == U) return static_cast<double>(static_cast<uint8_t>(static_cast<int64_t>(v)));
  return v;
}

const std::vector<std::pair<Dims, Dims>> kBroadcasts = {{{}, {}},
                                                        {{1}, {1}},
                                                        {{7}, {7}},
                                                        {{1000}, {1000}},
                                                        {{100003}, {100003}},
                                                        {{5, 7}, {7}},
                                                        {{5, 7}, {5, 1}},
                                                        {{5, 1}, {1, 7}},
                                                        {{64, 3}, {3}},
                                                        {{50, 600}, {600}},
                                                        {{50, 601}, {50, 1}},
                                                        {{2, 3, 4, 5}, {3, 1, 5}},
                                                        {{2, 1, 4, 1}, {3, 1, 5}},
                                                        {{4, 1, 1, 9}, {4, 8, 6, 9}},
                                                        {{30, 50, 2}, {30, 1, 2}},
                                                        {{3, 5, 2, 2}, {3, 1, 2, 1}},
                                                        {{300, 513}, {1}},
                                                        {{1, 1}, {70, 33}},
                                                        {{20, 7, 1031}, {7, 1031}},
                                                        {{1}, {12, 1}}};

void testBinary() {
  const std::vector<DType> numbers = {F, H, I, U}, floats = {F, H}, all = {F, H, I, U, B}, bools = {B};
  const auto floorDivide = [](double a, double b) {
    return std::floor(static_cast<double>(static_cast<float>(a / b)));
  };
  const std::vector<BinaryCase> cases = {
      {Op::add, [](double a, double b) { return a + b; }, numbers, false, 6e-8},
      {Op::sub, [](double a, double b) { return a - b; }, numbers, false, 6e-8},
      {Op::mul, [](double a, double b) { return a * b; }, numbers, false, 6e-8},
      {Op::div, [](double a, double b) { return a / b; }, floats, false, 6e-8},
      {Op::floorDivide, floorDivide, numbers, false, 6e-8},
      {Op::mod, floorMod, numbers, false, 6e-8},
      {Op::pow, [](double a, double b) { return std::pow(a, b); }, floats, false, 1.2e-7},
      {Op::maximum, [](double a, double b) { return std::isnan(a) || std::isnan(b) ? kNan : std::max(a, b); }, numbers,
       false, 0},
      {Op::minimum, [](double a, double b) { return std::isnan(a) || std::isnan(b) ? kNan : std::min(a, b); }, numbers,
       false, 0},
      {Op::equal, [](double a, double b) { return a == b; }, all, true, 0},
      {Op::notEqual, [](double a, double b) { return a != b; }, all, true, 0},
      {Op::less, [](double a, double b) { return a < b; }, all, true, 0},
      {Op::lessEqual, [](double a, double b) { return a <= b; }, all, true, 0},
      {Op::greater, [](double a, double b) { return a > b; }, all, true, 0},
      {Op::greaterEqual, [](double a, double b) { return a >= b; }, all, true, 0},
      {Op::logicalAnd, [](double a, double b) { return a != 0 && b != 0; }, bools, true, 0},
      {Op::logicalOr, [](double a, double b) { return a != 0 || b != 0; }, bools, true, 0},
      {Op::logicalXor, [](double a, double b) { return (a != 0) != (b != 0); }, bools, true, 0}};
  for (const auto& c : cases) {
    const std::string name = kOpNames[static_cast<int>(c.op)];
    for (DType type : c.types) {
      const bool isFloat = type == F || type == H, divides = c.op == Op::floorDivide || c.op == Op::mod;
      const auto expected = [&](double a, double b) {
        if (divides && !isFloat) return b == 0 ? 0.0 : c.op == Op::mod ? floorMod(a, b) : std::floor(a / b);
        const double e = c.f(a, b);
        return c.compare || isFloat ? e : integer(type, e);
      };
      for (const auto& [da, db] : kBroadcasts) {
        Value a = randomValue(type, da, c.op == Op::pow ? 0.1 : -3), b = randomValue(type, db);
        if (isFloat && sizeOf(da) > 100 && c.op != Op::floorDivide) a = withSpecials(a);
        Value y(c.compare ? B : type, broadcastDims(da, db));
        attributes::add attr{};
        run(c.op, {&a, &b}, {&y}, &attr);
        const auto ia = broadcastIndices(da, y.dims), ib = broadcastIndices(db, y.dims);
        std::vector<double> e(y.values.size());
        for (size_t i = 0; i < e.size(); i++)
          e[i] = expected(a.values[static_cast<size_t>(ia[i])], b.values[static_cast<size_t>(ib[i])]);
        expectClose(name, y, e, c.relative);
      }
      for (int side = 0; side < 2; side++) {
        Value x = randomValue(type, {3, 347}, c.op == Op::pow ? 0.1 : -3), none, y(c.compare ? B : type, {3, 347});
        attributes::add attr{};
        attr.scalar = type == B ? 1 : 2;
        run(c.op, {side ? &none : &x, side ? &x : &none}, {&y}, &attr);
        std::vector<double> e(y.values.size());
        for (size_t i = 0; i < e.size(); i++)
          e[i] = side ? expected(attr.scalar, x.values[i]) : expected(x.values[i], attr.scalar);
        expectClose(name + " with a number", y, e, c.relative);
      }
    }
  }
  {  // integers at their limits
    Value a(I, {6}, {-2147483648.0, -2147483648.0, 7, -7, 5, -5}), b(I, {6}, {-1, 0, -2, 2, 0, 3}), y(I, {6});
    attributes::floorDivide attr{};
    run(Op::floorDivide, {&a, &b}, {&y}, &attr);
    expectClose("floorDivide limits", y, {-2147483648.0, 0, -4, -4, 0, -2}, 0);
    run(Op::mod, {&a, &b}, {&y}, &attr);
    expectClose("mod limits", y, {0, 0, -1, 1, 0, 1}, 0);
    Value base(I, {6}, {3, -1, -1, 2, 0, 7}), power(I, {6}, {4, -3, -2, -1, 0, 11});
    run(Op::pow, {&base, &power}, {&y}, &attr);
    expectClose("pow of integers", y, {81, -1, 1, 0, 1, 1977326743}, 0);
  }
  for (DType type : all) {
    for (const auto& [da, db] : kBroadcasts) {
      Value c = randomValue(B, da), a = randomValue(type, db), b = randomValue(type, {}),
            y(type, broadcastDims(da, db));
      if (sizeOf(db) > 100 && (type == F || type == H)) a = withSpecials(a);
      run(Op::where, {&c, &a, &b}, {&y}, nullptr);
      const auto ic = broadcastIndices(da, y.dims), ia = broadcastIndices(db, y.dims);
      std::vector<double> e(y.values.size());
      for (size_t i = 0; i < e.size(); i++)
        e[i] = c.values[static_cast<size_t>(ic[i])] != 0 ? a.values[static_cast<size_t>(ia[i])] : b.values[0];
      expectClose("where", y, e, 0);
    }
  }
}

double sigmoidOf(double x) { return 1 / (1 + std::exp(-x)); }
double softplusOf(double x) { return std::isnan(x) ? kNan : std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double geluTanhOf(double x) { return std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)); }
constexpr double kScale = 1.0507009873554805, kAlpha = 1.6732632423543772;

struct UnaryCase {
  Op op;
  std::function<double(double)> f;
  double relative, absolute;
  double low, high;
};

void testUnary() {
  attributes::clip clip{};
  clip.low = -1.5;
  clip.high = 2;
  attributes::elu one{};
  one.alpha = 1.25;
  attributes::gelu exact{}, approximate{};
  approximate.approximate = true;
  const auto attributesFor = [&](Op op) -> const void* {
    if (op == Op::clip) return &clip;
    if (op == Op::gelu) return &exact;
    return &one;
  };
  const double tiny = 1e-37;
  const std::vector<UnaryCase> cases = {
      {Op::neg, [](double x) { return -x; }, 0, 0, -3, 3},
      {Op::abs, [](double x) { return std::abs(x); }, 0, 0, -3, 3},
      {Op::sign, [](double x) { return x > 0   ? 1
                                       : x < 0 ? -1
                                               : x; }, 0, 0, -3, 3},
      {Op::square, [](double x) { return x * x; }, 6e-8, tiny, -3, 3},
      {Op::reciprocal, [](double x) { return 1 / x; }, 6e-8, tiny, -3, 3},
      {Op::exp, [](double x) { return std::exp(x); }, 1.3e-7, tiny, -90, 90},
      {Op::expm1, [](double x) { return std::expm1(x); }, 2.5e-7, tiny, -5, 5},
      {Op::log, [](double x) { return std::log(x); }, 1.3e-7, tiny, -0.1, 10},
      {Op::log1p, [](double x) { return std::log1p(x); }, 2.5e-7, tiny, -1.1, 3},
      {Op::sqrt, [](double x) { return std::sqrt(x); }, 6e-8, tiny, -0.1, 10},
      {Op::rsqrt, [](double x) { return 1 / std::sqrt(x); }, 1.3e-7, tiny, -0.1, 10},
      {Op::sin, [](double x) { return std::sin(x); }, 2.5e-7, 1e-12, -30, 30},
      {Op::cos, [](double x) { return std::cos(x); }, 2.5e-7, 1e-12, -30, 30},
      {Op::tan, [](double x) { return std::tan(x); }, 4e-7, 1e-12, -3, 3},
      {Op::tanh, [](double x) { return std::tanh(x); }, 4e-7, tiny, -10, 10},
      {Op::erf, [](double x) { return std::erf(x); }, 4e-7, tiny, -4, 4},
      {Op::floor, [](double x) { return std::floor(x); }, 0, 0, -5, 5},
      {Op::ceil, [](double x) { return std::ceil(x); }, 0, 0, -5, 5},
      {Op::round, [](double x) { return std::nearbyint(x); }, 0, 0, -5, 5},
      {Op::sigmoid, sigmoidOf, 4e-7, tiny, -20, 20},
      {Op::logSigmoid, [](double x) { return -softplusOf(-x); }, 4e-7, tiny, -20, 20},
      {Op::softplus, softplusOf, 4e-7, tiny, -20, 20},
      {Op::softsign, [](double x) { return std::isinf(x) ? (x > 0 ? 1 : -1) : x / (1 + std::abs(x)); }, 2e-7, tiny, -5,
       5},
      {Op::relu, [](double x) { return x < 0 ? 0 : x; }, 0, 0, -3, 3},
      {Op::leakyRelu, [](double x) { return x < 0 ? 1.25 * x : x; }, 1e-7, tiny, -3, 3},
      {Op::elu, [](double x) { return x > 0 ? x : 1.25 * std::expm1(x); }, 4e-7, tiny, -5, 5},
      {Op::selu, [](double x) { return kScale * (x > 0 ? x : kAlpha * std::expm1(x)); }, 5e-7, tiny, -5, 5},
      {Op::gelu, [](double x) { return std::isinf(x) ? std::fmax(x, 0) : 0.5 * x * std::erfc(-x * M_SQRT1_2); }, 5e-7,
       5e-7, -6, 6},
      {Op::silu, [](double x) { return std::isinf(x) && x < 0 ? kNan : x * sigmoidOf(x); }, 5e-7, tiny, -20, 20},
      {Op::hardSigmoid, [](double x) { return x != x ? x : std::min(1.0, std::max(0.0, x / 6 + 0.5)); }, 1e-7, 1e-7, -5,
       5},
      {Op::clip, [](double x) { return x < -1.5 ? -1.5
                                       : x > 2  ? 2
                                                : x; }, 0, 0, -3, 3}};
  for (const auto& c : cases) {
    for (DType type : {F, H, I}) {
      const bool ints =
          c.op == Op::neg || c.op == Op::abs || c.op == Op::sign || c.op == Op::square || c.op == Op::clip;
      if (type == I && !ints) continue;
      for (const Dims& dims : {Dims{}, Dims{1}, Dims{15}, Dims{16}, Dims{17}, Dims{3, 111}, Dims{50021}}) {
        Value x = randomValue(type, dims, c.low, c.high), y(type, dims);
        if (type != I && sizeOf(dims) > 100) x = withSpecials(x);
        run(c.op, {&x}, {&y}, attributesFor(c.op));
        std::vector<double> e;
        for (double v : x.values) {
          double w = c.f(v);
          if (type == I && c.op == Op::clip) w = v < -1 ? -1 : v > 2 ? 2 : v;
          e.push_back(w);
        }
        // sin and cos of 3.4e38 have an argument reduction of their own.
        expectClose(kOpNames[static_cast<int>(c.op)], y, e, c.relative, c.absolute);
      }
    }
  }
  Value x = withSpecials(randomValue(F, {1001}, -4, 4)), y(F, {1001}), flags(B, {1001});
  run(Op::gelu, {&x}, {&y}, &approximate);
  std::vector<double> e;
  for (double v : x.values) e.push_back(std::isinf(v) ? (v > 0 ? v : kNan) : 0.5 * v * (1 + geluTanhOf(v)));
  expectClose("gelu approximate", y, e, 5e-7, 5e-7);
  const auto test = [&](Op op, auto f) {
    run(op, {&x}, {&flags}, nullptr);
    std::vector<double> expected;
    for (double v : x.values) expected.push_back(f(v));
    expectClose(kOpNames[static_cast<int>(op)], flags, expected, 0);
  };
  test(Op::isNan, [](double v) { return std::isnan(v); });
  test(Op::isInf, [](double v) { return std::isinf(v); });
  test(Op::isFinite, [](double v) { return std::isfinite(v); });
  Value bools = randomValue(B, {333}), inverted(B, {333});
  run(Op::logicalNot, {&bools}, {&inverted}, nullptr);
  e.clear();
  for (double v : bools.values) e.push_back(v == 0);
  expectClose("logicalNot", inverted, e, 0);
}

void testGradients() {
  attributes::clipGrad clip{};
  clip.low = -1.5;
  clip.high = 2;
  attributes::eluGrad elu{};
  elu.alpha = 1.25;
  attributes::geluGrad exact{}, approximate{};
  approximate.approximate = true;
  struct Case {
    Op op;
    const void* attributes;
    std::function<double(double)> f;
    double relative, absolute;
  };
  const auto phi = [](double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI); };
  const std::vector<Case> cases = {
      {Op::tanhGrad, nullptr, [](double y) { return 1 - y * y; }, 2e-6, 1e-6},
      {Op::sigmoidGrad, nullptr, [](double y) { return y * (1 - y); }, 2e-6, 1e-6},
      {Op::reluGrad, nullptr, [](double y) { return y > 0    ? 1
                                                    : y != y ? y
                                                             : 0; }, 0, 0},
      {Op::leakyReluGrad, &elu, [](double x) { return x < 0    ? 1.25
                                                      : x != x ? x
                                                               : 1; }, 1e-7, 0},
      {Op::eluGrad, &elu, [](double x) { return x > 0 ? 1 : 1.25 * std::exp(x); }, 1e-6, 1e-37},
      {Op::seluGrad, nullptr, [](double x) { return x > 0 ? kScale : kScale * kAlpha * std::exp(x); }, 1e-6, 1e-37},
      {Op::geluGrad, &exact,
       [&](double x) { return std::isinf(x) ? x > 0 : 0.5 * std::erfc(-x * M_SQRT1_2) + x * phi(x); }, 2e-6, 2e-6},
      {Op::geluGrad, &approximate,
       [](double x) {
         if (std::abs(x) > 20) return x > 0 ? 1.0 : 0.0;
         const double t = geluTanhOf(x);
         return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
       },
       2e-6, 2e-6},
      {Op::siluGrad, nullptr,
       [](double x) {
         if (std::abs(x) > 200) return x > 0 ? 1.0 : 0.0;
         const double s = sigmoidOf(x);
         return s * (1 + x * (1 - s));
       },
       2e-6, 2e-6},
      {Op::softplusGrad, nullptr, sigmoidOf, 1e-6, 1e-37},
      {Op::softsignGrad, nullptr, [](double x) { return 1 / ((1 + std::abs(x)) * (1 + std::abs(x))); }, 1e-6, 1e-37},
      {Op::hardSigmoidGrad, nullptr, [](double x) { return x != x            ? x
                                                           : std::abs(x) < 3 ? 1 / 6.0
                                                                             : 0; }, 1e-6, 0},
      {Op::erfGrad, nullptr, [](double x) { return 2 / std::sqrt(M_PI) * std::exp(-x * x); }, 2e-6, 1e-37},
      {Op::clipGrad, &clip, [](double x) { return x != x ? x : -1.5 <= x && x <= 2; }, 0, 0}};
  for (const auto& c : cases) {
    for (DType type : {F, H}) {
      for (const Dims& dims : {Dims{1}, Dims{33}, Dims{7, 1003}}) {
        Value dy = randomValue(type, dims), x = randomValue(type, dims, -4, 4), dx(type, dims);
        if (sizeOf(dims) > 100) x = withSpecials(x);
        const bool bounded = c.op == Op::tanhGrad || c.op == Op::sigmoidGrad;
        if (bounded) x = randomValue(type, dims, 0, 1);
        run(c.op, {&dy, &x}, {&dx}, c.attributes);
        std::vector<double> e;
        for (size_t i = 0; i < x.values.size(); i++) e.push_back(dy.values[i] * c.f(x.values[i]));
        expectClose(kOpNames[static_cast<int>(c.op)], dx, e, c.relative, c.absolute * 3);
      }
    }
  }
}

void testCast() {
  for (DType from : {F, H, I, U, B}) {
    for (DType to : {F, H, I, U, B}) {
      Value x = randomValue(from, {5, 1013}, -300, 300), y(to, {5, 1013});
      if (from == F || from == H) x = withSpecials(x);
      run(Op::cast, {&x}, {&y}, nullptr);
      std::vector<double> e;
      for (double v : x.values) {
        if (to == B)
          v = v != 0;
        else if (to == I || to == U) {
          if (from == F || from == H)
            v = v != v
                    ? 0
                    : std::trunc(std::min(to == U ? 255.0 : 2147483647.0, std::max(to == U ? 0.0 : -2147483648.0, v)));
          v = integer(to, v);
        }
        e.push_back(v);
      }
      expectClose(std::string("cast from ") + dtypeName(from), y, e, 0);
    }
    Value x = randomValue(from, {100001}), y(from, {100001});
    run(Op::copy, {&x}, {&y}, nullptr);
    expectClose("copy", y, x.values, 0);
    Value z(from, {100001});
    attributes::fill fill{};
    fill.value = from == B ? 1 : 3;
    run(Op::fill, {}, {&z}, &fill);
    expectClose("fill", z, std::vector<double>(100001, fill.value), 0);
    attributes::iota iota{};
    iota.start = 2;
    iota.step = from == F || from == H ? 0.5 : 3;
    if (from == B) continue;
    Value r(from, {from == U ? 60 : 3001});
    run(Op::iota, {}, {&r}, &iota);
    std::vector<double> e;
    for (size_t i = 0; i < r.values.size(); i++) e.push_back(iota.start + static_cast<double>(i) * iota.step);
    expectClose("iota", r, e, 0);
  }
}

// ---- Reductions

struct Reduced {
  Dims dims;
  std::vector<std::vector<double>> groups;
  std::vector<size_t> groupOf;  // of each element
};
Reduced reduced(const Value& x, const std::vector<int64_t>& axes) {
  Reduced r;
  std::vector<bool> drop(x.dims.size());
  for (int64_t a : axes) drop[static_cast<size_t>(a)] = true;
  for (size_t d = 0; d < x.dims.size(); d++)
    if (!drop[d]) r.dims.push_back(x.dims[d]);
  r.groups.resize(static_cast<size_t>(sizeOf(r.dims)));
  for (size_t i = 0; i < x.values.size(); i++) {
    size_t rest = i, out = 0, stride = 1;
    for (size_t d = x.dims.size(); d-- > 0;) {
      const size_t dim = static_cast<size_t>(x.dims[d]), place = rest % dim;
      rest /= dim;
      if (!drop[d]) {
        out += place * stride;
        stride *= dim;
      }
    }
    r.groups[out].push_back(x.values[i]);
    r.groupOf.push_back(out);
  }
  return r;
}

void testReductions() {
  const std::vector<std::pair<Dims, std::vector<int64_t>>> shapes = {{{1}, {0}},
                                                                     {{10}, {0}},
                                                                     {{1000}, {0}},
                                                                     {{100003}, {0}},
                                                                     {{33, 10}, {1}},
                                                                     {{33, 10}, {0}},
                                                                     {{128, 784}, {0}},
                                                                     {{3, 2000}, {1}},
                                                                     {{5000, 3}, {0}},
                                                                     {{40000, 2}, {0}},
                                                                     {{2, 40000}, {1}},
                                                                     {{7, 9, 11}, {1}},
                                                                     {{7, 9, 600}, {1}},
                                                                     {{5, 8, 9, 32}, {0, 1, 2}},
                                                                     {{6, 5, 4, 3}, {1, 3}},
                                                                     {{6, 5, 4, 3}, {0, 2}},
                                                                     {{9, 1, 700}, {0}},
                                                                     {{6, 5, 4}, {0, 1, 2}},
                                                                     {{4, 5}, {}},
                                                                     {{3, 5000, 20}, {1}},
                                                                     {{9000, 70}, {0}},
                                                                     {{37, 3}, {1}},
                                                                     {{50, 1500}, {0}}};
  for (const auto& entry : shapes) {
    const auto &dims = entry.first, &axes = entry.second;
    Ints list;
    for (int64_t a : axes) list.values[list.count++] = a;
    attributes::sum attr{};
    attr.axes = list;
    for (DType type : {F, H, I, U, B}) {
      const bool isFloat = type == F || type == H;
      Value x = randomValue(type, dims, isFloat ? 0.5 : -3, isFloat ? 1.5 : 3);
      const Reduced r = reduced(x, axes);
      const auto check = [&](Op op, DType out, double relative, auto f) {
        Value y(out, r.dims);
        run(op, {&x}, {&y}, &attr);
        std::vector<double> e;
        for (const auto& g : r.groups) e.push_back(f(g));
        expectClose(std::string(kOpNames[static_cast<int>(op)]) + " of " + shapeText(dims), y, e, relative, 1e-30);
      };
      const auto total = [](const std::vector<double>& g) {
        double s = 0;
        for (double v : g) s += v;
        return s;
      };
      const auto largest = [](const std::vector<double>& g) {
        double m = -kInf;
        for (double v : g) {
          if (v != v) return v;
          m = std::max(m, v);
        }
        return m;
      };
      const auto smallest = [](const std::vector<double>& g) {
        double m = kInf;
        for (double v : g) {
          if (v != v) return v;
          m = std::min(m, v);
        }
        return m;
      };
      if (type == B) {
        check(Op::all, B, 0, smallest);
        check(Op::any, B, 0, largest);
        continue;
      }
      check(Op::max, type, 0, largest);
      check(Op::min, type, 0, smallest);
      if (type == U) continue;
      check(Op::sum, type, isFloat ? 6e-7 : 0, total);
      check(Op::prod, type, isFloat ? 6e-8 * std::sqrt(static_cast<double>(x.values.size())) + 1e-6 : 0,
            [&](const std::vector<double>& g) {
              if (isFloat) {
                double p = 1;
                for (double v : g) p *= v;
                return std::abs(p) < 1e-37 ? 0.0 : p;
              }
              uint32_t p = 1;
              for (double v : g) p *= static_cast<uint32_t>(static_cast<int32_t>(v));
              return static_cast<double>(static_cast<int32_t>(p));
            });
      if (!isFloat) continue;
      check(Op::mean, type, 6e-7,
            [&](const std::vector<double>& g) { return total(g) / static_cast<double>(g.size()); });
      check(Op::variance, type, 3e-6, [&](const std::vector<double>& g) {
        const double mean = total(g) / static_cast<double>(g.size());
        double s = 0;
        for (double v : g) s += (v - mean) * (v - mean);
        return s / static_cast<double>(g.size());
      });
      check(Op::logSumExp, type, 1e-6, [&](const std::vector<double>& g) {
        double s = 0;
        for (double v : g) s += std::exp(v);
        return std::log(s);
      });
      {
        Value dy = randomValue(type, r.dims), dx(type, dims), small = randomValue(type, dims, 0.98, 1.02);
        small.values[small.values.size() / 2] = 0;
        if (small.values.size() > 40) small.values[0] = small.values[1] = 0;
        small.write();
        run(Op::prodGrad, {&dy, &small}, {&dx}, &attr);
        if (small.values.size() <= 6000) {
          std::vector<double> e;
          for (size_t i = 0; i < small.values.size(); i++) {
            double p = dy.values[r.groupOf[i]];
            for (size_t j = 0; j < small.values.size(); j++)
              if (j != i && r.groupOf[j] == r.groupOf[i]) p *= small.values[j];
            e.push_back(p);
          }
          expectClose("prodGrad of " + shapeText(dims), dx, e, 1e-4, 1e-30);
        }
      }
      x = withSpecials(randomValue(type, dims));
      const Reduced special = reduced(x, axes);
      Value y(type, r.dims);
      run(Op::max, {&x}, {&y}, &attr);
      std::vector<double> e;
      for (const auto& g : special.groups) e.push_back(largest(g));
      expectClose("max with NaN of " + shapeText(dims), y, e, 0);
      run(Op::min, {&x}, {&y}, &attr);
      e.clear();
      for (const auto& g : special.groups) e.push_back(smallest(g));
      expectClose("min with NaN of " + shapeText(dims), y, e, 0);
      run(Op::logSumExp, {&x}, {&y}, &attr);
      e.clear();
      for (const auto& g : special.groups) {
        const double m = largest(g);
        double s = 0;
        for (double v : g) s += std::isinf(m) ? 0 : std::exp(v - m);
        e.push_back(std::isinf(m) || m != m ? m : m + std::log(s));
      }
      expectClose("logSumExp with NaN of " + shapeText(dims), y, e, 1e-6, 1e-6);
    }
    for (DType type : {F, H, I, U}) {
      for (int64_t axis = 0; axis < static_cast<int64_t>(dims.size()); axis++) {
        Value x = randomValue(type, dims);
        if (type == F || type == H) x = withSpecials(x);
        attributes::argmax arg{};
        arg.axis = axis;
        const Reduced r = reduced(x, {axis});
        for (Op op : {Op::argmax, Op::argmin}) {
          Value y(I, r.dims);
          run(op, {&x}, {&y}, &arg);
          std::vector<double> e;
          for (const auto& g : r.groups) {
            size_t best = 0;
            for (size_t i = 1; i < g.size(); i++) {
              if (g[best] != g[best]) break;
              if (g[i] != g[i] || (op == Op::argmax ? g[i] > g[best] : g[i] < g[best])) best = i;
            }
            e.push_back(static_cast<double>(best));
          }
          expectClose(std::string(kOpNames[static_cast<int>(op)]) + " of " + dtypeName(type) + shapeText(dims), y, e,
                      0);
        }
      }
    }
  }
  // A long sum of equal numbers: the error must not grow with the length.
  Value x(F, {1 << 22}, std::vector<double>(1 << 22, 0.1)), y(F, {});
  attributes::sum attr{};
  attr.axes.count = 1;
  run(Op::sum, {&x}, {&y}, &attr);
  expectClose("sum of four million", y, {static_cast<double>(0.1f) * (1 << 22)}, 3e-7);
  Value g1 = randomValue(F, {70001}), g2 = randomValue(H, {13, 7}), g3 = randomValue(F, {1}), norms(F, {3});
  run(Op::squaredNorms, {&g1, &g2, &g3}, {&norms}, nullptr);
  std::vector<double> e;
  for (const Value* g : {&g1, &g2, &g3}) {
    double s = 0;
    for (double v : g->values) s += v * v;
    e.push_back(s);
  }
  expectClose("squaredNorms", norms, e, 6e-7);
}

void testBiasActivationGrad() {
  for (Activation activation : {Activation::none, Activation::relu, Activation::sigmoid, Activation::tanh}) {
    attributes::biasActivationGrad attr{};
    attr.activation = activation;
    for (const Dims& dims : {Dims{1, 1}, Dims{128, 10}, Dims{3, 5, 33}, Dims{128, 512}, Dims{5000, 3}, Dims{70, 1200},
                             Dims{2, 7, 9, 16}, Dims{3000, 64}}) {
      for (DType type : {F, H}) {
        for (DType biasType : {F, type}) {
          const int64_t n = dims.back();
          Value dy = randomValue(type, dims), y = randomValue(type, dims, -1, 1), dz(type, dims), db(biasType, {n}),
                none;
          run(Op::biasActivationGrad, {&dy, activation == Activation::none ? &none : &y}, {&dz, &db}, &attr);
          std::vector<double> e, sums(static_cast<size_t>(n)), sizes(static_cast<size_t>(n));
          for (size_t i = 0; i < dy.values.size(); i++) {
            const double v = y.values[i];
            const double f = activation == Activation::relu      ? v > 0
                             : activation == Activation::sigmoid ? v * (1 - v)
                             : activation == Activation::tanh    ? 1 - v * v
                                                                 : 1;
            e.push_back(dy.values[i] * f);
            sums[i % static_cast<size_t>(n)] += e.back();
            sizes[i % static_cast<size_t>(n)] += std::abs(e.back());
          }
          expectClose("biasActivationGrad dz", dz, e, 1e-6, 1e-6);
          expectClose("biasActivationGrad db", db, sums, 1e-6, 1e-6 * *std::max_element(sizes.begin(), sizes.end()));
        }
      }
    }
  }
}

// ---- Softmax and losses

void testSoftmax() {
  const std::vector<std::pair<Dims, int64_t>> shapes = {{{1}, 0},       {{10}, 0},       {{128, 10}, 1}, {{3, 1000}, 1},
                                                        {{2, 5001}, 1}, {{7, 9, 11}, 1}, {{70, 3}, 0},   {{35, 3}, 1},
                                                        {{4, 5, 6}, 0}, {{3, 33}, 1}};
  for (const auto& entry : shapes) {
    const Dims& dims = entry.first;
    const int64_t axis = entry.second;
    for (DType type : {F, H}) {
      attributes::softmax attr{};
      attr.axis = axis;
      Value x = randomValue(type, dims, -20, 20), y(type, dims), logs(type, dims), dy = randomValue(type, dims),
            dx(type, dims);
      run(Op::softmax, {&x}, {&y}, &attr);
      run(Op::logSoftmax, {&x}, {&logs}, &attr);
      const Reduced r = reduced(x, {axis});
      std::vector<double> lse;
      for (const auto& g : r.groups) {
        double m = -kInf, s = 0;
        for (double v : g) m = std::max(m, v);
        for (double v : g) s += std::exp(v - m);
        lse.push_back(m + std::log(s));
      }
      std::vector<double> e, l;
      for (size_t i = 0; i < x.values.size(); i++) {
        l.push_back(x.values[i] - lse[r.groupOf[i]]);
        e.push_back(std::exp(l.back()));
      }
      expectClose("softmax", y, e, 3e-6, 1e-37);
      expectClose("logSoftmax", logs, l, 5e-7, 3e-6);
      const auto gradient = [&](Op op, Value& from, bool logarithm) {
        std::vector<double> sums(r.groups.size()), expected;
        for (size_t i = 0; i < x.values.size(); i++)
          sums[r.groupOf[i]] += logarithm ? dy.values[i] : dy.values[i] * from.values[i];
        for (size_t i = 0; i < x.values.size(); i++) {
          const double s = sums[r.groupOf[i]];
          expected.push_back(logarithm ? dy.values[i] - std::exp(from.values[i]) * s
                                       : from.values[i] * (dy.values[i] - s));
        }
        run(op, {&dy, &from}, {&dx}, &attr);
        expectClose(kOpNames[static_cast<int>(op)], dx, expected, 3e-6, 1e-5);
      };
      gradient(Op::softmaxGrad, y, false);
      gradient(Op::logSoftmaxGrad, logs, true);
    }
  }
  Value x(F, {2, 3}, {1, kNan, 2, 5, -kInf, 5}), y(F, {2, 3});
  attributes::softmax attr{};
  attr.axis = 1;
  run(Op::softmax, {&x}, {&y}, &attr);
  expectClose("softmax with NaN", y, {kNan, kNan, kNan, 0.5, 0, 0.5}, 1e-7);
}

void testCrossEntropy() {
  for (const Dims& dims : {Dims{1, 1}, Dims{128, 10}, Dims{3, 5, 17}, Dims{9, 2500}}) {
    for (DType type : {F, H}) {
      const size_t n = static_cast<size_t>(dims.back()), rows = static_cast<size_t>(sizeOf(dims)) / n;
      const Dims outer(dims.begin(), dims.end() - 1);
      Value x = randomValue(type, dims, -15, 15), t = randomValue(type, dims, 0, 1), loss(F, outer), lse(F, outer),
            dloss = randomValue(F, outer), dx(type, dims);
      if (n > 4) {
        t.values[2] = 0;
        x.values[2] = -kInf;
        t.write();
        x.write();
      }
      std::vector<double> elses, elosses, egrads, sparseLosses, sparseGrads;
      Value labels(I, outer), bytes(U, outer);
      for (size_t r = 0; r < rows; r++)
        labels.values[r] = bytes.values[r] = static_cast<double>((r * 7 + 3) % std::min<size_t>(n, 256));
      labels.write();
      bytes.write();
      for (size_t r = 0; r < rows; r++) {
        double m = -kInf, s = 0, total = 0, l = 0;
        for (size_t i = 0; i < n; i++) m = std::max(m, x.values[r * n + i]);
        for (size_t i = 0; i < n; i++) s += std::exp(x.values[r * n + i] - m);
        elses.push_back(m + std::log(s));
        for (size_t i = 0; i < n; i++) {
          const double target = t.values[r * n + i];
          total += target;
          if (target != 0) l += target * (elses[r] - x.values[r * n + i]);
        }
        elosses.push_back(l);
        const size_t label = static_cast<size_t>(labels.values[r]);
        sparseLosses.push_back(elses[r] - x.values[r * n + label]);
        for (size_t i = 0; i < n; i++) {
          const double p = std::exp(x.values[r * n + i] - elses[r]);
          egrads.push_back(dloss.values[r] * (p * total - t.values[r * n + i]));
          sparseGrads.push_back(dloss.values[r] * (p - (i == label)));
        }
      }
      run(Op::softmaxCrossEntropy, {&x, &t}, {&loss, &lse}, nullptr);
      expectClose("softmaxCrossEntropy loss", loss, elosses, 1e-6, 1e-5);
      expectClose("softmaxCrossEntropy logSumExp", lse, elses, 1e-6, 1e-6);
      run(Op::softmaxCrossEntropyGrad, {&dloss, &x, &t, &lse}, {&dx}, nullptr);
      expectClose("softmaxCrossEntropyGrad", dx, egrads, 1e-5, 1e-5);
      for (Value* label : {&labels, &bytes}) {
        run(Op::sparseSoftmaxCrossEntropy, {&x, label}, {&loss, &lse}, nullptr);
        expectClose("sparseSoftmaxCrossEntropy", loss, sparseLosses, 1e-6, 1e-5);
        run(Op::sparseSoftmaxCrossEntropyGrad, {&dloss, &x, label, &lse}, {&dx}, nullptr);
        expectClose("sparseSoftmaxCrossEntropyGrad", dx, sparseGrads, 1e-5, 1e-6);
      }
      Value each(F, dims), deach = randomValue(F, dims), flat = randomValue(type, dims, -30, 30);
      run(Op::sigmoidCrossEntropy, {&flat, &t}, {&each}, nullptr);
      std::vector<double> e;
      for (size_t i = 0; i < flat.values.size(); i++)
        e.push_back(std::max(flat.values[i], 0.0) - flat.values[i] * t.values[i] +
                    std::log1p(std::exp(-std::abs(flat.values[i]))));
      expectClose("sigmoidCrossEntropy", each, e, 1e-6, 3e-6);
      run(Op::sigmoidCrossEntropyGrad, {&deach, &flat, &t}, {&dx}, nullptr);
      e.clear();
      for (size_t i = 0; i < flat.values.size(); i++)
        e.push_back(deach.values[i] * (sigmoidOf(flat.values[i]) - t.values[i]));
      expectClose("sigmoidCrossEntropyGrad", dx, e, 1e-5, 1e-6);
    }
  }
  Value x = randomValue(F, {2, 4}), labels(I, {2}, {1, 9}), loss(F, {2}), lse(F, {2});
  cpu::reports = 0;
  run(Op::sparseSoftmaxCrossEntropy, {&x, &labels}, {&loss, &lse}, nullptr);
  checks++;
  if (cpu::reports != 1) {
    failures++;
    printf("sparseSoftmaxCrossEntropy: a label out of range was reported %d times\n", cpu::reports);
  }
}

// ---- Indexing and moving

void testGather() {
  for (DType type : {F, H, I, U, B}) {
    for (int64_t axis = 0; axis < 3; axis++) {
      const Dims dims = {6, 7, 5};
      Value x = randomValue(type, dims), indices(I, {2, 9});
      for (double& v : indices.values) v = std::floor(uniform() * static_cast<double>(dims[static_cast<size_t>(axis)]));
      indices.write();
      Dims out;
      for (int64_t d = 0; d < 3; d++) {
        if (d == axis)
          out.insert(out.end(), {2, 9});
        else
          out.push_back(dims[static_cast<size_t>(d)]);
      }
      int64_t inner = 1;
      for (int64_t d = axis + 1; d < 3; d++) inner *= dims[static_cast<size_t>(d)];
      const int64_t limit = dims[static_cast<size_t>(axis)];
      attributes::gather attr{};
      attr.axis = axis;
      attr.scale = 1;
      const auto source = [&](int64_t i) {
        const int64_t o = i / (18 * inner), k = i / inner % 18;
        return static_cast<size_t>((o * limit + static_cast<int64_t>(indices.values[static_cast<size_t>(k)])) * inner +
                                   i % inner);
      };
      Value y(type, out);
      run(Op::gather, {&x, &indices}, {&y}, &attr);
      std::vector<double> e;
      for (int64_t i = 0; i < sizeOf(out); i++) e.push_back(x.values[source(i)]);
      expectClose("gather", y, e, 0);
      if (type != B) {
        for (DType to : {F, H}) {
          if ((type == F || type == H) && to != type) continue;
          attr.scale = 1 / 255.0;
          attr.offset = -0.5;
          Value z(to, out);
          run(Op::gather, {&x, &indices}, {&z}, &attr);
          std::vector<double> scaled;
          for (double v : e) scaled.push_back(v * attr.scale + attr.offset);
          expectClose("gather with scale", z, scaled, 2e-7, 1e-7);
        }
      }
      if (type == U || type == B) continue;
      Value updates = randomValue(type, out), sums(type, dims);
      attributes::scatterAdd add{};
      add.axis = axis;
      run(Op::scatterAdd, {&indices, &updates}, {&sums}, &add);
      std::vector<double> total(static_cast<size_t>(sizeOf(dims)));
      for (int64_t i = 0; i < sizeOf(out); i++) total[source(i)] += updates.values[static_cast<size_t>(i)];
      expectClose("scatterAdd", sums, total, 1e-6, 1e-6);
    }
  }
  for (const auto& [rows, count, inner] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1000, 5000, 1}, {1000, 900, 300}, {50, 20000, 8}}) {
    Value indices(I, {count}), updates = randomValue(F, {count, inner}), sums(F, {rows, inner});
    for (double& v : indices.values) v = std::floor(uniform() * static_cast<double>(rows));
    indices.write();
    attributes::scatterAdd add{};
    run(Op::scatterAdd, {&indices, &updates}, {&sums}, &add);
    std::vector<float> total(
        static_cast<size_t>(rows * inner));  // float32 in the order of the indices: equal bit for bit
    for (int64_t i = 0; i < count * inner; i++)
      total[static_cast<size_t>(static_cast<int64_t>(indices.values[static_cast<size_t>(i / inner)]) * inner +
                                i % inner)] += static_cast<float>(updates.values[static_cast<size_t>(i)]);
    expectClose("scatterAdd, large", sums, std::vector<double>(total.begin(), total.end()), 0);
  }
  Value table3 = randomValue(F, {4, 2}), bad(I, {3}, {-1, 4, 2}), y(F, {3, 2});
  attributes::gather attr{};
  attr.scale = 1;
  cpu::reports = 0;
  run(Op::gather, {&table3, &bad}, {&y}, &attr);
  expectClose(
      "gather out of range", y,
      {table3.values[0], table3.values[1], table3.values[6], table3.values[7], table3.values[4], table3.values[5]}, 0);
  checks++;
  if (cpu::reports != 2) {
    failures++;
    printf("gather: expected 2 reports, received %d\n", cpu::reports);
  }
  Value order(I, {5}, {4, 3, 2, 1, 0}), position(I, {1}, {3}), batch(I, {4});
  run(Op::batchIndices, {&order, &position}, {&batch}, nullptr);
  expectClose("batchIndices", batch, {1, 0, 0, 0}, 0);
  for (DType type : {F, H, I, U, B}) {
    Value indices(I, {4}, {2, -1, 0, 3}), hot(type, {4, 3});
    attributes::oneHot one{};
    one.onValue = 1;
    run(Op::oneHot, {&indices}, {&hot}, &one);
    expectClose("oneHot", hot, {0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0}, 0);
  }
}

// Calls f(output index, place along each axis).
template <class G> void eachPlace(const Dims& dims, G&& f) {
  std::vector<int64_t> place(dims.size());
  for (int64_t i = 0; i < sizeOf(dims); i++) {
    int64_t rest = i;
    for (size_t d = dims.size(); d-- > 0;) {
      place[d] = rest % dims[d];
      rest /= dims[d];
    }
    f(static_cast<size_t>(i), place);
  }
}
size_t flat(const Dims& dims, const std::vector<int64_t>& place) {
  int64_t index = 0;
  for (size_t d = 0; d < dims.size(); d++) index = index * dims[d] + place[d];
  return static_cast<size_t>(index);
}

void testMovement() {
  for (DType type : {F, H, I, U, B}) {
    struct SliceCase {
      Dims dims, starts, strides, out;
    };
    for (const SliceCase& c : std::vector<SliceCase>{{{10}, {2}, {1}, {5}},
                                                     {{10}, {1}, {3}, {3}},
                                                     {{6, 7, 5}, {1, 0, 2}, {1, 1, 1}, {4, 7, 3}},
                                                     {{6, 7, 5}, {0, 2, 0}, {1, 1, 1}, {6, 3, 5}},
                                                     {{6, 7, 5}, {1, 1, 0}, {2, 3, 1}, {3, 2, 5}},
                                                     {{6, 7, 5}, {5, 6, 1}, {1, 1, 2}, {1, 1, 2}},
                                                     {{40, 60, 33}, {3, 4, 0}, {1, 1, 1}, {30, 50, 33}}}) {
      Value x = randomValue(type, c.dims), y(type, c.out), dx(type, c.dims);
      attributes::slice attr{};
      for (size_t d = 0; d < c.dims.size(); d++) {
        attr.starts.values[attr.starts.count++] = c.starts[d];
        attr.strides.values[attr.strides.count++] = c.strides[d];
      }
      run(Op::slice, {&x}, {&y}, &attr);
      std::vector<double> e(y.values.size()), back(x.values.size());
      eachPlace(c.out, [&](size_t i, std::vector<int64_t> place) {
        for (size_t d = 0; d < place.size(); d++) place[d] = c.starts[d] + place[d] * c.strides[d];
        e[i] = x.values[flat(c.dims, place)];
        back[flat(c.dims, place)] = e[i];
      });
      expectClose("slice", y, e, 0);
      run(Op::sliceGrad, {&y}, {&dx}, &attr);
      expectClose("sliceGrad", dx, back, 0);
    }
    struct PadCase {
      Dims dims, before, after;
    };
    for (const PadCase& c : std::vector<PadCase>{{{5}, {2}, {1}},
                                                 {{4, 6, 3}, {1, 2, 0}, {3, 1, 0}},
                                                 {{4, 6, 3}, {0, 0, 2}, {0, 0, 1}},
                                                 {{2, 20, 30, 16}, {0, 1, 1, 0}, {0, 1, 1, 0}}}) {
      for (PadMode mode : {PadMode::constant, PadMode::edge, PadMode::reflect}) {
        Dims out = c.dims;
        attributes::pad attr{};
        attr.mode = mode;
        attr.value = type == B ? 1 : 2;
        for (size_t d = 0; d < out.size(); d++) {
          out[d] += c.before[d] + c.after[d];
          attr.before.values[attr.before.count++] = c.before[d];
        }
        Value x = randomValue(type, c.dims), y(type, out), dy = randomValue(type, out), dx(type, c.dims);
        run(Op::pad, {&x}, {&y}, &attr);
        std::vector<double> e(y.values.size()), back(x.values.size());
        eachPlace(out, [&](size_t i, std::vector<int64_t> place) {
          bool inside = true;
          for (size_t d = 0; d < place.size(); d++) {
            int64_t j = place[d] - c.before[d];
            const int64_t n = c.dims[d];
            if (j < 0 || j >= n) inside = false;
            if (mode == PadMode::edge) j = std::clamp<int64_t>(j, 0, n - 1);
            if (mode == PadMode::reflect) j = j < 0 ? -j : j >= n ? 2 * (n - 1) - j : j;
            place[d] = j;
          }
          if (inside || mode != PadMode::constant) {
            e[i] = x.values[flat(c.dims, place)];
            back[flat(c.dims, place)] += dy.values[i];
          } else {
            e[i] = attr.value;
          }
        });
        expectClose("pad", y, e, 0);
        if (type != F && type != H) continue;
        attributes::padGrad grad{};
        grad.before = attr.before;
        grad.mode = mode;
        run(Op::padGrad, {&dy}, {&dx}, &grad);
        expectClose("padGrad", dx, back, 1e-6, 2e-6);
      }
    }
    for (const auto& entry : std::vector<std::pair<Dims, Dims>>{{{3}, {9}},
                                                                {{2, 3}, {4, 9}},
                                                                {{1, 3, 1}, {5, 3, 4}},
                                                                {{4, 1}, {4, 6}},
                                                                {{2, 3, 40}, {2, 6, 40}},
                                                                {{1}, {1000}}}) {
      const auto &dims = entry.first, &out = entry.second;
      Value x = randomValue(type, dims), y(type, out);
      run(Op::tile, {&x}, {&y}, nullptr);
      std::vector<double> e(y.values.size());
      eachPlace(out, [&](size_t i, std::vector<int64_t> place) {
        for (size_t d = 0; d < place.size(); d++) place[d] %= dims[d];
        e[i] = x.values[flat(dims, place)];
      });
      expectClose("tile", y, e, 0);
    }
    for (const auto& entry : std::vector<std::pair<Dims, Dims>>{{{}, {7}},
                                                                {{3}, {5, 3}},
                                                                {{5, 1}, {5, 300}},
                                                                {{2, 1, 3, 1}, {2, 4, 3, 5}},
                                                                {{1, 3}, {2, 2, 3}},
                                                                {{700}, {90, 700}}}) {
      const auto &dims = entry.first, &out = entry.second;
      Value x = randomValue(type, dims), y(type, out);
      run(Op::broadcastTo, {&x}, {&y}, nullptr);
      const auto indices = broadcastIndices(dims, out);
      std::vector<double> e;
      for (int64_t i : indices) e.push_back(x.values[static_cast<size_t>(i)]);
      expectClose("broadcastTo", y, e, 0);
    }
    for (const auto& entry : std::vector<std::pair<Dims, Dims>>{{{5}, {0}},
                                                                {{5, 7}, {1, 0}},
                                                                {{100, 70}, {1, 0}},
                                                                {{2, 3, 4, 5}, {0, 2, 1, 3}},
                                                                {{2, 3, 4, 5}, {3, 2, 1, 0}},
                                                                {{2, 3, 4, 5}, {0, 3, 1, 2}},
                                                                {{3, 65, 33}, {0, 2, 1}},
                                                                {{3, 65, 33}, {2, 0, 1}},
                                                                {{3, 65, 33}, {1, 2, 0}},
                                                                {{1, 6, 1, 5}, {3, 2, 1, 0}},
                                                                {{17, 200, 19}, {1, 0, 2}},
                                                                {{4, 5}, {0, 1}}}) {
      const auto &dims = entry.first, &permutation = entry.second;
      Dims out;
      attributes::transpose attr{};
      for (int64_t p : permutation) {
        out.push_back(dims[static_cast<size_t>(p)]);
        attr.permutation.values[attr.permutation.count++] = p;
      }
      Value x = randomValue(type, dims), y(type, out);
      run(Op::transpose, {&x}, {&y}, &attr);
      std::vector<double> e(y.values.size());
      eachPlace(out, [&](size_t i, const std::vector<int64_t>& place) {
        std::vector<int64_t> from(place.size());
        for (size_t d = 0; d < place.size(); d++) from[static_cast<size_t>(permutation[d])] = place[d];
        e[i] = x.values[flat(dims, from)];
      });
      expectClose("transpose " + shapeText(permutation), y, e, 0);
    }
    for (int64_t axis = 0; axis < 3; axis++) {
      std::vector<Value> parts;
      Dims out = {3, 4, 5};
      out[static_cast<size_t>(axis)] = 0;
      for (int64_t k : {2, 1, 30}) {
        Dims dims = {3, 4, 5};
        dims[static_cast<size_t>(axis)] = k;
        out[static_cast<size_t>(axis)] += k;
        parts.push_back(randomValue(type, dims));
      }
      Value y(type, out);
      attributes::concat attr{};
      attr.axis = axis;
      run(Op::concat, {&parts[0], &parts[1], &parts[2]}, {&y}, &attr);
      std::vector<double> e(y.values.size());
      eachPlace(out, [&](size_t i, std::vector<int64_t> place) {
        size_t part = 0;
        int64_t& j = place[static_cast<size_t>(axis)];
        while (j >= parts[part].dims[static_cast<size_t>(axis)]) j -= parts[part++].dims[static_cast<size_t>(axis)];
        e[i] = parts[part].values[flat(parts[part].dims, place)];
      });
      expectClose("concat", y, e, 0);
    }
  }
}

// ---- Random numbers

void testRandom() {
  const uint64_t key = 0x123456789abcdef0ull, counter = 0xfffffff0ull;  // the counter's carry falls into the draw
  const auto stateOf = [&] {
    Value state(I, {4});
    for (int i = 0; i < 4; i++)
      state.values[static_cast<size_t>(i)] =
          static_cast<int32_t>(static_cast<uint32_t>(i < 2 ? key >> (32 * i) : counter >> (32 * (i - 2))));
    state.write();
    return state;
  };
  const auto word = [&](size_t i) { return philox(key, counter + i / 4).word[i % 4]; };
  const auto u = [&](size_t i) { return static_cast<double>(word(i) >> 8) * 0x1p-24; };
  for (int64_t n : {1, 5, 130, 513, 50003}) {
    const size_t size = static_cast<size_t>(n);
    Value state = stateOf();
    for (DType type : {F, H, I}) {
      attributes::randomUniform attr{};
      attr.low = -2;
      attr.high = type == I ? 1000 : 3;
      Value y(type, {n});
      run(Op::randomUniform, {&state}, {&y}, &attr);
      std::vector<double> e;
      for (size_t i = 0; i < size; i++) {
        if (type == I)
          e.push_back(-2 + static_cast<double>(uint64_t{word(i)} * 1002 >> 32));
        else
          e.push_back(static_cast<double>(-2.0f + static_cast<float>(u(i)) * 5.0f));
      }
      expectClose("randomUniform", y, e, 0);
    }
    Value normals(F, {n}), cut(F, {n});
    attributes::randomNormal normal{};
    normal.stddev = 1;
    run(Op::randomNormal, {&state}, {&normals}, &normal);
    std::vector<double> e;
    for (size_t i = 0; i < size; i++) {
      const size_t pair = i & ~size_t{1};
      const double radius = std::sqrt(-2 * std::log1p(-u(pair))), angle = 2 * M_PI * u(pair + 1);
      e.push_back(radius * (i % 2 ? std::sin(angle) : std::cos(angle)));
    }
    expectClose("randomNormal", normals, e, 2.4e-7, 1e-9);
    attributes::truncatedNormal truncated{};
    truncated.stddev = 1;
    run(Op::truncatedNormal, {&state}, {&cut}, &truncated);
    checks++;
    for (size_t i = 0; i < size; i++) {  // the distribution function of what came must be where the word was
      const double p = (static_cast<double>(word(i) >> 8) + 0.5) * 0x1p-24, low = 0.5 * std::erfc(M_SQRT2);
      const double received = (0.5 * std::erfc(-cut.values[i] * M_SQRT1_2) - low) / (1 - 2 * low);
      if (!(std::abs(received - p) < 4e-8) || std::abs(cut.values[i]) > 2) {
        failures++;
        printf("truncatedNormal [%lld]: at %zu expected quantile %.9g, received %.9g\n", static_cast<long long>(n), i,
               p, received);
        break;
      }
    }
    for (DType type : {F, H, I, U, B}) {
      attributes::bernoulli attr{};
      attr.p = 0.3;
      Value y(type, {n});
      run(Op::bernoulli, {&state}, {&y}, &attr);
      std::vector<double> hits;
      for (size_t i = 0; i < size; i++) hits.push_back(u(i) < 0.3);
      expectClose("bernoulli", y, hits, 0);
    }
    for (DType type : {F, H}) {
      attributes::dropout attr{};
      attr.rate = 0.4;
      Value x = randomValue(type, {n}), y(type, {n});
      run(Op::dropout, {&x, &state}, {&y}, &attr);
      std::vector<double> kept;
      for (size_t i = 0; i < size; i++) kept.push_back(u(i) >= 0.4 ? x.values[i] / 0.6 : 0);
      expectClose("dropout", y, kept, 2e-7);
    }
  }
  Value state = stateOf(), before(I, {4});
  const std::vector<double> old = state.values;
  attributes::advanceRandom attr{};
  attr.count = 4 * 17 + 1;
  run(Op::advanceRandom, {&state}, {&before}, &attr);
  expectClose("advanceRandom copy", before, old, 0);
  const uint64_t next = counter + 18;
  expectClose("advanceRandom state", state,
              {old[0], old[1], static_cast<double>(static_cast<int32_t>(static_cast<uint32_t>(next))),
               static_cast<double>(next >> 32)},
              0);
}

// ---- In place

void testInPlace() {
  for (DType type : {F, H, I, U, B}) {
    Value x(type, {3, 77}), y = randomValue(type, {3, 77});
    run(Op::assign, {&x, &y}, {}, nullptr);
    expectClose("assign", x, y.values, 0);
  }
  for (DType type : {F, I}) {
    Value x = randomValue(type, {1003});
    std::vector<double> e;
    for (double v : x.values) e.push_back(v + 2);
    attributes::increment attr{};
    attr.by = 2;
    run(Op::increment, {&x}, {}, &attr);
    expectClose("increment", x, e, 1e-7, 1e-7);
  }
  Value total(F, {3}), none;
  double sum = 0, count = 0;
  for (int step = 0; step < 2000; step++) {
    Value values = randomValue(F, {33}, 0, 1000), weights = randomValue(F, {33}, 0, 1);
    const bool weighted = step % 2;
    run(Op::accumulate, {&total, &values, weighted ? &weights : &none}, {}, nullptr);
    for (size_t i = 0; i < 33; i++) {
      sum += values.values[i] * (weighted ? weights.values[i] : 1);
      count += weighted ? weights.values[i] : 1;
    }
  }
  Value first(F, {1}, {total.values[0]}), last(F, {1}, {total.values[2]});
  expectClose("accumulate", first, {sum}, 1.2e-7);
  expectClose("accumulate count", last, {count}, 1e-5);
}

// Several steps of an optimizer over three variables against the formulas in float64.
void testOptimizers() {
  struct Case {
    Op op;
    double momentum;
    bool nesterov, amsgrad, centered;
    Clip clip;
    double decay;
    DType gradient;
  };
  const std::vector<Case> cases = {{Op::sgd, 0, false, false, false, Clip::none, 0, F},
                                   {Op::sgd, 0.9, false, false, false, Clip::value, 0, F},
                                   {Op::sgd, 0.9, true, false, false, Clip::norm, 0.01, H},
                                   {Op::adam, 0, false, false, false, Clip::none, 0, F},
                                   {Op::adam, 0, false, true, false, Clip::globalNorm, 0.01, F},
                                   {Op::adam, 0, false, false, false, Clip::norm, 0, H},
                                   {Op::rmsprop, 0, false, false, false, Clip::none, 0, F},
                                   {Op::rmsprop, 0.5, false, false, false, Clip::value, 0, F},
                                   {Op::rmsprop, 0, false, false, true, Clip::none, 0, F},
                                   {Op::rmsprop, 0.5, false, false, true, Clip::globalNorm, 0.01, H}};
  for (const Case& c : cases) {
    const std::string name = kOpNames[static_cast<int>(c.op)];
    const double rate = 0.05, limit = 0.7, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, rho = 0.9;
    const int slots = c.op == Op::sgd    ? c.momentum > 0
                      : c.op == Op::adam ? 2 + c.amsgrad
                                         : 1 + c.centered + (c.momentum > 0);
    const std::vector<Dims> shapes = {{10}, {100, 200}, {1}, {3, 3, 7}};
    std::vector<Value> w;
    std::vector<std::vector<Value>> s;
    std::vector<std::vector<double>> we;
    std::vector<std::vector<std::vector<double>>> se;
    for (const Dims& dims : shapes) {
      w.push_back(randomValue(F, dims));
      we.push_back(w.back().values);
      s.emplace_back();
      for (int k = 0; k < slots; k++) s.back().emplace_back(F, dims);
      se.emplace_back(static_cast<size_t>(slots), std::vector<double>(we.back().size()));
    }
    for (int step = 0; step < 3; step++) {
      Value lr(F, {1}, {rate}), iterations(I, {1}, {static_cast<double>(step)}), none, norms(F, {4});
      std::vector<Value> g;
      for (const Dims& dims : shapes) g.push_back(randomValue(c.gradient, dims));
      std::vector<Value*> gradients, inputs;
      for (Value& v : g) gradients.push_back(&v);
      run(Op::squaredNorms, gradients, {&norms}, nullptr);
      const bool needsNorms = c.clip == Clip::norm || c.clip == Clip::globalNorm;
      inputs = {&lr, &iterations, needsNorms ? &norms : &none};
      for (size_t v = 0; v < w.size(); v++) {
        inputs.push_back(&w[v]);
        inputs.push_back(&g[v]);
        for (Value& slot : s[v]) inputs.push_back(&slot);
      }
      double all = 0;
      for (double n : norms.values) all += n;
      for (size_t v = 0; v < w.size(); v++) {
        const double norm = std::sqrt(c.clip == Clip::globalNorm ? all : norms.values[v]);
        for (size_t i = 0; i < we[v].size(); i++) {
          double grad = g[v].values[i];
          if (c.clip == Clip::value) grad = std::clamp(grad, -limit, limit);
          if (needsNorms) grad *= limit / std::max(norm, limit);
          double& x = we[v][i];
          x -= x * c.decay * rate;
          auto& slot = se[v];
          if (c.op == Op::sgd) {
            if (c.momentum > 0) {
              slot[0][i] = c.momentum * slot[0][i] - rate * grad;
              x += c.nesterov ? c.momentum * slot[0][i] - rate * grad : slot[0][i];
            } else {
              x -= rate * grad;
            }
          } else if (c.op == Op::adam) {
            slot[0][i] += (1 - beta1) * (grad - slot[0][i]);
            slot[1][i] += (1 - beta2) * (grad * grad - slot[1][i]);
            double spread = slot[1][i];
            if (c.amsgrad) spread = slot[2][i] = std::max(slot[2][i], spread);
            x -= rate * std::sqrt(1 - std::pow(beta2, step + 1)) / (1 - std::pow(beta1, step + 1)) * slot[0][i] /
                 (std::sqrt(spread) + epsilon);
          } else {
            slot[0][i] += (1 - rho) * (grad * grad - slot[0][i]);
            double spread = slot[0][i] + epsilon;
            if (c.centered) {
              slot[1][i] += (1 - rho) * (grad - slot[1][i]);
              spread -= slot[1][i] * slot[1][i];
            }
            const double change = rate * grad / std::sqrt(spread);
            if (c.momentum > 0) {
              double& m = slot[1 + c.centered][i];
              m = c.momentum * m + change;
              x -= m;
            } else {
              x -= change;
            }
          }
        }
      }
      attributes::sgd sgd{c.momentum, c.nesterov, c.decay, c.clip, limit};
      attributes::adam adam{beta1, beta2, epsilon, c.amsgrad, c.decay, c.clip, limit};
      attributes::rmsprop rms{rho, c.momentum, epsilon, c.centered, c.decay, c.clip, limit};
      run(c.op, inputs, {},
          c.op == Op::sgd    ? static_cast<const void*>(&sgd)
          : c.op == Op::adam ? static_cast<const void*>(&adam)
                             : &rms);
    }
    for (size_t v = 0; v < w.size(); v++) {
      expectClose(name + " weights", w[v], we[v], 1e-5, c.centered ? 3e-5 : 3e-6);
      for (int k = 0; k < slots; k++)
        expectClose(name + " slot", s[v][static_cast<size_t>(k)], se[v][static_cast<size_t>(k)], 1e-5,
                    c.centered ? 3e-5 : 2e-6);
    }
  }
}

// Outputs so large that they bypass the caches, with an end that does not.
void testLarge() {
  const int64_t n = (int64_t{25} << 18) + 37;
  Value a = randomValue(F, {n}), b = randomValue(F, {n}), y(F, {n});
  attributes::add number{};
  run(Op::add, {&a, &b}, {&y}, &number);
  std::vector<double> e(a.values.size());
  for (size_t i = 0; i < e.size(); i++) e[i] = a.values[i] + b.values[i];
  expectClose("add, large", y, e, 6e-8);
  run(Op::copy, {&a}, {&y}, nullptr);
  expectClose("copy, large", y, a.values, 0);
  attributes::fill fill{};
  fill.value = 2;
  run(Op::fill, {}, {&y}, &fill);
  expectClose("fill, large", y, std::vector<double>(e.size(), 2.0), 0);
  Value half(H, {2 * n});
  Value wide = randomValue(F, {2 * n});
  run(Op::cast, {&wide}, {&half}, nullptr);
  expectClose("cast, large", half, wide.values, 0);
  attributes::biasActivationGrad none{};
  Value dy = randomValue(F, {102500, 64}), dz(F, {102500, 64}), db(F, {64}), absent;
  run(Op::biasActivationGrad, {&dy, &absent}, {&dz, &db}, &none);
  expectClose("biasActivationGrad, large", dz, dy.values, 0);
  std::vector<double> sums(64);
  for (size_t i = 0; i < dy.values.size(); i++) sums[i % 64] += dy.values[i];
  expectClose("biasActivationGrad, large, db", db, sums, 1e-5, 1e-2);
  attributes::transpose transpose{};
  transpose.permutation.count = 2;
  transpose.permutation.values[0] = 1;
  for (const Dims& dims : {Dims{2608, 2576}, Dims{2600, 2577}}) {
    Value x = randomValue(F, dims), z(F, {dims[1], dims[0]});
    run(Op::transpose, {&x}, {&z}, &transpose);
    std::vector<double> t(x.values.size());
    for (size_t i = 0; i < t.size(); i++) {
      const size_t rows = static_cast<size_t>(dims[0]), columns = static_cast<size_t>(dims[1]);
      t[i] = x.values[i % rows * columns + i / rows];
    }
    expectClose("transpose, large", z, t, 0);
  }
  attributes::gather gather{};
  gather.scale = 1;
  Value order(I, {6500}), table = randomValue(F, {6500, 1024}), rows(F, {6500, 1024});
  std::vector<double> e2;
  for (size_t r = 0; r < 6500; r++) {
    const size_t from = r * 7 % 6500;
    order.values[r] = static_cast<double>(from);
    for (size_t j = 0; j < 1024; j++) e2.push_back(table.values[from * 1024 + j]);
  }
  order.write();
  run(Op::gather, {&table, &order}, {&rows}, &gather);
  expectClose("gather, large", rows, e2, 0);
  attributes::softmax softmax{};
  softmax.axis = 1;
  run(Op::softmax, {&table}, {&rows}, &softmax);
  for (size_t r = 0; r < 6500; r++) {
    double total = 0;
    for (size_t j = 0; j < 1024; j++) total += std::exp(table.values[r * 1024 + j]);
    for (size_t j = 0; j < 1024; j++) e2[r * 1024 + j] = std::exp(table.values[r * 1024 + j]) / total;
  }
  expectClose("softmax, large", rows, e2, 1e-6);
  Value state(I, {4}), draw(F, {n});
  attributes::randomUniform unit{};
  unit.high = 1;
  run(Op::randomUniform, {&state}, {&draw}, &unit);
  for (size_t i = 0; i < e.size(); i++) e[i] = static_cast<double>(philox(0, i / 4).word[i % 4] >> 8) * 0x1p-24;
  expectClose("randomUniform, large", draw, e, 0);
}

void testMatmul() {
  struct Case {
    Dims a, b, c;
    bool ta, tb;
  };
  for (const Case& c : std::vector<Case>{{{3, 5}, {5, 7}, {3, 7}, false, false},
                                         {{5, 3}, {7, 5}, {3, 7}, true, true},
                                         {{4, 6, 9}, {9, 5}, {4, 6, 5}, false, false},
                                         {{4, 9, 6}, {9, 5}, {4, 6, 5}, true, false},
                                         {{2, 1, 3, 4}, {5, 4, 6}, {2, 5, 3, 6}, false, false},
                                         {{3, 4}, {2, 5, 4, 6}, {2, 5, 3, 6}, false, false},
                                         {{2, 3, 3, 4}, {2, 1, 4, 6}, {2, 3, 3, 6}, false, false}}) {
    for (DType type : {F, H}) {
      for (DType out : {F, type}) {
        const int64_t m = c.c[c.c.size() - 2], n = c.c.back(), k = c.ta ? c.a[c.a.size() - 2] : c.a.back();
        Value a = randomValue(type, c.a, -1, 1), b = randomValue(type, c.b, -1, 1),
              bias = randomValue(type, {n}, -1, 1), y(out, c.c);
        attributes::matmul attr{};
        attr.transposeA = c.ta;
        attr.transposeB = c.tb;
        attr.activation = Activation::relu;
        run(Op::matmul, {&a, &b, &bias}, {&y}, &attr);
        const Dims outer(c.c.begin(), c.c.end() - 2);
        const auto ia = broadcastIndices(Dims(c.a.begin(), c.a.end() - 2), outer),
                   ib = broadcastIndices(Dims(c.b.begin(), c.b.end() - 2), outer);
        std::vector<double> e;
        for (size_t batch = 0; batch < ia.size(); batch++) {
          for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) {
              double s = bias.values[static_cast<size_t>(j)];
              for (int64_t p = 0; p < k; p++) {
                s += a.values[static_cast<size_t>(ia[batch] * m * k + (c.ta ? p * m + i : i * k + p))] *
                     b.values[static_cast<size_t>(ib[batch] * k * n + (c.tb ? j * k + p : p * n + j))];
              }
              e.push_back(s < 0 ? 0 : s);
            }
          }
        }
        expectClose("matmul " + shapeText(c.a) + shapeText(c.b), y, e, 1e-6, 1e-6);
      }
    }
  }
}

}  // namespace

int main() {
  testBinary();
  testUnary();
  testGradients();
  testCast();
  testReductions();
  testBiasActivationGrad();
  testSoftmax();
  testCrossEntropy();
  testGather();
  testMovement();
  testRandom();
  testInPlace();
  testOptimizers();
  testMatmul();
  testLarge();
  printf("%d checks, %d failures\n", checks, failures);
  return failures > 0;
}
