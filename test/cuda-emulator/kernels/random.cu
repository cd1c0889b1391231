// Random numbers against an independent Philox: every word of known answers, and every distribution from its words.
#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

// Philox4x32-10 written from the paper's formulas, in 64-bit arithmetic.
std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter) {
  uint64_t c[4] = {counter & 0xffffffffu, counter >> 32, 0, 0}, k[2] = {key & 0xffffffffu, key >> 32};
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = 0xD2511F53u * c[0], p1 = 0xCD9E8D57u * c[2];
    const uint64_t next[4] = {(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xffffffffu, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xffffffffu};
    for (int i = 0; i < 4; i++) c[i] = next[i];
    k[0] = (k[0] + 0x9E3779B9u) & 0xffffffffu;
    k[1] = (k[1] + 0xBB67AE85u) & 0xffffffffu;
  }
  return {static_cast<uint32_t>(c[0]), static_cast<uint32_t>(c[1]), static_cast<uint32_t>(c[2]),
          static_cast<uint32_t>(c[3])};
}

constexpr uint64_t kKey = 0x123456789abcdef0u, kCounter = 0xfffffffeu;  // the low half overflows inside a draw

Value stateOf(uint64_t key, uint64_t counter) {
  const auto half = [](uint64_t bits) {
    return static_cast<double>(static_cast<int32_t>(static_cast<uint32_t>(bits)));
  };
  return {DType::int32, {4}, {half(key), half(key >> 32), half(counter), half(counter >> 32)}};
}

uint32_t word(int64_t i) { return philox(kKey, kCounter + static_cast<uint64_t>(i / 4))[static_cast<size_t>(i % 4)]; }
double uniform(int64_t i) { return static_cast<double>(word(i) >> 8) / 16777216.0; }

const std::vector<int64_t> kSizes = {1, 3, 4, 5, 1023, 2050};

}  // namespace

SUITE_CASE(philoxKnownAnswers) {
  // From the authors' test vectors: key and counter zero.
  const std::array<uint32_t, 4> zero = philox(0, 0);
  suite::expect(zero[0] == 0x6627e8d5u && zero[1] == 0xe169c58du && zero[2] == 0xbc57ac4cu && zero[3] == 0x9b00dbd8u,
                "the reference is Philox4x32-10");
  const Result result = run(Op::randomUniform, attributes::randomUniform{-2147483648.0, 2147483648.0}, {stateOf(0, 0)},
                            {empty(DType::int32, {4})});
  for (int64_t i = 0; i < 4; i++) {
    suite::expect(result[0][i] == static_cast<double>(zero[static_cast<size_t>(i)]) - 2147483648.0,
                  "word " + std::to_string(i));
  }
}

SUITE_CASE(randomDistributions) {
  const Value state = stateOf(kKey, kCounter);
  for (const int64_t n : cases(kSizes)) {
    const Value y = empty(DType::float32, {n}), z = empty(DType::bfloat16, {n});
    expectEqual("uniform", run(Op::randomUniform, attributes::randomUniform{0, 1}, {state}, {y})[0], each(n, uniform),
                0);
    expectEqual("uniform in a range", run(Op::randomUniform, attributes::randomUniform{-3, 5}, {state}, {y})[0],
                each(n, [](int64_t i) { return -3 + 8 * uniform(i); }), 2e-7);
    expectEqual("uniform bfloat16", run(Op::randomUniform, attributes::randomUniform{-3, 5}, {state}, {z})[0],
                each(n, [](int64_t i) { return -3 + 8 * uniform(i); }));
    expectEqual(
        "uniform int32",
        run(Op::randomUniform, attributes::randomUniform{-10, 1000}, {state}, {empty(DType::int32, {n})})[0],
        each(n, [](int64_t i) { return -10 + std::floor(static_cast<double>(word(i)) * 1010 / 4294967296.0); }));
    const auto normal = [](int64_t i) {
      const int64_t first = i / 2 * 2;
      const double radius = std::sqrt(-2 * std::log1p(-uniform(first))), angle = 2 * M_PI * uniform(first + 1);
      return 1 + 0.5 * radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
    };
    expectEqual("normal", run(Op::randomNormal, attributes::randomNormal{1, 0.5}, {state}, {y})[0], each(n, normal),
                1e-7);
    expectEqual("bernoulli", run(Op::bernoulli, attributes::bernoulli{0.25}, {state}, {y})[0],
                each(n, [](int64_t i) -> double { return uniform(i) < 0.25; }));
    expectEqual("bernoulli bool",
                run(Op::bernoulli, attributes::bernoulli{0.25}, {state}, {empty(DType::boolean, {n})})[0],
                each(n, [](int64_t i) -> double { return uniform(i) < 0.25; }));
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
      const Value x = random(dtype, {n});
      expectEqual("dropout", run(Op::dropout, attributes::dropout{0.3}, {x, state}, {empty(dtype, {n})})[0],
                  each(n, [&](int64_t i) { return uniform(i) >= 0.3 ? x[i] / 0.7 : 0; }));
    }
  }
}

SUITE_CASE(truncatedNormals) {
  const int64_t n = 3001;
  const Result result = run(Op::truncatedNormal, attributes::truncatedNormal{0, 1}, {stateOf(kKey, kCounter)},
                            {empty(DType::float32, {n})});
  const auto distribution = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
  const double low = distribution(-2), high = distribution(2);
  for (int64_t i = 0; i < n; i++) {
    // The distribution function takes the value back to the uniform number that it was made of.
    const double u = (static_cast<double>(word(i) >> 8) + 0.5) / 16777216.0;
    const double back = (distribution(result[0][i]) - low) / (high - low);
    if (std::fabs(back - u) > 2e-7 || std::fabs(result[0][i]) > 2) {
      return suite::expect(false, "truncatedNormal at " + std::to_string(i) + ": " + std::to_string(result[0][i]));
    }
  }
}

SUITE_CASE(advancingRandomStates) {
  const Value state = stateOf(kKey, kCounter);
  const Result result = run(Op::advanceRandom, attributes::advanceRandom{9}, {state}, {empty(DType::int32, {4})});
  expectEqual("state before", result[0], state.data);
  expectEqual("state after", result.inputs[0], stateOf(kKey, kCounter + 3).data);
}
