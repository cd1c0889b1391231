// Blocked matrix multiplication: C is cut into blocks, each one chunk of the thread pool; a block packs what it
// multiplies.
//
//   for each kBlockDepth of k
//     for each slice of kSliceTiles tiles of rows      A packed, to stay in L2 (or read in place)
//       for each panel of kPanelWidth columns          B packed by the first slice, just before its use, for all slices
//         for each tile of at most kTileRows rows      the micro-kernel
//
// A block's rows and columns are chosen for the number of threads; this changes no bit, as an element's sum runs over
// the same blocks of k wherever it lies.
#pragma once

#include <algorithm>

#include "../thread-pool.h"
#include "gemm-epilogue.h"
#include "gemm.h"
#include "split.h"

namespace neurite::cpu::NEURITE_ISA {

// Measured on Zen 5 (1 MiB L2): packed A of a slice takes 576 KiB of it, a panel of B 64 KiB, B of a block 2 MiB of L3.
// A smaller depth would let the panel stay in L1, but C would be read and written more often.
inline constexpr int64_t kBlockDepth = 512;  // words of k
inline constexpr int64_t kSliceTiles = 18;
inline constexpr int64_t kBlockRows = 1024;
inline constexpr int64_t kBlockColumns = 1024;
// Packing A pays when this many columns read it; with fewer, broadcasts read it in place.
inline constexpr int64_t kPackColumns = 256;

struct BlockPlan {
  int64_t rowBlocks, columnBlocks;
  int64_t blocks() const { return rowBlocks * columnBlocks; }
};

// Estimated cycles of one block: the kernel takes a cycle per row, panel and word (four at least, its latency); packing a
// vector of B takes 1.2 cycles straight and 4 transposed, a value of A a third.
template <class Product> inline double blockCycles(const Gemm& g, int64_t rows, int64_t columns, bool packA) {
  const int64_t tiles = ceilDivide(rows, kTileRows), panels = ceilDivide(columns, kPanelWidth);
  const double tileRows = std::max<double>(4.0, static_cast<double>(ceilDivide(rows, tiles)));
  const double compute = tileRows * static_cast<double>(tiles * panels) / Product::kDepthPerWord;
  const double pack =
      static_cast<double>(panels) * (g.transposeB ? 8.0 : 2.4) + (packA ? static_cast<double>(rows) / 3 : 0);
  return (compute + pack) * static_cast<double>(g.k) + 600.0;
}

// The cut of C that lets all threads end soonest.
template <class Product> BlockPlan planBlocks(const Gemm& g) {
  const int64_t panels = ceilDivide(g.n, kPanelWidth), tiles = ceilDivide(g.m, kTileRows);
  const int64_t leastRows = ceilDivide(g.m, kBlockRows), leastColumns = ceilDivide(g.n, kBlockColumns);
  BlockPlan best{leastRows, leastColumns};
  if (g.m * g.n * std::max<int64_t>(g.k, 1) * g.batch <= kInlineWork) return best;
  const int64_t threads = threadCount();
  double bestCycles = 0;
  const int64_t mostColumns = std::min(panels, std::max(leastColumns, std::min<int64_t>(4 * threads, 64)));
  for (int64_t columnBlocks = leastColumns; columnBlocks <= mostColumns; ++columnBlocks) {
    for (int multiple = 0; multiple <= 4; ++multiple) {
      // Row blocks: the fewest, then those that make the number of blocks 1 to 4 times the number of threads.
      const int64_t wanted = ceilDivide(multiple * threads, columnBlocks * g.batch);
      const int64_t rowBlocks = std::min(tiles, std::max(leastRows, wanted));
      const int64_t rounds = ceilDivide(rowBlocks * columnBlocks * g.batch, threads);
      const int64_t columns = ceilDivide(panels, columnBlocks) * kPanelWidth;
      const int64_t rows = ceilDivide(g.m, rowBlocks);
      const double cycles =
          static_cast<double>(rounds) * blockCycles<Product>(g, rows, std::min(columns, g.n), columns >= kPackColumns);
      if (bestCycles == 0 || cycles < bestCycles) {
        bestCycles = cycles;
        best = {rowBlocks, columnBlocks};
      }
    }
  }
  return best;
}

// One block of C: rows [row, row + rows), columns [column, column + columns) of one matrix of the batch.
template <class Product, class A, class B> class BlockMultiply {
 public:
  BlockMultiply(const Gemm& g, int64_t matrix)
      : g_(g),
        a_(static_cast<const A*>(g.a) + matrix * g.batchStrideA),
        b_(static_cast<const B*>(g.b) + matrix * g.batchStrideB),
        c_(static_cast<char*>(g.c) + matrix * g.batchStrideC * static_cast<int64_t>(dtypeBytes(g.typeC))) {}

  void run(int64_t row, int64_t rows, int64_t column, int64_t columns) {
    row_ = row, rows_ = rows, column_ = column, columns_ = columns;
    const int64_t words = wordsOf<Product>(g_.k);
    const int64_t depthBlocks = std::max<int64_t>(1, ceilDivide(words, kBlockDepth));
    constexpr int64_t kRun = kLanes * Product::kDepthPerWord;  // a vector of words
    blockDepth_ = std::max<int64_t>(1, ceilDivide(ceilDivide(g_.k, depthBlocks), kRun)) * kRun;
    tiles_ = ceilDivide(rows, kTileRows);
    slices_ = ceilDivide(tiles_, kSliceTiles);
    packsA_ = !readsInPlace() || columns >= kPackColumns || (columns >= 2 * kPanelWidth && pitchCollides());
    staged_ = g_.typeC == DType::bfloat16;
    wholeStage_ = staged_ && blockDepth_ < g_.k;
    streams_ = !staged_ && !g_.accumulate && blockDepth_ >= g_.k && g_.ldc % 16 == 0 && column % 16 == 0 &&
               reinterpret_cast<uintptr_t>(c_) % 64 == 0 && g_.m * g_.n * g_.batch * 4 >= kStreamBytes;
    takeScratch();
    for (int64_t k = 0; k == 0 || k < g_.k; k += blockDepth_) {
      for (int64_t slice = 0; slice < slices_; ++slice) multiplySlice(slice, k, std::min(blockDepth_, g_.k - k));
    }
    if (streams_) streamFence();
  }

 private:
  // Whether A can be read where it lies: it consists of words, so that packing would convert nothing.
  bool readsInPlace() const {
    if (Product::kDepthPerWord == 1) return sizeof(A) == 4;
    return sizeof(A) == 2 && !g_.transposeA && g_.lda % 2 == 0 && g_.k % 2 == 0 &&
           reinterpret_cast<uintptr_t>(a_) % 4 == 0;
  }

  // Rows a multiple of 4 KiB apart fall into the same few sets of L1.
  bool pitchCollides() const { return !g_.transposeA && g_.lda * static_cast<int64_t>(sizeof(A)) % 4096 == 0; }

  void takeScratch() {
    const int64_t words = wordsOf<Product>(blockDepth_);
    const int64_t sizeA = packsA_ ? ceilDivide(tiles_, slices_) * words * kTilePitch : 0;
    panelSize_ = words * kPanelWidth;
    const int64_t sizeB = keepsB() ? ceilDivide(columns_, kPanelWidth) * panelSize_ : panelSize_;
    stageStride_ = wholeStage_ ? ceilDivide(columns_, kPanelWidth) * kPanelWidth : kPanelWidth;
    const int64_t sizeStage = staged_ ? (wholeStage_ ? rows_ : kTileRows) * stageStride_ : 0;
    // Packed A is stored and prefetched in whole vectors, a little past its end.
    packedA_ =
        static_cast<float*>(threadScratch(static_cast<size_t>(sizeA + sizeB + sizeStage + kTilePitch) * sizeof(float)));
    packedB_ = packedA_ + sizeA;
    stage_ = packedB_ + sizeB;
  }

  int64_t tileRow(int64_t tile) const { return rows_ * tile / tiles_; }

  const A* sourceA(int64_t row, int64_t k) const { return a_ + (g_.transposeA ? k * g_.lda + row : row * g_.lda + k); }
  const B* sourceB(int64_t k, int64_t column) const {
    return b_ + (g_.transposeB ? column * g_.ldb + k : k * g_.ldb + column);
  }

  // Whether the panels of B stay for the slices to come; else each takes the place of the one before.
  bool keepsB() const { return slices_ > 1; }
  float* panelB(int64_t column) const { return packedB_ + (keepsB() ? column / kPanelWidth * panelSize_ : 0); }

  // Whether a panel of B is read where it lies: packing what one tile reads would double the work.
  bool readsInPlaceB(int64_t column) const {
    return tiles_ == 1 && Product::kDepthPerWord == 1 && sizeof(B) == 4 && !g_.transposeB &&
           column + kPanelWidth <= columns_;
  }

  void packSliceA(int64_t k, int64_t depth) {
    const int64_t words = wordsOf<Product>(depth);
    for (int64_t tile = 0; tile < sliceTiles_; ++tile) {
      const int64_t first = tileRow(firstTile_ + tile), height = tileRow(firstTile_ + tile + 1) - first;
      float* out = packedA_ + tile * words * kTilePitch;
      const A* source = sourceA(row_ + first, k);
      if (g_.transposeA) {
        packAcross<Product>(source, g_.lda, depth, height, out, kTilePitch);
      } else {
        packAlong<Product>(source, g_.lda, depth, height, out, kTilePitch);
      }
    }
  }

  void packPanelB(int64_t column, int64_t k, int64_t depth) {
    const B* source = sourceB(k, column_ + column);
    const int64_t columns = std::min<int64_t>(kPanelWidth, columns_ - column);
    if (g_.transposeB) {
      packAlong<Product>(source, g_.ldb, depth, columns, panelB(column), kPanelWidth);
    } else {
      packAcross<Product>(source, g_.ldb, depth, columns, panelB(column), kPanelWidth);
    }
  }

  void multiplySlice(int64_t slice, int64_t k, int64_t depth) {
    firstTile_ = tiles_ * slice / slices_;
    sliceTiles_ = tiles_ * (slice + 1) / slices_ - firstTile_;
    if (packsA_) packSliceA(k, depth);
    const bool packsB = slice == 0, last = k + depth >= g_.k;
    for (int64_t column = 0; column < columns_; column += kPanelWidth) {
      Tile tile{};
      tile.columns = std::min<int64_t>(kPanelWidth, columns_ - column);
      const bool inPlace = readsInPlaceB(column);
      if (packsB && !inPlace) packPanelB(column, k, depth);
      tile.b = inPlace ? reinterpret_cast<const float*>(sourceB(k, column_ + column)) : panelB(column);
      tile.bStride = inPlace ? g_.ldb : kPanelWidth;
      tile.depth = wordsOf<Product>(depth);
      tile.bias = last && g_.bias ? g_.bias + column_ + column : nullptr;
      tile.relu = last && g_.activation == Activation::relu;
      tile.stream = streams_;
      // The panel that comes next, packed or not: the first of the next k behind the last.
      const bool lastPanel = column + kPanelWidth >= columns_;
      const bool asks = packsB ? !g_.transposeB && !(lastPanel && last) : !lastPanel;
      for (int64_t i = 0; i < sliceTiles_; ++i) {
        tile.ahead = packedB_;
        tile.aheadStride = 0;
        if (asks && i < 4) {  // four tiles ask for it, every fourth row each
          if (packsB) {
            const B* next = lastPanel ? sourceB(k + depth, column_) : sourceB(k, column_ + column + kPanelWidth);
            tile.ahead = reinterpret_cast<const float*>(next + i * g_.ldb);
            tile.aheadStride = 4 * g_.ldb * static_cast<int64_t>(sizeof(B)) / 4;
          } else {
            tile.ahead = panelB(column + kPanelWidth) + i * (panelSize_ / 4);
            tile.aheadStride = 32;
          }
        }
        multiplyTileAt(tile, i, k, column, last);
      }
    }
  }

  void multiplyTileAt(Tile& tile, int64_t index, int64_t k, int64_t column, bool last) {
    const int64_t first = tileRow(firstTile_ + index), height = tileRow(firstTile_ + index + 1) - first;
    TileOrder order = TileOrder::kByDepth;
    tile.aStride = kTilePitch;
    if (packsA_) {
      tile.a = packedA_ + index * tile.depth * kTilePitch;
    } else {
      order = g_.transposeA ? TileOrder::kByDepth : TileOrder::kByRow;
      tile.a = reinterpret_cast<const float*>(sourceA(row_ + first, k));
      tile.aStride = g_.lda / Product::kDepthPerWord;
    }
    const int64_t offset = (row_ + first) * g_.ldc + column_ + column;
    tile.accumulate = k > 0 || g_.accumulate;
    if (!staged_) {
      tile.c = reinterpret_cast<float*>(c_) + offset;
      tile.ldc = g_.ldc;
      TileKernels<Product>::multiply(static_cast<int>(height), order, tile);
      if (last && g_.activation > Activation::relu) {
        finishTile(tile.c, tile.ldc, tile.c, tile.ldc, height, tile.columns, g_.activation);
      }
      return;
    }
    uint16_t* c = reinterpret_cast<uint16_t*>(c_) + offset;
    tile.c = wholeStage_ ? stage_ + first * stageStride_ + column : stage_;
    tile.ldc = stageStride_;
    if (k == 0 && g_.accumulate) {
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < tile.columns; j += kLanes) {
          storePartial(tile.c + i * stageStride_ + j, loadFloats(c + i * g_.ldc + j, tile.columns - j),
                       tile.columns - j);
        }
      }
    }
    TileKernels<Product>::multiply(static_cast<int>(height), order, tile);
    if (last) {
      const Activation rest = g_.activation > Activation::relu ? g_.activation : Activation::none;
      finishTile(tile.c, stageStride_, c, g_.ldc, height, tile.columns, rest);
    }
  }

  const Gemm& g_;
  const A* a_;
  const B* b_;
  char* c_;
  int64_t row_ = 0, rows_ = 0, column_ = 0, columns_ = 0;
  int64_t blockDepth_ = 0, tiles_ = 0, slices_ = 0, stageStride_ = 0;
  int64_t firstTile_ = 0, sliceTiles_ = 0;  // of the slice
  int64_t panelSize_ = 0;
  bool packsA_ = false, staged_ = false, wholeStage_ = false, streams_ = false;
  float *packedA_ = nullptr, *packedB_ = nullptr, *stage_ = nullptr;
};

template <class Product, class A, class B> void multiplyBlocks(const Gemm& g) {
  const BlockPlan plan = planBlocks<Product>(g);
  const int64_t panels = ceilDivide(g.n, kPanelWidth), blocks = plan.blocks() * g.batch;
  const int64_t blockWork = std::max<int64_t>(1, g.m * g.n * std::max<int64_t>(g.k, 1) / plan.blocks());
  const int64_t perChunk = std::max<int64_t>(1, kInlineWork / blockWork);
  parallelFor(ceilDivide(blocks, perChunk), [&](int64_t chunk) {
    for (int64_t block = chunk * perChunk; block < std::min(blocks, (chunk + 1) * perChunk); ++block) {
      const int64_t matrix = block / plan.blocks(), rowBlock = block % plan.blocks() / plan.columnBlocks;
      const int64_t columnBlock = block % plan.columnBlocks;
      const int64_t row = g.m * rowBlock / plan.rowBlocks, rowEnd = g.m * (rowBlock + 1) / plan.rowBlocks;
      const int64_t column = panels * columnBlock / plan.columnBlocks * kPanelWidth;
      const int64_t columnEnd = std::min(g.n, panels * (columnBlock + 1) / plan.columnBlocks * kPanelWidth);
      BlockMultiply<Product, A, B>(g, matrix).run(row, rowEnd - row, column, columnEnd - column);
    }
  });
}

template <class Product> void multiplyBlocks(const Gemm& g) {
  const bool halfA = g.typeA == DType::bfloat16, halfB = g.typeB == DType::bfloat16;
  if (halfA && halfB) return multiplyBlocks<Product, uint16_t, uint16_t>(g);
  if (halfA) return multiplyBlocks<Product, uint16_t, float>(g);
  if (halfB) return multiplyBlocks<Product, float, uint16_t>(g);
  multiplyBlocks<Product, float, float>(g);
}

}  // namespace neurite::cpu::NEURITE_ISA
