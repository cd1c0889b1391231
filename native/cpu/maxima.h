// Maxima of windows, a vector of channels at a time: reducers of a window's pixels, in their order.
#pragma once
#include "channel-tiles.h"
#include "floats.h"

namespace neurite::cpu::NEURITE_ISA {

NEURITE_INLINE I32 loadPosition(const uint8_t* p, int64_t n) { return loadLow8(p, n); }
NEURITE_INLINE I32 loadPosition(const int32_t* p, int64_t n) { return loadUpTo(p, n); }
NEURITE_INLINE void storePosition(uint8_t* p, I32 v, int64_t n) { storeLow8(p, v, n); }
NEURITE_INLINE void storePosition(int32_t* p, I32 v, int64_t n) { storeUpTo(p, v, n); }

struct Max {
  static constexpr bool positions = false;
  F32 best[kTile];
  NEURITE_INLINE explicit Max(int32_t) {
    for (F32& b : best) b = broadcast(-__builtin_inff());
  }
  NEURITE_INLINE void add(int k, F32 v, int32_t) { best[k] = maximum(best[k], v); }
  NEURITE_INLINE F32 result(int k, F32) const { return best[k]; }
};
// Also where: the first of equals, the first NaN; `first` is the place of the first pixel.
struct MaxWithPosition {
  static constexpr bool positions = true;
  F32 best[kTile];
  I32 at[kTile];
  NEURITE_INLINE explicit MaxWithPosition(int32_t first) {
    for (int k = 0; k < kTile; ++k) best[k] = broadcast(-__builtin_inff()), at[k] = broadcastInt(first);
  }
  NEURITE_INLINE void add(int k, F32 v, int32_t place) {
    const Mask wins = ~lessEqual(v, best[k]) & equal(best[k], best[k]);
    best[k] = select(wins, v, best[k]);
    at[k] = select(wins, broadcastInt(place), at[k]);
  }
  NEURITE_INLINE F32 result(int k, F32) const { return best[k]; }
};

}  // namespace neurite::cpu::NEURITE_ISA
