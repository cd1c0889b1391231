// Softmax and log-softmax along any axis, the cross-entropies, and their gradients.
#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

const double kNan = std::nan(""), kInfinity = HUGE_VAL;

// Calls f(positions of the elements of a row) for each row along `axis`.
template <class F> void forRows(const Dims& dims, int64_t axis, F&& f) {
  int64_t inner = 1, outer = 1;
  for (size_t d = 0; d < dims.size(); d++) (static_cast<int64_t>(d) < axis ? outer : inner) *= dims[d];
  const int64_t length = dims[static_cast<size_t>(axis)];
  inner /= length;
  for (int64_t o = 0; o < outer; o++) {
    for (int64_t i = 0; i < inner; i++) {
      std::vector<size_t> row;
      for (int64_t k = 0; k < length; k++) row.push_back(static_cast<size_t>((o * length + k) * inner + i));
      f(row);
    }
  }
}

double logSumExp(const Value& x, const std::vector<size_t>& row) {
  double most = -kInfinity, sum = 0;
  for (const size_t i : row) most = std::fmax(most, x.data[i]);
  for (const size_t i : row) sum += std::exp(x.data[i] - most);
  return most + std::log(sum);
}

struct Shape {
  Dims dims;
  int64_t axis;
};
const std::vector<Shape> kShapes = {{{1}, 0},        {{3, 10}, 1},   {{9, 7}, 1},      {{2, 64}, 1},
                                    {{5, 130}, 1},   {{2, 1500}, 1}, {{3, 5, 4}, 1},   {{3, 5, 4}, 0},
                                    {{2, 6, 40}, 1}, {{257, 3}, 1},  {{2, 1100, 2}, 1}};

}  // namespace

SUITE_CASE(softmaxForwardAndBackward) {
  for (const Shape& s : cases(kShapes)) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      const Value x = random(dtype, s.dims, -4, 4), dy = random(dtype, s.dims);
      std::vector<double> y(x.data.size()), logY(y), dx(y), logDx(y);
      forRows(s.dims, s.axis, [&](const std::vector<size_t>& row) {
        const double lse = logSumExp(x, row);
        for (const size_t i : row) logY[i] = x.data[i] - lse, y[i] = std::exp(logY[i]);
      });
      const Value output(dtype, s.dims, y), logOutput(dtype, s.dims, logY);
      forRows(s.dims, s.axis, [&](const std::vector<size_t>& row) {
        double dot = 0, sum = 0;
        for (const size_t i : row) dot += dy.data[i] * output.data[i], sum += dy.data[i];
        for (const size_t i : row)
          dx[i] = output.data[i] * (dy.data[i] - dot), logDx[i] = dy.data[i] - std::exp(logOutput.data[i]) * sum;
      });
      const std::string at = " " + name(dtype) + " " + describe(s.dims) + " axis " + std::to_string(s.axis);
      const std::vector<Value> out = {empty(dtype, s.dims)};
      expectEqual("softmax" + at, run(Op::softmax, attributes::softmax{s.axis}, {x}, out)[0], y);
      expectEqual("logSoftmax" + at, run(Op::logSoftmax, attributes::logSoftmax{s.axis}, {x}, out)[0], logY, 2e-6);
      expectEqual("softmaxGrad" + at, run(Op::softmaxGrad, attributes::softmaxGrad{s.axis}, {dy, output}, out)[0], dx,
                  2e-6);
      expectEqual("logSoftmaxGrad" + at,
                  run(Op::logSoftmaxGrad, attributes::logSoftmaxGrad{s.axis}, {dy, logOutput}, out)[0], logDx, 5e-6);
    }
  }
  const Value x(DType::float32, {3, 2}, {-kInfinity, 1, 1000, 1000, kNan, 1});
  expectEqual("softmax of -inf, large, NaN",
              run(Op::softmax, attributes::softmax{1}, {x}, {empty(DType::float32, {3, 2})})[0],
              {0, 1, 0.5, 0.5, kNan, kNan});
}

SUITE_CASE(softmaxCrossEntropies) {
  for (const Dims& dims : cases<Dims>({{1, 1}, {3, 10}, {70, 10}, {2, 33}, {5, 1200}, {2, 3, 4}})) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      const int64_t axis = static_cast<int64_t>(dims.size()) - 1, classes = dims.back();
      const Dims rows(dims.begin(), dims.end() - 1);
      const Value x = random(dtype, dims, -4, 4), targets = random(dtype, dims, 0, 1),
                  dloss = random(DType::float32, rows);
      const Value labels = random(DType::int32, rows, 0, static_cast<double>(classes));
      std::vector<double> loss, sparse, lse, dx(x.data.size()), sparseDx(dx);
      forRows(dims, axis, [&](const std::vector<size_t>& row) {
        const size_t r = lse.size();
        const size_t label = static_cast<size_t>(labels.data[r]);
        lse.push_back(logSumExp(x, row));
        double sum = 0, total = 0;
        for (const size_t i : row) sum += targets.data[i] * (lse[r] - x.data[i]), total += targets.data[i];
        loss.push_back(sum);
        sparse.push_back(lse[r] - x.data[row[label]]);
        for (size_t c = 0; c < row.size(); c++) {
          const double p = std::exp(x.data[row[c]] - lse[r]);
          dx[row[c]] = dloss.data[r] * (p * total - targets.data[row[c]]);
          sparseDx[row[c]] = dloss.data[r] * (p - (c == label));
        }
      });
      const std::string at = " " + name(dtype) + " " + describe(dims);
      const Value perRow = empty(DType::float32, rows);
      const Result dense =
          run(Op::softmaxCrossEntropy, attributes::softmaxCrossEntropy{}, {x, targets}, {perRow, perRow});
      expectEqual("softmaxCrossEntropy" + at, dense[0], loss, 5e-6);
      expectEqual("logSumExp" + at, dense[1], lse, 2e-6);
      expectEqual("softmaxCrossEntropyGrad" + at,
                  run(Op::softmaxCrossEntropyGrad, attributes::softmaxCrossEntropyGrad{},
                      {dloss, x, targets, Value(DType::float32, rows, lse)}, {empty(dtype, dims)})[0],
                  dx, 5e-6);
      const Result result =
          run(Op::sparseSoftmaxCrossEntropy, attributes::sparseSoftmaxCrossEntropy{}, {x, labels}, {perRow, perRow});
      expectEqual("sparseSoftmaxCrossEntropy" + at, result[0], sparse, 2e-6);
      suite::expect(!result.report.set, "labels in range are not reported");
      const Value bytes(DType::uint8, rows, labels.data);
      expectEqual(
          "sparseSoftmaxCrossEntropyGrad" + at,
          run(Op::sparseSoftmaxCrossEntropyGrad, attributes::sparseSoftmaxCrossEntropyGrad{},
              {dloss, x, classes <= 256 ? bytes : labels, Value(DType::float32, rows, lse)}, {empty(dtype, dims)})[0],
          sparseDx, 2e-6);
    }
  }
}

SUITE_CASE(labelsOutOfRangeAreReported) {
  const Value x = random(DType::float32, {3, 4}), labels(DType::int32, {3}, {0, 4, 1});
  const Value perRow = empty(DType::float32, {3});
  const Result result =
      run(Op::sparseSoftmaxCrossEntropy, attributes::sparseSoftmaxCrossEntropy{}, {x, labels}, {perRow, perRow});
  suite::expect(result.report.set && result.report.op == Op::sparseSoftmaxCrossEntropy && result.report.index == 4 &&
                    result.report.limit == 4,
                "label 4 of 4 classes is reported");
  suite::expect(std::isfinite(result[0][1]), "the label is clamped");
}

SUITE_CASE(sigmoidCrossEntropies) {
  for (const int64_t n : {1, 6, 259}) {
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      const Value x = random(dtype, {n}, -6, 6), targets = random(dtype, {n}, 0, 1),
                  dloss = random(DType::float32, {n});
      expectEqual("sigmoidCrossEntropy",
                  run(Op::sigmoidCrossEntropy, attributes::sigmoidCrossEntropy{}, {x, targets},
                      {empty(DType::float32, {n})})[0],
                  each(n, [&](int64_t i) {
                    return std::fmax(x[i], 0) - x[i] * targets[i] + std::log1p(std::exp(-std::fabs(x[i])));
                  }));
      expectEqual("sigmoidCrossEntropyGrad",
                  run(Op::sigmoidCrossEntropyGrad, attributes::sigmoidCrossEntropyGrad{}, {dloss, x, targets},
                      {empty(dtype, {n})})[0],
                  each(n, [&](int64_t i) { return dloss[i] * (1 / (1 + std::exp(-x[i])) - targets[i]); }));
    }
  }
}
