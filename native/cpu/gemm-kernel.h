// The micro-kernel of matrix multiplication: one tile of C, at most kTileRows x kPanelWidth, held in registers over
// all k.
//
// Per k it loads the kPanelWidth values of B's packed row, broadcasts each of the tile's values of A and
// multiplies-adds: avx512 14x32 (28 accumulators + 2 + 1 of 32 registers), avx2 6x16 (12 + 2 + 1 of 16), arm64 12x8,
// 128-bit x86 4x8 (which needs registers for the product and a copy, as it has no fused multiply-add). An explicit
// broadcast into a register costs one load for two multiply-adds; as a memory operand it would cost two. Every element
// is one chain of multiply-adds in the order of k, so no split of M or N changes a bit of the result.
#pragma once

#include "floats.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr int kTileRows = kLanes == 16 ? 14 : kVectorRegisters == 32 ? 12 : kLanes == 8 ? 6 : 4;
inline constexpr int kTileVectors = 2;
inline constexpr int kPanelWidth = kTileVectors * kLanes;
// Floats from one k to the next in packed A: whole vectors, so that packing may store past the tile's last row.
inline constexpr int kTilePitch = (kTileRows + kLanes - 1) / kLanes * kLanes;

// How many k ahead of its use packed A is asked for; its next cache lines come from L2 (7 to 10 % measured).
inline constexpr int kPrefetchDepth = 24;

// k runs over `runs` pieces of A of the same length, which lie `starts` after `a`; B is whole, or in pieces too.
inline constexpr int64_t kOneRun[1] = {0};
struct Tile {
  const float* a;
  int64_t aStride;  // floats: A by depth, from one k to the next (rows adjacent); A by row, from one row to the next
  int64_t runs = 1;
  const int64_t* starts = kOneRun;  // floats
  const float* b;
  const int64_t* bStarts = nullptr;  // floats, a run's piece of B; null where they follow each other
  int64_t bStride;                   // floats from one k to the next
  int64_t depth;                     // number of k in a run; for pairs of bfloat16, of pairs
  float* c;
  int64_t ldc;
  int64_t columns;    // valid columns, at most kPanelWidth
  const float* bias;  // [columns] or null
  bool accumulate;    // C += instead of C =
  bool relu;
  bool stream;         // store C past the caches
  const float* ahead;  // source of the next panel: two lines are asked for every four k
  int64_t aheadStride;
};

// What one lane multiplies at a time is a word: here a float32; in avx512bf16/ a pair of bfloat16 of adjacent k.
struct FloatProduct {
  static constexpr int kDepthPerWord = 1;
  static NEURITE_INLINE F32 multiplyAdd(F32 a, F32 b, F32 c) { return fma(a, b, c); }
  // Words of n values of one line.
  template <class Source> static NEURITE_INLINE F32 along(const Source* p, int64_t n) { return loadFloats(p, n); }
};

// Where A lies: kByDepth reads rows i = 0, 1, … of one k side by side (packed, or a transposed A in place);
// kByRow reads a row-major A in place.
enum class TileOrder { kByDepth, kByRow };

// Addresses of up to 15 rows from three pointers and the row pitch (times 0, 1, 2, 3, 4), so that all of it stays in
// scalar registers.
struct RowPointers {
  static constexpr int kGroup = 5;
  const char* group[3];
  int64_t pitch, pitch3;
  NEURITE_INLINE RowPointers(const float* a, int64_t stride) : pitch(stride * 4), pitch3(stride * 12) {
    group[0] = reinterpret_cast<const char*>(a);
    group[1] = group[0] + kGroup * pitch;
    group[2] = group[1] + kGroup * pitch;
  }
  NEURITE_INLINE const float* address(int row, int k) const {
    const int inner = row % kGroup;
    const int64_t offset = inner == 3 ? pitch3 : inner * pitch;
    return reinterpret_cast<const float*>(group[row / kGroup] + offset + k * 4);
  }
  NEURITE_INLINE float at(int row, int k) const { return *address(row, k); }
  NEURITE_INLINE void advance(int k) {
    for (const char*& p : group) p += k * 4;
    // Hides the induction from the compiler, which would otherwise keep a pointer per row and spill them.
    asm("" : "+r"(group[0]), "+r"(group[1]), "+r"(group[2]));
  }
};

template <class Product, int rows, int vectors, TileOrder order>
__attribute__((noinline)) void multiplyTile(const Tile& tile) {
  F32 acc[rows][vectors];
  NEURITE_UNROLL
  for (int i = 0; i < rows; ++i) {
    NEURITE_UNROLL
    for (int j = 0; j < vectors; ++j) acc[i][j] = zeros();
  }
  const float* b = tile.b;
  const float* ahead = tile.ahead;
  const int64_t aStride = tile.aStride, bStride = tile.bStride, aheadStride = tile.aheadStride, ldc = tile.ldc;
  float* c = tile.c;
  if (tile.accumulate) {
    NEURITE_UNROLL
    for (int i = 0; i < rows; ++i) {
      NEURITE_UNROLL
      for (int j = 0; j < vectors; ++j) __builtin_prefetch(c + i * ldc + j * kLanes, 1, 3);
    }
  }

  for (int64_t run = 0; run < tile.runs; ++run) {
    const float* a = tile.a + tile.starts[run];
    if (tile.bStarts) b = tile.b + tile.bStarts[run];
    RowPointers row(a, aStride);
    auto multiplyDepth = [&](int step) __attribute__((always_inline)) {
      F32 bv[vectors];
      NEURITE_UNROLL
      for (int j = 0; j < vectors; ++j) bv[j] = load(b + j * kLanes);
      if constexpr (order == TileOrder::kByDepth) __builtin_prefetch(a + kPrefetchDepth * kTilePitch, 0, 3);
      NEURITE_UNROLL
      for (int i = 0; i < rows; ++i) {
        const F32 x = broadcast(order == TileOrder::kByRow ? row.at(i, step) : a[i]);
        NEURITE_UNROLL
        for (int j = 0; j < vectors; ++j) acc[i][j] = Product::multiplyAdd(x, bv[j], acc[i][j]);
      }
      b += bStride;
      if constexpr (order == TileOrder::kByDepth) a += aStride;
    };
    int64_t left = tile.depth;
    for (; left >= 4; left -= 4) {
      NEURITE_UNROLL
      for (int step = 0; step < 4; ++step) multiplyDepth(step);
      if constexpr (order == TileOrder::kByRow) row.advance(4);
      __builtin_prefetch(ahead, 0, 2);
      __builtin_prefetch(ahead + 16, 0, 2);
      ahead += aheadStride;
    }
    for (; left > 0; --left) {
      multiplyDepth(0);
      if constexpr (order == TileOrder::kByRow) row.advance(1);
    }
  }

  const int64_t columns = tile.columns;
  const bool full = columns >= vectors * kLanes;
  if (tile.accumulate) {
    NEURITE_UNROLL
    for (int i = 0; i < rows; ++i) {
      NEURITE_UNROLL
      for (int j = 0; j < vectors; ++j) {
        const float* p = c + i * ldc + j * kLanes;
        acc[i][j] += full ? load(p) : loadPartial(p, columns - j * kLanes);
      }
    }
  }
  if (tile.bias) {
    NEURITE_UNROLL
    for (int j = 0; j < vectors; ++j) {
      const float* p = tile.bias + j * kLanes;
      const F32 bias = full ? load(p) : loadPartial(p, columns - j * kLanes);
      NEURITE_UNROLL
      for (int i = 0; i < rows; ++i) acc[i][j] += bias;
    }
  }
  if (tile.relu) {
    NEURITE_UNROLL
    for (int i = 0; i < rows; ++i) {
      NEURITE_UNROLL
      for (int j = 0; j < vectors; ++j) acc[i][j] = relu(acc[i][j]);
    }
  }
  if (full && tile.stream) {
    NEURITE_UNROLL
    for (int i = 0; i < rows; ++i) {
      NEURITE_UNROLL
      for (int j = 0; j < vectors; ++j) storeStream(c + i * ldc + j * kLanes, acc[i][j]);
    }
  } else if (full) {
    NEURITE_UNROLL
    for (int i = 0; i < rows; ++i) {
      NEURITE_UNROLL
      for (int j = 0; j < vectors; ++j) store(c + i * ldc + j * kLanes, acc[i][j]);
    }
  } else {
    NEURITE_UNROLL
    for (int i = 0; i < rows; ++i) {
      NEURITE_UNROLL
      for (int j = 0; j < vectors; ++j) storePartial(c + i * ldc + j * kLanes, acc[i][j], columns - j * kLanes);
    }
  }
}

// The micro-kernels of every height, so that M is cut into tiles of nearly equal height instead of a short last one.
template <class Product> struct TileKernels {
  using Kernel = void (*)(const Tile&);

  static void multiply(int rows, TileOrder order, const Tile& tile) {
    const int vectors = tile.columns > kLanes ? 1 : 0;
    kTable[order == TileOrder::kByRow][vectors][rows - 1](tile);
  }

 private:
  struct Row {
    Kernel height[kTileRows];
    constexpr Kernel operator[](int i) const { return height[i]; }
  };
  template <int vectors, TileOrder order, int... i> static constexpr Row heights(std::integer_sequence<int, i...>) {
    return {{multiplyTile<Product, i + 1, vectors, order>...}};
  }
  template <int vectors, TileOrder order> static constexpr Row heights() {
    return heights<vectors, order>(std::make_integer_sequence<int, kTileRows>());
  }
  static constexpr Row kTable[2][2] = {
      {heights<1, TileOrder::kByDepth>(), heights<2, TileOrder::kByDepth>()},
      {heights<1, TileOrder::kByRow>(), heights<2, TileOrder::kByRow>()},
  };
};

}  // namespace neurite::cpu::NEURITE_ISA
