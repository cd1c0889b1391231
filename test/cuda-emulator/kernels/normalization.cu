// Statistics, forward and backward of normalisation by channel and by row against the chain rule in float64, and moving averages.
#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

using neurite::RowNorm;

const double kNan = std::nan(""), kInfinity = HUGE_VAL;
constexpr double kEpsilon = 1e-3;

const std::vector<DType> kFloats = {DType::float32, DType::bfloat16};

// ---- By channel

struct Channels {
  int64_t outer, rows, channels, groups;

  Dims x() const { return {outer, rows, channels}; }
  Dims statistics() const { return {outer, groups}; }
  int64_t size() const { return outer * rows * channels; }
  int64_t channel(int64_t i) const { return i % channels; }
  // Of element i: its place in sums (outer, C), and in statistics.
  int64_t column(int64_t i) const { return i / (rows * channels) * channels + channel(i); }
  int64_t group(int64_t i) const { return i / (rows * channels) * groups + channel(i) / (channels / groups); }
  double count() const { return static_cast<double>(rows * channels / groups); }
  std::string text() const { return " " + describe(x()) + " groups " + std::to_string(groups); }
};

struct Statistics {
  std::vector<double> mean, variance;
};

Statistics statisticsOf(const Channels& s, const Value& x) {
  Statistics result{std::vector<double>(static_cast<size_t>(s.outer * s.groups)), {}};
  result.variance = result.mean;
  for (int64_t i = 0; i < s.size(); i++) result.mean[static_cast<size_t>(s.group(i))] += x[i] / s.count();
  for (int64_t i = 0; i < s.size(); i++) {
    const auto group = static_cast<size_t>(s.group(i));
    result.variance[group] += (x[i] - result.mean[group]) * (x[i] - result.mean[group]) / s.count();
  }
  return result;
}

const std::vector<Channels> kChannels = {
    {1, 1, 1, 1},        // one pixel
    {1, 7, 3, 3},        // batch norm, odd
    {1, 30, 8, 8},       // vectors in both dtypes
    {2, 5, 12, 3},       // group norm; vectors of float32 only
    {3, 6, 35, 5},       // two strips of channels
    {2, 33, 16, 1},      // one group
    {1, 9000, 1, 1},     // slices of rows, one column
    {1, 600, 132, 132},  // slices of two strips
    {2, 270, 33, 3},     // slices of each outer index
};

// What channelNorm and its gradients read.
struct Normalization {
  Value x, mean, variance, gamma, beta;

  Normalization(const Channels& s, DType dtype, bool affine)
      : x(random(dtype, s.x(), -1, 3)),
        gamma(affine ? random(DType::float32, {s.channels}, 0.5, 2) : absent()),
        beta(affine ? random(DType::float32, {s.channels}, -1, 1) : absent()) {
    const Statistics statistics = statisticsOf(s, x);
    mean = Value(DType::float32, s.statistics(), statistics.mean);
    variance = Value(DType::float32, s.statistics(), statistics.variance);
  }
  double inverse(int64_t group) const { return 1 / std::sqrt(variance[group] + kEpsilon); }
  double xhat(const Channels& s, int64_t i) const { return (x[i] - mean[s.group(i)]) * inverse(s.group(i)); }
  double factor(const Channels& s, int64_t i) const { return gamma.present ? gamma[s.channel(i)] : 1; }
  double y(const Channels& s, int64_t i) const {
    return xhat(s, i) * factor(s, i) + (beta.present ? beta[s.channel(i)] : 0);
  }
};

// dx from dz: the chain rule through variance and mean, which may be constants.
std::vector<double> channelNormGradOf(const Channels& s, const Normalization& n, const std::vector<double>& dz,
                                      bool constants) {
  std::vector<double> dMean(static_cast<size_t>(s.outer * s.groups)), dVariance(dMean);
  for (int64_t i = 0; i < s.size() && !constants; i++) {
    const int64_t group = s.group(i);
    const double dXhat = dz[static_cast<size_t>(i)] * n.factor(s, i), inverse = n.inverse(group);
    dMean[static_cast<size_t>(group)] -= dXhat * inverse;
    dVariance[static_cast<size_t>(group)] -= dXhat * (n.x[i] - n.mean[group]) * inverse * inverse * inverse / 2;
  }
  return each(s.size(), [&](int64_t i) {
    const int64_t group = s.group(i);
    const double direct = dz[static_cast<size_t>(i)] * n.factor(s, i) * n.inverse(group);
    return direct +
           (dMean[static_cast<size_t>(group)] + dVariance[static_cast<size_t>(group)] * 2 * (n.x[i] - n.mean[group])) /
               s.count();
  });
}

enum class Relu { none, ofOutput, again };  // dz: dy; where y is positive; where the normalised x is

void checkChannelNormGrad(const Channels& s, DType dtype, bool affine, Relu relu) {
  const Normalization n(s, dtype, affine);
  const Value dy = random(dtype, s.x()), y = random(dtype, s.x());
  const std::vector<double> dz = each(s.size(), [&](int64_t i) {
    const double output = relu == Relu::ofOutput ? y[i] : relu == Relu::again ? n.y(s, i) : 1;
    return output > 0 ? dy[i] : 0;
  });
  std::vector<double> sum(static_cast<size_t>(s.outer * s.channels)), product(sum);
  for (int64_t i = 0; i < s.size(); i++) {
    sum[static_cast<size_t>(s.column(i))] += dz[static_cast<size_t>(i)];
    product[static_cast<size_t>(s.column(i))] += dz[static_cast<size_t>(i)] * n.xhat(s, i);
  }
  const std::string at =
      " " + name(dtype) + s.text() + (affine ? " affine" : "") + " relu " + std::to_string(static_cast<int>(relu));
  const bool written = relu == Relu::ofOutput;
  const Dims columns = {s.outer, s.channels};
  const Result sums =
      run(Op::channelNormSums, attributes::channelNormSums{s.outer, s.groups, kEpsilon, relu != Relu::none},
          {dy, written ? y : absent(), n.x, n.mean, n.variance, n.gamma, n.beta},
          {empty(dtype, written ? s.x() : Dims{0}), empty(DType::float32, columns), empty(DType::float32, columns)});
  if (written) suite::expectClose("dz" + at, sums[0].data, dz, 0);
  expectEqual("sum of dz" + at, sums[1], sum, 2e-5);
  expectEqual("sum of dz * xhat" + at, sums[2], product, 2e-5);
  for (const bool constants : {false, true}) {
    const Value sumIn = constants ? absent() : Value(DType::float32, columns, sum);
    const Value productIn = constants ? absent() : Value(DType::float32, columns, product);
    const Value gradient = written ? Value(dtype, s.x(), dz) : dy;
    expectEqual("channelNormGrad" + at + (constants ? " of constants" : ""),
                run(Op::channelNormGrad, attributes::channelNormGrad{s.outer, s.groups, kEpsilon, relu == Relu::again},
                    {gradient, n.x, n.mean, n.variance, n.gamma, n.beta, sumIn, productIn}, {empty(dtype, s.x())})[0],
                channelNormGradOf(s, n, dz, constants), 5e-6);
  }
}

}  // namespace

SUITE_CASE(channelMoments) {
  const auto check = [](const Channels& s, const Value& x, double tolerance) {
    const Statistics reference = statisticsOf(s, x);
    const Value statistic = empty(DType::float32, s.statistics());
    const Result result =
        run(Op::channelMoments, attributes::channelMoments{s.outer, s.groups}, {x}, {statistic, statistic});
    expectEqual("mean " + name(x.dtype) + s.text(), result[0], reference.mean, tolerance);
    expectEqual("variance " + name(x.dtype) + s.text(), result[1], reference.variance, tolerance);
  };
  for (const Channels& s : cases(kChannels)) {
    for (const DType dtype : variants(kFloats)) check(s, random(dtype, s.x(), -1, 3), 2e-6);
    // Far from zero, where the mean of squares less the square of the mean has no digits left.
    check(s, random(DType::float32, s.x(), 1000, 1001), 2e-5);
  }
#ifndef EMULATOR_TSAN
  // So many blocks that a thread has more rows than one chunk.
  const Channels many{1024, 260, 17, 17};
  check(many, random(DType::float32, many.x(), -1, 3), 2e-6);
#endif
  const Channels nothing{1, 0, 3, 3}, s{1, 5, 4, 2};
  check(nothing, random(DType::float32, nothing.x()), 0);
  Value x = random(DType::float32, s.x());
  x.data[5] = kNan;  // channel 1
  const Value statistic = empty(DType::float32, s.statistics());
  const Result result =
      run(Op::channelMoments, attributes::channelMoments{s.outer, s.groups}, {x}, {statistic, statistic});
  for (const size_t i : {0, 1}) {
    suite::expect(std::isnan(result[i][0]), "a NaN is in its group's statistics");
    suite::expect(std::isfinite(result[i][1]), "other groups are finite");
  }
}

SUITE_CASE(channelNorm) {
  for (const Channels& s : cases(kChannels)) {
    for (const DType dtype : variants(kFloats)) {
      for (const bool affine : {false, true}) {
        for (const bool residual : {false, true}) {
          const bool relu = affine != residual;
          const Normalization n(s, dtype, affine);
          const Value more = residual ? random(dtype, s.x()) : absent();
          expectEqual("channelNorm " + name(dtype) + s.text() + (affine ? " affine" : "") +
                          (residual ? " residual" : "") + (relu ? " relu" : ""),
                      run(Op::channelNorm, attributes::channelNorm{s.outer, s.groups, kEpsilon, relu},
                          {n.x, n.mean, n.variance, n.gamma, n.beta, more}, {empty(dtype, s.x())})[0],
                      each(s.size(),
                           [&](int64_t i) {
                             const double y = n.y(s, i) + (residual ? more[i] : 0);
                             return relu ? std::fmax(y, 0) : y;
                           }),
                      4e-6);
        }
      }
    }
  }
  const Value x(DType::float32, {1, 5, 1}, {kNan, kInfinity, -kInfinity, 1, -1});
  const Value zero = scalar(DType::float32, 0), one = scalar(DType::float32, 1);
  expectEqual("channelNorm of NaN and infinities",
              run(Op::channelNorm, attributes::channelNorm{1, 1, 0, true}, {x, zero, one, absent(), absent(), absent()},
                  {empty(DType::float32, {1, 5, 1})})[0],
              {kNan, kInfinity, 0, 1, 0});
}

SUITE_CASE(channelNormGradients) {
  for (const Channels& s : cases(kChannels)) {
    for (const DType dtype : variants(kFloats)) {
      checkChannelNormGrad(s, dtype, true, Relu::ofOutput);
      checkChannelNormGrad(s, dtype, true, Relu::again);
      checkChannelNormGrad(s, dtype, false, Relu::none);
    }
  }
  // What relu lets pass of a NaN is a NaN.
  const Channels s{1, 3, 2, 2};
  const Value x = random(DType::float32, s.x()), dy = constant(DType::float32, s.x(), 1);
  const Value y(DType::float32, s.x(), {1, 1, kNan, 0, 0, 1}), column = empty(DType::float32, {1, 2});
  const Value zero = constant(DType::float32, {1, 2}, 0), one = constant(DType::float32, {1, 2}, 1);
  const Result sums = run(Op::channelNormSums, attributes::channelNormSums{1, 2, kEpsilon, true},
                          {dy, y, x, zero, one, absent(), absent()}, {empty(DType::float32, s.x()), column, column});
  expectEqual("dz of NaN", sums[0], {1, 1, kNan, 0, 0, 1});
  expectEqual("sum of NaN", sums[1], {kNan, 2});
  // With constant statistics dx does not depend on x but for what relu lets pass.
  const Value infinite(DType::float32, s.x(), {-kInfinity, kInfinity, 1, -kInfinity, kInfinity, 0});
  expectEqual("dx where x is infinite",
              run(Op::channelNormGrad, attributes::channelNormGrad{1, 2, 0, true},
                  {dy, infinite, zero, one, absent(), absent(), absent(), absent()}, {empty(DType::float32, s.x())})[0],
              {0, 1, 1, 0, 1, 0});
}

SUITE_CASE(channelNormOfNothing) {
  for (const Channels& s : {Channels{0, 3, 4, 2}, Channels{1, 0, 4, 4}}) {
    const Value x = empty(DType::float32, s.x()), statistic = constant(DType::float32, s.statistics(), 1);
    const Value columns = constant(DType::float32, {s.outer, s.channels}, 0);
    const auto none = absent();
    run(Op::channelNorm, attributes::channelNorm{s.outer, s.groups, kEpsilon, true},
        {x, statistic, statistic, none, none, none}, {x});
    const Result sums = run(Op::channelNormSums, attributes::channelNormSums{s.outer, s.groups, kEpsilon, true},
                            {x, none, x, statistic, statistic, none, none},
                            {x, empty(DType::float32, columns.dims), empty(DType::float32, columns.dims)});
    for (const size_t i : {1, 2}) expectEqual("sums of nothing", sums[i], columns.data);
    run(Op::channelNormGrad, attributes::channelNormGrad{s.outer, s.groups, kEpsilon, true},
        {x, x, statistic, statistic, none, none, columns, columns}, {x});
  }
}

SUITE_CASE(movingAverages) {
  for (const int64_t n : {1, 33, 300}) {
    const Value a = random(DType::float32, {n}), b = random(DType::float32, {n}), c = random(DType::float32, {n}),
                d = random(DType::float32, {n});
    const Result result = run(Op::movingAverage, attributes::movingAverage{0.9}, {a, b, c, d}, {});
    const auto reference = [&](const Value& target, const Value& value) {
      return each(n, [&](int64_t i) { return target[i] * 0.9 + value[i] * 0.1; });
    };
    expectEqual("movingAverage a", result.inputs[0], reference(a, c));
    expectEqual("movingAverage b", result.inputs[1], reference(b, d));
  }
}

// ---- By row

namespace {

struct RowShape {
  int64_t rows, length;
  Dims x() const { return {rows, length}; }
};

// Threads of a row: a part of a warp, a warp, a block. Vectors: of float32, of both dtypes.
const std::vector<RowShape> kRows = {{1, 1},    {9, 3},    {5, 8},    {3, 20},   {2, 130}, {70, 33},
                                     {2, 1030}, {3, 1200}, {300, 40}, {257, 12}, {1, 5}};
const std::vector<RowNorm> kKinds = {RowNorm::layer, RowNorm::rms, RowNorm::unit};

// Mean and inverse of a row, and its gradient.
struct Row {
  double mean = 0, inverse = 0;
  bool constant = false;  // of x, if it is so short that epsilon counts

  Row(RowNorm kind, const double* x, int64_t length) {
    double squares = 0;
    for (int64_t i = 0; i < length && kind == RowNorm::layer; i++) mean += x[i] / static_cast<double>(length);
    for (int64_t i = 0; i < length; i++) squares += (x[i] - mean) * (x[i] - mean);
    if (kind == RowNorm::unit) {
      inverse = 1 / std::fmax(std::sqrt(squares), kEpsilon);
      constant = std::sqrt(squares) <= kEpsilon;
    } else {
      inverse = 1 / std::sqrt(squares / static_cast<double>(length) + kEpsilon);
    }
  }
  // With d(inverse) / dx = -inverse^3 * (x - mean), divided by the length unless by the norm itself.
  void gradient(RowNorm kind, const double* x, const std::vector<double>& dXhat, double* dx) const {
    const auto length = static_cast<double>(dXhat.size());
    double sum = 0, dInverse = 0;
    for (size_t i = 0; i < dXhat.size(); i++) sum += dXhat[i], dInverse += dXhat[i] * (x[i] - mean);
    for (size_t i = 0; i < dXhat.size(); i++) {
      const double slope = constant ? 0 : -inverse * inverse * inverse * (x[i] - mean);
      dx[i] = dXhat[i] * inverse + dInverse * slope / (kind == RowNorm::unit ? 1 : length);
      if (kind == RowNorm::layer) dx[i] -= sum * inverse / length;
    }
  }
};

void checkRows(const RowShape& s, RowNorm kind, DType dtype, bool gamma, bool beta) {
  Value x = random(dtype, s.x(), -1, 2);
  if (s.rows > 2)  // a row of zeros, one that is shorter than epsilon
    for (int64_t i = 0; i < 2 * s.length; i++)
      x.data[static_cast<size_t>(i)] = i < s.length ? 0 : i == s.length ? std::ldexp(1.0, -12) : 0;
  const Value dy = random(dtype, s.x()), scale = gamma ? random(DType::float32, {s.length}, 0.5, 2) : absent(),
              shift = beta ? random(DType::float32, {s.length}) : absent();
  const auto factor = [&](int64_t i) { return gamma ? scale[i % s.length] : 1; };
  std::vector<double> mean, inverse, y(x.data.size()), dx(y), dGamma(static_cast<size_t>(s.length)), dBeta(dGamma);
  for (int64_t r = 0; r < s.rows; r++) {
    const int64_t start = r * s.length;
    const Row row(kind, x.data.data() + start, s.length);
    mean.push_back(row.mean);
    inverse.push_back(row.inverse);
    std::vector<double> dXhat;
    for (int64_t i = 0; i < s.length; i++) {
      const double xhat = (x[start + i] - row.mean) * row.inverse;
      y[static_cast<size_t>(start + i)] = xhat * factor(i) + (beta ? shift[i] : 0);
      dXhat.push_back(dy[start + i] * factor(i));
      dGamma[static_cast<size_t>(i)] += dy[start + i] * xhat;
      dBeta[static_cast<size_t>(i)] += dy[start + i];
    }
    row.gradient(kind, x.data.data() + start, dXhat, dx.data() + start);
  }
  const std::string at = " " + name(dtype) + " kind " + std::to_string(static_cast<int>(kind)) + " " + describe(s.x()) +
                         (gamma ? " gamma" : "") + (beta ? " beta" : "");
  const Value perRow = empty(DType::float32, {s.rows});
  const Result result =
      run(Op::rowNorm, attributes::rowNorm{kind, kEpsilon}, {x, scale, shift}, {empty(dtype, s.x()), perRow, perRow});
  expectEqual("rowNorm" + at, result[0], y, 4e-6);
  expectEqual("mean" + at, result[1], mean, 2e-6);
  expectEqual("inverse" + at, result[2], inverse, 2e-6);
  const Result gradients =
      run(Op::rowNormGrad, attributes::rowNormGrad{kind, kEpsilon},
          {dy, x, Value(DType::float32, {s.rows}, mean), Value(DType::float32, {s.rows}, inverse), scale},
          {empty(dtype, s.x()), empty(DType::float32, {gamma ? s.length : 0}),
           empty(DType::float32, {beta ? s.length : 0})});
  expectEqual("rowNormGrad" + at, gradients[0], dx, 1e-5);
  if (gamma) expectEqual("dgamma" + at, gradients[1], dGamma, 2e-5);
  if (beta) expectEqual("dbeta" + at, gradients[2], dBeta, 2e-5);
}

}  // namespace

SUITE_CASE(rowNorms) {
  for (const RowShape& s : cases(kRows)) {
    for (const DType dtype : variants(kFloats)) {
      checkRows(s, RowNorm::layer, dtype, true, true);
      checkRows(s, RowNorm::rms, dtype, true, false);
      checkRows(s, RowNorm::layer, dtype, false, true);
      checkRows(s, RowNorm::unit, dtype, false, false);
    }
  }
}

SUITE_CASE(rowNormKeepsNan) {
  for (const RowNorm kind : cases(kKinds)) {
    for (const int64_t length : cases<int64_t>({6, 1100})) {
      Value x = random(DType::float32, {3, length});
      x.data[static_cast<size_t>(length + 2)] = kNan;
      const Value perRow = empty(DType::float32, {3});
      const Result result = run(Op::rowNorm, attributes::rowNorm{kind, kEpsilon}, {x, absent(), absent()},
                                {empty(DType::float32, x.dims), perRow, perRow});
      for (int64_t i = 0; i < x.size(); i++)
        suite::expect(std::isnan(result[0][i]) == (i / length == 1), "a NaN makes its row NaN, and no other");
    }
  }
}

SUITE_CASE(rowNormOfNothing) {
  for (const RowNorm kind : kKinds) checkRows({0, 5}, kind, DType::float32, true, true);
}
