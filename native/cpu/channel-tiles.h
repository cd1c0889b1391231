// Channels of a pixel in tiles of some vectors whose results stay in registers, for kernels that walk over pixels.
#pragma once
#include "lanes.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr int kTile = 4;  // vectors

// Calls tile(c, vectors, lanes) for all channels: kTile full vectors at a time, two, one, or the rest of one.
template <class F> NEURITE_INLINE void forChannels(int64_t channels, F&& tile) {
  int64_t c = 0;
  for (; c + kTile * kLanes <= channels; c += kTile * kLanes)
    tile(c, std::integral_constant<int, kTile>(), int64_t{kLanes});
  if (c + 2 * kLanes <= channels) {
    tile(c, std::integral_constant<int, 2>(), int64_t{kLanes});
    c += 2 * kLanes;
  }
  for (; c + kLanes <= channels; c += kLanes) tile(c, std::integral_constant<int, 1>(), int64_t{kLanes});
  if (c < channels) tile(c, std::integral_constant<int, 1>(), channels - c);
}

}  // namespace neurite::cpu::NEURITE_ISA
