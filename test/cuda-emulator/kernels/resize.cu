// Resizing and its gradient against weights that are worked out for each axis in float64.
#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

using neurite::Interpolation;

struct Shape {
  Dims input, output;  // spatial axes
  int64_t images, channels;

  Dims x() const { return dimsOf(images, input, channels); }
  Dims y() const { return dimsOf(images, output, channels); }
};

// Keys' kernel with a = -3/4.
double keys(double distance) {
  const double d = std::fabs(distance), a = -0.75;
  if (d < 1) return (a + 2) * d * d * d - (a + 3) * d * d + 1;
  return d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0;
}

// What each of the `in` places of an axis weighs in place o of `out`. What lies beyond an end is the element there.
std::vector<double> weightsOf(Interpolation interpolation, int64_t in, int64_t out, int64_t o) {
  std::vector<double> weights(static_cast<size_t>(in));
  const auto add = [&](int64_t place, double weight) {
    weights[static_cast<size_t>(place < 0 ? 0 : place < in ? place : in - 1)] += weight;
  };
  if (interpolation == Interpolation::nearest) {
    add((2 * o + 1) * in / (2 * out), 1);
    return weights;
  }
  const double at = (static_cast<double>(o) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
  const auto low = static_cast<int64_t>(std::floor(at));
  for (int64_t place = low - 1; place <= low + 2; place++) {
    const double distance = at - static_cast<double>(place);
    add(place, interpolation == Interpolation::bicubic ? keys(distance) : std::fmax(1 - std::fabs(distance), 0));
  }
  return weights;
}

// Calls f(index in x, index in y, weight) for all that is not 0.
template <class F> void forWeights(const Shape& s, Interpolation interpolation, F&& f) {
  const size_t axes = s.input.size();
  const int64_t pixels = sizeOf(s.input), places = sizeOf(s.output);
  for (int64_t o = 0; o < places; o++) {
    std::vector<double> weights = {1};  // of the pixels of the axes so far
    int64_t stride = places;
    for (size_t a = 0; a < axes; a++) {
      stride /= s.output[a];
      std::vector<double> all;
      const std::vector<double> axis = weightsOf(interpolation, s.input[a], s.output[a], o / stride % s.output[a]);
      for (const double before : weights)
        for (const double weight : axis) all.push_back(before * weight);
      weights = all;
    }
    for (int64_t p = 0; p < pixels; p++) {
      const double weight = weights[static_cast<size_t>(p)];
      if (weight == 0) continue;
      for (int64_t image = 0; image < s.images; image++)
        for (int64_t c = 0; c < s.channels; c++)
          f((image * pixels + p) * s.channels + c, (image * places + o) * s.channels + c, weight);
    }
  }
}

std::string nameOf(Interpolation interpolation) {
  return interpolation == Interpolation::nearest ? "nearest"
                                                 : (interpolation == Interpolation::bilinear ? "bilinear" : "bicubic");
}

void check(const Shape& s, Interpolation interpolation, DType dtype) {
  const Value x = random(dtype, s.x()), dy = random(dtype, s.y());
  std::vector<double> y(dy.data.size()), dx(x.data.size());
  forWeights(s, interpolation, [&](int64_t ix, int64_t iy, double weight) {
    y[static_cast<size_t>(iy)] += weight * x[ix];
    dx[static_cast<size_t>(ix)] += weight * dy[iy];
  });
  const std::string at =
      " " + nameOf(interpolation) + " " + name(dtype) + " " + describe(s.x()) + " to " + describe(s.y());
  expectEqual("resize" + at, run(Op::resize, attributes::resize{interpolation}, {x}, {empty(dtype, s.y())})[0], y,
              interpolation == Interpolation::nearest ? 0 : 2e-6);
  expectEqual("resizeGrad" + at,
              run(Op::resizeGrad, attributes::resizeGrad{interpolation}, {dy}, {empty(dtype, s.x())})[0], dx, 2e-5);
}

const std::vector<Interpolation> kInterpolations = {Interpolation::bicubic, Interpolation::bilinear,
                                                    Interpolation::nearest};

}  // namespace

SUITE_CASE(resizeSizes) {
  for (const Shape& s : cases<Shape>({
           {{1}, {1}, 1, 1},              // one pixel
           {{1, 1}, {3, 2}, 2, 3},        // of which every element is made
           {{5, 7}, {1, 1}, 1, 2},        // to one pixel
           {{5, 4}, {5, 4}, 2, 4},        // as it was; vectors of float32 only
           {{4, 3}, {8, 6}, 1, 8},        // twice as large; vectors in both dtypes
           {{5, 7}, {7, 3}, 2, 5},        // larger and smaller, odd
           {{16}, {5}, 2, 24},            // one axis; several vectors
           {{2, 40}, {120, 140}, 1, 1},   // more elements than threads
           {{37}, {300}, 1, 1},           // more places than a block has threads
           {{3, 4, 5}, {5, 2, 9}, 2, 8},  // three axes
       })) {
    for (const Interpolation interpolation : variants(kInterpolations))
      for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) check(s, interpolation, dtype);
  }
}

// Pixels of 1 to 48 bytes: words of 1, 2, 4, 8 and 16.
SUITE_CASE(resizeNearestOfAnyDType) {
  for (const DType dtype : variants<DType>({DType::uint8, DType::boolean, DType::int32, DType::bfloat16})) {
    for (const int64_t channels : cases<int64_t>({1, 2, 3, 4, 8, 12})) {
      const Shape s{{3, 4}, {5, 3}, 2, channels};
      const Value x = random(dtype, s.x(), 0, dtype == DType::boolean ? 2 : 200);
      std::vector<double> y(static_cast<size_t>(sizeOf(s.y())));
      forWeights(s, Interpolation::nearest,
                 [&](int64_t ix, int64_t iy, double) { y[static_cast<size_t>(iy)] = x[ix]; });
      expectEqual("resize nearest " + name(dtype) + " of " + std::to_string(channels) + " channels",
                  run(Op::resize, attributes::resize{Interpolation::nearest}, {x}, {empty(dtype, s.y())})[0], y);
    }
  }
}

// A NaN is in what is made of it, and in nothing else.
SUITE_CASE(resizeKeepsNan) {
  for (const Interpolation interpolation : variants(kInterpolations)) {
    for (const int64_t channels : cases<int64_t>({1, 4})) {
      const Shape s{{3, 5}, {6, 5}, 1, channels};
      Value x = random(DType::float32, s.x()), dy = random(DType::float32, s.y());
      const int64_t from = 7 * channels, to = 12 * channels;
      x.data[static_cast<size_t>(from)] = dy.data[static_cast<size_t>(to)] = std::nan("");
      std::vector<bool> inY(dy.data.size()), inDx(x.data.size());
      forWeights(s, interpolation, [&](int64_t ix, int64_t iy, double) {
        if (ix == from) inY[static_cast<size_t>(iy)] = true;
        if (iy == to) inDx[static_cast<size_t>(ix)] = true;
      });
      const auto expectNan = [&](const std::string& what, const Value& received, const std::vector<bool>& expected) {
        for (int64_t i = 0; i < received.size(); i++)
          suite::expect(std::isnan(received[i]) == expected[static_cast<size_t>(i)],
                        what + " " + nameOf(interpolation) + ": NaN at " + std::to_string(i));
      };
      expectNan("resize", run(Op::resize, attributes::resize{interpolation}, {x}, {empty(DType::float32, s.y())})[0],
                inY);
      expectNan("resizeGrad",
                run(Op::resizeGrad, attributes::resizeGrad{interpolation}, {dy}, {empty(DType::float32, s.x())})[0],
                inDx);
    }
  }
}

SUITE_CASE(resizeOfNothing) {
  for (const Interpolation interpolation : variants(kInterpolations)) {
    for (const Shape& s : {Shape{{3, 4}, {5, 3}, 0, 4}, Shape{{3, 4}, {5, 3}, 2, 0}})
      check(s, interpolation, DType::float32);
  }
}
