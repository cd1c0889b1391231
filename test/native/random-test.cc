// Random numbers against Philox4x32-10 itself: same words, right distribution.
#include "kernel-test.h"
#include "native/philox.h"

using namespace neurite;
using namespace neurite::test;

namespace {

void testRandom() {
  const uint64_t key = 0x123456789abcdef0ull, counter = 0xfffffff0ull;  // the counter's carry falls into the draw
  const auto stateOf = [&] {
    Value state(I, {4});
    for (int i = 0; i < 4; i++)
      state.values[static_cast<size_t>(i)] =
          static_cast<int32_t>(static_cast<uint32_t>(i < 2 ? key >> (32 * i) : counter >> (32 * (i - 2))));
    state.write();
    return state;
  };
  const auto word = [&](size_t i) { return philox(key, counter + i / 4).word[i % 4]; };
  const auto u = [&](size_t i) { return static_cast<double>(word(i) >> 8) * 0x1p-24; };
  for (int64_t n : {1, 5, 130, 513, 50003}) {
    const size_t size = static_cast<size_t>(n);
    Value state = stateOf();
    for (DType type : {F, H, I}) {
      attributes::randomUniform attr{};
      attr.low = -2;
      attr.high = type == I ? 1000 : 3;
      Value y(type, {n});
      run(Op::randomUniform, {&state}, {&y}, &attr);
      std::vector<double> e;
      for (size_t i = 0; i < size; i++) {
        if (type == I)
          e.push_back(-2 + static_cast<double>(uint64_t{word(i)} * 1002 >> 32));
        else
          e.push_back(static_cast<double>(-2.0f + static_cast<float>(u(i)) * 5.0f));
      }
      expectClose("randomUniform", y, e, 0);
    }
    Value normals(F, {n}), cut(F, {n});
    attributes::randomNormal normal{};
    normal.stddev = 1;
    run(Op::randomNormal, {&state}, {&normals}, &normal);
    std::vector<double> e;
    for (size_t i = 0; i < size; i++) {
      const size_t pair = i & ~size_t{1};
      const double radius = std::sqrt(-2 * std::log1p(-u(pair))), angle = 2 * M_PI * u(pair + 1);
      e.push_back(radius * (i % 2 ? std::sin(angle) : std::cos(angle)));
    }
    expectClose("randomNormal", normals, e, 2.4e-7, 1e-9);
    attributes::truncatedNormal truncated{};
    truncated.stddev = 1;
    run(Op::truncatedNormal, {&state}, {&cut}, &truncated);
    checks++;
    for (size_t i = 0; i < size; i++) {  // the distribution function of what came must be where the word was
      const double p = (static_cast<double>(word(i) >> 8) + 0.5) * 0x1p-24, low = 0.5 * std::erfc(M_SQRT2);
      const double received = (0.5 * std::erfc(-cut.values[i] * M_SQRT1_2) - low) / (1 - 2 * low);
      if (!(std::abs(received - p) < 4e-8) || std::abs(cut.values[i]) > 2) {
        failures++;
        printf("truncatedNormal [%lld]: at %zu expected quantile %.9g, received %.9g\n", static_cast<long long>(n), i,
               p, received);
        break;
      }
    }
    for (DType type : {F, H, I, U, B}) {
      attributes::bernoulli attr{};
      attr.p = 0.3;
      Value y(type, {n});
      run(Op::bernoulli, {&state}, {&y}, &attr);
      std::vector<double> hits;
      for (size_t i = 0; i < size; i++) hits.push_back(u(i) < 0.3);
      expectClose("bernoulli", y, hits, 0);
    }
    for (DType type : {F, H}) {
      attributes::dropout attr{};
      attr.rate = 0.4;
      Value x = randomValue(type, {n}), y(type, {n});
      run(Op::dropout, {&x, &state}, {&y}, &attr);
      std::vector<double> kept;
      for (size_t i = 0; i < size; i++) kept.push_back(u(i) >= 0.4 ? x.values[i] / 0.6 : 0);
      expectClose("dropout", y, kept, 2e-7);
    }
  }
  Value state = stateOf(), before(I, {4});
  const std::vector<double> old = state.values;
  attributes::advanceRandom attr{};
  attr.count = 4 * 17 + 1;
  run(Op::advanceRandom, {&state}, {&before}, &attr);
  expectClose("advanceRandom copy", before, old, 0);
  const uint64_t next = counter + 18;
  expectClose("advanceRandom state", state,
              {old[0], old[1], static_cast<double>(static_cast<int32_t>(static_cast<uint32_t>(next))),
               static_cast<double>(next >> 32)},
              0);
}

}  // namespace

int main() {
  testRandom();
  return finish();
}
