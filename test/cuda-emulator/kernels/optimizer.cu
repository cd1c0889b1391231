// Optimizers against float64 steps of Keras' formulas, clipping, squared norms, and accumulate.
#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

using neurite::Clip;

struct Variable {
  Value w, g;
  std::vector<Value> slots;
};

// Sizes below and above a block's chunk; 60 small ones on top need a second launch.
std::vector<Variable> variables(int slots, bool many) {
  std::vector<Dims> sizes = cases<Dims>({{1}, {3, 5}, {4096}, {4097}});
  for (int i = 0; many && i < 60; i++) sizes.push_back({1 + i % 4});
  std::vector<Variable> result;
  for (size_t i = 0; i < sizes.size(); i++) {
    const DType gradient = i % 2 == 1 ? DType::bfloat16 : DType::float32;
    Variable v{random(DType::float32, sizes[i]), random(gradient, sizes[i]), {}};
    for (int n = 0; n < slots; n++) v.slots.push_back(random(DType::float32, sizes[i], 0, 1));
    // A centered second moment is at least the square of the mean.
    if (slots > 0) v.slots[0] = random(DType::float32, sizes[i], 1, 2);
    result.push_back(v);
  }
  return result;
}

constexpr double kRate = 0.05;
constexpr int kIterations = 6;

// Runs `op` and checks w and all slots against `step(w, g, slots)` in float64.
template <class A>
void check(const std::string& what, Op op, A a, int slots, bool many,
           const std::function<void(double& w, double g, std::vector<double>& slots)>& step) {
  const std::vector<Variable> list = variables(slots, many);
  std::vector<double> squares;
  double all = 0;
  for (const Variable& v : list) {
    double sum = 0;
    for (const double g : v.g.data) sum += g * g;
    squares.push_back(sum);
    all += sum;
  }
  const Value norms(DType::float32, {static_cast<int64_t>(squares.size())}, squares);
  std::vector<Value> inputs = {scalar(DType::float32, kRate), scalar(DType::int32, kIterations),
                               a.clip == Clip::norm || a.clip == Clip::globalNorm ? norms : absent()};
  for (const Variable& v : list) {
    inputs.push_back(v.w);
    inputs.push_back(v.g);
    inputs.insert(inputs.end(), v.slots.begin(), v.slots.end());
  }
  const Result result = run(op, a, inputs, {});
  for (size_t n = 0; n < list.size(); n++) {
    const Variable& v = list[n];
    std::vector<std::vector<double>> expected(static_cast<size_t>(slots) + 1, std::vector<double>(v.w.data.size()));
    for (size_t i = 0; i < v.w.data.size(); i++) {
      double w = v.w.data[i], g = v.g.data[i];
      std::vector<double> s;
      for (const Value& slot : v.slots) s.push_back(slot.data[i]);
      if (a.clip == Clip::value) g = std::fmin(std::fmax(g, -a.clipLimit), a.clipLimit);
      if (a.clip == Clip::norm) g *= a.clipLimit / std::fmax(std::sqrt(squares[n]), a.clipLimit);
      if (a.clip == Clip::globalNorm) g *= a.clipLimit / std::fmax(std::sqrt(all), a.clipLimit);
      w -= w * a.weightDecay * kRate;
      step(w, g, s);
      expected[0][i] = w;
      for (size_t k = 0; k < s.size(); k++) expected[k + 1][i] = s[k];
    }
    const size_t at = 3 + n * (2 + static_cast<size_t>(slots));
    const std::string where = what + ", variable " + std::to_string(n);
    expectEqual(where, result.inputs[at], expected[0], 2e-6);
    for (size_t k = 0; k < static_cast<size_t>(slots); k++)
      expectEqual(where + ", slot " + std::to_string(k), result.inputs[at + 2 + k], expected[k + 1], 2e-6);
  }
}

}  // namespace

SUITE_CASE(sgdSteps) {
  check("sgd", Op::sgd, attributes::sgd{0, false, 0, Clip::none, 0}, 0, true,
        [](double& w, double g, std::vector<double>&) { w -= kRate * g; });
  for (const bool nesterov : cases<bool>({false, true})) {
    for (const Clip clip : cases<Clip>({Clip::none, Clip::value, Clip::norm, Clip::globalNorm})) {
      check("sgd with momentum", Op::sgd, attributes::sgd{0.9, nesterov, 0.1, clip, 0.8}, 1, clip == Clip::globalNorm,
            [&](double& w, double g, std::vector<double>& s) {
              s[0] = 0.9 * s[0] - kRate * g;
              w += nesterov ? 0.9 * s[0] - kRate * g : s[0];
            });
    }
  }
}

SUITE_CASE(adamSteps) {
  const double t = kIterations + 1;
  for (const bool amsgrad : cases<bool>({false, true})) {
    check("adam", Op::adam, attributes::adam{0.9, 0.999, 1e-7, amsgrad, 0.01, Clip::none, 0}, amsgrad ? 3 : 2, true,
          [&](double& w, double g, std::vector<double>& s) {
            const double alpha = kRate * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t));
            s[0] += (g - s[0]) * (1 - 0.9);
            s[1] += (g * g - s[1]) * (1 - 0.999);
            if (amsgrad) s[2] = std::fmax(s[2], s[1]);
            w -= s[0] * alpha / (std::sqrt(amsgrad ? s[2] : s[1]) + 1e-7);
          });
  }
}

SUITE_CASE(rmspropSteps) {
  for (const bool centered : cases<bool>({false, true})) {
    for (const double momentum : cases<double>({0.0, 0.9})) {
      const size_t m = centered ? 2 : 1;
      check("rmsprop", Op::rmsprop, attributes::rmsprop{0.9, momentum, 1e-7, centered, 0, Clip::value, 0.5},
            1 + (centered ? 1 : 0) + (momentum > 0 ? 1 : 0), false, [&](double& w, double g, std::vector<double>& s) {
              s[0] = 0.9 * s[0] + 0.1 * g * g;
              double squares = s[0];
              if (centered) {
                s[1] = 0.9 * s[1] + 0.1 * g;
                squares -= s[1] * s[1];
              }
              const double step = kRate * g / std::sqrt(squares + 1e-7);
              if (momentum > 0) {
                s[m] = momentum * s[m] + step;
                w -= s[m];
              } else {
                w -= step;
              }
            });
    }
  }
}

SUITE_CASE(squaredNormsOfManyGradients) {
  std::vector<Value> gradients;
  std::vector<double> reference;
  for (int i = 0; i < 55; i++) {
    const int64_t n = i == 3 ? 9000 : i == 50 ? 4097 : 1 + i;
    gradients.push_back(random(i % 2 == 0 ? DType::float32 : DType::bfloat16, {n}));
    double sum = 0;
    for (const double g : gradients.back().data) sum += g * g;
    reference.push_back(sum);
  }
  expectEqual("squaredNorms",
              run(Op::squaredNorms, attributes::squaredNorms{}, gradients, {empty(DType::float32, {55})})[0], reference,
              2e-6);
}

SUITE_CASE(accumulating) {
  for (const int64_t n : cases<int64_t>({1, 100, 1000})) {
    const Value total(DType::float32, {3}, {5, 0, 7}), values = random(DType::float32, {n}),
                                                       weights = random(DType::float32, {n}, 0, 1);
    double sum = 5, weighted = 5, count = 7;
    for (int64_t i = 0; i < n; i++) sum += values[i], weighted += values[i] * weights[i], count += weights[i];
    const Value plain = run(Op::accumulate, attributes::accumulate{}, {total, values, absent()}, {}).inputs[0];
    suite::expectClose("accumulate", {plain[0], plain[2]}, {sum, 7 + static_cast<double>(n)}, 2e-6);
    const Value withWeights = run(Op::accumulate, attributes::accumulate{}, {total, values, weights}, {}).inputs[0];
    suite::expectClose("accumulate weights", {withWeights[0], withWeights[2]}, {weighted, count}, 2e-6);
  }
  const Value infinite(DType::float32, {2}, {HUGE_VAL, 1});
  Value lost =
      run(Op::accumulate, attributes::accumulate{}, {Value(DType::float32, {3}, {1, 0, 0}), infinite, absent()}, {})
          .inputs[0];
  lost = run(Op::accumulate, attributes::accumulate{}, {lost, scalar(DType::float32, 1), absent()}, {}).inputs[0];
  expectEqual("an infinite total", lost, {HUGE_VAL, 0, 3});
  // What one addition loses, the next gets back: 1 is half of the last digit of 2^25.
  Value total(DType::float32, {3}, {33554432, 0, 0});
  for (int i = 0; i < 8; i++)
    total = run(Op::accumulate, attributes::accumulate{}, {total, scalar(DType::float32, 1), absent()}, {}).inputs[0];
  expectEqual("compensation", total, {33554440, total[1], 8}, 0);
}
