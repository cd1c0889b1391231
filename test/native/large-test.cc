// Outputs so large that they bypass the caches, with an end that does not.
#include "kernel-test.h"
#include "native/philox.h"

using namespace neurite;
using namespace neurite::test;

namespace {

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

// The same of movement, whose runs begin and end anywhere between two lines.
void testLargeMovement() {
  constexpr size_t kRows = 6700, kColumns = 1021;
  const Dims dims{kRows, kColumns};
  Value x = randomValue(F, dims), row = randomValue(F, {kColumns}), column = randomValue(F, {kRows, 1});
  // expect(op, y, …): y[r][c] = value(r, c).
  const auto expect = [](const std::string& name, Value& y, auto&& value) {
    std::vector<double> e(y.values.size());
    const size_t columns = static_cast<size_t>(y.dims.back());
    for (size_t i = 0; i < e.size(); i++) e[i] = value(i / columns, i % columns);
    expectClose(name + ", large", y, e, 0);
  };
  const auto at = [&](size_t r, size_t c) { return x.values[r * kColumns + c]; };
  Value y(F, dims);
  run(Op::broadcastTo, {&row}, {&y}, nullptr);
  expect("broadcastTo of a row", y, [&](size_t, size_t c) { return row.values[c]; });
  run(Op::broadcastTo, {&column}, {&y}, nullptr);
  expect("broadcastTo of a column", y, [&](size_t r, size_t) { return column.values[r]; });
  attributes::pad pad{};
  pad.before.count = 2;
  pad.before.values[0] = 70, pad.before.values[1] = 3;
  pad.value = 7;
  Value padded(F, {kRows + 140, kColumns + 4});
  run(Op::pad, {&x}, {&padded}, &pad);
  expect("pad", padded, [&](size_t r, size_t c) {
    const bool inside = r >= 70 && r < 70 + kRows && c >= 3 && c < 3 + kColumns;
    return inside ? at(r - 70, c - 3) : 7.0;
  });
  attributes::slice slice{};
  slice.starts.count = slice.strides.count = 2;
  slice.starts.values[0] = 5, slice.starts.values[1] = 2;
  slice.strides.values[0] = slice.strides.values[1] = 1;
  Value part(F, {kRows - 9, kColumns - 5});
  run(Op::slice, {&x}, {&part}, &slice);
  expect("slice", part, [&](size_t r, size_t c) { return at(r + 5, c + 2); });
  attributes::concat concat{1};
  Value both(F, {kRows, kColumns + 1});
  run(Op::concat, {&column, &x}, {&both}, &concat);
  expect("concat", both, [&](size_t r, size_t c) { return c == 0 ? column.values[r] : at(r, c - 1); });
  Value order(I, {kRows});
  for (size_t r = 0; r < kRows; r++) order.values[r] = static_cast<double>(r * 7 % kRows);
  order.write();
  attributes::gather gather{};
  gather.scale = 1;
  run(Op::gather, {&x, &order}, {&y}, &gather);
  expect("gather of odd rows", y, [&](size_t r, size_t c) { return at(r * 7 % kRows, c); });
  // Rows that change places whole: (100, 67, 1021) to (67, 100, 1021).
  attributes::transpose transpose{};
  transpose.permutation.count = 3;
  transpose.permutation.values[0] = 1, transpose.permutation.values[2] = 2;
  Value cube(F, {100, 67, kColumns}, x.values), turned(F, {67, 100, kColumns});
  run(Op::transpose, {&cube}, {&turned}, &transpose);
  expect("transpose of rows", turned, [&](size_t r, size_t c) { return at(r % 100 * 67 + r / 100, c); });
  Value half = randomValue(H, {2 * kRows, kColumns}), result(H, {2 * kRows, kColumns});
  run(Op::relu, {&half}, {&result}, nullptr);
  expect("relu of bfloat16", result, [&](size_t r, size_t c) { return std::fmax(0, half.values[r * kColumns + c]); });
}

// The images of a large depthwise convolution are what each of them gives by itself, whether rows are of whole lines or not.
void testLargeDepthwise() {
  for (const DType type : {F, H}) {
    for (const int64_t channels : {64, 35}) {
      const int64_t images = (int64_t{25} << 20) / (100 * 192 * channels * static_cast<int64_t>(dtypeBytes(type))) + 1;
      attributes::conv conv{};
      conv.strides.count = conv.dilation.count = conv.before.count = 2;
      for (int i = 0; i < 2; i++) conv.strides.values[i] = conv.dilation.values[i] = conv.before.values[i] = 1;
      conv.groups = channels;
      Value x = randomValue(type, {images, 100, 192, channels}), w = randomValue(type, {3, 3, 1, channels}), absent;
      Value y(type, x.dims);
      run(Op::conv, {&x, &w, &absent, &absent}, {&y}, &conv);
      const int64_t size = 100 * 192 * channels;
      std::vector<double> e;
      for (int64_t i = 0; i < images; i++) {
        Value image(type, {1, 100, 192, channels}, {x.values.begin() + i * size, x.values.begin() + (i + 1) * size});
        Value result(type, image.dims);
        run(Op::conv, {&image, &w, &absent, &absent}, {&result}, &conv);
        result.read();
        e.insert(e.end(), result.values.begin(), result.values.end());
      }
      expectClose("conv of each channel, large", y, e, 0);
    }
  }
}

}  // namespace

int main() {
  testLarge();
  testLargeDepthwise();
  testLargeMovement();
  return finish();
}
