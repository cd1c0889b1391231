// A vector's lanes among themselves: numbering, and folding them to one by a tree.
#pragma once
#include "simd.h"

namespace neurite::cpu::NEURITE_ISA {

template <class V> struct LaneOf;
template <> struct LaneOf<F32> { using Type = float; };
template <> struct LaneOf<I32> { using Type = int32_t; };
template <class V> using Lane = typename LaneOf<V>::Type;

NEURITE_INLINE F32 broadcastLane(float x) { return broadcast(x); }
NEURITE_INLINE I32 broadcastLane(int32_t x) { return broadcastInt(x); }

// 0, 1, 2, …
NEURITE_INLINE I32 laneNumbers() {
  I32 v;
  NEURITE_UNROLL
  for (int i = 0; i < kLanes; ++i) v[i] = i;
  return v;
}

// v in the first n lanes, `other` in the rest.
template <class V> NEURITE_INLINE V firstLanesOr(V v, V other, int64_t n) {
  return select(less(laneNumbers(), broadcastInt(static_cast<int32_t>(n))), v, other);
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
