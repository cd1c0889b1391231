// Random draws from Philox4x32-10: uniform, normal, truncated normal, bernoulli, dropout; and the counter.
//
// Element i of a draw is lane i mod 4 of counter + i / 4, so a draw is the same however it is cut. kSets times kLanes
// counters are worked on at once; the four lanes of a set are four vectors, which are interleaved when they are stored.
#include "../philox.h"
#include "../thread-pool.h"
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

// The rounds on one counter per 64-bit lane. Only the low halves count, so that a product needs no taking apart: the
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

// The place of a lane's counter in its set: blocks of four lanes of the four words, transposed, are the words of
// neighbouring counters.
constexpr int placeOf(int lane) { return lane % 4 * (kLanes / 4) + lane / 4; }

// The words of counters counter, counter + 1, …, counter + kSets * kLanes - 1: in each set those of the even lanes and
// those of the odd ones, which the last round puts together.
NEURITE_INLINE void philoxLanes(uint64_t key, const RoundKeys& keys, uint64_t counter, Words (&words)[kSets]) {
  const uint32_t upper = static_cast<uint32_t>(counter >> 32);
  if (__builtin_expect(static_cast<uint32_t>(counter) > UINT32_MAX - kSets * kLanes, 0)) {
    // The upper word changes on the way, which the first rounds below take for the same in all lanes.
    for (int i = 0; i < kSets * kLanes; ++i) {
      const PhiloxWords one = philox(key, counter + static_cast<uint64_t>(i / kLanes * kLanes + placeOf(i % kLanes)));
      for (int k = 0; k < 4; ++k) words[i / kLanes].lane[k][i % kLanes] = one.word[k];
    }
    return;
  }
  // Of the two products of rounds 0 and 1, one is zero and the other the same in all lanes: words 2 and 3 of a counter are zero.
  const uint64_t same = uint64_t{kPhiloxMultiplier0} * (upper ^ static_cast<uint32_t>(keys.k0[0]));
  Counters sets[2 * kSets];
  NEURITE_UNROLL
  for (int i = 0; i < 2 * kSets; ++i) {
    U64 place;
    NEURITE_UNROLL
    for (int lane = 0; lane < kLanes / 2; ++lane) place[lane] = static_cast<uint64_t>(placeOf(2 * lane + i % 2));
    const U64 p0 = product(place + (counter + static_cast<uint64_t>(i / 2 * kLanes)), kPhiloxMultiplier0);
    const U64 p1 = product((p0 >> 32) ^ keys.k1[0], kPhiloxMultiplier1);
    sets[i] = {(p1 >> 32) ^ keys.k0[1], p1, p0 ^ ((same >> 32) ^ keys.k1[1]), U64{} + same};
  }
  NEURITE_UNROLL
  for (int round = 2; round < kPhiloxRounds - 1; ++round) {
    NEURITE_UNROLL
    for (Counters& c : sets) {
      const U64 p0 = product(c.c0, kPhiloxMultiplier0), p1 = product(c.c2, kPhiloxMultiplier1);
      c = {(p1 >> 32) ^ (c.c1 ^ keys.k0[round]), p1, (p0 >> 32) ^ (c.c3 ^ keys.k1[round]), p0};
    }
  }
  NEURITE_UNROLL
  for (int i = 0; i < kSets; ++i) {
    const Counters &even = sets[2 * i], &odd = sets[2 * i + 1];
    const auto low = [](U64 a, U64 b) __attribute__((always_inline)) { return (U32)lowHalves((I32)a, (I32)b); };
    const auto high = [](U64 a, U64 b) __attribute__((always_inline)) { return (U32)highHalves((I32)a, (I32)b); };
    const U64 even0 = product(even.c0, kPhiloxMultiplier0), even1 = product(even.c2, kPhiloxMultiplier1);
    const U64 odd0 = product(odd.c0, kPhiloxMultiplier0), odd1 = product(odd.c2, kPhiloxMultiplier1);
    const uint32_t k0 = static_cast<uint32_t>(keys.k0[kPhiloxRounds - 1]),
                   k1 = static_cast<uint32_t>(keys.k1[kPhiloxRounds - 1]);
    words[i] = {{high(even1, odd1) ^ (low(even.c1, odd.c1) ^ k0), low(even1, odd1),
                 high(even0, odd0) ^ (low(even.c3, odd.c3) ^ k1), low(even0, odd0)}};
  }
}

// The upper halves of the 64-bit products of all lanes.
NEURITE_INLINE U32 multiplyHigh(U32 a, uint32_t b) {
  const U64 upper = U64{} + 0xffffffff00000000u;
  return (U32)((product((U64)a, b) >> 32) | (product((U64)a >> 32, b) & upper));
}

// Stores lane 0, 1, 2, 3 of the first counter, then of the next, …
template <class V> NEURITE_INLINE void storeInterleaved(Lane<V>* to, V v0, V v1, V v2, V v3, bool stream) {
  F32 v[4] = {(F32)v0, (F32)v1, (F32)v2, (F32)v3};
  transposeBlocks(v);
  NEURITE_UNROLL
  for (int i = 0; i < 4; ++i) {
    auto* p = reinterpret_cast<float*>(to) + i * kLanes;
    stream ? storeStream(p, v[i]) : store(p, v[i]);
  }
}

// u * 2^24 as integers, and u in [0, 1).
NEURITE_INLINE I32 mantissa(U32 word) { return (I32)(word >> 8); }
NEURITE_INLINE F32 uniform(U32 word) { return toFloat(mantissa(word)) * broadcast(0x1p-24f); }

uint64_t joined(const Tensor& state, int i) {
  const auto* words = state.as<const uint32_t>();
  return words[i] | uint64_t{words[i + 1]} << 32;
}

constexpr int64_t kDraw = 4 * kLanes;  // elements of a set

// fill(words, to, i, stream) turns the words of a set into kDraw elements of the output's compute type, past the caches or not.
template <class F> void draw(const Tensor& state, const Tensor& y, int64_t cost, F&& fill) {
  const uint64_t key = joined(state, 0), counter = joined(state, 2);
  const RoundKeys keys(key);
  const Convert narrow = kNarrow[static_cast<int>(y.dtype)];
  const int64_t bytes = static_cast<int64_t>(dtypeBytes(y.dtype));
  const Split parts = split(y.size(), cost, kBlock);
  const bool stream = !narrow && streams(y);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    alignas(64) float block[kBlock];
    for (int64_t begin = parts.begin(chunk); begin < parts.end(chunk); begin += kBlock) {
      const int64_t n = smaller(kBlock, parts.end(chunk) - begin);
      char* to = y.as<char>() + begin * bytes;
      const bool direct = !narrow && n == kBlock;
      float* values = direct ? reinterpret_cast<float*>(to) : block;
      for (int64_t i = 0; i < n; i += kSets * kDraw) {
        Words words[kSets];
        philoxLanes(key, keys, counter + static_cast<uint64_t>((begin + i) / 4), words);
        NEURITE_UNROLL
        for (int set = 0; set < kSets; ++set) {
          const int64_t offset = i + set * kDraw;
          fill(words[set], values + offset, begin + offset, direct && stream);
        }
      }
      if (narrow)
        narrow(block, to, n);
      else if (!direct)
        memcpy(to, block, static_cast<size_t>(n) * 4);
    }
    if (stream) streamFence();
  });
}

template <class V, class F> NEURITE_INLINE void storeEach(const Words& w, void* to, bool stream, F&& f) {
  storeInterleaved<V>(static_cast<Lane<V>*>(to), f(w.lane[0]), f(w.lane[1]), f(w.lane[2]), f(w.lane[3]), stream);
}

// sin and cos of 2 pi u for u = k 2^-24, both accurate next to their zeros: what lies between u and the places where the
// values are known comes off exactly.
NEURITE_INLINE void sinCosTurn(U32 word, F32& sine, F32& cosine) {
#if defined(__AVX512F__)
  // The nearest sixteenth of a turn from a table, and d sixteenths, |d| <= 1/2, by polynomials.
  const I32 sixteenth = shiftRightLogical((I32)(word + 0x08000000u), 28);
  const F32 d = toFloat((I32)((word & 0xffffff00u) << 4)) * broadcast(0x1p-32f), s = d * d;
  const F32 sin = d * polynomial(s, kSineRest), cosLess1 = s * polynomial(s, kCosineRest);
  const F32 sineThere = lookUp(kSineTable, sixteenth), cosineThere = lookUp(kSineTable, sixteenth + 4);
  sine = fma(sineThere, cosLess1, fma(cosineThere, sin, sineThere));
  cosine = fma(cosineThere, cosLess1, negFma(sineThere, sin, cosineThere));
#else
  const F32 quarters = uniform(word) * broadcast(4.0f), nearest = roundToEven(quarters), r = quarters - nearest,
            s = r * r;
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
#endif
}

// Box-Muller: two uniforms become two normals.
struct Normal {
  F32 mean, stddev;
  NEURITE_INLINE void operator()(U32 first, U32 second, F32& a, F32& b) const {
    // 1 - u, of 24 bits as u.
    const F32 rest = toFloat(0x1000000 - mantissa(first)) * broadcast(0x1p-24f);
    const F32 radius = stddev * sqrt(broadcast(-2.0f) * logOfNormal(rest));
    F32 sine, cosine;
    sinCosTurn(second, sine, cosine);
    a = fma(radius, cosine, mean);
    b = fma(radius, sine, mean);
  }
};

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
    return draw(call.in[0], y, kMedium, [&](const Words& w, float* to, int64_t, bool stream) {
      storeEach<F32>(
          w, to, stream, [&](U32 word) __attribute__((always_inline)) { return low + uniform(word) * span; });
    });
  }
  const int64_t low = static_cast<int64_t>(a.low), span = static_cast<int64_t>(a.high) - low;
  const bool whole = span >= int64_t{1} << 32;
  draw(call.in[0], y, kMedium, [&](const Words& w, float* to, int64_t, bool stream) {
    storeEach<I32>(
        w, to, stream, [&](U32 word) __attribute__((always_inline)) {
          const U32 high = whole ? word : multiplyHigh(word, static_cast<uint32_t>(span));
          return (I32)(high + static_cast<uint32_t>(low));
        });
  });
}

void randomNormal(const Call& call) {
  const auto& a = attributesOf<attributes::randomNormal>(call);
  const Normal normal{broadcast(static_cast<float>(a.mean)), broadcast(static_cast<float>(a.stddev))};
  draw(call.in[0], call.out[0], kHeavy, [&](const Words& w, float* to, int64_t, bool stream) {
    F32 z[4];
    normal(w.lane[0], w.lane[1], z[0], z[1]);
    normal(w.lane[2], w.lane[3], z[2], z[3]);
    storeInterleaved<F32>(to, z[0], z[1], z[2], z[3], stream);
  });
}

void truncatedNormal(const Call& call) {
  const auto& a = attributesOf<attributes::truncatedNormal>(call);
  const F32 mean = broadcast(static_cast<float>(a.mean)), stddev = broadcast(static_cast<float>(a.stddev));
  draw(call.in[0], call.out[0], kHeavy, [&](const Words& w, float* to, int64_t, bool stream) {
    storeEach<F32>(
        w, to,
        stream, [&](U32 word) __attribute__((always_inline)) { return mean + stddev * truncatedNormalOf(word); });
  });
}

void bernoulli(const Call& call) {
  const I32 limit = broadcastInt(threshold(attributesOf<attributes::bernoulli>(call).p));
  const I32 success = isFloat(call.out[0].dtype) ? bitsOf(broadcast(1.0f)) : broadcastInt(1);
  draw(call.in[0], call.out[0], kMedium, [&](const Words& w, float* to, int64_t, bool stream) {
    storeEach<I32>(
        w, to, stream, [&](U32 word) __attribute__((always_inline)) {
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
  draw(call.in[1], y, kMedium, [&](const Words& w, float* to, int64_t i, bool stream) {
    alignas(64) int32_t words[kDraw];
    alignas(64) float wide[kDraw];
    storeInterleaved<I32>(words, mantissa(w.lane[0]), mantissa(w.lane[1]), mantissa(w.lane[2]), mantissa(w.lane[3]),
                          false);
    const int64_t n = smaller(kDraw, size - i);
    const float* from = x.as<const float>() + i;
    if (widen) {
      widen(x.as<const uint16_t>() + i, wide, n);
      from = wide;
    }
    for (int64_t j = 0; j < n; j += kLanes) {
      prefetch(x.as<const char>() + (i + j + kBlock) * bytes);  // the words keep the CPU from looking that far ahead
      const F32 kept = loadPartial(from + j, n - j) / keep;
      const F32 v = select(less(load(words + j), limit), zeros(), kept);
      stream ? storeStream(to + j, v) : store(to + j, v);
    }
  });
}

}  // namespace neurite::cpu::NEURITE_ISA
