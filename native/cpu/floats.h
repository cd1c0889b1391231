// float32 and bfloat16 in memory as float32 vectors, for kernels that are templates over the storage type: float or uint16_t.
#pragma once
#include "elementwise.h"

namespace neurite::cpu::NEURITE_ISA {

NEURITE_INLINE F32 loadFloats(const float* p, int64_t n) { return loadUpTo(p, n); }
NEURITE_INLINE F32 loadFloats(const uint16_t* p, int64_t n) { return loadBfloat16Partial(p, n); }

NEURITE_INLINE int32_t largestLane(I32 v) {
  int32_t lanes[kLanes], largest;
  store(lanes, v);
  largest = lanes[0];
  for (int32_t lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

// `stream`: past the caches, for full vectors on 64-byte boundaries.
NEURITE_INLINE void storeFloats(float* p, F32 v, int64_t n, bool stream) { storeResult<F32>(p, v, n, stream); }
NEURITE_INLINE void storeFloats(uint16_t* p, F32 v, int64_t n, bool) { storeBfloat16Partial(p, v, n); }

// Whether an output whose rows have `row` elements is written past the caches: large, float32, every vector on its boundary.
inline bool streams(const Tensor& y, int64_t row) {
  return y.dtype == DType::float32 && y.size() * 4 >= kStreamBytes && row % kLanes == 0 &&
         reinterpret_cast<uintptr_t>(y.data) % 64 == 0;
}

// f(T{}) with the storage type of a float dtype.
template <class F> void withFloat(DType dtype, F&& f) {
  if (dtype == DType::float32)
    f(float{});
  else
    f(uint16_t{});
}

}  // namespace neurite::cpu::NEURITE_ISA
