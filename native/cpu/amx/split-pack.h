// Packing for AMX: float32 becomes one, two or three bfloat16 parts, x = part 0 + part 1 + part 2 to 8, 16 or 24 bits.
//
// A word pairs the values k and k + 16 of a step of 32: both operands agree, so the order within the step is free, and
// this one needs no shuffle of 16-bit values. Packed, a block is 32 lines (rows of A or columns of B):
// [step][part][tile of 16 lines][16 rows][16 words], a tile's rows being lines for A and words for B.
#pragma once

#include "../gemm-pack.h"
#include "tiles.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr int kBlockLines = 2 * kTileEdge;
template <int parts> inline constexpr int64_t kStepWords = parts * 2 * kTileWords;
NEURITE_INLINE TileOperand packedOperand(const int32_t* step) {
  return {step, step + kTileWords, kTileEdge, 2 * kTileWords};
}

// The parts of two vectors, as words: part s at out + s * 2 tiles.
template <int parts> NEURITE_INLINE void splitWords(F32 low, F32 high, int32_t* out, I32& largest) {
  const I32 lowSize = bitsOf(abs(low)), highSize = bitsOf(abs(high));
  largest = select(less(largest, lowSize), lowSize, largest);
  largest = select(less(largest, highSize), highSize, largest);
  NEURITE_UNROLL
  for (int s = 0; s < parts; ++s) {
    const F32 partLow = roundToBfloat16(low), partHigh = roundToBfloat16(high);
    store(out + s * 2 * kTileWords, shiftRightLogical(bitsOf(partLow), 16) | bitsOf(partHigh));
    if (s + 1 < parts) low -= partLow, high -= partHigh;
  }
}

inline void transposeTile(int32_t* tile) {
  alignas(64) int32_t from[kTileWords];
  memcpy(from, tile, sizeof from);
  for (int i = 0; i < kTileEdge; i += kLanes) {
    for (int j = 0; j < kTileEdge; j += kLanes) {
      F32 block[kLanes];
      NEURITE_UNROLL
      for (int r = 0; r < kLanes; ++r) block[r] = fromBits(load(from + (i + r) * kTileEdge + j));
      transpose(block);
      NEURITE_UNROLL
      for (int r = 0; r < kLanes; ++r) store(tile + (j + r) * kTileEdge + i, bitsOf(block[r]));
    }
  }
}

// Packs `lines` <= 32 lines of `depth` values; value (line, k) of the source is at line * ld + k where lines are
// contiguous (`along`), else at k * ld + line. Returns the bits of the largest magnitude, which order as integers do:
// infinity and NaN come out largest.
template <int parts, class Source>
int32_t packBlock(const Source* source, int64_t ld, bool along, bool rowsAreLines, int64_t lines, int64_t depth,
                  int32_t* out) {
  I32 largest{};
  for (int64_t k = 0; k < depth; k += kTileDepth, out += kStepWords<parts>) {
    const int64_t left = depth - k;
    for (int half = 0; half < 2; ++half) {
      int32_t* tile = out + half * kTileWords;
      const int64_t count = lines - half * kTileEdge;
      for (int row = 0; row < kTileEdge; ++row) {
        for (int lane = 0; lane < kTileEdge; lane += kLanes) {
          F32 low = zeros(), high = zeros();
          if (along && row < count) {  // a row of the tile is a line
            const Source* line = source + (half * kTileEdge + row) * ld + k;
            if (left > lane) low = loadFloats(line + lane, left - lane);
            if (left > kTileEdge + lane) high = loadFloats(line + kTileEdge + lane, left - kTileEdge - lane);
          } else if (!along && count > lane) {  // a row of the tile is a word
            const Source* line = source + (k + row) * ld + half * kTileEdge + lane;
            if (left > row) low = loadFloats(line, count - lane);
            if (left > kTileEdge + row) high = loadFloats(line + kTileEdge * ld, count - lane);
          }
          splitWords<parts>(low, high, tile + row * kTileEdge + lane, largest);
        }
      }
      if (along != rowsAreLines) {
        for (int s = 0; s < parts; ++s) transposeTile(tile + s * 2 * kTileWords);
      }
    }
  }
  return largestLane(largest);
}

}  // namespace neurite::cpu::NEURITE_ISA
