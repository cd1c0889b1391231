// Matrix multiplication against float64: every transposition, odd sizes, batches, epilogues, dtypes, NaN and infinity.
//
// Compiled once per instruction set like the kernels it tests. Prints each failure with its case and ends with 1.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "../../native/amx.h"
#include "../../native/bfloat16-dots.h"
#include "../../native/cpu/amx/multiply-tiles.h"
#include "../../native/cpu/gemm-table.h"
#include "../../native/cpu/gemm.h"
#include "numbers.h"

using neurite::Activation;
using neurite::DType;
using neurite::Precision;
using neurite::cpu::Gemm;
using neurite::cpu::NEURITE_ISA::gemm;
using neurite::cpu::NEURITE_ISA::multiplyTilesWith;
using neurite::cpu::NEURITE_ISA::partsOf;
using namespace neurite::test;

namespace {

#if defined(__AVX512F__)
constexpr bool kDotsInSet = true;
#else
constexpr bool kDotsInSet = false;  // the CPU may have them, this set does not use them
#endif

int failures = 0, checks = 0;

// A matrix with padding between its rows and guard values around it, float32 or bfloat16.
struct Matrix {
  static constexpr int64_t kGuard = 64;
  static constexpr float kGuardValue = -77.0f;
  int64_t rows, columns, ld, batch, batchStride;
  DType type;
  std::vector<float> f32;
  std::vector<uint16_t> f16;

  Matrix(int64_t rows, int64_t columns, int64_t padding, int64_t batch, DType type)
      : rows(rows), columns(columns), ld(columns + padding), batch(batch), batchStride(rows * ld), type(type) {
    f32.assign(static_cast<size_t>(batch * batchStride + 2 * kGuard), kGuardValue);
    f16.assign(f32.size(), toBfloat16(kGuardValue));
  }
  size_t index(int64_t b, int64_t i, int64_t j) const {
    return static_cast<size_t>(kGuard + b * batchStride + i * ld + j);
  }
  void* data() { return type == DType::float32 ? static_cast<void*>(f32.data() + kGuard) : f16.data() + kGuard; }
  double get(int64_t b, int64_t i, int64_t j) const {
    const size_t at = index(b, i, j);
    return type == DType::float32 ? f32[at] : fromBfloat16(f16[at]);
  }
  void set(int64_t b, int64_t i, int64_t j, double value) {
    const size_t at = index(b, i, j);
    f32[at] = static_cast<float>(value);
    f16[at] = toBfloat16(f32[at]);
  }
  template <class F> void fill(F&& value) {
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) set(b, i, j, value());
      }
    }
  }
  bool guardsUntouched() const {
    for (size_t at = 0; at < f32.size(); ++at) {
      const int64_t inner = static_cast<int64_t>(at) - kGuard;
      const bool inside = inner >= 0 && inner < batch * batchStride && inner % ld < columns;
      const float value = type == DType::float32 ? f32[at] : fromBfloat16(f16[at]);
      if (!inside && value != fromBfloat16(toBfloat16(kGuardValue))) return false;
    }
    return true;
  }
};

struct Case {
  int64_t m, n, k, batch = 1;
  bool transposeA = false, transposeB = false, bias = false, accumulate = false;
  bool sharedA = false, sharedB = false;
  Activation activation = Activation::none;
  DType typeA = DType::float32, typeB = DType::float32, typeC = DType::float32;
  Precision precision = Precision::highest;
  Data data = Data::centred;
  int64_t padding = 3;

  std::string describe() const {
    char text[256];
    snprintf(text, sizeof text,
             "m %ld n %ld k %ld batch %ld %c%c%s%s%s%s activation %d types %d %d %d precision %d data %d", long(m),
             long(n), long(k), long(batch), transposeA ? 'T' : 'N', transposeB ? 'T' : 'N', bias ? " bias" : "",
             accumulate ? " accumulate" : "", sharedA ? " shared A" : "", sharedB ? " shared B" : "", int(activation),
             int(typeA), int(typeB), int(typeC), int(precision), int(data));
    return text;
  }
};

double activated(Activation activation, double x) {
  switch (activation) {
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::none:
      break;
  }
  return x;
}

// RMS error relative to the RMS of the exact result (of its terms, where they happen to cancel).
double tolerance(const Case& c) {
  double bound = 2e-7 + 2.5e-8 * std::sqrt(double(c.k));
  if (c.precision == Precision::high) bound = std::max(bound, 8e-6);
  if (c.precision == Precision::medium) bound = 6e-3;
  // A product of bfloat16 operands is exact in float32; only a rounded result is coarser.
  if (c.typeC == DType::bfloat16) bound = 4e-3;
  return bound;
}

struct Problem {
  Matrix a, b, c;
  std::vector<float> bias;
  Gemm gemm;

  explicit Problem(const Case& t)
      : a(t.transposeA ? t.k : t.m, t.transposeA ? t.m : t.k, t.padding, t.sharedA ? 1 : t.batch, t.typeA),
        b(t.transposeB ? t.n : t.k, t.transposeB ? t.k : t.n, t.padding, t.sharedB ? 1 : t.batch, t.typeB),
        c(t.m, t.n, t.padding, t.batch, t.typeC) {
    a.fill([&] { return draw(t.data); });
    b.fill([&] { return draw(t.data); });
    c.fill([&] { return uniform() - 0.5; });
    for (int64_t j = 0; j < t.n; ++j) bias.push_back(static_cast<float>(uniform() - 0.5));
    gemm.m = t.m, gemm.n = t.n, gemm.k = t.k, gemm.batch = t.batch;
    gemm.a = a.data(), gemm.lda = a.ld, gemm.batchStrideA = t.sharedA ? 0 : a.batchStride;
    gemm.b = b.data(), gemm.ldb = b.ld, gemm.batchStrideB = t.sharedB ? 0 : b.batchStride;
    gemm.c = c.data(), gemm.ldc = c.ld, gemm.batchStrideC = c.batchStride;
    gemm.transposeA = t.transposeA, gemm.transposeB = t.transposeB;
    gemm.typeA = t.typeA, gemm.typeB = t.typeB, gemm.typeC = t.typeC;
    gemm.bias = t.bias ? bias.data() : nullptr;
    gemm.activation = t.activation, gemm.accumulate = t.accumulate, gemm.precision = t.precision;
  }
  // `size`, if asked for, is what the result would be if its terms had random signs.
  double reference(const Case& t, const Matrix& before, int64_t matrix, int64_t i, int64_t j,
                   double* size = nullptr) const {
    double sum = t.accumulate ? before.get(matrix, i, j) : 0, squares = sum * sum;
    const int64_t ma = t.sharedA ? 0 : matrix, mb = t.sharedB ? 0 : matrix;
    for (int64_t k = 0; k < t.k; ++k) {
      const double term =
          (t.transposeA ? a.get(ma, k, i) : a.get(ma, i, k)) * (t.transposeB ? b.get(mb, j, k) : b.get(mb, k, j));
      sum += term;
      squares += term * term;
    }
    if (t.bias) {
      sum += bias[static_cast<size_t>(j)];
      squares += double{bias[static_cast<size_t>(j)]} * bias[static_cast<size_t>(j)];
    }
    if (size) *size = std::sqrt(squares);
    return activated(t.activation, sum);
  }
};

// gemm; where the scalar twin of the tiles is asked for, that with this set's vectors: the addon has it once, for any CPU.
void multiply(const Gemm& g) {
  const bool tiles = neurite::tileUnit() == neurite::TileUnit::emulated && g.m > 1 && g.n > 1;
  if (!tiles || !multiplyTilesWith(g, partsOf(g))) gemm(g);
}

// The RMS error of one case; guards are checked on the way.
double rmsError(const Case& t) {
  Problem p(t);
  const Matrix before = p.c;
  multiply(p.gemm);
  double error = 0, norm = 0;
  // Large results are sampled: 4,000 elements, the corners among them.
  const int64_t total = t.m * t.n * t.batch;
  const bool sampled = total * t.k > 4000000;
  const int64_t count = sampled ? 4000 : total;
  for (int64_t s = 0; s < count; ++s) {
    const int64_t at = !sampled ? s : s == 0 ? 0 : s == 1 ? total - 1 : static_cast<int64_t>(uniform() * double(total));
    const int64_t matrix = at / (t.m * t.n), i = at / t.n % t.m, j = at % t.n;
    double size = 0;
    const double expected = p.reference(t, before, matrix, i, j, &size), received = p.c.get(matrix, i, j);
    if (std::isnan(received)) error = INFINITY;
    error += (received - expected) * (received - expected);
    norm += std::max(expected * expected, size * size);
  }
  if (!p.c.guardsUntouched()) {
    printf("FAIL %s: wrote outside of C\n", t.describe().c_str());
    ++failures;
  }
  return norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
}

void check(const Case& t) {
  ++checks;
  const double error = rmsError(t);
  if (!(error <= tolerance(t))) {
    printf("FAIL %s: RMS relative error, expected <= %.2e, received %.2e\n", t.describe().c_str(), tolerance(t), error);
    ++failures;
  }
}

void expect(bool condition, const char* what, const Case& t) {
  ++checks;
  if (condition) return;
  printf("FAIL %s: %s\n", t.describe().c_str(), what);
  ++failures;
}

void testShapes() {
  const int64_t sizes[] = {1, 2, 3, 5, 7, 8, 13, 14, 15, 16, 17, 31, 32, 33, 63, 65};
  for (int64_t m : sizes) {
    for (int64_t n : sizes) {
      for (int64_t k : {int64_t{1}, int64_t{5}, int64_t{33}}) {
        for (int transposed = 0; transposed < 4; ++transposed) {
          check({.m = m,
                 .n = n,
                 .k = k,
                 .transposeA = (transposed & 1) != 0,
                 .transposeB = (transposed & 2) != 0,
                 .bias = (m + n) % 2 == 0,
                 .accumulate = (m + k) % 3 == 0,
                 .activation = static_cast<Activation>((m + n + k) % 4),
                 .padding = (m * n) % 3});
        }
      }
    }
  }
  // Several blocks of k, several blocks of rows and columns, the shapes of a small network's training step.
  const int64_t large[][3] = {{128, 512, 784}, {128, 10, 512}, {300, 300, 900},   {70, 1100, 385},
                              {784, 512, 128}, {512, 10, 128}, {128, 512, 10},    {260, 33, 1025},
                              {4, 2000, 700},  {1, 700, 2000}, {1500, 1, 333},    {256, 512, 1024},
                              {9, 9, 5000},    {1, 1, 4000},   {1030, 1030, 129}, {14, 4096, 64}};
  for (const auto& s : large) {
    for (int transposed = 0; transposed < 4; ++transposed) {
      check({.m = s[0],
             .n = s[1],
             .k = s[2],
             .transposeA = (transposed & 1) != 0,
             .transposeB = (transposed & 2) != 0,
             .bias = true,
             .activation = Activation::relu,
             .padding = 0});
    }
  }
  // C larger than the caches: written past them.
  check({.m = 2600, .n = 2560, .k = 9, .bias = true, .padding = 0});
}

void testData() {
  for (Data data : {Data::centred, Data::positive, Data::wideExponents, Data::outlier}) {
    for (int64_t k : {64, 700, 4096}) {
      check({.m = 60, .n = 70, .k = k, .data = data});
      check({.m = 1, .n = 300, .k = k, .data = data});
      check({.m = 40, .n = 1, .k = k, .data = data});
    }
  }
}

// The three precisions keep their bounds; with tiles each is told from the next lower one, which must exceed the bound,
// with dot products of bfloat16 pairs `medium` from `high`.
void testPrecisions() {
  for (Data data : {Data::centred, Data::positive, Data::wideExponents, Data::outlier, Data::tiny}) {
    for (int64_t k : {64, 700, 2500}) {
      for (int transposed = 0; transposed < 4; ++transposed) {
        Case t{.m = 70,
               .n = 90,
               .k = k,
               .transposeA = (transposed & 1) != 0,
               .transposeB = (transposed & 2) != 0,
               .bias = false,
               .data = data};
        for (Precision precision : {Precision::highest, Precision::high, Precision::medium}) {
          t.precision = precision;
          check(t);
        }
        // Tiny products go to multiply-adds in highest and high, where nothing is lost. Sums of positive terms grow
        // faster than their errors: long ones are exact in any precision, relative to the result;
        // where two outliers meet, their one product is all there is to see.
        const bool tiles = neurite::tileUnit() == neurite::TileUnit::emulated;
        const bool dots = kDotsInSet && neurite::bfloat16Dots();
        if ((!tiles && !dots) || (tiles && data == Data::tiny) || (data == Data::positive && k > 64) ||
            (data == Data::outlier && k > 700)) {
          continue;
        }
        for (Precision precision : {Precision::high, Precision::medium}) {
          if (!tiles && precision == Precision::high) continue;  // float32
          t.precision = precision;
          const double error = rmsError(t);
          t.precision = precision == Precision::high ? Precision::highest : Precision::high;
          expect(error > tolerance(t), "the next lower precision kept this bound: it does not tell them apart", t);
        }
      }
    }
  }
}

void testBatches() {
  for (int shared = 0; shared < 3; ++shared) {
    for (int transposed = 0; transposed < 4; ++transposed) {
      for (int64_t m : {1, 6, 40}) {
        for (int64_t n : {1, 20, 64}) {
          check({.m = m,
                 .n = n,
                 .k = 33,
                 .batch = 5,
                 .transposeA = (transposed & 1) != 0,
                 .transposeB = (transposed & 2) != 0,
                 .bias = true,
                 .accumulate = m == 6,
                 .sharedA = shared == 1,
                 .sharedB = shared == 2,
                 .padding = m % 2});
        }
      }
    }
  }
  check({.m = 150, .n = 200, .k = 300, .batch = 3, .transposeB = true});
}

void testTypes() {
  for (int types = 1; types < 8; ++types) {
    const auto type = [&](int bit) { return (types & bit) ? DType::bfloat16 : DType::float32; };
    for (int transposed = 0; transposed < 4; ++transposed) {
      for (int64_t m : {1, 7, 50}) {
        for (int64_t n : {1, 10, 70}) {
          for (int64_t k : {1, 40, 900}) {
            check({.m = m,
                   .n = n,
                   .k = k,
                   .transposeA = (transposed & 1) != 0,
                   .transposeB = (transposed & 2) != 0,
                   .bias = true,
                   .accumulate = m == 7,
                   .activation = static_cast<Activation>((m + n) % 4),
                   .typeA = type(1),
                   .typeB = type(2),
                   .typeC = type(4)});
          }
        }
      }
    }
  }
}

// One row or column against a matrix that is walked through by blocks of columns in registers, with what is left of a block, and by parts of rows.
void testVectors() {
  for (int types = 0; types < 8; ++types) {
    const auto type = [&](int bit) { return (types & bit) ? DType::bfloat16 : DType::float32; };
    for (const bool column : {false, true}) {
      for (int64_t outputs : {256, 300, 512, 1025}) {
        for (int64_t k : {1, 90, 784}) {
          check({.m = column ? outputs : 1,
                 .n = column ? 1 : outputs,
                 .k = k,
                 .batch = k == 90 ? 3 : 1,
                 .transposeA = column,
                 .bias = k != 1,
                 .accumulate = outputs == 512,
                 .activation = static_cast<Activation>((outputs + k) % 4),
                 .typeA = type(1),
                 .typeB = type(2),
                 .typeC = type(4)});
        }
      }
    }
  }
  check({.m = 1, .n = 700, .k = 3100, .bias = true, .activation = Activation::relu});
  check({.m = 1, .n = 70, .k = 31000, .bias = true});
}

// An empty sum is zero: bias and activation alone.
void testEmpty() {
  for (int64_t m : {1, 20}) {
    const Case t{.m = m, .n = 40, .k = 0, .bias = true, .activation = Activation::relu};
    Problem p(t);
    gemm(p.gemm);
    bool right = true;
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < 40; ++j) right &= p.c.get(0, i, j) == std::max(0.0f, p.bias[static_cast<size_t>(j)]);
    }
    expect(right, "k = 0 must give activation(bias)", t);
  }
}

// A NaN, an infinity or a huge number in one element of A, B, C or bias reaches exactly the elements it should.
void testSpecialValues() {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const struct {
    Precision precision;
    DType operands, result;
  } kinds[] = {{Precision::highest, DType::float32, DType::float32},
               {Precision::high, DType::float32, DType::float32},
               {Precision::medium, DType::float32, DType::float32},
               {Precision::highest, DType::bfloat16, DType::float32},
               {Precision::medium, DType::bfloat16, DType::bfloat16}};
  for (const auto& kind : kinds) {
    for (Activation activation : {Activation::none, Activation::relu, Activation::sigmoid, Activation::tanh}) {
      for (float special : {nan, inf, -inf, 3.4e38f, 3.38e38f}) {  // the last is finite in bfloat16
        for (int where = 0; where < 4; ++where) {
          for (int64_t m : {1, 64}) {
            const Precision precision = kind.precision;
            if (precision == Precision::medium && special == 3.4e38f) continue;  // rounds to infinity in bfloat16
            const Case t{.m = m,
                         .n = 96,
                         .k = 70,
                         .bias = true,
                         .accumulate = true,
                         .activation = activation,
                         .typeA = kind.operands,
                         .typeB = kind.operands,
                         .typeC = kind.result,
                         .precision = precision};
            Problem p(t);
            // Positive operands: infinities never meet an infinity of the other sign.
            p.a.fill([] { return uniform() * 1e-3 + 1e-3; });
            p.b.fill([] { return uniform() * 1e-3 + 1e-3; });
            const int64_t i = m / 2, j = 41, k = 69;
            if (where == 0) p.a.set(0, i, k, special);
            if (where == 1) p.b.set(0, k, j, special);
            if (where == 2) p.c.set(0, i, j, special);
            if (where == 3) p.bias[static_cast<size_t>(j)] = special;
            const Matrix before = p.c;
            multiply(p.gemm);
            bool right = true;
            for (int64_t r = 0; r < m; ++r) {
              for (int64_t s = 0; s < 96; ++s) {
                const double expected = p.reference(t, before, 0, r, s), received = p.c.get(0, r, s);
                const double slack = (precision == Precision::medium ? 3e-2 : 1e-4) * (1 + std::abs(expected));
                if (std::isnan(expected)) {
                  right &= std::isnan(received);
                } else if (std::isinf(expected)) {
                  right &= received == expected;
                } else {
                  right &= std::abs(received - expected) <= slack;
                }
              }
            }
            expect(right, "a special value did not propagate as in float64", t);
          }
        }
      }
    }
  }
}

// A row of a product must not depend on the rows around it, nor an element on how C was cut: the same bits whichever
// part is computed (what makes results independent of the number of threads).
void testParts(DType type, Precision precision) {
  for (int transposed = 0; transposed < 4; ++transposed) {
    const Case t{.m = 130,
                 .n = 140,
                 .k = 1000,
                 .transposeA = (transposed & 1) != 0,
                 .transposeB = (transposed & 2) != 0,
                 .bias = true,
                 .typeA = type,
                 .typeB = type,
                 .precision = precision,
                 .padding = 4};
    Problem whole(t);
    gemm(whole.gemm);
    Problem part = whole;
    part.c.fill([] { return 0.0; });
    const auto at = [&](const void* p, int64_t element) {
      return static_cast<const char*>(p) + element * static_cast<int64_t>(neurite::dtypeBytes(type));
    };
    for (int64_t row : {0, 37, 100}) {
      for (int64_t column : {0, 61}) {
        Gemm g = whole.gemm;
        g.m = row == 0 ? 37 : row == 37 ? 63 : 30;
        g.n = column == 0 ? 61 : 79;
        g.a = at(g.a, t.transposeA ? row : row * g.lda);
        g.b = at(g.b, t.transposeB ? column * g.ldb : column);
        g.c = static_cast<float*>(part.c.data()) + row * g.ldc + column;
        g.bias += column;
        gemm(g);
      }
    }
    expect(whole.c.f32 == part.c.f32, "parts of a product differ from the whole", t);
  }
}

}  // namespace

int main() {
  testShapes();
  testData();
  testPrecisions();
  testBatches();
  testTypes();
  testVectors();
  testEmpty();
  testSpecialValues();
  testParts(DType::float32, Precision::highest);
  testParts(DType::float32, Precision::medium);
  testParts(DType::bfloat16, Precision::highest);
  const char* unit[] = {"none", "emulated", "AMX"};
  printf("tiles: %s %s\n", unit[static_cast<int>(neurite::tileUnit())], neurite::amxRefusal().c_str());
  printf("dot products of bfloat16 pairs: %s\n",
         neurite::bfloat16Dots() ? "in use" : neurite::bfloat16DotsRefusal().c_str());
  printf("%d checks, %d failures\n", checks, failures);
  return failures != 0;
}
