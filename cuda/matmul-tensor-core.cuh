// Matrix products on tensor cores, sm_80 and later: bfloat16, or float32 rounded to TF32, added up in float32.
//
// A block makes a tile of C, Tile x Tile; its warps make 64 x 32 (Tile 128, 8 warps) or 32 x 32 (Tile 64, 4 warps) each. cp.async keeps
// kStages tiles of A and B in shared memory, 64 bytes of k each. An operand lies there as in memory, either (row, k)
// or (k, row), with rows padded so that the eight rows an ldmatrix reads fall into different banks:
//   (row, k)  64 + 16 bytes                              ldmatrix, for float32 too, whose fragments are words
//   (k, row)  bfloat16: Tile * 2 + 16 bytes              ldmatrix with transposition
//             float32:  Tile * 4 + 32 bytes              words one by one
// float32 is rounded when it becomes a fragment, to nearest; tensor cores themselves would cut it off.
#pragma once
#include "matmul-epilogue.cuh"

namespace neurite::cuda {

inline constexpr int kStages = 4;
inline constexpr int kRowBytes = 64;

// The tile of one operand in shared memory. KMajor: (row, k), else (k, row).
template <class T, int Tile, bool KMajor> struct Operand {
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kK = kRowBytes / sizeof(T);
  static constexpr int kStride = KMajor ? kK + kVector : Tile + 8;  // elements
  static constexpr int kBytes = (KMajor ? Tile : kK) * kStride * static_cast<int>(sizeof(T));

  // Starts to copy the tile of lines from `line` and of what lies across from `across` on; zeros outside.
  template <int Threads, class Source>
  GPU_DEVICE static void fetch(T* to, const Source& source, int32_t line, int32_t across) {
    constexpr int kWord = sizeof(T) == 2 ? 2 : 1;
    if (source.vector == kVector)
      fetchWords<Threads, kVector>(to, source, line, across);
    else if (source.vector == kVector / 2)
      fetchWords<Threads, kVector / 2>(to, source, line, across);
    else if (source.vector == kWord)
      fetchWords<Threads, kWord>(to, source, line, across);
    else if constexpr (kWord > 1)
      fetchWords<Threads, 1>(to, source, line, across);
  }

 private:
  // `Word` elements at a time: a thread has all those of a vector.
  template <int Threads, int Word, class Source>
  GPU_DEVICE static void fetchWords(T* to, const Source& source, int32_t line, int32_t across) {
    constexpr int kPerLine = (KMajor ? kK : Tile) / kVector;
    constexpr int kCopies = (KMajor ? Tile : kK) * kPerLine, kLines = Threads / kPerLine;
    static_assert(kCopies % Threads == 0 && Threads % kPerLine == 0);  // all copies of a thread are at one place across
    constexpr int kBytes = Word * sizeof(T);
    const int y = static_cast<int>(threadIdx.x) / kPerLine, x = static_cast<int>(threadIdx.x) % kPerLine * kVector;
    to += y * kStride + x;
#pragma unroll 1
    for (int j = 0; j < kVector; j += Word) {
      const auto place = source.across(across + x + j);
#pragma unroll
      for (int i = 0; i < kCopies / Threads; i++) {
        const T* from = source.at(source.line(line + y + i * kLines), place);
        T* target = to + i * kLines * kStride + j;
        if constexpr (kBytes >= 4)
          gpu::cpAsync<kBytes>(target, from != nullptr ? from : source.p, from != nullptr ? kBytes : 0);
        else
          *target = from != nullptr ? *from : T{};
      }
    }
  }
};

GPU_DEVICE uint32_t rounded(uint32_t bits) { return gpu::toTf32(gpu::floatOf(bits)); }

// Fragments of A: 16 rows from `row`, 32 bytes of k from `k` on.
template <class T, int Tile, bool KMajor> GPU_DEVICE void loadA(const T* tile, int row, int k, uint32_t (&a)[4]) {
  using Layout = Operand<T, Tile, KMajor>;
  constexpr int S = Layout::kStride;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if constexpr (KMajor) {
    gpu::ldmatrixX4(a, tile + (row + lane % 16) * S + k + lane / 16 * Layout::kVector);
  } else if constexpr (sizeof(T) == 2) {
    gpu::ldmatrixX4Trans(a, tile + (k + lane / 16 * 8 + lane % 8) * S + row + lane / 8 % 2 * 8);
  } else {
    const T* p = tile + (k + lane % 4) * S + row + lane / 4;
    a[0] = gpu::bitsOf(p[0]);
    a[1] = gpu::bitsOf(p[8]);
    a[2] = gpu::bitsOf(p[4 * S]);
    a[3] = gpu::bitsOf(p[4 * S + 8]);
  }
  if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (uint32_t& word : a) word = rounded(word);
  }
}

// Fragments of B: two times 8 columns from `column`, 32 bytes of k from `k` on.
template <class T, int Tile, bool KMajor>
GPU_DEVICE void loadB(const T* tile, int column, int k, uint32_t (&b0)[2], uint32_t (&b1)[2]) {
  using Layout = Operand<T, Tile, KMajor>;
  constexpr int S = Layout::kStride;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  uint32_t words[4];
  if constexpr (KMajor) {
    gpu::ldmatrixX4(words, tile + (column + lane / 16 * 8 + lane % 8) * S + k + lane / 8 % 2 * Layout::kVector);
  } else if constexpr (sizeof(T) == 2) {
    gpu::ldmatrixX4Trans(words, tile + (k + lane / 8 % 2 * 8 + lane % 8) * S + column + lane / 16 * 8);
  } else {
    const T* p = tile + (k + lane % 4) * S + column + lane / 4;
    words[0] = gpu::bitsOf(p[0]);
    words[1] = gpu::bitsOf(p[4 * S]);
    words[2] = gpu::bitsOf(p[8]);
    words[3] = gpu::bitsOf(p[4 * S + 8]);
  }
  if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (uint32_t& word : words) word = rounded(word);
  }
  b0[0] = words[0];
  b0[1] = words[1];
  b1[0] = words[2];
  b1[1] = words[3];
}

template <class T> GPU_DEVICE void multiply(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  if constexpr (sizeof(T) == 2)
    gpu::mmaBf16M16n8k16(c, a, b, c);
  else
    gpu::mmaTf32M16n8k8(c, a, b, c);
}

template <int Tile> inline constexpr int kTileThreads = Tile == 128 ? 256 : 128;

// AMajor: A lies as (m, k); BMajor: B lies as (n, k). Product: Matmul, or another Gemm with a Block that gives sources of A and B.
template <class T, int Tile, bool AMajor, bool BMajor, class Product>
__global__ void __launch_bounds__(kTileThreads<Tile>) tensorCoreMatmulKernel(Product gemm) {
  using A = Operand<T, Tile, AMajor>;
  using B = Operand<T, Tile, BMajor>;
  constexpr int Threads = kTileThreads<Tile>;
  constexpr int WarpRows = Tile / 2, WarpColumns = 32;
  constexpr int Rows = WarpRows / 16, Columns = WarpColumns / 8;  // fragments of a warp
  constexpr int Step = 32 / sizeof(T);                            // of k, of one mma
  GPU_DYN_SHARED(memory);
  const auto aStage = [&](int stage) { return reinterpret_cast<T*>(memory + stage * A::kBytes); };
  const auto bStage = [&](int stage) { return reinterpret_cast<T*>(memory + kStages * A::kBytes + stage * B::kBytes); };

  const GemmTile tile = GemmTile::of<Tile, Tile>(gemm);
  const typename Product::template Block<T> block(gemm, tile);
  const int32_t begin = tile.slice * gemm.sliceK;
  const int32_t end = begin + gemm.sliceK < block.k ? begin + gemm.sliceK : block.k;
  const auto a = block.sourceA(end);
  const auto b = block.sourceB(end);
  const int32_t steps = (end - begin + A::kK - 1) / A::kK;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int warpRow = warp % 2 * WarpRows, warpColumn = warp / 2 * WarpColumns;

  const auto fetch = [&](int32_t step) {
    if (step < steps) {
      const int32_t k = begin + step * A::kK;
      A::template fetch<Threads>(aStage(step % kStages), a, AMajor ? tile.row : k, AMajor ? k : tile.row);
      B::template fetch<Threads>(bStage(step % kStages), b, BMajor ? tile.column : k, BMajor ? k : tile.column);
    }
    gpu::cpAsyncCommit();  // empty groups keep the count
  };

  float sums[Rows][Columns][4] = {};
#pragma unroll 1
  for (int s = 0; s < kStages - 1; s++) fetch(s);
  for (int32_t step = 0; step < steps; step++) {
    gpu::cpAsyncWait<kStages - 2>();
    __syncthreads();  // the tile is there for all, and all have read the one that is overwritten next
    fetch(step + kStages - 1);
    const T* aTile = aStage(step % kStages);
    const T* bTile = bStage(step % kStages);
#pragma unroll
    for (int k = 0; k < A::kK; k += Step) {
      uint32_t left[Rows][4], right[Columns][2];
#pragma unroll
      for (int r = 0; r < Rows; r++) loadA<T, Tile, AMajor>(aTile, warpRow + r * 16, k, left[r]);
#pragma unroll
      for (int c = 0; c < Columns; c += 2) {
        loadB<T, Tile, BMajor>(bTile, warpColumn + c * 8, k, right[c], right[c + 1]);
      }
#pragma unroll
      for (int r = 0; r < Rows; r++) {
#pragma unroll
        for (int c = 0; c < Columns; c++) multiply<T>(sums[r][c], left[r], right[c]);
      }
    }
  }

#pragma unroll
  for (int r = 0; r < Rows; r++) {
    const int32_t first = tile.row + warpRow + r * 16 + lane / 4;
    const int64_t row = block.rowOffset(first), rowBelow = block.rowOffset(first + 8);
#pragma unroll
    for (int c = 0; c < Columns; c++) {
      const int32_t column = tile.column + warpColumn + c * 8 + lane % 4 * 2;
      const float above[2] = {sums[r][c][0], sums[r][c][1]}, below[2] = {sums[r][c][2], sums[r][c][3]};
      storeTile(gemm, block, tile.slice, row, column, above);
      storeTile(gemm, block, tile.slice, rowBelow, column, below);
    }
  }
}

template <class T, int Tile, bool AMajor, bool BMajor, class Product>
void launchTensorCore(const Call& call, const Product& product) {
  constexpr size_t bytes = kStages * (Operand<T, Tile, AMajor>::kBytes + Operand<T, Tile, BMajor>::kBytes);
  launch(call, tensorCoreMatmulKernel<T, Tile, AMajor, BMajor, Product>, GemmTile::grid(product, Tile),
         kTileThreads<Tile>, bytes, product);
}

}  // namespace neurite::cuda
