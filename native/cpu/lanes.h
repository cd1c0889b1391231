// A vector's lanes among themselves: numbering, and folding them to one by a tree.
#pragma once
#include <utility>

#include "simd.h"

namespace neurite::cpu::NEURITE_ISA {

template <class V> struct LaneOf;
template <> struct LaneOf<F32> { using Type = float; };
template <> struct LaneOf<I32> { using Type = int32_t; };
template <class V> using Lane = typename LaneOf<V>::Type;

NEURITE_INLINE F32 broadcastLane(float x) { return broadcast(x); }
NEURITE_INLINE I32 broadcastLane(int32_t x) { return broadcastInt(x); }

// The first n lanes, for any n > 0; plain loads and stores where the compiler sees n = kLanes.
template <class T> NEURITE_INLINE auto loadUpTo(const T* p, int64_t n) {
  return n >= kLanes ? load(p) : loadPartial(p, n);
}
template <class T, class V> NEURITE_INLINE void storeUpTo(T* p, V v, int64_t n) {
  if (n >= kLanes)
    store(p, v);
  else
    storePartial(p, v, n);
}

NEURITE_INLINE void prefetchRun(const void* p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) prefetch(static_cast<const char*>(p) + i);
}

// Calls f(i, lanes) for the vectors of n elements: with kLanes, which the compiler sees, and once with the rest.
template <class F> NEURITE_INLINE void eachVector(int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(i, int64_t{kLanes});
  if (i < n) f(i, n - i);
}
#define EACH_VECTOR [&](int64_t i, int64_t left) __attribute__((always_inline))

// f(0), f(1), … f(n - 1), without a loop.
template <int n, class F> NEURITE_INLINE void unrolled(F&& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) { (f(i), ...); }
  (std::make_integer_sequence<int, n>());
}
#define EACH [&](int v) __attribute__((always_inline))

// 0, 1, 2, …
NEURITE_INLINE I32 laneNumbers() {
  I32 v;
  NEURITE_UNROLL
  for (int i = 0; i < kLanes; ++i) v[i] = i;
  return v;
}

// v in the first n lanes, `other` in the rest.
template <class V> NEURITE_INLINE V firstLanesOr(V v, V other, int64_t n) {
  return n >= kLanes ? v : select(less(laneNumbers(), broadcastInt(static_cast<int32_t>(n))), v, other);
}

// Rows of n <= kLanes elements, `count` <= kLanes of them, to columns: to[j * kLanes + r] = x[r * pitch + j]. Missing
// rows are zeros.
inline void rowsToColumns(const float* x, int64_t pitch, int64_t count, int64_t n, float* to) {
  F32 block[kLanes];
  for (int r = 0; r < kLanes; ++r) block[r] = r < count ? loadUpTo(x + r * pitch, n) : zeros();
  transpose(block);
  for (int64_t j = 0; j < n; ++j) store(to + j * kLanes, block[j]);
}
// The way back.
inline void columnsToRows(const float* x, float* to, int64_t pitch, int64_t count, int64_t n) {
  F32 block[kLanes];
  for (int64_t j = 0; j < kLanes; ++j) block[j] = j < n ? load(x + j * kLanes) : zeros();
  transpose(block);
  for (int r = 0; r < count; ++r) storeUpTo(to + r * pitch, block[r], n);
}

template <int span, class V, size_t... lane> NEURITE_INLINE V exchangeLanes(V v, std::index_sequence<lane...>) {
  return __builtin_shufflevector(v, v, (lane ^ span)...);
}

// combine(combine(v0, v1), …) over all lanes, as a tree.
template <class V, class F> NEURITE_INLINE Lane<V> fold(V v, F&& combine) {
  constexpr auto lanes = std::make_index_sequence<kLanes>();
  if constexpr (kLanes >= 16) v = combine(v, exchangeLanes<8>(v, lanes));
  if constexpr (kLanes >= 8) v = combine(v, exchangeLanes<4>(v, lanes));
  v = combine(v, exchangeLanes<2>(v, lanes));
  v = combine(v, exchangeLanes<1>(v, lanes));
  return v[0];
}
NEURITE_INLINE float foldSum(F32 v) {
  return fold(v, [](F32 a, F32 b) { return a + b; });
}
NEURITE_INLINE float foldMaximum(F32 v) {
  return fold(v, [](F32 a, F32 b) { return maximum(a, b); });
}

}  // namespace neurite::cpu::NEURITE_ISA
