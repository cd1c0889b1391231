// Reductions over rows, columns, both and neither, long ones that are cut into slices, argmax and argmin, prodGrad.
#include <algorithm>

#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

const double kNan = std::nan(""), kInfinity = HUGE_VAL;

struct Shape {
  Dims dims;
  std::vector<int64_t> axes;
};

// Elements that fall on each output, in order.
std::vector<std::vector<double>> groupsOf(const Value& x, const std::vector<int64_t>& axes) {
  std::vector<bool> reduced(x.dims.size());
  for (const int64_t axis : axes) reduced[static_cast<size_t>(axis)] = true;
  int64_t outputs = 1;
  for (size_t d = 0; d < x.dims.size(); d++) outputs *= reduced[d] ? 1 : x.dims[d];
  std::vector<std::vector<double>> groups(static_cast<size_t>(outputs));
  for (int64_t i = 0; i < x.size(); i++) {
    int64_t rest = i, output = 0, stride = 1;
    for (size_t d = x.dims.size(); d-- > 0;) {
      const int64_t place = rest % x.dims[d];
      rest /= x.dims[d];
      if (reduced[d]) continue;
      output += place * stride;
      stride *= x.dims[d];
    }
    groups[static_cast<size_t>(output)].push_back(x[i]);
  }
  return groups;
}

Dims outputDims(const Shape& shape) {
  Dims dims = shape.dims;
  for (const int64_t axis : shape.axes) dims[static_cast<size_t>(axis)] = 1;
  return dims;
}

using Group = std::vector<double>;

double sumOf(const Group& g) {
  double s = 0;
  for (const double x : g) s += x;
  return s;
}
double varianceOf(const Group& g) {
  const double mean = sumOf(g) / static_cast<double>(g.size());
  double s = 0;
  for (const double x : g) s += (x - mean) * (x - mean);
  return s / static_cast<double>(g.size());
}
double prodOf(const Group& g) {
  double p = 1;
  for (const double x : g) p *= x;
  return p;
}
double logSumExpOf(const Group& g) {
  double most = -kInfinity, s = 0;
  for (const double x : g) most = std::fmax(most, x);
  for (const double x : g) s += std::exp(x - most);
  return most + std::log(s);
}

const std::vector<Shape> kShapes = {
    {{1}, {0}},
    {{7}, {0}},
    {{5, 3}, {1}},
    {{5, 3}, {0}},
    {{5, 33}, {1}},
    {{6, 1030}, {1}},
    {{3, 4, 8}, {1}},
    {{3, 4, 8}, {0, 2}},
    {{2, 3, 4, 5}, {1, 3}},
    {{2, 3, 4, 5}, {0, 1, 2}},
    {{2, 3, 4, 5}, {}},
    {{2, 3, 4}, {0, 1, 2}},
    {{300, 3}, {0}},
    {{40, 65}, {0}},
    {{9000}, {0}},
    {{5000, 2}, {0}},
    {{2, 4500, 3}, {1}},
    {{2, 4200}, {1}},
    {{1, 6, 1}, {0, 2}},
};

void check(Op op, DType dtype, DType out, double low, double high, double (*f)(const Group&), double float32 = 2e-6) {
  for (const Shape& shape : cases(kShapes)) {
    const Value x = random(dtype, shape.dims, low, high);
    Group reference;
    for (const Group& group : groupsOf(x, shape.axes)) reference.push_back(f(group));
    expectEqual(name(op) + " " + name(dtype) + " " + describe(shape.dims) + " over " + describe(shape.axes),
                run(op, attributes::sum{ints(shape.axes)}, {x}, {empty(out, outputDims(shape))})[0], reference,
                float32);
  }
}

}  // namespace

SUITE_CASE(reduceSums) {
  for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
    check(Op::sum, dtype, dtype, -1, 1, sumOf, 1e-5);
    check(Op::mean, dtype, dtype, -1, 3, [](const Group& g) { return sumOf(g) / static_cast<double>(g.size()); });
  }
  check(Op::sum, DType::int32, DType::int32, -9, 9, sumOf);
}

SUITE_CASE(reduceVariance) {
  check(Op::variance, DType::float32, DType::float32, -1, 3, varianceOf);
  check(Op::variance, DType::bfloat16, DType::bfloat16, -1, 3, varianceOf);
  // Far from zero, where the mean of squares less the square of the mean has no digits left.
  check(Op::variance, DType::float32, DType::float32, 1000, 1001, varianceOf, 1e-6);
  expectEqual(
      "variance",
      run(Op::variance, attributes::variance{ints({1})},
          {Value(DType::float32, {4, 2}, {1, kInfinity, kNan, 1, kNan, kNan, 3, 5})}, {empty(DType::float32, {4})})[0],
      {kNan, kNan, kNan, 1});
}

SUITE_CASE(reduceProducts) {
  check(Op::prod, DType::float32, DType::float32, 0.998, 1.002, prodOf, 1e-4);
  check(Op::prod, DType::int32, DType::int32, 1, 2, prodOf);
}

SUITE_CASE(reduceExtremes) {
  const auto most = [](const Group& g) { return *std::max_element(g.begin(), g.end()); };
  const auto least = [](const Group& g) { return *std::min_element(g.begin(), g.end()); };
  for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16, DType::int32, DType::uint8})) {
    check(Op::max, dtype, dtype, 0, 100, most);
    check(Op::min, dtype, dtype, 0, 100, least);
  }
  const Value x(DType::float32, {2, 3}, {1, kNan, 2, -kInfinity, -kInfinity, -kInfinity});
  const attributes::max rows{ints({1})};
  expectEqual("max", run(Op::max, rows, {x}, {empty(DType::float32, {2})})[0], {kNan, -kInfinity});
  expectEqual("min", run(Op::min, rows, {x}, {empty(DType::float32, {2})})[0], {kNan, -kInfinity});
  expectEqual("sum", run(Op::sum, rows, {x}, {empty(DType::float32, {2})})[0], {kNan, -kInfinity});
}

SUITE_CASE(reduceBooleans) {
  check(Op::all, DType::boolean, DType::boolean, 0, 2,
        [](const Group& g) { return *std::min_element(g.begin(), g.end()); });
  check(Op::any, DType::boolean, DType::boolean, 0, 2,
        [](const Group& g) { return *std::max_element(g.begin(), g.end()); });
}

SUITE_CASE(reduceLogSumExp) {
  check(Op::logSumExp, DType::float32, DType::float32, -3, 3, logSumExpOf);
  check(Op::logSumExp, DType::bfloat16, DType::bfloat16, -3, 3, logSumExpOf);
  check(Op::logSumExp, DType::float32, DType::float32, 500, 600, logSumExpOf);
  const Value x(DType::float32, {4, 2}, {-kInfinity, -kInfinity, -kInfinity, 3, kInfinity, 1, kNan, 1});
  expectEqual("logSumExp", run(Op::logSumExp, attributes::logSumExp{ints({1})}, {x}, {empty(DType::float32, {4})})[0],
              {-kInfinity, 3, kInfinity, kNan});
}

SUITE_CASE(reduceArguments) {
  for (const Shape& shape : cases(kShapes)) {
    if (shape.axes.size() != 1) continue;
    for (const DType dtype : variants<DType>({DType::float32, DType::int32, DType::uint8, DType::bfloat16})) {
      const Value x = random(dtype, shape.dims, 0, 20);
      Group most, least;
      for (const Group& g : groupsOf(x, shape.axes)) {
        most.push_back(static_cast<double>(std::max_element(g.begin(), g.end()) - g.begin()));
        least.push_back(static_cast<double>(std::min_element(g.begin(), g.end()) - g.begin()));
      }
      const std::vector<Value> out = {empty(DType::int32, outputDims(shape))};
      expectEqual("argmax " + describe(shape.dims), run(Op::argmax, attributes::argmax{shape.axes[0]}, {x}, out)[0],
                  most);
      expectEqual("argmin " + describe(shape.dims), run(Op::argmin, attributes::argmin{shape.axes[0]}, {x}, out)[0],
                  least);
    }
  }
  const Value x(DType::float32, {3, 3}, {1, kNan, kNan, -kInfinity, -kInfinity, -kInfinity, 2, 5, 5});
  expectEqual("argmax", run(Op::argmax, attributes::argmax{1}, {x}, {empty(DType::int32, {3})})[0], {1, 0, 1});
  expectEqual("argmin", run(Op::argmin, attributes::argmin{1}, {x}, {empty(DType::int32, {3})})[0], {1, 0, 0});
}

SUITE_CASE(prodGradients) {
  for (const Shape& shape :
       cases<Shape>({{{4}, {0}}, {{3, 5}, {1}}, {{3, 5}, {0}}, {{2, 3, 4}, {0, 2}}, {{2, 300}, {1}}, {{700}, {0}}})) {
    for (const int zeros : {0, 1, 2}) {
      Value x = random(DType::float32, shape.dims, 0.99, 1.01);
      for (int z = 0; z < zeros; z++) x.data[static_cast<size_t>(z) * 2] = 0;
      const Value dy = random(DType::float32, outputDims(shape));
      // Which output each element belongs to, and the product of the others there.
      Value numbers = x;
      for (size_t i = 0; i < numbers.data.size(); i++) numbers.data[i] = static_cast<double>(i);
      Group reference(x.data.size());
      const auto groups = groupsOf(numbers, shape.axes);
      for (size_t output = 0; output < groups.size(); output++) {
        for (const double i : groups[output]) {
          double product = dy.data[output];
          for (const double j : groups[output]) product *= i == j ? 1 : x.data[static_cast<size_t>(j)];
          reference[static_cast<size_t>(i)] = product;
        }
      }
      expectEqual(
          "prodGrad " + describe(shape.dims) + " zeros " + std::to_string(zeros),
          run(Op::prodGrad, attributes::prodGrad{ints(shape.axes)}, {dy, x}, {empty(DType::float32, shape.dims)})[0],
          reference, 1e-5);
    }
  }
}
