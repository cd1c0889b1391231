// Reductions along every kind of axes, and sums by feature on the way back through bias and activation.
#include "kernel-test.h"

using namespace neurite;
using namespace neurite::test;

namespace {

// The first of the best, of specials too.
void testArg(DType type, const Dims& dims, int64_t axis) {
  Value x = randomValue(type, dims);
  if (type == F || type == H) x = withSpecials(x);
  attributes::argmax arg{};
  arg.axis = axis;
  const Reduced r = reduced(x, {axis});
  for (Op op : {Op::argmax, Op::argmin}) {
    Value y(I, r.dims);
    run(op, {&x}, {&y}, &arg);
    std::vector<double> e;
    for (const auto& g : r.groups) {
      size_t best = 0;
      for (size_t i = 1; i < g.size(); i++) {
        if (g[best] != g[best]) break;
        if (g[i] != g[i] || (op == Op::argmax ? g[i] > g[best] : g[i] < g[best])) best = i;
      }
      e.push_back(static_cast<double>(best));
    }
    expectClose(std::string(kOpNames[static_cast<int>(op)]) + " of " + dtypeName(type) + shapeText(dims), y, e, 0);
  }
}

void testReductions() {
  const std::vector<std::pair<Dims, std::vector<int64_t>>> shapes = {{{1}, {0}},
                                                                     {{10}, {0}},
                                                                     {{1000}, {0}},
                                                                     {{100003}, {0}},
                                                                     {{33, 10}, {1}},
                                                                     {{33, 10}, {0}},
                                                                     {{128, 784}, {0}},
                                                                     {{3, 2000}, {1}},
                                                                     {{5000, 3}, {0}},
                                                                     {{40000, 2}, {0}},
                                                                     {{2, 40000}, {1}},
                                                                     {{7, 9, 11}, {1}},
                                                                     {{7, 9, 600}, {1}},
                                                                     {{5, 8, 9, 32}, {0, 1, 2}},
                                                                     {{6, 5, 4, 3}, {1, 3}},
                                                                     {{6, 5, 4, 3}, {0, 2}},
                                                                     {{9, 1, 700}, {0}},
                                                                     {{6, 5, 4}, {0, 1, 2}},
                                                                     {{4, 5}, {}},
                                                                     {{3, 5000, 20}, {1}},
                                                                     {{9000, 70}, {0}},
                                                                     {{37, 3}, {1}},
                                                                     {{50, 1500}, {0}}};
  for (const auto& entry : shapes) {
    const auto &dims = entry.first, &axes = entry.second;
    Ints list;
    for (int64_t a : axes) list.values[list.count++] = a;
    attributes::sum attr{};
    attr.axes = list;
    for (DType type : {F, H, I, U, B}) {
      const bool isFloat = type == F || type == H;
      Value x = randomValue(type, dims, isFloat ? 0.5 : -3, isFloat ? 1.5 : 3);
      const Reduced r = reduced(x, axes);
      const auto check = [&](Op op, DType out, double relative, auto f) {
        Value y(out, r.dims);
        run(op, {&x}, {&y}, &attr);
        std::vector<double> e;
        for (const auto& g : r.groups) e.push_back(f(g));
        expectClose(std::string(kOpNames[static_cast<int>(op)]) + " of " + shapeText(dims), y, e, relative, 1e-30);
      };
      const auto total = [](const std::vector<double>& g) {
        double s = 0;
        for (double v : g) s += v;
        return s;
      };
      const auto largest = [](const std::vector<double>& g) {
        double m = -kInf;
        for (double v : g) {
          if (v != v) return v;
          m = std::max(m, v);
        }
        return m;
      };
      const auto smallest = [](const std::vector<double>& g) {
        double m = kInf;
        for (double v : g) {
          if (v != v) return v;
          m = std::min(m, v);
        }
        return m;
      };
      if (type == B) {
        check(Op::all, B, 0, smallest);
        check(Op::any, B, 0, largest);
        continue;
      }
      check(Op::max, type, 0, largest);
      check(Op::min, type, 0, smallest);
      if (type == U) continue;
      check(Op::sum, type, isFloat ? 6e-7 : 0, total);
      check(Op::prod, type, isFloat ? 6e-8 * std::sqrt(static_cast<double>(x.values.size())) + 1e-6 : 0,
            [&](const std::vector<double>& g) {
              if (isFloat) {
                double p = 1;
                for (double v : g) p *= v;
                return std::abs(p) < 1e-37 ? 0.0 : p;
              }
              uint32_t p = 1;
              for (double v : g) p *= static_cast<uint32_t>(static_cast<int32_t>(v));
              return static_cast<double>(static_cast<int32_t>(p));
            });
      if (!isFloat) continue;
      check(Op::mean, type, 6e-7,
            [&](const std::vector<double>& g) { return total(g) / static_cast<double>(g.size()); });
      check(Op::variance, type, 3e-6, [&](const std::vector<double>& g) {
        const double mean = total(g) / static_cast<double>(g.size());
        double s = 0;
        for (double v : g) s += (v - mean) * (v - mean);
        return s / static_cast<double>(g.size());
      });
      check(Op::logSumExp, type, 1e-6, [&](const std::vector<double>& g) {
        double s = 0;
        for (double v : g) s += std::exp(v);
        return std::log(s);
      });
      {
        Value dy = randomValue(type, r.dims), dx(type, dims), small = randomValue(type, dims, 0.98, 1.02);
        small.values[small.values.size() / 2] = 0;
        if (small.values.size() > 40) small.values[0] = small.values[1] = 0;
        small.write();
        run(Op::prodGrad, {&dy, &small}, {&dx}, &attr);
        if (small.values.size() <= 6000) {
          std::vector<double> e;
          for (size_t i = 0; i < small.values.size(); i++) {
            double p = dy.values[r.groupOf[i]];
            for (size_t j = 0; j < small.values.size(); j++)
              if (j != i && r.groupOf[j] == r.groupOf[i]) p *= small.values[j];
            e.push_back(p);
          }
          expectClose("prodGrad of " + shapeText(dims), dx, e, 1e-4, 1e-30);
        }
      }
      x = withSpecials(randomValue(type, dims));
      const Reduced special = reduced(x, axes);
      Value y(type, r.dims);
      run(Op::max, {&x}, {&y}, &attr);
      std::vector<double> e;
      for (const auto& g : special.groups) e.push_back(largest(g));
      expectClose("max with NaN of " + shapeText(dims), y, e, 0);
      run(Op::min, {&x}, {&y}, &attr);
      e.clear();
      for (const auto& g : special.groups) e.push_back(smallest(g));
      expectClose("min with NaN of " + shapeText(dims), y, e, 0);
      run(Op::logSumExp, {&x}, {&y}, &attr);
      e.clear();
      for (const auto& g : special.groups) {
        const double m = largest(g);
        double s = 0;
        for (double v : g) s += std::isinf(m) ? 0 : std::exp(v - m);
        e.push_back(std::isinf(m) || m != m ? m : m + std::log(s));
      }
      expectClose("logSumExp with NaN of " + shapeText(dims), y, e, 1e-6, 1e-6);
    }
    for (DType type : {F, H, I, U}) {
      for (int64_t axis = 0; axis < static_cast<int64_t>(dims.size()); axis++) testArg(type, dims, axis);
    }
  }
  for (DType type : {F, H, I, U}) testArg(type, {300, 1030}, 0);  // several pieces of rows, two panels of columns
  // A long sum of equal numbers: the error must not grow with the length.
  Value x(F, {1 << 22}, std::vector<double>(1 << 22, 0.1)), y(F, {});
  attributes::sum attr{};
  attr.axes.count = 1;
  run(Op::sum, {&x}, {&y}, &attr);
  expectClose("sum of four million", y, {static_cast<double>(0.1f) * (1 << 22)}, 3e-7);
  Value g1 = randomValue(F, {70001}), g2 = randomValue(H, {13, 7}), g3 = randomValue(F, {1}), norms(F, {3});
  run(Op::squaredNorms, {&g1, &g2, &g3}, {&norms}, nullptr);
  std::vector<double> e;
  for (const Value* g : {&g1, &g2, &g3}) {
    double s = 0;
    for (double v : g->values) s += v * v;
    e.push_back(s);
  }
  expectClose("squaredNorms", norms, e, 6e-7);
}

void testBiasActivationGrad() {
  for (Activation activation : {Activation::none, Activation::relu, Activation::sigmoid, Activation::tanh}) {
    attributes::biasActivationGrad attr{};
    attr.activation = activation;
    for (const Dims& dims : {Dims{1, 1}, Dims{128, 10}, Dims{3, 5, 33}, Dims{128, 512}, Dims{5000, 3}, Dims{70, 1200},
                             Dims{2, 7, 9, 16}, Dims{3000, 64}}) {
      for (DType type : {F, H}) {
        for (DType biasType : {F, type}) {
          const int64_t n = dims.back();
          Value dy = randomValue(type, dims), y = randomValue(type, dims, -1, 1), dz(type, dims), db(biasType, {n}),
                none;
          run(Op::biasActivationGrad, {&dy, activation == Activation::none ? &none : &y}, {&dz, &db}, &attr);
          std::vector<double> e, sums(static_cast<size_t>(n)), sizes(static_cast<size_t>(n));
          for (size_t i = 0; i < dy.values.size(); i++) {
            const double v = y.values[i];
            const double f = activation == Activation::relu      ? v > 0
                             : activation == Activation::sigmoid ? v * (1 - v)
                             : activation == Activation::tanh    ? 1 - v * v
                                                                 : 1;
            e.push_back(dy.values[i] * f);
            sums[i % static_cast<size_t>(n)] += e.back();
            sizes[i % static_cast<size_t>(n)] += std::abs(e.back());
          }
          expectClose("biasActivationGrad dz", dz, e, 1e-6, 1e-6);
          expectClose("biasActivationGrad db", db, sums, 1e-6, 1e-6 * *std::max_element(sizes.begin(), sizes.end()));
        }
      }
    }
  }
}

}  // namespace

int main() {
  testReductions();
  testBiasActivationGrad();
  return finish();
}
