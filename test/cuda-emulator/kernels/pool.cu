// Pooling and its gradients, strided and adaptive, against lists of what each window holds.
#include <algorithm>
#include <array>

#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

const double kNan = std::nan(""), kInfinity = HUGE_VAL;

struct Shape {
  std::vector<int64_t> input, output, window, strides, before;  // per spatial axis
  int64_t images, channels;

  Dims x() const { return dimsOf(images, input, channels); }
  Dims y() const { return dimsOf(images, output, channels); }
  // uint8, or int32 where a window has more places than that can number.
  DType positions() const { return sizeOf(window) > 256 ? DType::int32 : DType::uint8; }
  std::string text() const {
    return " " + describe(x()) + " to " + describe(y()) + " window " + describe(window) + " strides " +
           describe(strides) + " before " + describe(before);
  }
};

Shape strided(int64_t images, const Dims& input, int64_t channels, const Dims& window, const Dims& strides,
              Dims before = {}, Dims after = {}) {
  before.resize(input.size());
  after.resize(input.size());
  Shape s{input, {}, window, strides, before, images, channels};
  for (size_t i = 0; i < input.size(); i++)
    s.output.push_back((input[i] + before[i] + after[i] - window[i]) / strides[i] + 1);
  return s;
}

// Where the window of place o of an adaptive axis begins and ends.
int64_t adaptiveBegin(int64_t o, int64_t in, int64_t out) { return o * in / out; }
int64_t adaptiveEnd(int64_t o, int64_t in, int64_t out) { return (o * in + in + out - 1) / out; }

Shape adaptive(int64_t images, const Dims& input, int64_t channels, const Dims& output) {
  const Dims none(input.size());
  Shape s{input, output, {}, none, none, images, channels};
  for (size_t i = 0; i < input.size(); i++) {
    int64_t longest = 0;
    for (int64_t o = 0; o < output[i]; o++)
      longest = std::max(longest, adaptiveEnd(o, input[i], output[i]) - adaptiveBegin(o, input[i], output[i]));
    s.window.push_back(longest);
  }
  return s;
}

struct Cell {
  int64_t x, position;  // index in x, number in the window
};

// For each element of y the elements of x in its window, in order.
std::vector<std::vector<Cell>> windowsOf(const Shape& s) {
  const auto size3 = [](const std::vector<int64_t>& v, int64_t fill) {
    std::array<int64_t, 3> a{fill, fill, fill};
    std::copy(v.begin(), v.end(), a.end() - static_cast<std::ptrdiff_t>(v.size()));
    return a;
  };
  const auto in = size3(s.input, 1), out = size3(s.output, 1), window = size3(s.window, 1);
  const auto stride = size3(s.strides, 1), before = size3(s.before, 0);
  std::vector<std::vector<Cell>> windows(static_cast<size_t>(sizeOf(s.y())));
  for (size_t y = 0; y < windows.size(); y++) {
    const auto i = static_cast<int64_t>(y);
    const int64_t channel = i % s.channels, o = i / s.channels;
    const int64_t at[3] = {o / out[2] / out[1] % out[0], o / out[2] % out[1], o % out[2]};
    for (int64_t t = 0; t < window[0] * window[1] * window[2]; t++) {
      const int64_t tap[3] = {t / window[2] / window[1], t / window[2] % window[1], t % window[2]};
      int64_t pixel = o / out[2] / out[1] / out[0];
      bool inside = true;
      for (size_t a = 0; a < 3; a++) {
        const int64_t begin = stride[a] > 0 ? at[a] * stride[a] - before[a] : adaptiveBegin(at[a], in[a], out[a]);
        const int64_t end = stride[a] > 0 ? in[a] : adaptiveEnd(at[a], in[a], out[a]), p = begin + tap[a];
        inside = inside && p >= 0 && p < end;
        pixel = pixel * in[a] + p;
      }
      if (inside) windows[y].push_back({pixel * s.channels + channel, t});
    }
  }
  return windows;
}

// The first of the largest; the first NaN if there is one.
Cell largest(const Value& x, const std::vector<Cell>& window) {
  Cell best = window[0];
  for (const Cell& cell : window)
    if (!std::isnan(x[best.x]) && (std::isnan(x[cell.x]) || x[cell.x] > x[best.x])) best = cell;
  return best;
}

template <class A> A attributesOf(const Shape& s) { return {ints(s.window), ints(s.strides), ints(s.before)}; }

void checkMax(const Shape& s, const Value& x) {
  const auto windows = windowsOf(s);
  const Value dy = random(x.dtype, s.y());
  std::vector<double> y, position, dx(x.data.size());
  for (size_t i = 0; i < windows.size(); i++) {
    const Cell cell = largest(x, windows[i]);
    y.push_back(x[cell.x]);
    position.push_back(static_cast<double>(cell.position));
    dx[static_cast<size_t>(cell.x)] += dy.data[i];
  }
  const std::string at = " " + name(x.dtype) + s.text();
  const auto a = attributesOf<attributes::maxPool>(s);
  const Value places = empty(s.positions(), s.y());
  const Result result = run(Op::maxPool, a, {x}, {empty(x.dtype, s.y()), places});
  suite::expectClose("maxPool" + at, result[0].data, y, 0);
  suite::expectClose("position" + at, result[1].data, position, 0);
  const Result alone = run(Op::maxPool, a, {x}, {empty(x.dtype, s.y()), empty(DType::uint8, {0})});
  suite::expectClose("maxPool without position" + at, alone[0].data, y, 0);
  expectEqual("maxPoolGrad" + at,
              run(Op::maxPoolGrad, attributesOf<attributes::maxPoolGrad>(s),
                  {dy, Value(s.positions(), s.y(), position)}, {empty(x.dtype, s.x())})[0],
              dx);
}

void checkSums(const Shape& s, DType dtype) {
  const auto windows = windowsOf(s);
  const Value x = random(dtype, s.x()), dy = random(dtype, s.y());
  std::vector<double> sum, average, sumDx(x.data.size()), averageDx(sumDx);
  for (size_t i = 0; i < windows.size(); i++) {
    const auto count = static_cast<double>(windows[i].size());
    double total = 0;
    for (const Cell& cell : windows[i]) {
      total += x[cell.x];
      sumDx[static_cast<size_t>(cell.x)] += dy.data[i];
      averageDx[static_cast<size_t>(cell.x)] += dy.data[i] / count;
    }
    sum.push_back(total);
    average.push_back(total / count);
  }
  const std::string at = " " + name(dtype) + s.text();
  const auto check = [&](Op op, const Value& in, const Dims& out, const std::vector<double>& reference) {
    expectEqual(name(op) + at, run(op, attributesOf<attributes::sumPool>(s), {in}, {empty(dtype, out)})[0], reference,
                1e-5);
  };
  check(Op::sumPool, x, s.y(), sum);
  check(Op::averagePool, x, s.y(), average);
  check(Op::sumPoolGrad, dy, s.x(), sumDx);
  check(Op::averagePoolGrad, dy, s.x(), averageDx);
}

const std::vector<Shape> kShapes = {
    strided(1, {1}, 1, {1}, {1}),                           // one pixel
    strided(1, {130, 127}, 1, {1, 1}, {1, 1}),              // more elements than threads
    strided(2, {6, 4}, 16, {2, 2}, {2, 2}),                 // vectors in both dtypes
    strided(2, {7, 5}, 3, {3, 2}, {2, 2}, {1, 0}, {1, 1}),  // odd sizes, cut at the ends
    strided(1, {5, 7}, 4, {2, 3}, {1, 1}, {0, 1}, {0, 1}),  // windows that overlap; vectors of float32 only
    strided(2, {11}, 5, {2}, {4}),                          // gaps, and a rest that no window holds
    strided(1, {2, 2}, 8, {4, 3}, {1, 1}, {3, 1}, {3, 1}),  // windows larger than the image
    strided(1, {19, 17}, 8, {17, 16}, {2, 1}),              // positions beyond uint8
    adaptive(2, {7, 5}, 3, {3, 2}),
    adaptive(1, {3, 4, 5}, 8, {2, 3, 5}),
    adaptive(1, {3}, 2, {5}),                                             // more windows than places
    strided(2, {4, 5, 3}, 8, {2, 3, 2}, {2, 1, 2}, {0, 1, 1}, {0, 1, 1})  // three axes
};

}  // namespace

SUITE_CASE(poolMaxima) {
  for (const Shape& s : cases(kShapes)) {
    // Few values, so that windows have equals.
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      Value x = random(DType::int32, s.x(), -3, 3);
      x.dtype = dtype;
      checkMax(s, x);
      checkMax(s, random(dtype, s.x(), -9, -1));  // below the zeros that padding would bring
    }
  }
}

SUITE_CASE(poolSums) {
  for (const Shape& s : cases(kShapes))
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) checkSums(s, dtype);
}

SUITE_CASE(poolKeepsNan) {
  for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
    for (const int64_t channels : cases<int64_t>({1, 8})) {
      const Shape s = strided(1, {4, 6}, channels, {2, 3}, {2, 3});
      // Windows with one NaN, two, nothing above -inf, and an infinity.
      Value x = random(dtype, s.x());
      const auto pixel = [&](int64_t h, int64_t w) -> double& {
        return x.data[static_cast<size_t>((h * 6 + w) * channels)];
      };
      pixel(1, 2) = kNan;
      pixel(0, 4) = pixel(1, 3) = kNan;
      for (const int64_t w : {0, 1, 2}) pixel(2, w) = pixel(3, w) = -kInfinity;
      pixel(2, 5) = kInfinity;
      checkMax(s, x);
      const auto windows = windowsOf(s);
      for (const Op op : {Op::sumPool, Op::averagePool}) {
        const Value y = run(op, attributesOf<attributes::sumPool>(s), {x}, {empty(dtype, s.y())})[0];
        for (int64_t i = 0; i < y.size(); i++) {
          bool expected = false;
          for (const Cell& cell : windows[static_cast<size_t>(i)]) expected = expected || std::isnan(x[cell.x]);
          suite::expect(std::isnan(y[i]) == expected, name(op) + ": a NaN is in the windows that hold it");
        }
      }
    }
  }
}

SUITE_CASE(poolOfNothing) {
  for (const Shape& s : {strided(0, {5, 4}, 4, {2, 3}, {1, 1}), strided(2, {5, 4}, 0, {2, 3}, {1, 1})}) {
    checkMax(s, random(DType::float32, s.x()));
    checkSums(s, DType::float32);
  }
}
