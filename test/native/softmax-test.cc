// Softmax and cross-entropies, forward and backward.
#include "kernel-test.h"

using namespace neurite;
using namespace neurite::test;

namespace {

void testSoftmax() {
  const std::vector<std::pair<Dims, int64_t>> shapes = {
      {{1}, 0},     {{10}, 0},    {{128, 10}, 1}, {{3, 1000}, 1}, {{2, 5001}, 1}, {{7, 9, 11}, 1},
      {{70, 3}, 0}, {{35, 3}, 1}, {{4, 5, 6}, 0}, {{3, 33}, 1},   {{70, 601}, 0}, {{2, 1301, 1057}, 1}};
  for (const auto& entry : shapes) {
    const Dims& dims = entry.first;
    const int64_t axis = entry.second;
    for (DType type : {F, H}) {
      attributes::softmax attr{};
      attr.axis = axis;
      Value x = randomValue(type, dims, -20, 20), y(type, dims), logs(type, dims), dy = randomValue(type, dims),
            dx(type, dims);
      run(Op::softmax, {&x}, {&y}, &attr);
      run(Op::logSoftmax, {&x}, {&logs}, &attr);
      const Reduced r = reduced(x, {axis});
      std::vector<double> lse;
      for (const auto& g : r.groups) {
        double m = -kInf, s = 0;
        for (double v : g) m = std::max(m, v);
        for (double v : g) s += std::exp(v - m);
        lse.push_back(m + std::log(s));
      }
      std::vector<double> e, l;
      for (size_t i = 0; i < x.values.size(); i++) {
        l.push_back(x.values[i] - lse[r.groupOf[i]]);
        e.push_back(std::exp(l.back()));
      }
      expectClose("softmax", y, e, 3e-6, 1e-37);
      expectClose("logSoftmax", logs, l, 5e-7, 3e-6);
      const auto gradient = [&](Op op, Value& from, bool logarithm) {
        std::vector<double> sums(r.groups.size()), expected;
        for (size_t i = 0; i < x.values.size(); i++)
          sums[r.groupOf[i]] += logarithm ? dy.values[i] : dy.values[i] * from.values[i];
        for (size_t i = 0; i < x.values.size(); i++) {
          const double s = sums[r.groupOf[i]];
          expected.push_back(logarithm ? dy.values[i] - std::exp(from.values[i]) * s
                                       : from.values[i] * (dy.values[i] - s));
        }
        run(op, {&dy, &from}, {&dx}, &attr);
        expectClose(kOpNames[static_cast<int>(op)], dx, expected, 3e-6, 1e-5);
      };
      gradient(Op::softmaxGrad, y, false);
      gradient(Op::logSoftmaxGrad, logs, true);
    }
  }
  Value x(F, {2, 3}, {1, kNan, 2, 5, -kInf, 5}), y(F, {2, 3});
  attributes::softmax attr{};
  attr.axis = 1;
  run(Op::softmax, {&x}, {&y}, &attr);
  expectClose("softmax with NaN", y, {kNan, kNan, kNan, 0.5, 0, 0.5}, 1e-7);
}

// More rows than a cache holds: pieces of columns meet whose maxima are far apart, -Inf, or NaN.
void testTallColumns() {
  const int64_t rows = 9000, columns = 40;
  Value x(F, {rows, columns}), y(F, {rows, columns});
  std::vector<double> e(static_cast<size_t>(rows * columns));
  for (int64_t c = 0; c < columns; c++) {
    double sum = 0;
    const auto at = [&](int64_t r) { return static_cast<size_t>(r * columns + c); };
    for (int64_t r = 0; r < rows; r++) {
      // Column 0: one of NaN. 1: -Inf at first. 2: -Inf everywhere. 3: rising. 4: falling.
      const double ramp = static_cast<double>(r) / 8;
      x.values[at(r)] = c == 0              ? (r == 1500 ? kNan : 0)
                        : c == 1 && r < 700 ? -kInf
                        : c == 2            ? -kInf
                        : c == 3            ? ramp
                        : c == 4            ? -ramp
                                            : r % 7;
    }
    double max = -kInf;
    for (int64_t r = 0; r < rows; r++) max = std::max(max, x.values[at(r)]);
    for (int64_t r = 0; r < rows; r++) sum += std::exp(x.values[at(r)] - max);
    for (int64_t r = 0; r < rows; r++) e[at(r)] = std::exp(x.values[at(r)] - max) / sum;
  }
  x.write();
  attributes::softmax attr{};
  attr.axis = 0;
  run(Op::softmax, {&x}, {&y}, &attr);
  expectClose("softmax of tall columns", y, e, 3e-6, 1e-37);
}

void testCrossEntropy() {
  for (const Dims& dims : {Dims{1, 1}, Dims{128, 10}, Dims{3, 5, 17}, Dims{9, 2500}}) {
    for (DType type : {F, H}) {
      const size_t n = static_cast<size_t>(dims.back()), rows = static_cast<size_t>(sizeOf(dims)) / n;
      const Dims outer(dims.begin(), dims.end() - 1);
      Value x = randomValue(type, dims, -15, 15), t = randomValue(type, dims, 0, 1), loss(F, outer), lse(F, outer),
            dloss = randomValue(F, outer), dx(type, dims);
      if (n > 4) {
        t.values[2] = 0;
        x.values[2] = -kInf;
        t.write();
        x.write();
      }
      std::vector<double> elses, elosses, egrads, sparseLosses, sparseGrads;
      Value labels(I, outer), bytes(U, outer);
      for (size_t r = 0; r < rows; r++)
        labels.values[r] = bytes.values[r] = static_cast<double>((r * 7 + 3) % std::min<size_t>(n, 256));
      labels.write();
      bytes.write();
      for (size_t r = 0; r < rows; r++) {
        double m = -kInf, s = 0, total = 0, l = 0;
        for (size_t i = 0; i < n; i++) m = std::max(m, x.values[r * n + i]);
        for (size_t i = 0; i < n; i++) s += std::exp(x.values[r * n + i] - m);
        elses.push_back(m + std::log(s));
        for (size_t i = 0; i < n; i++) {
          const double target = t.values[r * n + i];
          total += target;
          if (target != 0) l += target * (elses[r] - x.values[r * n + i]);
        }
        elosses.push_back(l);
        const size_t label = static_cast<size_t>(labels.values[r]);
        sparseLosses.push_back(elses[r] - x.values[r * n + label]);
        for (size_t i = 0; i < n; i++) {
          const double p = std::exp(x.values[r * n + i] - elses[r]);
          egrads.push_back(dloss.values[r] * (p * total - t.values[r * n + i]));
          sparseGrads.push_back(dloss.values[r] * (p - (i == label)));
        }
      }
      run(Op::softmaxCrossEntropy, {&x, &t}, {&loss, &lse}, nullptr);
      expectClose("softmaxCrossEntropy loss", loss, elosses, 1e-6, 1e-5);
      expectClose("softmaxCrossEntropy logSumExp", lse, elses, 1e-6, 1e-6);
      run(Op::softmaxCrossEntropyGrad, {&dloss, &x, &t, &lse}, {&dx}, nullptr);
      expectClose("softmaxCrossEntropyGrad", dx, egrads, 1e-5, 1e-5);
      for (Value* label : {&labels, &bytes}) {
        run(Op::sparseSoftmaxCrossEntropy, {&x, label}, {&loss, &lse}, nullptr);
        expectClose("sparseSoftmaxCrossEntropy", loss, sparseLosses, 1e-6, 1e-5);
        run(Op::sparseSoftmaxCrossEntropyGrad, {&dloss, &x, label, &lse}, {&dx}, nullptr);
        expectClose("sparseSoftmaxCrossEntropyGrad", dx, sparseGrads, 1e-5, 1e-6);
      }
      Value each(F, dims), deach = randomValue(F, dims), flat = randomValue(type, dims, -30, 30);
      run(Op::sigmoidCrossEntropy, {&flat, &t}, {&each}, nullptr);
      std::vector<double> e;
      for (size_t i = 0; i < flat.values.size(); i++)
        e.push_back(std::max(flat.values[i], 0.0) - flat.values[i] * t.values[i] +
                    std::log1p(std::exp(-std::abs(flat.values[i]))));
      expectClose("sigmoidCrossEntropy", each, e, 1e-6, 3e-6);
      run(Op::sigmoidCrossEntropyGrad, {&deach, &flat, &t}, {&dx}, nullptr);
      e.clear();
      for (size_t i = 0; i < flat.values.size(); i++)
        e.push_back(deach.values[i] * (sigmoidOf(flat.values[i]) - t.values[i]));
      expectClose("sigmoidCrossEntropyGrad", dx, e, 1e-5, 1e-6);
    }
  }
  Value x = randomValue(F, {2, 4}), labels(I, {2}, {1, 9}), loss(F, {2}), lse(F, {2});
  cpu::reports = 0;
  run(Op::sparseSoftmaxCrossEntropy, {&x, &labels}, {&loss, &lse}, nullptr);
  checks++;
  if (cpu::reports != 1) {
    failures++;
    printf("sparseSoftmaxCrossEntropy: a label out of range was reported %d times\n", cpu::reports);
  }
}

}  // namespace

int main() {
  testSoftmax();
  testTallColumns();
  testCrossEntropy();
  return finish();
}
