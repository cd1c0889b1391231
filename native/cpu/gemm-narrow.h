// The micro-kernel for panels of at most kLanes columns: two words of k at a time.
//
// With one vector per row each broadcast would serve a single multiply-add, and broadcasts are what a core has too few of (52 % of
// the multiply-adds measured on Zen 5). So one broadcast brings two neighbouring words of A, and a vector of B holds the same two
// words for half of the columns, interleaved: two multiply-adds per broadcast, as in full panels. The even and the odd words of a
// sum meet at the end.
#pragma once

#include "gemm-kernel.h"

namespace neurite::cpu::NEURITE_ISA {

// Makes a packed panel of an even number of words, of which the first kLanes columns count, one for this kernel, in place: row r
// has the words 2r and 2r + 1.
inline void interleavePanel(float* panel, int64_t words) {
  constexpr int64_t kHalf = kLanes / 2;
  for (int64_t r = 0; r < words / 2; ++r) {
    float row[kPanelWidth];
    for (int64_t f = 0; f < kLanes; ++f) {
      for (int64_t odd = 0; odd < 2; ++odd)
        row[f / kHalf * kLanes + f % kHalf * 2 + odd] = panel[(2 * r + odd) * kPanelWidth + f];
    }
    memcpy(panel + r * kPanelWidth, row, sizeof row);
  }
}

// A by row; runs of an even number of words. tile.depth counts words, as in multiplyTile.
template <class Product, int rows> __attribute__((noinline)) void multiplyNarrowTile(const Tile& tile) {
  F32 acc[rows][2];
  NEURITE_UNROLL
  for (int i = 0; i < rows; ++i) acc[i][0] = acc[i][1] = zeros();
  const float* b = tile.b;
  for (int64_t run = 0; run < tile.runs; ++run) {
    RowPointers row(tile.a + tile.starts[run], tile.aStride);
    auto multiplyWords = [&](int step) __attribute__((always_inline)) {
      const F32 low = load(b), high = load(b + kLanes);
      NEURITE_UNROLL
      for (int i = 0; i < rows; ++i) {
        const F32 x = broadcastPair(row.address(i, 2 * step));
        acc[i][0] = Product::multiplyAdd(x, low, acc[i][0]);
        acc[i][1] = Product::multiplyAdd(x, high, acc[i][1]);
      }
      b += kPanelWidth;
    };
    int64_t left = tile.depth / 2;
    for (; left >= 2; left -= 2) {
      multiplyWords(0);
      multiplyWords(1);
      row.advance(4);
    }
    if (left > 0) multiplyWords(0);
  }
  NEURITE_UNROLL
  for (int i = 0; i < rows; ++i) {
    float* c = tile.c + i * tile.ldc;
    F32 sum = addNeighbours(acc[i][0], acc[i][1]);
    if (tile.accumulate) sum += loadUpTo(c, tile.columns);
    if (tile.bias) sum += loadUpTo(tile.bias, tile.columns);
    storeUpTo(c, tile.relu ? relu(sum) : sum, tile.columns);
  }
}

template <class Product> struct NarrowTileKernels {
  static void multiply(int rows, const Tile& tile) { kTable.height[rows - 1](tile); }

 private:
  struct Table {
    void (*height[kTileRows])(const Tile&);
  };
  template <int... i> static constexpr Table heights(std::integer_sequence<int, i...>) {
    return {{multiplyNarrowTile<Product, i + 1>...}};
  }
  static constexpr Table kTable = heights(std::make_integer_sequence<int, kTileRows>());
};

}  // namespace neurite::cpu::NEURITE_ISA
