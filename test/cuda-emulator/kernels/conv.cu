// Convolutions and their two gradients by every kernel the table can choose, against loops over the definition in float64.
//
// Errors are relative, ||y - reference|| / ||reference||. Each precision must also be worse than what the next higher one allows, else
// another kernel than the one meant has run.
#include <algorithm>
#include <array>
#include <numeric>

#include "../../../cuda/conv-table.h"
#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

using neurite::Activation;
using neurite::Precision;

struct Shape {
  std::vector<int64_t> input, output, kernel, strides, dilation, before;  // per spatial axis
  int64_t images = 1, channels = 1, features = 1, groups = 1;

  Dims x() const { return dimsOf(images, input, channels); }
  Dims y() const { return dimsOf(images, output, features); }
  Dims w() const {
    Dims dims = kernel;
    dims.push_back(channels / groups);
    dims.push_back(features);
    return dims;
  }
};

// One image axis or more; `after` is what the padding behind is.
Shape shape(int64_t images, const Dims& input, int64_t channels, const Dims& kernel, int64_t features,
            int64_t groups = 1, Dims strides = {}, Dims dilation = {}, Dims before = {}, Dims after = {}) {
  const size_t axes = input.size();
  strides.resize(axes, 1);
  dilation.resize(axes, 1);
  before.resize(axes, 0);
  after.resize(axes, 0);
  Shape s{input, {}, kernel, strides, dilation, before, images, channels, features, groups};
  for (size_t i = 0; i < axes; i++) {
    const int64_t span = (kernel[i] - 1) * dilation[i] + 1;
    s.output.push_back((input[i] + before[i] + after[i] - span) / strides[i] + 1);
  }
  return s;
}

// Calls f(index in x, index in w, index in y) for every product of the convolution.
template <class F> void forProducts(const Shape& s, F&& f) {
  const auto size3 = [](const std::vector<int64_t>& v, int64_t fill) {
    std::array<int64_t, 3> a{fill, fill, fill};
    std::copy(v.begin(), v.end(), a.end() - static_cast<std::ptrdiff_t>(v.size()));
    return a;
  };
  const auto in = size3(s.input, 1), out = size3(s.output, 1), kernel = size3(s.kernel, 1);
  const auto stride = size3(s.strides, 1), dilation = size3(s.dilation, 1), before = size3(s.before, 0);
  const int64_t channels = s.channels / s.groups, features = s.features / s.groups;
  for (int64_t o = 0; o < s.images * out[0] * out[1] * out[2]; o++) {
    const int64_t at[3] = {o / out[2] / out[1] % out[0], o / out[2] % out[1], o % out[2]};
    const int64_t image = o / out[2] / out[1] / out[0];
    for (int64_t t = 0; t < kernel[0] * kernel[1] * kernel[2]; t++) {
      const int64_t tap[3] = {t / kernel[2] / kernel[1], t / kernel[2] % kernel[1], t % kernel[2]};
      int64_t pixel = image;
      bool inside = true;
      for (size_t i = 0; i < 3; i++) {
        const int64_t p = at[i] * stride[i] + tap[i] * dilation[i] - before[i];
        inside = inside && p >= 0 && p < in[i];
        pixel = pixel * in[i] + p;
      }
      if (!inside) continue;
      for (int64_t c = 0; c < channels; c++) {
        for (int64_t feature = 0; feature < s.features; feature++) {
          f(pixel * s.channels + feature / features * channels + c, (t * channels + c) * s.features + feature,
            o * s.features + feature);
        }
      }
    }
  }
}

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

std::vector<double> zeros(const Dims& dims) { return std::vector<double>(static_cast<size_t>(sizeOf(dims))); }

struct How {
  DType dtype = DType::float32;
  Precision precision = Precision::highest;
  bool bias = false;
  Activation activation = Activation::none;
  int capability = 1000;
};

void finish(std::vector<double>& sums, const Value& bias, const Value& addend, const How& how) {
  for (size_t i = 0; i < sums.size(); i++) {
    const auto at = static_cast<int64_t>(i);
    sums[i] = activated(how.activation, sums[i] + (how.bias ? bias[at % bias.size()] + addend[at] : 0));
  }
}

double relativeError(const Value& received, const std::vector<double>& reference) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < reference.size(); i++) {
    const double difference = received.data[i] - reference[i];
    error += difference * difference;
    norm += reference[i] * reference[i];
  }
  return std::sqrt(error / norm);
}

// m, n, k of the product, to know what it may round.
void expectProduct(const std::string& product, const Shape& s, const How& how, const Value& received,
                   const std::vector<double>& reference, int64_t m, int64_t n, int64_t k) {
  const std::string what = product + " x " + ops::describe(s.x()) + " w " + ops::describe(s.w()) + " strides " +
                           ops::describe(s.strides) + " dilation " + ops::describe(s.dilation) + " before " +
                           ops::describe(s.before) + " " + name(how.dtype) + " precision " +
                           std::to_string(static_cast<int>(how.precision)) + " sm_" + std::to_string(how.capability);
  double norm = 0;
  for (const double value : reference) norm += value * value;
  if (norm == 0) return suite::expectClose(what, received.data, reference, 0);
  const bool depthwise = s.groups > 1 && s.groups == s.channels;
  const bool rounds = how.dtype == DType::float32 && how.precision != Precision::highest && !depthwise &&
                      std::min(how.capability, deviceCapability()) >= 80 && m >= 16 && n >= 16 && k >= 16;
  double tolerance = 2e-7 + 2.5e-8 * std::sqrt(static_cast<double>(k));
  if (rounds) tolerance = 6e-4;
  if (how.dtype == DType::bfloat16) tolerance = 6e-3;
  suite::expectRelativeError(what, received.data, reference, tolerance);
  if (rounds && reference.size() >= 256)
    suite::expect(relativeError(received, reference) > 2e-5, what + " is not TF32");
}

void check(const Shape& s, const How& how = {}) {
  const int64_t taps = sizeOf(s.kernel), channels = s.channels / s.groups, features = s.features / s.groups;
  const int64_t inputs = s.images * sizeOf(s.input), outputs = s.images * sizeOf(s.output);
  const Value x = random(how.dtype, s.x(), -1, 1), w = random(how.dtype, s.w(), -1, 1);
  const Value dy = random(how.dtype, s.y(), -1, 1);
  const Value biasF = random(how.dtype, {s.features}, -1, 1), biasC = random(how.dtype, {s.channels}, -1, 1);
  std::vector<double> y = zeros(s.y()), dx = zeros(s.x()), dw = zeros(s.w());
  forProducts(s, [&](int64_t ix, int64_t iw, int64_t iy) {
    y[static_cast<size_t>(iy)] += x[ix] * w[iw];
    dx[static_cast<size_t>(ix)] += dy[iy] * w[iw];
    dw[static_cast<size_t>(iw)] += x[ix] * dy[iy];
  });
  const Value addendY = random(how.dtype, s.y(), -1, 1), addendX = random(how.dtype, s.x(), -1, 1);
  finish(y, biasF, addendY, how);
  finish(dx, biasC, addendX, how);
  const auto strides = ints(s.strides), dilation = ints(s.dilation), before = ints(s.before);
  const Result forward = run(
      Op::conv, attributes::conv{strides, dilation, before, s.groups, how.activation, how.precision},
      {x, w, how.bias ? biasF : absent(), how.bias ? addendY : absent()}, {empty(how.dtype, s.y())}, how.capability);
  expectProduct("conv", s, how, forward[0], y, outputs, features, taps * channels);
  const Result dataGrad = run(
      Op::convDataGrad, attributes::convDataGrad{strides, dilation, before, s.groups, how.activation, how.precision},
      {dy, w, how.bias ? biasC : absent(), how.bias ? addendX : absent()}, {empty(how.dtype, s.x())}, how.capability);
  int64_t rows = s.images, most = features;  // of a phase
  for (size_t i = 0; i < s.input.size(); i++) {
    rows *= (s.input[i] + s.strides[i] - 1) / s.strides[i];
    const int64_t step = s.strides[i] / std::gcd(s.strides[i], s.dilation[i]);
    most *= (s.kernel[i] + step - 1) / step;
  }
  expectProduct("convDataGrad", s, how, dataGrad[0], dx, inputs == 0 ? 0 : rows, channels, most);
  const Result filterGrad =
      run(Op::convFilterGrad, attributes::convFilterGrad{strides, dilation, before, s.groups, how.precision}, {x, dy},
          {empty(how.dtype, s.w())}, how.capability);
  expectProduct("convFilterGrad", s, how, filterGrad[0], dw, taps * channels, features, outputs);
}

void checkAll(const Shape& s) {
  for (const Precision precision : cases<Precision>({Precision::highest, Precision::high}))
    check(s, {DType::float32, precision});
  check(s, {DType::bfloat16});
}

}  // namespace

SUITE_CASE(convSizes) {
  for (const Shape& s : cases<Shape>({
           shape(1, {1}, 1, {1}, 1),                                     // one pixel
           shape(2, {5, 7}, 3, {5, 7}, 4),                               // a kernel as large as the image
           shape(2, {7, 5}, 3, {3, 3}, 5, 1, {}, {}, {1, 1}, {1, 1}),    // odd sizes, three channels
           shape(1, {5, 7}, 35, {3, 2}, 33, 1, {}, {}, {1, 0}, {1, 1}),  // more channels and features than a tile
           shape(1, {6, 6}, 1, {5, 5}, 34, 1, {}, {}, {2, 2}, {2, 2}),   // one channel
           shape(2, {4, 5}, 16, {1, 1}, 65),                             // a product of matrices
           shape(2, {1, 1}, 40, {3, 3}, 6, 1, {}, {}, {1, 1}, {1, 1}),   // most taps outside
           shape(2, {5, 5}, 16, {3, 3}, 24, 1, {}, {}, {1, 1}, {1, 1}),  // vectors in both dtypes
           shape(1, {4, 5}, 2, {3, 3}, 3, 1, {}, {}, {2, 1}, {0, 3}),    // asymmetric padding
           shape(2, {9}, 3, {5}, 4, 1, {}, {2}, {8}, {0}),               // one axis, causal
           shape(1, {4, 5, 3}, 3, {2, 3, 3}, 4, 1, {}, {}, {0, 1, 1}, {1, 1, 1})  // three axes
       }))
    checkAll(s);
}

SUITE_CASE(convStridesAndDilation) {
  for (const Shape& s : cases<Shape>(
           {shape(2, {8, 7}, 3, {3, 3}, 6, 1, {2, 2}, {}, {0, 1}, {1, 1}),
            shape(2, {8, 7}, 16, {3, 3}, 16, 1, {2, 2}, {}, {0, 1}, {1, 1}),  // phases with one, two and four taps
            shape(1, {9, 11}, 2, {3, 2}, 3, 1, {2, 3}),
            shape(1, {11, 10}, 2, {2, 2}, 3, 1, {4, 4}, {}, {0, 0}, {1, 0}),  // stride over kernel: phases without taps
            shape(1, {7, 7}, 20, {1, 1}, 17, 1, {2, 2}), shape(1, {10, 9}, 4, {3, 3}, 5, 1, {}, {2, 3}, {2, 3}, {2, 3}),
            shape(1, {12, 9}, 2, {3, 3}, 3, 1, {3, 2}, {2, 2}, {2, 1},
                  {2, 2}),  // dilation and stride with and without a common factor
            shape(1, {12, 9}, 8, {2, 3}, 8, 1, {2, 4}, {3, 2}),
            shape(1, {3, 2}, 2, {2, 2}, 3, 1, {5, 4}, {}, {4, 3}, {4, 5}),  // fewer pixels than the stride
            shape(2, {5, 4, 5}, 2, {3, 2, 2}, 4, 1, {2, 1, 2})}))
    checkAll(s);
}

// First layers: with zeros behind 1, 3 and 5 channels, words of 4, 8 and 16 bytes, and channels that fill no word. Few taps, strides and
// dilation, one to three axes, slices of k in the filter gradient.
SUITE_CASE(convFewChannels) {
  std::vector<Shape> shapes;
  for (const int64_t channels : {1, 2, 3, 4, 5, 6, 7, 9, 10, 12})
    shapes.push_back(shape(2, {7, 6}, channels, {5, 4}, 17, 1, {}, {}, {2, 1}, {2, 2}));
  shapes.push_back(shape(1, {40, 41}, 1, {2, 2}, 24, 1, {}, {}, {1, 0}, {0, 1}));
  shapes.push_back(shape(2, {19, 21}, 3, {3, 3}, 16, 1, {2, 2}, {}, {1, 1}, {1, 1}));
  shapes.push_back(shape(1, {9, 10}, 3, {3, 3}, 66, 1, {}, {2, 3}, {2, 3}, {2, 3}));
  shapes.push_back(shape(3, {33}, 3, {7}, 18, 1, {2}, {}, {3}, {3}));
  shapes.push_back(shape(1, {4, 5, 6}, 1, {3, 3, 3}, 16, 1, {}, {}, {1, 1, 1}, {1, 1, 1}));
  for (const Shape& s : cases(shapes)) {
    checkAll(s);
    check(s, {DType::bfloat16, Precision::high, true, Activation::relu});
  }
}

SUITE_CASE(convGroups) {
  for (const Shape& s : cases<Shape>({shape(2, {6, 5}, 6, {3, 3}, 9, 3, {}, {}, {1, 1}, {1, 1}),
                                      shape(1, {5, 6}, 34, {3, 3}, 34, 2, {2, 2}, {}, {1, 0}, {1, 1}),
                                      shape(2, {3, 5, 4}, 4, {3, 2, 2}, 6, 2, {2, 1, 2})}))
    checkAll(s);
}

SUITE_CASE(convDepthwise) {
  for (const Shape& s :
       cases<Shape>({shape(2, {7, 6}, 5, {3, 3}, 5, 5, {}, {}, {1, 1}, {1, 1}),
                     shape(1, {8, 9}, 19, {3, 2}, 38, 19, {2, 2}, {}, {0, 0}, {1, 1}),  // two features for each channel
                     shape(2, {9, 8}, 36, {3, 3}, 36, 36, {2, 1}, {2, 2}, {1, 2}, {2, 2}),
                     shape(1, {17}, 132, {3}, 132, 132, {3}),                       // more channels than a block has
                     shape(2, {5, 4}, 16, {3, 3}, 16, 16, {}, {}, {1, 1}, {1, 1}),  // 16 bytes of both dtypes
                     shape(1, {4, 3}, 264, {2, 2}, 264, 264),                       // more of them than a block has
                     shape(1, {17, 17}, 72, {2, 2}, 72, 72),                        // pixels in slices
                     shape(1, {40, 9}, 4, {1, 2}, 4, 4),                            // one thread across
                     shape(1, {4, 3, 5}, 4, {2, 2, 2}, 8, 4, {1, 1, 2})})) {
    check(s);
    check(s, {DType::bfloat16});
    check(s, {DType::bfloat16, Precision::high, true, Activation::tanh});
  }
}

SUITE_CASE(convEpilogues) {
  for (const Activation activation :
       variants<Activation>({Activation::relu, Activation::none, Activation::sigmoid, Activation::tanh})) {
    for (const Shape& s : cases<Shape>({
             shape(1, {4, 5}, 3, {2, 2}, 5), shape(1, {3, 4}, 16, {1, 1}, 17),
             shape(1, {6, 5}, 4, {3, 3}, 4, 4, {2, 1}), shape(1, {4, 4}, 36, {3, 3}, 36, 2, {}, {}, {1, 1}, {1, 1}),
             shape(1, {4, 3}, 68, {3, 3}, 66, 1, {2, 2}, {}, {1, 1}, {1, 1})  // in slices of k
         })) {
      check(s, {DType::float32, Precision::highest, true, activation});
      check(s, {DType::bfloat16, Precision::high, true, activation});
    }
  }
}

// Filter gradients of many pixels: slices of k.
SUITE_CASE(convFilterGradInSlices) { checkAll(shape(3, {17, 16}, 4, {2, 2}, 16, 1, {}, {}, {1, 0}, {0, 1})); }

// The moments of the features as they are stored, behind each kernel.
SUITE_CASE(convMoments) {
  for (const Shape& s :
       cases<Shape>({shape(1, {1, 1}, 1, {1, 1}, 1),                                // one pixel
                     shape(2, {5, 6}, 3, {1, 1}, 16),                               // a product of matrices
                     shape(1, {9, 7}, 12, {3, 3}, 12, 12, {2, 1}),                  // depthwise
                     shape(2, {12, 13}, 3, {3, 3}, 17, 1, {}, {}, {1, 1}, {1, 1}),  // moments in slices
                     shape(2, {7, 5}, 4, {3, 3}, 6, 2, {}, {}, {1, 1}, {1, 1})})) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      const Value x = random(dtype, s.x(), -1, 1), w = random(dtype, s.w(), -1, 1), bias = random(dtype, {s.features}),
                  addend = random(dtype, s.y(), -1, 1);
      std::vector<double> y = zeros(s.y());
      forProducts(s, [&](int64_t ix, int64_t iw, int64_t iy) { y[static_cast<size_t>(iy)] += x[ix] * w[iw]; });
      const How how{dtype, Precision::highest, true, Activation::relu};
      finish(y, bias, addend, how);
      const Value statistic = empty(DType::float32, {s.features});
      const Result result = run(
          Op::conv,
          attributes::conv{ints(s.strides), ints(s.dilation), ints(s.before), s.groups, how.activation, how.precision},
          {x, w, bias, addend}, {empty(dtype, s.y()), statistic, statistic});
      const int64_t pixels = s.images * sizeOf(s.output);
      expectProduct("conv with moments", s, how, result[0], y, pixels, s.features, sizeOf(s.kernel) * s.channels);
      const auto count = static_cast<double>(pixels);
      std::vector<double> mean = zeros({s.features}), variance = mean;
      for (int64_t i = 0; i < result[0].size(); i++) mean[static_cast<size_t>(i % s.features)] += result[0][i] / count;
      for (int64_t i = 0; i < result[0].size(); i++) {
        const auto feature = static_cast<size_t>(i % s.features);
        variance[feature] += (result[0][i] - mean[feature]) * (result[0][i] - mean[feature]) / count;
      }
      const std::string at = " of conv " + name(dtype) + " " + ops::describe(s.x()) + " w " + ops::describe(s.w());
      expectEqual("mean" + at, result[1], mean, 2e-6);
      expectEqual("variance" + at, result[2], variance, 2e-6);
    }
  }
}

// The maxima of windows behind each kernel are those of maxPool.
SUITE_CASE(convMaxima) {
  for (const Shape& s : cases<Shape>({shape(2, {5, 6}, 3, {1, 1}, 16),  // a product of matrices
                                      shape(1, {9, 7}, 12, {3, 3}, 12, 12, {2, 1}, {}, {1, 0}, {1, 0}),  // depthwise
                                      shape(2, {7, 6}, 3, {3, 3}, 17, 1, {}, {}, {1, 1}, {1, 1})})) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      const std::vector<Value> inputs = {random(dtype, s.x(), -1, 1), random(dtype, s.w(), -1, 1),
                                         random(dtype, {s.features}), absent()};
      attributes::conv a{ints(s.strides), ints(s.dilation), ints(s.before),
                         s.groups,        Activation::relu, Precision::high};
      const Value y = run(Op::conv, a, inputs, {empty(dtype, s.y())})[0];
      const attributes::maxPool windows{ints({2, 3}), ints({2, 2}), ints({1, 0})};
      const Dims places = {s.images, (s.output[0] - 1) / 2 + 1, (s.output[1] - 3) / 2 + 1, s.features};
      const std::vector<Value> outputs = {empty(dtype, places), empty(DType::uint8, places), empty(dtype, s.y())};
      const Result expected = run(Op::maxPool, windows, {y}, {outputs[0], outputs[1]});
      a.window = windows.window;
      a.poolStrides = windows.strides;
      a.poolBefore = windows.before;
      const Result received = run(Op::conv, a, inputs, outputs);
      const std::string at = " of conv " + name(dtype) + " " + ops::describe(s.x()) + " w " + ops::describe(s.w());
      suite::expectClose("maxima" + at, received[0].data, expected[0].data, 0);
      suite::expectClose("positions" + at, received[1].data, expected[1].data, 0);
    }
  }
}

// Enough blocks for the largest tiles. Groups make them without much memory.
SUITE_CASE(convLargeTiles) {
  const neurite::cuda::MatmulChoice choice =
      neurite::cuda::chooseConvProduct({66, 68, 68, neurite::cuda::kFullGrid}, 75, false);
  suite::expect(choice.tile == 128, "that many groups fill a grid of the largest tiles");
  // Pixels, channels and features of a group: y, dx and dw in turn are larger than 64 both ways.
  const int64_t groups = neurite::cuda::kFullGrid, sizes[3][3] = {{66, 2, 68}, {66, 68, 2}, {3, 66, 68}};
  for (const auto& [pixels, channels, features] : sizes) {
    const Shape s = shape(1, {pixels}, channels * groups, {1}, features * groups, groups);
#ifndef EMULATOR_TSAN
    check(s);
    check(s, {DType::float32, Precision::high});
#endif
    check(s, {DType::bfloat16});
  }
}

// Before sm_80 there is float32 arithmetic only.
SUITE_CASE(convBeforeTensorCores) {
  const Shape s = shape(2, {5, 5}, 16, {3, 3}, 24, 1, {}, {}, {1, 1}, {1, 1});
  check(s, {DType::float32, Precision::high, false, Activation::none, 75});
  check(s, {DType::bfloat16, Precision::high, false, Activation::none, 75});
}

SUITE_CASE(convKeepsNan) {
  for (const Precision precision : cases<Precision>({Precision::highest, Precision::high})) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      for (const int64_t groups : cases<int64_t>({1, 16})) {
        const Shape s = shape(1, {8, 8}, 16, {2, 2}, 16, groups);
        Value x = random(dtype, s.x()), w = random(dtype, s.w(), 0.5, 1);
        x.data[0] = std::nan("");                 // pixel (0, 0), channel 0: y (0, 0) only
        x.data[(7 * 8 + 7) * 16 + 1] = HUGE_VAL;  // the last pixel: the last of y
        const Value y = run(
            Op::conv, attributes::conv{ints({1, 1}), ints({1, 1}), ints({0, 0}), groups, Activation::relu, precision},
            {x, w, absent(), absent()}, {empty(dtype, s.y())})[0];
        for (int64_t i = 0; i < y.size(); i++) {
          const int64_t pixel = i / 16, feature = i % 16;
          if (pixel == 0 && (groups == 1 || feature == 0))
            suite::expect(std::isnan(y[i]), "a NaN in a window is in its pixel");
          else if (pixel == 48 && (groups == 1 || feature == 1))
            suite::expect(y[i] == HUGE_VAL, "an infinity in a window is in its pixel");
          else
            suite::expect(std::isfinite(y[i]), "other pixels are finite");
        }
      }
    }
  }
}

SUITE_CASE(convOfNothing) {
  for (const int64_t groups : {1, 2, 4}) check(shape(0, {5, 4}, 4, {2, 3}, 8, groups));
  check(shape(0, {5, 4}, 4, {1, 1}, 8));
}
