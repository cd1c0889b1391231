// Random draws from Philox4x32-10: uniform, normal, truncated normal, bernoulli, dropout; and the counter.
//
// Element i of a draw is lane i mod 4 of counter + i / 4, so a draw is the same however it is cut. kSets times kLanes
// counters are worked on at once; the four lanes of a set are four vectors, which are interleaved when they are stored.
#include "../philox.h"
#include "../pool.h"
#include "elementwise.h"
#include "kernels.h"
#include "vector-math.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

typedef uint64_t U64 __attribute__((vector_size(kLanes * 4)));

struct Words {
  U32 lane[4];
};

// The keys of all rounds, in memory: as broadcast operands they cost nothing.
struct RoundKeys {
  uint64_t k0[kPhiloxRounds], k1[kPhiloxRounds];
  explicit RoundKeys(uint64_t key) {
    for (uint32_t round = 0; round < kPhiloxRounds; ++round) {
      k0[round] = static_cast<uint32_t>(key) + round * kPhiloxWeyl0;
      k1[round] = static_cast<uint32_t>(key >> 32) + round * kPhiloxWeyl1;
    }
  }
};

// Ten rounds on one counter per 64-bit lane. Only the low halves count, so that a product needs no taking apart: the
// low half is its low word, and a shift brings down the high one. What is left in the upper halves is never looked at.
struct Counters {
  U64 c0, c1, c2, c3;
};
NEURITE_INLINE U64 product(U64 a, uint32_t b) {
  return (U64)multiplyEven((I32)a, broadcastInt(static_cast<int32_t>(b)));
}
// A round is a chain of six instructions that wait for each other, about eight cycles: only several sets of counters
// side by side keep the CPU busy. Fewer registers than 32 would not hold two sets.
constexpr int kSets = kVectorRegisters == 32 ? 2 : 1;

// The words of counters counter, counter + 1, …, counter + kSets * kLanes - 1: in each set the even ones and the odd
// ones, then put together.
NEURITE_INLINE void philoxLanes(const RoundKeys& keys, uint64_t counter, Words (&words)[kSets]) {
  const U64 low = U64{} + 0xffffffffu, numbers = (U64)laneNumbers() & low;  // 0, 2, 4, … in the 64-bit lanes
  Counters sets[2 * kSets];
  NEURITE_UNROLL
  for (int i = 0; i < 2 * kSets; ++i) {
    const U64 start = numbers + (counter + static_cast<uint64_t>(i / 2 * kLanes + i % 2));
    sets[i] = {start, start >> 32, U64{}, U64{}};
  }
  NEURITE_UNROLL
  for (int round = 0; round < kPhiloxRounds; ++round) {
    NEURITE_UNROLL
    for (Counters& c : sets) {
      const U64 p0 = product(c.c0, kPhiloxMultiplier0), p1 = product(c.c2, kPhiloxMultiplier1);
      c = {(p1 >> 32) ^ (c.c1 ^ keys.k0[round]), p1, (p0 >> 32) ^ (c.c3 ^ keys.k1[round]), p0};
    }
  }
  const auto join = [&](U64 a, U64 b) __attribute__((always_inline)) { return (U32)((a & low) | (b << 32)); };
  NEURITE_UNROLL
  for (int i = 0; i < kSets; ++i) {
    const Counters &even = sets[2 * i], &odd = sets[2 * i + 1];
    words[i] = {{join(even.c0, odd.c0), join(even.c1, odd.c1), join(even.c2, odd.c2), join(even.c3, odd.c3)}};
  }
}

// The upper halves of the 64-bit products of all lanes.
NEURITE_INLINE U32 multiplyHigh(U32 a, uint32_t b) {
  const U64 upper = U64{} + 0xffffffff00000000u;
  return (U32)((product((U64)a, b) >> 32) | (product((U64)a >> 32, b) & upper));
}

// a0 b0 a1 b1 … in two vectors.
template <class V, size_t... lane> NEURITE_INLINE void zip(V& a, V& b, std::index_sequence<lane...>) {
  const V low = __builtin_shufflevector(a, b, (lane / 2 + lane % 2 * kLanes)...);
  const V high = __builtin_shufflevector(a, b, (kLanes / 2 + lane / 2 + lane % 2 * kLanes)...);
  a = low, b = high;
}

// Stores lane 0, 1, 2, 3 of the first counter, then of the next, …
template <class V> NEURITE_INLINE void storeInterleaved(Lane<V>* to, V v0, V v1, V v2, V v3) {
  constexpr auto lanes = std::make_index_sequence<kLanes>();
  zip(v0, v2, lanes);  // v0: lanes 0 and 2 of the first half of the counters, v2: of the second
  zip(v1, v3, lanes);
  zip(v0, v1, lanes);
  zip(v2, v3, lanes);
  store(to, v0);
  store(to + kLanes, v1);
  store(to + 2 * kLanes, v2);
  store(to + 3 * kLanes, v3);
}

// u * 2^24 as integers, and u in [0, 1).
NEURITE_INLINE I32 mantissa(U32 word) { return (I32)(word >> 8); }
NEURITE_INLINE F32 uniform(U32 word) { return toFloat(mantissa(word)) * broadcast(0x1p-24f); }

uint64_t joined(const Tensor& state, int i) {
  const auto* words = state.as<const uint32_t>();
  return words[i] | uint64_t{words[i + 1]} << 32;
}

constexpr int64_t kDraw = 4 * kLanes;  // elements of a set

// fill(words, to, i) turns the words of a set into kDraw elements of the output's compute type.
template <class F> void draw(const Tensor& state, const Tensor& y, int64_t cost, F&& fill) {
  const RoundKeys keys(joined(state, 0));
  const uint64_t counter = joined(state, 2);
  const Convert narrow = kNarrow[static_cast<int>(y.dtype)];
  const int64_t bytes = static_cast<int64_t>(dtypeBytes(y.dtype));
  const Split parts = split(y.size(), cost, kBlock);
  const bool stream = !narrow && streams(y);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    alignas(64) float block[kBlock];
    for (int64_t begin = parts.begin(chunk); begin < parts.end(chunk); begin += kBlock) {
      const int64_t n = smaller(kBlock, parts.end(chunk) - begin);
      char* to = y.as<char>() + begin * bytes;
      const bool direct = !narrow && !stream && n == kBlock;
      float* values = direct ? reinterpret_cast<float*>(to) : block;
      for (int64_t i = 0; i < n; i += kSets * kDraw) {
        Words words[kSets];
        philoxLanes(keys, counter + static_cast<uint64_t>((begin + i) / 4), words);
        NEURITE_UNROLL
        for (int set = 0; set < kSets; ++set) fill(words[set], values + i + set * kDraw, begin + i + set * kDraw);
      }
      if (narrow)
        narrow(block, to, n);
      else if (stream)
        streamCopy(to, block, n * 4);
      else if (!direct)
        memcpy(to, block, static_cast<size_t>(n) * 4);
    }
    if (stream) streamFence();
  });
}

template <class V, class F> NEURITE_INLINE void storeEach(const Words& w, void* to, F&& f) {
  storeInterleaved<V>(static_cast<Lane<V>*>(to), f(w.lane[0]), f(w.lane[1]), f(w.lane[2]), f(w.lane[3]));
}

// sin and cos of 2 pi u for u = k 2^-24: the quadrant comes off exactly, so that both are accurate next to their zeros.
NEURITE_INLINE void sinCosTurn(F32 u, F32& sine, F32& cosine) {
  const F32 quarters = u * broadcast(4.0f), nearest = roundToEven(quarters), r = quarters - nearest, s = r * r;
  const F32 tail = fma(fma(fma(broadcast(1.58195076e-4f), s, broadcast(-4.68126063e-3f)), s, broadcast(7.96925818e-2f)),
                       s, broadcast(-0.645964096f));
  // pi / 2 = 1.57079637 - 4.37113883e-8 in float32.
  const F32 sin = fma(r, broadcast(1.57079637f), fma(r, broadcast(-4.37113883e-8f), r * s * tail));
  const F32 cos = fma(fma(fma(fma(broadcast(9.03362975e-4f), s, broadcast(-2.0859936e-2f)), s, broadcast(0.253669183f)),
                          s, broadcast(-1.23370054f)),
                      s, broadcast(1.0f));
  const I32 quadrant = truncateToInt(nearest);
  const Mask odd = ~equal(quadrant & 1, I32{});
  const I32 sineSign = (quadrant & 2) << 30, cosineSign = ((quadrant + 1) & 2) << 30;
  sine = fromBits(bitsOf(select(odd, cos, sin)) ^ sineSign);
  cosine = fromBits(bitsOf(select(odd, sin, cos)) ^ cosineSign);
}

// Box-Muller: two uniforms become two normals.
NEURITE_INLINE void boxMuller(U32 first, U32 second, F32& a, F32& b) {
  const F32 radius = sqrt(broadcast(-2.0f) * logOfNormal(broadcast(1.0f) - uniform(first)));
  F32 sine, cosine;
  sinCosTurn(uniform(second), sine, cosine);
  a = radius * cosine;
  b = radius * sine;
}

// The normal distribution's inverse at 1/2 + q for |q| <= Phi(2) - 1/2: q P(q^2) / Q(q^2), relative error 2e-9, in
// float64.
NEURITE_INLINE HalfF64 normalQuantile(HalfF64 q) {
  const HalfF64 t = q * q;
  const HalfF64 p =
      ((((t * -40.53882040432501 + 224.06790868887953) * t - 278.53912301159505) * t + 139.15631216349385) * t -
       30.746922933011025) *
          t +
      2.506628277538274;
  const HalfF64 d =
      ((((t * -55.45314285828072 + 163.62121212504823) * t - 157.03450917255728) * t + 67.15419934625749) * t -
       13.313444619324653) *
          t +
      1.0;
  return q * p / d;
}
constexpr double kTwoSigma = 0.4772498680518208;  // Phi(2) - 1/2

// (k + 1/2) 2^-24 of the interval between Phi(-2) and Phi(2).
NEURITE_INLINE F32 truncatedNormalOf(U32 word) {
  const Halves k = widen(toFloat(mantissa(word)));
  const auto value = [](HalfF64 m) __attribute__((always_inline)) {
    return normalQuantile(((m + 0.5) * 0x1p-24 - 0.5) * (2 * kTwoSigma));
  };
  return narrow(Halves{value(k.low), value(k.high)});
}

// u < p and u >= p as comparisons of integers: u is a multiple of 2^-24.
int32_t threshold(double p) { return p <= 0 ? 0 : p >= 1 ? 1 << 24 : static_cast<int32_t>(__builtin_ceil(p * 0x1p24)); }

}  // namespace

void advanceRandom(const Call& call) {
  const Tensor& state = call.in[0];
  memcpy(call.out[0].data, state.data, 16);
  const uint64_t counter =
      joined(state, 2) + static_cast<uint64_t>(__builtin_ceil(attributesOf<attributes::advanceRandom>(call).count / 4));
  state.as<uint32_t>()[2] = static_cast<uint32_t>(counter);
  state.as<uint32_t>()[3] = static_cast<uint32_t>(counter >> 32);
}

void randomUniform(const Call& call) {
  const auto& a = attributesOf<attributes::randomUniform>(call);
  const Tensor& y = call.out[0];
  if (isFloat(y.dtype)) {
    const F32 low = broadcast(static_cast<float>(a.low)), span = broadcast(static_cast<float>(a.high - a.low));
    return draw(call.in[0], y, kMedium, [&](const Words& w, float* to, int64_t) {
      storeEach<F32>(
          w, to, [&](U32 word) __attribute__((always_inline)) { return low + uniform(word) * span; });
    });
  }
  const int64_t low = static_cast<int64_t>(a.low), span = static_cast<int64_t>(a.high) - low;
  const bool whole = span >= int64_t{1} << 32;
  draw(call.in[0], y, kMedium, [&](const Words& w, float* to, int64_t) {
    storeEach<I32>(
        w, to, [&](U32 word) __attribute__((always_inline)) {
          const U32 high = whole ? word : multiplyHigh(word, static_cast<uint32_t>(span));
          return (I32)(high + static_cast<uint32_t>(low));
        });
  });
}

void randomNormal(const Call& call) {
  const auto& a = attributesOf<attributes::randomNormal>(call);
  const F32 mean = broadcast(static_cast<float>(a.mean)), stddev = broadcast(static_cast<float>(a.stddev));
  draw(call.in[0], call.out[0], kHeavy, [&](const Words& w, float* to, int64_t) {
    F32 z[4];
    boxMuller(w.lane[0], w.lane[1], z[0], z[1]);
    boxMuller(w.lane[2], w.lane[3], z[2], z[3]);
    storeInterleaved<F32>(to, mean + stddev * z[0], mean + stddev * z[1], mean + stddev * z[2], mean + stddev * z[3]);
  });
}

void truncatedNormal(const Call& call) {
  const auto& a = attributesOf<attributes::truncatedNormal>(call);
  const F32 mean = broadcast(static_cast<float>(a.mean)), stddev = broadcast(static_cast<float>(a.stddev));
  draw(call.in[0], call.out[0], kHeavy, [&](const Words& w, float* to, int64_t) {
    storeEach<F32>(
        w, to, [&](U32 word) __attribute__((always_inline)) { return mean + stddev * truncatedNormalOf(word); });
  });
}

void bernoulli(const Call& call) {
  const I32 limit = broadcastInt(threshold(attributesOf<attributes::bernoulli>(call).p));
  const I32 success = isFloat(call.out[0].dtype) ? bitsOf(broadcast(1.0f)) : broadcastInt(1);
  draw(call.in[0], call.out[0], kMedium, [&](const Words& w, float* to, int64_t) {
    storeEach<I32>(
        w, to, [&](U32 word) __attribute__((always_inline)) {
          return select(less(mantissa(word), limit), success, I32{});
        });
  });
}

void dropout(const Call& call) {
  const double rate = attributesOf<attributes::dropout>(call).rate;
  const Tensor &x = call.in[0], &y = call.out[0];
  const I32 limit = broadcastInt(threshold(rate));
  const F32 keep = broadcast(static_cast<float>(1 - rate));
  const Convert widen = kWiden[static_cast<int>(x.dtype)];
  const int64_t size = x.size(), bytes = static_cast<int64_t>(dtypeBytes(x.dtype));
  draw(call.in[1], y, kMedium, [&](const Words& w, float* to, int64_t i) {
    alignas(64) int32_t words[kDraw];
    alignas(64) float wide[kDraw];
    storeInterleaved<I32>(words, mantissa(w.lane[0]), mantissa(w.lane[1]), mantissa(w.lane[2]), mantissa(w.lane[3]));
    const int64_t n = smaller(kDraw, size - i);
    const float* from = x.as<const float>() + i;
    if (widen) {
      widen(x.as<const uint16_t>() + i, wide, n);
      from = wide;
    }
    for (int64_t j = 0; j < n; j += kLanes) {
      prefetch(x.as<const char>() + (i + j + kBlock) * bytes);  // the words keep the CPU from looking that far ahead
      const F32 kept = loadPartial(from + j, n - j) / keep;
      store(to + j, select(less(load(words + j), limit), zeros(), kept));
    }
  });
}

}  // namespace neurite::cpu::NEURITE_ISA
