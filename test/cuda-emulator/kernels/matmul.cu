// Matrix products by every kernel the table can choose, in all layouts, and the backward pass of bias and activation.
//
// Errors are relative, ||C - reference|| / ||reference||, against float64. Each precision must also be worse than what the next higher one
// allows, else another kernel than the one meant has run.
#include <algorithm>

#include "../../../cuda/matmul-table.h"
#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

using neurite::Activation;
using neurite::Precision;

const double kNan = std::nan("");

struct Product {
  int64_t m, n, k;
  bool transposeA = false, transposeB = false;
  DType in = DType::float32, out = DType::float32;
  Precision precision = Precision::highest;
  bool bias = false;
  Activation activation = Activation::none;
  Dims batchA = {}, batchB = {}, batch = {};
  int capability = 1000;
};

double activated(Activation activation, double x) {
  switch (activation) {
    case Activation::relu:
      return std::fmax(x, 0);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    default:
      return x;
  }
}

int64_t batchIndex(int64_t i, const Dims& dims, const Dims& operand) {
  int64_t index = 0, stride = 1;
  for (size_t d = dims.size(); d-- > 0;) {
    const int64_t place = i % dims[d];
    i /= dims[d];
    const size_t missing = dims.size() - operand.size();
    if (d < missing) continue;
    if (operand[d - missing] > 1) index += place * stride;
    stride *= operand[d - missing];
  }
  return index;
}

struct Computed {
  Value c;
  std::vector<double> reference;
};

Dims with(Dims batch, int64_t rows, int64_t columns) {
  batch.push_back(rows);
  batch.push_back(columns);
  return batch;
}

Computed compute(const Product& p, Value a, Value b, const Value& bias) {
  const int64_t batches = sizeOf(p.batch);
  Computed result;
  result.reference = each(batches * p.m * p.n, [&](int64_t i) {
    const int64_t column = i % p.n, row = i / p.n % p.m, batch = i / p.n / p.m;
    const int64_t aBase = batchIndex(batch, p.batch, p.batchA) * p.m * p.k,
                  bBase = batchIndex(batch, p.batch, p.batchB) * p.k * p.n;
    double sum = p.bias ? bias[column] : 0;
    for (int64_t k = 0; k < p.k; k++) {
      sum += a[aBase + (p.transposeA ? k * p.m + row : row * p.k + k)] *
             b[bBase + (p.transposeB ? column * p.k + k : k * p.n + column)];
    }
    return activated(p.activation, sum);
  });
  result.c = run(Op::matmul, attributes::matmul{p.transposeA, p.transposeB, p.activation, p.precision},
                 {a, b, p.bias ? bias : absent()}, {empty(p.out, with(p.batch, p.m, p.n))}, p.capability)[0];
  return result;
}

std::string describe(const Product& p) {
  return std::to_string(p.m) + " x " + std::to_string(p.n) + " x " + std::to_string(p.k) +
         (p.transposeA ? " A^T" : "") + (p.transposeB ? " B^T" : "") + " " + name(p.in) + " to " + name(p.out) +
         " precision " + std::to_string(static_cast<int>(p.precision)) + " sm_" + std::to_string(p.capability) +
         " batch " + ops::describe(p.batch) + " activation " + std::to_string(static_cast<int>(p.activation));
}

double relativeError(const Computed& computed) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < computed.reference.size(); i++) {
    const double difference = computed.c.data[i] - computed.reference[i];
    error += difference * difference;
    norm += computed.reference[i] * computed.reference[i];
  }
  return std::sqrt(error / norm);
}

void check(const Product& p) {
  // Sums of about 1, where sigmoid and tanh do not hide errors or make them look large.
  const double reach = p.activation == Activation::none ? 1 : 1 / std::sqrt(static_cast<double>(p.k));
  const Value a = random(p.in, with(p.batchA, p.transposeA ? p.k : p.m, p.transposeA ? p.m : p.k), -reach, reach);
  const Value b = random(p.in, with(p.batchB, p.transposeB ? p.n : p.k, p.transposeB ? p.k : p.n), -1, 1);
  const Computed computed = compute(p, a, b, random(p.in, {p.n}, -1, 1));
  double tolerance = 2e-7 + 2.5e-8 * std::sqrt(static_cast<double>(p.k));
  const bool rounds = p.in == DType::float32 && p.precision != Precision::highest &&
                      std::min(p.capability, deviceCapability()) >= 80 && p.m >= 16 && p.n >= 16 && p.k >= 16;
  if (rounds) tolerance = 6e-4;
  if (p.out == DType::bfloat16) tolerance = 6e-3;
  suite::expectRelativeError("matmul " + describe(p), computed.c.data, computed.reference, tolerance);
  if (rounds && computed.reference.size() >= 256)
    suite::expect(relativeError(computed) > 2e-5, "matmul " + describe(p) + " is not TF32");
}

struct Size {
  int64_t m, n, k;
};

// One tile of 32, 64 and 128, their edges, k below a tile, between tiles and beyond all stages, alignment of every kind.
const std::vector<Size> kSizes = {{1, 1, 1},    {3, 5, 7},      {16, 16, 16}, {17, 33, 19},  {31, 32, 33},
                                  {64, 64, 64}, {63, 65, 66},   {65, 10, 40}, {16, 24, 200}, {70, 129, 31},
                                  {33, 70, 72}, {128, 128, 16}, {20, 40, 136}};

}  // namespace

SUITE_CASE(matmulFloat32) {
  for (const Size& s : cases(kSizes)) {
    for (const bool transposeA : cases<bool>({false, true})) {
      for (const bool transposeB : cases<bool>({false, true})) {
        for (const Precision precision : cases<Precision>({Precision::highest, Precision::high})) {
          check({s.m, s.n, s.k, transposeA, transposeB, DType::float32, DType::float32, precision});
        }
      }
    }
  }
}

SUITE_CASE(matmulBfloat16) {
  for (const Size& s : cases(kSizes)) {
    for (const bool transposeA : cases<bool>({false, true})) {
      for (const bool transposeB : cases<bool>({false, true})) {
        check({s.m, s.n, s.k, transposeA, transposeB, DType::bfloat16, DType::float32});
        check({s.m, s.n, s.k, transposeA, transposeB, DType::bfloat16, DType::bfloat16});
      }
    }
    Product old{s.m, s.n, s.k, false, false, DType::bfloat16, DType::bfloat16};
    old.capability = 75;
    check(old);
  }
}

SUITE_CASE(matmulEpilogues) {
  for (const Activation activation :
       variants<Activation>({Activation::relu, Activation::none, Activation::sigmoid, Activation::tanh})) {
    for (const Size& s : cases<Size>({{9, 10, 12}, {40, 64, 48}, {33, 35, 600}})) {  // the last in slices of k
      for (const Precision precision : cases<Precision>({Precision::highest, Precision::high})) {
        Product p{s.m, s.n, s.k, false, false, DType::float32, DType::float32, precision, true, activation};
        check(p);
        p.in = p.out = DType::bfloat16;
        check(p);
      }
    }
  }
}

SUITE_CASE(matmulInSlices) {
  for (const bool transposeA : cases<bool>({false, true})) {
    check({20, 36, 1030, transposeA, false, DType::float32, DType::float32, Precision::highest});
    check({20, 36, 1030, transposeA, false, DType::float32, DType::float32, Precision::high});
    check({24, 40, 1040, transposeA, false, DType::bfloat16, DType::float32});
  }
}

SUITE_CASE(matmulBatches) {
  for (const Precision precision : cases<Precision>({Precision::highest, Precision::high})) {
    for (const bool transposeA : cases<bool>({false, true})) {
      Product p{18, 20, 24, transposeA, false, DType::float32, DType::float32, precision};
      p.batchA = p.batchB = p.batch = {3};
      check(p);
      p.batchA = {2, 1};
      p.batchB = {3};
      p.batch = {2, 3};
      check(p);
      p.batchA = p.batch = {5};
      p.batchB = {};
      p.bias = true;
      check(p);
      p.batchA = {1};
      p.batchB = p.batch = {4};
      check(p);
    }
  }
}

// Large grids that make the table choose its largest tiles.
SUITE_CASE(matmulLargeTiles) {
  neurite::cuda::MatmulChoice choice = neurite::cuda::chooseMatmul(10, 20, 30, 200, 80, false);
  suite::expect(choice.tile == 128 && choice.kernel == neurite::cuda::MatmulKernel::simt,
                "200 batches fill a grid of the largest tiles");
  using neurite::cuda::kFullGrid;
  for (const bool transposeA : cases<bool>({false, true})) {
    for (const bool transposeB : cases<bool>({false, true})) {
      Product p{17, 18, 21, transposeA, transposeB};
      p.batchA = p.batchB = p.batch = {kFullGrid + 2};
      p.capability = 75;
      check(p);
      p.capability = 1000;
      p.precision = Precision::high;
      check(p);
      p.in = p.out = DType::bfloat16;
      check(p);
    }
  }
  Product p{130, 131, 40};
  p.batchA = p.batchB = p.batch = {kFullGrid / 4 + 1};
  check(p);
  p.precision = Precision::high;
  check(p);
  p.in = DType::bfloat16;
  p.n = 136;
  check(p);
}

SUITE_CASE(matmulKeepsNan) {
  for (const Precision precision : cases<Precision>({Precision::highest, Precision::high})) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      const Product p{20, 24, 40, false, false, dtype, dtype, precision, false, Activation::relu};
      Value a = random(dtype, {20, 40}), b = random(dtype, {40, 24}, 0.5, 1);
      a.data[3 * 40 + 39] = kNan;
      a.data[7 * 40] = HUGE_VAL;
      const Computed computed = compute(p, a, b, absent());
      for (int64_t i = 0; i < 20 * 24; i++) {
        if (i / 24 == 3)
          suite::expect(std::isnan(computed.c[i]), "a NaN in a row of A is in the row of C");
        else if (i / 24 == 7)
          suite::expect(computed.c[i] == HUGE_VAL, "an infinity in a row of A is in the row of C");
        else
          suite::expect(std::isfinite(computed.c[i]), "other rows are finite");
      }
    }
  }
}

SUITE_CASE(matmulOfNothing) {
  const Value bias = random(DType::float32, {5}), a = empty(DType::float32, {3, 0}), b = empty(DType::float32, {0, 5});
  expectEqual("k = 0", run(Op::matmul, attributes::matmul{}, {a, b, bias}, {empty(DType::float32, {3, 5})})[0],
              each(15, [&](int64_t i) { return bias[i % 5]; }));
}

SUITE_CASE(biasActivationGradients) {
  for (const Dims& dims : cases<Dims>({{1, 1}, {3, 5}, {64, 10}, {300, 33}, {2, 70, 64}, {1000, 3}})) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      for (const Activation activation :
           cases<Activation>({Activation::none, Activation::relu, Activation::sigmoid, Activation::tanh})) {
        const int64_t n = dims.back(), size = sizeOf(dims);
        const Value dy = random(dtype, dims), y = random(dtype, dims, activation == Activation::tanh ? -1 : 0, 1);
        const auto dz = each(size, [&](int64_t i) {
          switch (activation) {
            case Activation::relu:
              return y[i] > 0 ? dy[i] : 0;
            case Activation::sigmoid:
              return dy[i] * y[i] * (1 - y[i]);
            case Activation::tanh:
              return dy[i] * (1 - y[i] * y[i]);
            default:
              return dy[i];
          }
        });
        std::vector<double> db(static_cast<size_t>(n));
        for (int64_t i = 0; i < size; i++) db[static_cast<size_t>(i % n)] += dz[static_cast<size_t>(i)];
        const Result result = run(Op::biasActivationGrad, attributes::biasActivationGrad{activation}, {dy, y},
                                  {empty(dtype, dims), empty(DType::float32, {n})});
        const std::string at = " " + ops::describe(dims) + " " + name(dtype);
        expectEqual("dz" + at, result[0], dz);
        expectEqual("db" + at, result[1], db, 2e-5);
      }
    }
  }
}
