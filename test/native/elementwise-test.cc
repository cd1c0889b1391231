// Elementwise kernels: every dtype and kind of broadcasting, NaN and infinity, gradients of activations, casts.
#include "kernel-test.h"

using namespace neurite;
using namespace neurite::test;

namespace {

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

}  // namespace

int main() {
  testBinary();
  testUnary();
  testGradients();
  testCast();
  return finish();
}
