// Ops that write in place: assignments, running totals and several steps of each optimizer.
#include "kernel-test.h"

using namespace neurite;
using namespace neurite::test;

namespace {

void testInPlace() {
  for (DType type : {F, H, I, U, B}) {
    Value x(type, {3, 77}), y = randomValue(type, {3, 77});
    run(Op::assign, {&x, &y}, {}, nullptr);
    expectClose("assign", x, y.values, 0);
  }
  for (DType type : {F, I}) {
    Value x = randomValue(type, {1003});
    std::vector<double> e;
    for (double v : x.values) e.push_back(v + 2);
    attributes::increment attr{};
    attr.by = 2;
    run(Op::increment, {&x}, {}, &attr);
    expectClose("increment", x, e, 1e-7, 1e-7);
  }
  Value total(F, {3}), none;
  double sum = 0, count = 0;
  for (int step = 0; step < 2000; step++) {
    Value values = randomValue(F, {33}, 0, 1000), weights = randomValue(F, {33}, 0, 1);
    const bool weighted = step % 2;
    run(Op::accumulate, {&total, &values, weighted ? &weights : &none}, {}, nullptr);
    for (size_t i = 0; i < 33; i++) {
      sum += values.values[i] * (weighted ? weights.values[i] : 1);
      count += weighted ? weights.values[i] : 1;
    }
  }
  Value first(F, {1}, {total.values[0]}), last(F, {1}, {total.values[2]});
  expectClose("accumulate", first, {sum}, 1.2e-7);
  expectClose("accumulate count", last, {count}, 1e-5);
}

// Several steps of an optimizer over three variables against the formulas in float64.
void testOptimizers() {
  struct Case {
    Op op;
    double momentum;
    bool nesterov, amsgrad, centered;
    Clip clip;
    double decay;
    DType gradient;
  };
  const std::vector<Case> cases = {{Op::sgd, 0, false, false, false, Clip::none, 0, F},
                                   {Op::sgd, 0.9, false, false, false, Clip::value, 0, F},
                                   {Op::sgd, 0.9, true, false, false, Clip::norm, 0.01, H},
                                   {Op::adam, 0, false, false, false, Clip::none, 0, F},
                                   {Op::adam, 0, false, true, false, Clip::globalNorm, 0.01, F},
                                   {Op::adam, 0, false, false, false, Clip::norm, 0, H},
                                   {Op::rmsprop, 0, false, false, false, Clip::none, 0, F},
                                   {Op::rmsprop, 0.5, false, false, false, Clip::value, 0, F},
                                   {Op::rmsprop, 0, false, false, true, Clip::none, 0, F},
                                   {Op::rmsprop, 0.5, false, false, true, Clip::globalNorm, 0.01, H}};
  for (const Case& c : cases) {
    const std::string name = kOpNames[static_cast<int>(c.op)];
    const double rate = 0.05, limit = 0.7, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, rho = 0.9;
    const int slots = c.op == Op::sgd    ? c.momentum > 0
                      : c.op == Op::adam ? 2 + c.amsgrad
                                         : 1 + c.centered + (c.momentum > 0);
    const std::vector<Dims> shapes = {{10}, {100, 200}, {1}, {3, 3, 7}};
    std::vector<Value> w;
    std::vector<std::vector<Value>> s;
    std::vector<std::vector<double>> we;
    std::vector<std::vector<std::vector<double>>> se;
    for (const Dims& dims : shapes) {
      w.push_back(randomValue(F, dims));
      we.push_back(w.back().values);
      s.emplace_back();
      for (int k = 0; k < slots; k++) s.back().emplace_back(F, dims);
      se.emplace_back(static_cast<size_t>(slots), std::vector<double>(we.back().size()));
    }
    for (int step = 0; step < 3; step++) {
      Value lr(F, {1}, {rate}), iterations(I, {1}, {static_cast<double>(step)}), none, norms(F, {4});
      std::vector<Value> g;
      for (const Dims& dims : shapes) g.push_back(randomValue(c.gradient, dims));
      std::vector<Value*> gradients, inputs;
      for (Value& v : g) gradients.push_back(&v);
      run(Op::squaredNorms, gradients, {&norms}, nullptr);
      const bool needsNorms = c.clip == Clip::norm || c.clip == Clip::globalNorm;
      inputs = {&lr, &iterations, needsNorms ? &norms : &none};
      for (size_t v = 0; v < w.size(); v++) {
        inputs.push_back(&w[v]);
        inputs.push_back(&g[v]);
        for (Value& slot : s[v]) inputs.push_back(&slot);
      }
      double all = 0;
      for (double n : norms.values) all += n;
      for (size_t v = 0; v < w.size(); v++) {
        const double norm = std::sqrt(c.clip == Clip::globalNorm ? all : norms.values[v]);
        for (size_t i = 0; i < we[v].size(); i++) {
          double grad = g[v].values[i];
          if (c.clip == Clip::value) grad = std::clamp(grad, -limit, limit);
          if (needsNorms) grad *= limit / std::max(norm, limit);
          double& x = we[v][i];
          x -= x * c.decay * rate;
          auto& slot = se[v];
          if (c.op == Op::sgd) {
            if (c.momentum > 0) {
              slot[0][i] = c.momentum * slot[0][i] - rate * grad;
              x += c.nesterov ? c.momentum * slot[0][i] - rate * grad : slot[0][i];
            } else {
              x -= rate * grad;
            }
          } else if (c.op == Op::adam) {
            slot[0][i] += (1 - beta1) * (grad - slot[0][i]);
            slot[1][i] += (1 - beta2) * (grad * grad - slot[1][i]);
            double spread = slot[1][i];
            if (c.amsgrad) spread = slot[2][i] = std::max(slot[2][i], spread);
            x -= rate * std::sqrt(1 - std::pow(beta2, step + 1)) / (1 - std::pow(beta1, step + 1)) * slot[0][i] /
                 (std::sqrt(spread) + epsilon);
          } else {
            slot[0][i] += (1 - rho) * (grad * grad - slot[0][i]);
            double spread = slot[0][i] + epsilon;
            if (c.centered) {
              slot[1][i] += (1 - rho) * (grad - slot[1][i]);
              spread -= slot[1][i] * slot[1][i];
            }
            const double change = rate * grad / std::sqrt(spread);
            if (c.momentum > 0) {
              double& m = slot[1 + c.centered][i];
              m = c.momentum * m + change;
              x -= m;
            } else {
              x -= change;
            }
          }
        }
      }
      attributes::sgd sgd{c.momentum, c.nesterov, c.decay, c.clip, limit};
      attributes::adam adam{beta1, beta2, epsilon, c.amsgrad, c.decay, c.clip, limit};
      attributes::rmsprop rms{rho, c.momentum, epsilon, c.centered, c.decay, c.clip, limit};
      run(c.op, inputs, {},
          c.op == Op::sgd    ? static_cast<const void*>(&sgd)
          : c.op == Op::adam ? static_cast<const void*>(&adam)
                             : &rms);
    }
    for (size_t v = 0; v < w.size(); v++) {
      expectClose(name + " weights", w[v], we[v], 1e-5, c.centered ? 3e-5 : 3e-6);
      for (int k = 0; k < slots; k++)
        expectClose(name + " slot", s[v][static_cast<size_t>(k)], se[v][static_cast<size_t>(k)], 1e-5,
                    c.centered ? 3e-5 : 2e-6);
    }
  }
}

}  // namespace

int main() {
  testInPlace();
  testOptimizers();
  return finish();
}
