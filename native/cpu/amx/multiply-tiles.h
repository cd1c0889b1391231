// Matrix multiplication on tiles: C in blocks of 32x32, a 2x2 arrangement of tiles, over packed parts of A and B.
//
// With one part per operand this is a bfloat16 product; with two, three products (error about 4e-6); with three, six
// products, as exact as float32. First everything is packed, in parallel, and the magnitudes are looked at; then blocks
// of C are multiplied. Sums run over k in order, 1,024 at a time, whatever the number of threads.
#pragma once

#include <algorithm>

#include "../../thread-pool.h"
#include "../gemm-blocks.h"
#include "magnitudes.h"
#include "split-pack.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr int64_t kSumSteps = 32;                    // steps of 32 k that one sum in tiles covers
inline constexpr int64_t kGroupBytes = int64_t{900} << 10;  // packed A of a chunk, to stay in L2
inline constexpr int64_t kSlabBytes = int64_t{64} << 20;    // packed A or B at a time

template <int parts, class A, class B, class C> class TileMultiply {
 public:
  explicit TileMultiply(const Gemm& g) : g_(g), steps_(ceilDivide(g.k, kTileDepth)) {}

  // False if magnitudes do not allow it; C is untouched then.
  bool run() {
    const int64_t blockBytes = std::max<int64_t>(1, steps_ * kStepWords<parts> * 4);
    const int64_t slab = std::max<int64_t>(1, kSlabBytes / blockBytes) * kBlockLines;
    // Several slabs have to be looked at before the first of them is multiplied.
    if (parts > 1 && (g_.m > slab || g_.n > slab || g_.batch > 1) && !magnitudesAllow()) return false;
    for (int64_t matrix = 0; matrix < g_.batch; ++matrix) {
      for (int64_t row = 0; row < g_.m; row += slab) {
        for (int64_t column = 0; column < g_.n; column += slab) {
          if (!multiplySlab(matrix, row, std::min(slab, g_.m - row), column, std::min(slab, g_.n - column)))
            return false;
        }
      }
    }
    return true;
  }

 private:
  const A* matrixA(int64_t matrix) const { return static_cast<const A*>(g_.a) + matrix * g_.batchStrideA; }
  const B* matrixB(int64_t matrix) const { return static_cast<const B*>(g_.b) + matrix * g_.batchStrideB; }

  int32_t packA(int64_t matrix, int64_t row, int64_t lines, int32_t* out) const {
    const A* source = matrixA(matrix) + (g_.transposeA ? row : row * g_.lda);
    return packBlock<parts>(source, g_.lda, !g_.transposeA, true, lines, g_.k, out);
  }
  int32_t packB(int64_t matrix, int64_t column, int64_t lines, int32_t* out) const {
    const B* source = matrixB(matrix) + (g_.transposeB ? column * g_.ldb : column);
    return packBlock<parts>(source, g_.ldb, g_.transposeB, false, lines, g_.k, out);
  }

  // The magnitudes alone, for products that are packed in several goes.
  bool magnitudesAllow() const {
    Magnitudes a, b;
    const int64_t blocksA = ceilDivide(g_.m, kBlockLines), blocksB = ceilDivide(g_.n, kBlockLines);
    parallelFor((blocksA + blocksB) * g_.batch, [&](int64_t chunk) {
      const int64_t matrix = chunk / (blocksA + blocksB), block = chunk % (blocksA + blocksB);
      int32_t* unused = static_cast<int32_t*>(threadScratch(static_cast<size_t>(steps_ * kStepWords<parts> * 4)));
      if (block < blocksA) {
        const int64_t row = block * kBlockLines;
        a.add(packA(matrix, row, std::min<int64_t>(kBlockLines, g_.m - row), unused));
      } else {
        const int64_t column = (block - blocksA) * kBlockLines;
        b.add(packB(matrix, column, std::min<int64_t>(kBlockLines, g_.n - column), unused));
      }
    });
    return splits(parts, a, b);
  }

  bool multiplySlab(int64_t matrix, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const int64_t blocksA = ceilDivide(rows, kBlockLines), blocksB = ceilDivide(columns, kBlockLines);
    const int64_t blockWords = steps_ * kStepWords<parts>;
    int32_t* packedA = static_cast<int32_t*>(scratch(static_cast<size_t>((blocksA + blocksB) * blockWords * 4)));
    int32_t* packedB = packedA + blocksA * blockWords;
    Magnitudes a, b;
    parallelFor(blocksA + blocksB, [&](int64_t block) {
      if (block < blocksA) {
        const int64_t first = block * kBlockLines;
        a.add(packA(matrix, row + first, std::min<int64_t>(kBlockLines, rows - first), packedA + block * blockWords));
      } else {
        const int64_t first = (block - blocksA) * kBlockLines;
        b.add(packB(matrix, column + first, std::min<int64_t>(kBlockLines, columns - first),
                    packedB + (block - blocksA) * blockWords));
      }
    });
    if (!splits(parts, a, b)) return false;

    // A chunk is a group of row blocks whose packed A stays in L2, times one column block.
    const int64_t sumSteps =
        sizeof(C) == 2 ? std::max<int64_t>(1, steps_) : kSumSteps;  // partial sums cannot wait in a bfloat16 C
    const int64_t stepBytes = std::min(std::max<int64_t>(1, steps_), sumSteps) * kStepWords<parts> * 4;
    const int64_t group = std::clamp<int64_t>(kGroupBytes / stepBytes, 1, std::max<int64_t>(1, ceilDivide(blocksA, 2)));
    const int64_t groups = ceilDivide(blocksA, group);
    C* c = static_cast<C*>(g_.c) + matrix * g_.batchStrideC;
    parallelFor(groups * blocksB, [&](int64_t chunk) {
      const int64_t blockB = chunk % blocksB, firstA = chunk / blocksB * group;
      TileSession tiles;
      for (int64_t step = 0; step == 0 || step < steps_; step += sumSteps) {
        const int64_t count = std::min(sumSteps, steps_ - step);
        for (int64_t blockA = firstA; blockA < std::min(blocksA, firstA + group); ++blockA) {
          alignas(64) float sums[kBlockLines * kBlockLines];
          sumBlock(tiles, packedA + blockA * blockWords + step * kStepWords<parts>,
                   packedB + blockB * blockWords + step * kStepWords<parts>, count, sums);
          const int64_t i = blockA * kBlockLines, j = blockB * kBlockLines;
          finishBlock(sums, c, row + i, std::min<int64_t>(kBlockLines, rows - i), column + j,
                      std::min<int64_t>(kBlockLines, columns - j), step > 0 || g_.accumulate, step + count >= steps_);
        }
      }
    });
    return true;
  }

  static void sumBlock(TileSession& tiles, const int32_t* a, const int32_t* b, int64_t steps, float* sums) {
    using Sums = TileSums<2, 2>;
    Sums::zero(tiles);
    for (int64_t step = 0; step < steps; ++step, a += kStepWords<parts>, b += kStepWords<parts>)
      Sums::multiplyStep<parts>(tiles, packedOperand(a), packedOperand(b));
    Sums::store(tiles, sums);
  }

  void finishBlock(const float* sums, C* c, int64_t row, int64_t rows, int64_t column, int64_t columns, bool add,
                   bool last) const {
    for (int64_t i = 0; i < rows; ++i) {
      C* out = c + (row + i) * g_.ldc + column;
      for (int64_t j = 0; j < columns; j += kLanes) {
        const int64_t n = columns - j;
        F32 y = loadPartial(sums + i * kBlockLines + j, n);
        if (add) y += loadFloats(out + j, n);
        if (last && g_.bias) y += loadPartial(g_.bias + column + j, n);
        if (last) y = activate(g_.activation, y);
        if constexpr (sizeof(C) == 2) {
          storeBfloat16Partial(out + j, y, n);
        } else {
          storePartial(out + j, y, n);
        }
      }
    }
  }

  const Gemm& g_;
  const int64_t steps_;
};

template <int parts, class A, class B> bool multiplyTilesOf(const Gemm& g) {
  if (g.typeC == DType::bfloat16) return TileMultiply<parts, A, B, uint16_t>(g).run();
  return TileMultiply<parts, A, B, float>(g).run();
}

// bfloat16 operands need one part only; with one float32 operand both are split alike.
template <int parts> bool multiplyTilesOf(const Gemm& g) {
  const bool halfA = g.typeA == DType::bfloat16, halfB = g.typeB == DType::bfloat16;
  if (halfA && halfB) return multiplyTilesOf<1, uint16_t, uint16_t>(g);
  if (halfA) return multiplyTilesOf<parts, uint16_t, float>(g);
  if (halfB) return multiplyTilesOf<parts, float, uint16_t>(g);
  return multiplyTilesOf<parts, float, float>(g);
}

// gemm by tiles with 1, 2 or 3 parts per float32. False, with C untouched, where magnitudes call for true float32.
inline bool multiplyTilesWith(const Gemm& g, int parts) {
  return parts == 1 ? multiplyTilesOf<1>(g) : parts == 2 ? multiplyTilesOf<2>(g) : multiplyTilesOf<3>(g);
}

}  // namespace neurite::cpu::NEURITE_ISA
