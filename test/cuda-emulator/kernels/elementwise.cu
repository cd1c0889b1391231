// Elementwise ops of one and two operands, their gradients, where, cast, fill and iota.
#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

const double kNan = std::nan(""), kInfinity = HUGE_VAL;

// Index of element i of `dims` in an operand that is broadcast to them.
int64_t broadcastIndex(int64_t i, const Dims& dims, const Dims& operand) {
  int64_t index = 0, stride = 1;
  for (int d = static_cast<int>(dims.size()) - 1; d >= 0; d--) {
    const int own = d - static_cast<int>(dims.size() - operand.size());
    const int64_t place = i % dims[static_cast<size_t>(d)];
    i /= dims[static_cast<size_t>(d)];
    if (own < 0) continue;
    const int64_t size = operand[static_cast<size_t>(own)];
    if (size > 1) index += place * stride;
    stride *= size;
  }
  return index;
}

struct BroadcastCase {
  Dims a, b, y;
};
const std::vector<BroadcastCase> kBroadcasts = {
    {{1}, {1}, {1}},
    {{3}, {3}, {3}},
    {{1027}, {1027}, {1027}},
    {{2, 3, 4}, {2, 3, 4}, {2, 3, 4}},
    {{5, 8}, {8}, {5, 8}},
    {{5, 7}, {1, 7}, {5, 7}},
    {{5, 8}, {5, 1}, {5, 8}},
    {{5, 1}, {1, 9}, {5, 9}},
    {{2, 1, 4, 1}, {3, 1, 8}, {2, 3, 4, 8}},
    {{}, {17}, {17}},
    {{64, 33}, {1}, {64, 33}},
};

struct Binary {
  Op op;
  double (*f)(double, double);
};

double floorMod(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

void checkBinary(Op op, DType dtype, DType out, double low, double high, double (*f)(double, double),
                 double float32 = 1e-6) {
  for (const BroadcastCase& c : cases(kBroadcasts)) {
    const Value a = random(dtype, c.a, low, high), b = random(dtype, c.b, low, high);
    const auto reference =
        each(sizeOf(c.y), [&](int64_t i) { return f(a[broadcastIndex(i, c.y, c.a)], b[broadcastIndex(i, c.y, c.b)]); });
    expectEqual(name(op) + " " + name(dtype) + " " + describe(c.a) + " " + describe(c.b),
                run(op, attributes::add{}, {a, b}, {empty(out, c.y)})[0], reference, float32);
  }
  const Value a = random(dtype, {37}, low, high);
  const double number = dtype == DType::float32 || dtype == DType::bfloat16 ? 1.5 : 2;
  expectEqual(name(op) + " tensor and number", run(op, attributes::add{number}, {a, absent()}, {empty(out, {37})})[0],
              each(37, [&](int64_t i) { return f(a[i], number); }), float32);
  expectEqual(name(op) + " number and tensor", run(op, attributes::add{number}, {absent(), a}, {empty(out, {37})})[0],
              each(37, [&](int64_t i) { return f(number, a[i]); }), float32);
}

}  // namespace

SUITE_CASE(binaryFloats) {
  const std::vector<Binary> ops = {
      {Op::add, [](double a, double b) { return a + b; }},
      {Op::sub, [](double a, double b) { return a - b; }},
      {Op::mul, [](double a, double b) { return a * b; }},
      {Op::div, [](double a, double b) { return a / b; }},
      {Op::maximum, [](double a, double b) { return std::fmax(a, b); }},
      {Op::minimum, [](double a, double b) { return std::fmin(a, b); }},
      {Op::pow, [](double a, double b) { return std::pow(a, b); }},
      {Op::mod, floorMod},
  };
  for (const Binary& c : cases(ops)) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16}))
      checkBinary(c.op, dtype, dtype, 0.5, 3, c.f);
  }
}

SUITE_CASE(binaryIntegers) {
  const std::vector<Binary> ops = {
      {Op::add, [](double a, double b) { return a + b; }},
      {Op::sub, [](double a, double b) { return a - b; }},
      {Op::mul, [](double a, double b) { return a * b; }},
      {Op::floorDivide, [](double a, double b) { return b == 0 ? 0 : std::floor(a / b); }},
      {Op::mod, [](double a, double b) { return b == 0 ? 0 : a - std::floor(a / b) * b; }},
      {Op::maximum, [](double a, double b) { return std::fmax(a, b); }},
      {Op::minimum, [](double a, double b) { return std::fmin(a, b); }},
      {Op::pow,
       [](double a, double b) {
         return b < 0 ? (a == 1 ? 1 : a == -1 ? (std::fmod(b, 2) == 0 ? 1 : -1) : 0) : std::pow(a, b);
       }},
  };
  for (const Binary& c : cases(ops)) checkBinary(c.op, DType::int32, DType::int32, -6, 7, c.f);
  // uint8 wraps.
  const Value a = random(DType::uint8, {100}, 0, 256), b = random(DType::uint8, {100}, 0, 256);
  expectEqual("add uint8", run(Op::add, attributes::add{}, {a, b}, {empty(DType::uint8, {100})})[0],
              each(100, [&](int64_t i) { return std::fmod(a[i] + b[i], 256); }));
}

SUITE_CASE(comparisons) {
  const std::vector<Binary> ops = {
      {Op::equal, [](double a, double b) -> double { return a == b; }},
      {Op::notEqual, [](double a, double b) -> double { return a != b; }},
      {Op::less, [](double a, double b) -> double { return a < b; }},
      {Op::lessEqual, [](double a, double b) -> double { return a <= b; }},
      {Op::greater, [](double a, double b) -> double { return a > b; }},
      {Op::greaterEqual, [](double a, double b) -> double { return a >= b; }},
  };
  for (const Binary& c : cases(ops)) {
    checkBinary(c.op, DType::int32, DType::boolean, 0, 4, c.f);
    checkBinary(c.op, DType::uint8, DType::boolean, 0, 4, c.f);
    const Value a(DType::float32, {4}, {1, kNan, kInfinity, -0.0}), b(DType::float32, {4}, {2, kNan, kInfinity, 0});
    expectEqual(name(c.op) + " NaN", run(c.op, attributes::equal{}, {a, b}, {empty(DType::boolean, {4})})[0],
                each(4, [&](int64_t i) { return c.f(a[i], b[i]); }));
  }
}

SUITE_CASE(logicalOps) {
  const std::vector<Binary> ops = {
      {Op::logicalAnd, [](double a, double b) -> double { return a != 0 && b != 0; }},
      {Op::logicalOr, [](double a, double b) -> double { return a != 0 || b != 0; }},
      {Op::logicalXor, [](double a, double b) -> double { return (a != 0) != (b != 0); }},
  };
  for (const Binary& c : cases(ops)) checkBinary(c.op, DType::boolean, DType::boolean, 0, 2, c.f);
  const Value x = random(DType::boolean, {33}, 0, 2);
  expectEqual("logicalNot", run(Op::logicalNot, attributes::logicalNot{}, {x}, {empty(DType::boolean, {33})})[0],
              each(33, [&](int64_t i) { return x[i] == 0; }));
}

SUITE_CASE(binaryKeepsNan) {
  const Value a(DType::float32, {5}, {kNan, 1, kInfinity, -kInfinity, 0}),
      b(DType::float32, {5}, {1, kNan, 1, 1, kNan});
  expectEqual("maximum", run(Op::maximum, attributes::maximum{}, {a, b}, {empty(DType::float32, {5})})[0],
              {kNan, kNan, kInfinity, 1, kNan});
  expectEqual("minimum", run(Op::minimum, attributes::minimum{}, {a, b}, {empty(DType::float32, {5})})[0],
              {kNan, kNan, 1, -kInfinity, kNan});
  const Value low(DType::int32, {2}, {-2147483648.0, -2147483648.0}), minusOne(DType::int32, {2}, {-1, -1});
  expectEqual("floorDivide overflow",
              run(Op::floorDivide, attributes::floorDivide{}, {low, minusOne}, {empty(DType::int32, {2})})[0],
              {-2147483648.0, -2147483648.0});
  expectEqual("mod overflow", run(Op::mod, attributes::mod{}, {low, minusOne}, {empty(DType::int32, {2})})[0], {0, 0});
}

SUITE_CASE(whereBroadcasts) {
  for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16, DType::int32, DType::uint8})) {
    const Dims y = {3, 5, 7};
    const Value condition = random(DType::boolean, {5, 1}, 0, 2), a = random(dtype, {3, 1, 7}, 0, 9),
                b = random(dtype, {1}, 0, 9);
    expectEqual("where " + name(dtype), run(Op::where, attributes::where{}, {condition, a, b}, {empty(dtype, y)})[0],
                each(sizeOf(y), [&](int64_t i) {
                  return condition[broadcastIndex(i, y, condition.dims)] != 0 ? a[broadcastIndex(i, y, a.dims)] : b[0];
                }));
  }
}

namespace {

struct Unary {
  Op op;
  double (*f)(double);
  double low = -3, high = 3;
  double float32 = 1e-6;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }
double phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double geluTanh(double x) { return std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)); }
constexpr double kSeluScale = 1.0507009873554805, kSeluAlpha = 1.6732632423543772;

// f'(x) by central differences.
double slope(const std::function<double(double)>& f, double x) { return (f(x + 1e-5) - f(x - 1e-5)) / 2e-5; }

}  // namespace

SUITE_CASE(unaryFloats) {
  const std::vector<Unary> ops = {
      {Op::neg, [](double x) { return -x; }},
      {Op::abs, [](double x) { return std::fabs(x); }},
      {Op::sign, [](double x) -> double { return (x > 0) - (x < 0); }},
      {Op::square, [](double x) { return x * x; }},
      {Op::reciprocal, [](double x) { return 1 / x; }, 0.5, 3},
      {Op::exp, [](double x) { return std::exp(x); }},
      {Op::expm1, [](double x) { return std::expm1(x); }},
      {Op::log, [](double x) { return std::log(x); }, 0.1, 5},
      {Op::log1p, [](double x) { return std::log1p(x); }, -0.5, 5},
      {Op::sqrt, [](double x) { return std::sqrt(x); }, 0, 5},
      {Op::rsqrt, [](double x) { return 1 / std::sqrt(x); }, 0.1, 5},
      {Op::sin, [](double x) { return std::sin(x); }},
      {Op::cos, [](double x) { return std::cos(x); }},
      {Op::tan, [](double x) { return std::tan(x); }, -1, 1},
      {Op::tanh, [](double x) { return std::tanh(x); }},
      {Op::erf, [](double x) { return std::erf(x); }},
      {Op::floor, [](double x) { return std::floor(x); }},
      {Op::ceil, [](double x) { return std::ceil(x); }},
      {Op::round, [](double x) { return std::nearbyint(x); }},
      {Op::sigmoid, sigmoid},
      {Op::logSigmoid, [](double x) { return -softplus(-x); }},
      {Op::softplus, softplus},
      {Op::softsign, [](double x) { return x / (1 + std::fabs(x)); }},
      {Op::relu, [](double x) { return std::fmax(x, 0); }},
      {Op::selu, [](double x) { return kSeluScale * (x > 0 ? x : kSeluAlpha * std::expm1(x)); }},
      {Op::silu, [](double x) { return x * sigmoid(x); }},
      {Op::hardSigmoid, [](double x) { return std::fmin(std::fmax(x / 6 + 0.5, 0), 1); }, -5, 5},
  };
  for (const Unary& c : cases(ops)) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      for (const int64_t n : {1, 7, 255, 2051}) {
        const Value x = random(dtype, {n}, c.low, c.high);
        expectEqual(name(c.op) + " " + name(dtype) + " n = " + std::to_string(n),
                    run(c.op, attributes::exp{}, {x}, {empty(dtype, {n})})[0],
                    each(n, [&](int64_t i) { return c.f(x[i]); }), c.float32);
      }
    }
  }
  const Value x = random(DType::float32, {50}, -3, 3);
  const auto check = [&](const std::string& what, const Result& result, const std::function<double(double)>& f) {
    expectEqual(what, result[0], each(50, [&](int64_t i) { return f(x[i]); }));
  };
  const Value y = empty(DType::float32, {50});
  check("leakyRelu", run(Op::leakyRelu, attributes::leakyRelu{0.3}, {x}, {y}),
        [](double v) { return v < 0 ? 0.3 * v : v; });
  check("elu", run(Op::elu, attributes::elu{0.7}, {x}, {y}), [](double v) { return v > 0 ? v : 0.7 * std::expm1(v); });
  check("gelu", run(Op::gelu, attributes::gelu{false}, {x}, {y}), [](double v) { return v * phi(v); });
  check("gelu approximate", run(Op::gelu, attributes::gelu{true}, {x}, {y}),
        [](double v) { return 0.5 * v * (1 + geluTanh(v)); });
  check("clip", run(Op::clip, attributes::clip{-1, 1.5}, {x}, {y}),
        [](double v) { return std::fmin(std::fmax(v, -1), 1.5); });
}

SUITE_CASE(unarySpecialValues) {
  const Value x(DType::float32, {4}, {kNan, kInfinity, -kInfinity, 0});
  const auto check = [&](Op op, std::vector<double> reference) {
    const neurite::attributes::clip number{-1, 1};  // the widest attributes of these ops
    expectEqual(name(op) + " of NaN, inf, -inf, 0", run(op, number, {x}, {empty(DType::float32, {4})})[0], reference);
  };
  check(Op::relu, {kNan, kInfinity, 0, 0});
  check(Op::sign, {kNan, 1, -1, 0});
  check(Op::clip, {kNan, 1, -1, 0});
  check(Op::silu, {kNan, kInfinity, 0, 0});
  check(Op::softsign, {kNan, 1, -1, 0});
  check(Op::softplus, {kNan, kInfinity, 0, std::log(2.0)});
  check(Op::sigmoid, {kNan, 1, 0, 0.5});
  check(Op::hardSigmoid, {kNan, 1, 0, 0.5});
  expectEqual("gelu", run(Op::gelu, attributes::gelu{false}, {x}, {empty(DType::float32, {4})})[0],
              {kNan, kInfinity, 0, 0});
  expectEqual("gelu approximate", run(Op::gelu, attributes::gelu{true}, {x}, {empty(DType::float32, {4})})[0],
              {kNan, kInfinity, 0, 0});
  for (const Op op : {Op::isNan, Op::isInf, Op::isFinite}) {
    expectEqual(name(op), run(op, attributes::isNan{}, {x}, {empty(DType::boolean, {4})})[0],
                each(4, [&](int64_t i) -> double {
                  return op == Op::isNan ? i == 0 : op == Op::isInf ? i == 1 || i == 2 : i == 3;
                }));
  }
  const Value n = random(DType::int32, {40}, -9, 9);
  expectEqual("neg int32", run(Op::neg, attributes::neg{}, {n}, {empty(DType::int32, {40})})[0],
              each(40, [&](int64_t i) { return -n[i]; }));
  expectEqual("abs int32", run(Op::abs, attributes::abs{}, {n}, {empty(DType::int32, {40})})[0],
              each(40, [&](int64_t i) { return std::fabs(n[i]); }));
  expectEqual("clip int32", run(Op::clip, attributes::clip{-3, kInfinity}, {n}, {empty(DType::int32, {40})})[0],
              each(40, [&](int64_t i) { return std::fmax(n[i], -3); }));
}

SUITE_CASE(activationGradients) {
  struct Gradient {
    Op op;
    std::function<double(double)> f;
    bool fromOutput = false;
  };
  const std::vector<Gradient> ops = {
      {Op::tanhGrad, [](double x) { return std::tanh(x); }, true},
      {Op::sigmoidGrad, sigmoid, true},
      {Op::reluGrad, [](double x) { return std::fmax(x, 0); }, true},
      {Op::seluGrad, [](double x) { return kSeluScale * (x > 0 ? x : kSeluAlpha * std::expm1(x)); }},
      {Op::siluGrad, [](double x) { return x * sigmoid(x); }},
      {Op::softplusGrad, softplus},
      {Op::softsignGrad, [](double x) { return x / (1 + std::fabs(x)); }},
      {Op::hardSigmoidGrad, [](double x) { return std::fmin(std::fmax(x / 6 + 0.5, 0), 1); }},
      {Op::erfGrad, [](double x) { return std::erf(x); }},
  };
  const auto check = [](Op op, const auto& a, const std::function<double(double)>& f, bool fromOutput) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      const int64_t n = 301;
      const Value dy = random(dtype, {n}), x = random(dtype, {n}, -5, 5);
      const Value given(dtype, {n}, fromOutput ? each(n, [&](int64_t i) { return f(x[i]); }) : x.data);
      // From an output that was rounded, the derivative is only as good as that rounding.
      expectEqual(name(op) + " " + name(dtype), run(op, a, {dy, given}, {empty(dtype, {n})})[0],
                  each(n, [&](int64_t i) { return dy[i] * slope(f, x[i]); }),
                  dtype == DType::bfloat16 && fromOutput ? 1e-2 : 2e-6);
    }
  };
  for (const Gradient& c : cases(ops)) check(c.op, attributes::seluGrad{}, c.f, c.fromOutput);
  check(
      Op::leakyReluGrad, attributes::leakyReluGrad{0.2}, [](double x) { return x < 0 ? 0.2 * x : x; }, false);
  check(
      Op::eluGrad, attributes::eluGrad{0.7}, [](double x) { return x > 0 ? x : 0.7 * std::expm1(x); }, false);
  check(
      Op::geluGrad, attributes::geluGrad{false}, [](double x) { return x * phi(x); }, false);
  check(
      Op::geluGrad, attributes::geluGrad{true}, [](double x) { return 0.5 * x * (1 + geluTanh(x)); }, false);
  check(
      Op::clipGrad, attributes::clipGrad{-1, 2}, [](double x) { return std::fmin(std::fmax(x, -1), 2); }, false);
  const Value dy = constant(DType::float32, {3}, 1), x(DType::float32, {3}, {kNan, kInfinity, -kInfinity});
  expectEqual("reluGrad of NaN", run(Op::reluGrad, attributes::reluGrad{}, {dy, x}, {empty(DType::float32, {3})})[0],
              {kNan, 1, 0});
  expectEqual("geluGrad of inf",
              run(Op::geluGrad, attributes::geluGrad{false}, {dy, x}, {empty(DType::float32, {3})})[0], {kNan, 1, 0});
  expectEqual("siluGrad of inf", run(Op::siluGrad, attributes::siluGrad{}, {dy, x}, {empty(DType::float32, {3})})[0],
              {kNan, 1, 0});
}

SUITE_CASE(casts) {
  const Value floats(DType::float32, {8}, {1.75, -1.75, kNan, kInfinity, -kInfinity, 300, -5, 0});
  const auto cast = [](const Value& x, DType to) {
    return run(Op::cast, attributes::cast{}, {x}, {empty(to, x.dims)})[0];
  };
  expectEqual("float to int32", cast(floats, DType::int32), {1, -1, 0, 2147483647.0, -2147483648.0, 300, -5, 0});
  expectEqual("float to uint8", cast(floats, DType::uint8), {1, 0, 0, 255, 0, 255, 0, 0});
  expectEqual("float to bool", cast(floats, DType::boolean), {1, 1, 1, 1, 1, 1, 1, 0});
  for (const int64_t n : {1, 5, 16, 1003}) {
    const Value bytes = random(DType::uint8, {n}, 0, 256), whole = random(DType::int32, {n}, -200, 200),
                x = random(DType::float32, {n}, -200, 200);
    expectEqual("uint8 to float32", cast(bytes, DType::float32), bytes.data);
    expectEqual("uint8 to bfloat16", cast(bytes, DType::bfloat16), bytes.data);
    expectEqual("uint8 to int32", cast(bytes, DType::int32), bytes.data);
    expectEqual("int32 to float32", cast(whole, DType::float32), whole.data);
    expectEqual("int32 to bool", cast(whole, DType::boolean), each(n, [&](int64_t i) { return whole[i] != 0; }));
    expectEqual("int32 to uint8", cast(whole, DType::uint8),
                each(n, [&](int64_t i) { return std::fmod(whole[i] + 256, 256); }));
    expectEqual("float32 to bfloat16", cast(x, DType::bfloat16), x.data);
    expectEqual("copy", run(Op::copy, attributes::copy{}, {bytes}, {empty(DType::uint8, {n})})[0], bytes.data);
    expectEqual("assign", run(Op::assign, attributes::assign{}, {random(DType::float32, {n}), x}, {}).inputs[0], x.data,
                0);
    expectEqual("increment", run(Op::increment, attributes::increment{3}, {whole}, {}).inputs[0],
                each(n, [&](int64_t i) { return whole[i] + 3; }));
  }
}

SUITE_CASE(creations) {
  for (const int64_t n : {1, 3, 16, 1000}) {
    for (const DType dtype :
         variants<DType>({DType::float32, DType::bfloat16, DType::int32, DType::uint8, DType::boolean})) {
      expectEqual("fill " + name(dtype), run(Op::fill, attributes::fill{1}, {}, {empty(dtype, {n})})[0],
                  each(n, [](int64_t) { return 1; }));
    }
    expectEqual("iota", run(Op::iota, attributes::iota{-2, 0.5}, {}, {empty(DType::float32, {n})})[0],
                each(n, [](int64_t i) { return -2 + 0.5 * static_cast<double>(i); }));
    expectEqual("iota int32", run(Op::iota, attributes::iota{5, 3}, {}, {empty(DType::int32, {n})})[0],
                each(n, [](int64_t i) { return 5 + 3 * static_cast<double>(i); }));
  }
}
