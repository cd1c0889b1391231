// Matrix products on tensor cores, sm_80 and later: bfloat16, or float32 rounded to TF32, added up in float32.
//
// A block makes a tile of C, Tile x Tile; its warps make 64 x 32 (Tile 128, 8 warps) or 32 x 32 (Tile 64, 4 warps) each. cp.async keeps
// kStages tiles of A and B in shared memory, 64 bytes of k each. An operand lies there as in memory, either (row, k)
// or (k, row), with rows padded so that the eight rows an ldmatrix reads fall into different banks:
//   (row, k)  64 + 16 bytes                              ldmatrix, for float32 too, whose fragments are words
//   (k, row)  bfloat16: Tile * 2 + 16 bytes              ldmatrix with transposition
//             float32:  Tile * 4 + 32 bytes              words one by one
// float32 is rounded when it becomes a fragment, to nearest; tensor cores themselves would cut it off.
#include "matmul-epilogue.cuh"

namespace neurite::cuda {
namespace {

constexpr int kStages = 4;
constexpr int kRowBytes = 64;

// The tile of one operand in shared memory. KMajor: (row, k), else (k, row).
template <class T, int Tile, bool KMajor> struct Operand {
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kK = kRowBytes / sizeof(T);
  static constexpr int kStride = KMajor ? kK + kVector : Tile + 8;  // elements
  static constexpr int kBytes = (KMajor ? Tile : kK) * kStride * static_cast<int>(sizeof(T));

  // Starts to copy the tile of rows from `row` and of k from `k` on; zeros outside of (rows, end).
  template <int Threads>
  GPU_DEVICE static void fetch(T* to, const T* from, int64_t stride, bool vector, int32_t row, int32_t rows, int32_t k,
                               int32_t end) {
    constexpr int kPerLine = (KMajor ? kK : Tile) / kVector;
    constexpr int kCopies = (KMajor ? Tile : kK) * kPerLine;
    static_assert(kCopies % Threads == 0);
#pragma unroll
    for (int i = 0; i < kCopies / Threads; i++) {
      const int copy = static_cast<int>(threadIdx.x) + i * Threads;
      const int line = copy / kPerLine, across = copy % kPerLine * kVector;
      const int32_t y = (KMajor ? row : k) + line, x = (KMajor ? k : row) + across;
      const int32_t limit = KMajor ? end : rows;
      const bool inside = y < (KMajor ? rows : end) && x < limit;
      const int valid = !inside ? 0 : limit - x < kVector ? limit - x : kVector;
      const T* source = inside ? from + y * stride + x : from;
      T* target = to + line * kStride + across;
      if (vector) {
        gpu::cpAsync<16>(target, source, valid * static_cast<int>(sizeof(T)));
      } else {
#pragma unroll
        for (int j = 0; j < kVector; j++) target[j] = j < valid ? source[j] : T{};
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

template <int Tile> constexpr int kTileThreads = Tile == 128 ? 256 : 128;

// AMajor: A lies as (m, k); BMajor: B lies as (n, k).
template <class T, int Tile, bool AMajor, bool BMajor>
__global__ void __launch_bounds__(kTileThreads<Tile>) tensorCoreMatmulKernel(Gemm gemm) {
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
  const T* a = static_cast<const T*>(gemm.a) + tile.a;
  const T* b = static_cast<const T*>(gemm.b) + tile.b;
  const int32_t begin = tile.slice * gemm.sliceK;
  const int32_t end = begin + gemm.sliceK < gemm.k ? begin + gemm.sliceK : gemm.k;
  const int32_t steps = (end - begin + A::kK - 1) / A::kK;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int warpRow = warp % 2 * WarpRows, warpColumn = warp / 2 * WarpColumns;

  const auto fetch = [&](int32_t step) {
    if (step < steps) {
      const int32_t k = begin + step * A::kK;
      A::template fetch<Threads>(aStage(step % kStages), a, gemm.aStride, gemm.aVector, tile.row, gemm.m, k, end);
      B::template fetch<Threads>(bStage(step % kStages), b, gemm.bStride, gemm.bVector, tile.column, gemm.n, k, end);
    }
    gpu::cpAsyncCommit();  // empty groups keep the count
  };

  float sums[Rows][Columns][4] = {};
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
#pragma unroll
    for (int c = 0; c < Columns; c++) {
      const int32_t row = tile.row + warpRow + r * 16 + lane / 4;
      const int32_t column = tile.column + warpColumn + c * 8 + lane % 4 * 2;
      const float above[2] = {sums[r][c][0], sums[r][c][1]}, below[2] = {sums[r][c][2], sums[r][c][3]};
      storeSums(gemm, tile, row, column, above);
      storeSums(gemm, tile, row + 8, column, below);
    }
  }
}

}  // namespace

void launchTensorCoreMatmul(const Call& call, const Gemm& gemm, bool bfloat16, const MatmulChoice& choice) {
  const auto run = [&]<class T, int Tile, bool AMajor, bool BMajor>() {
    const dim3 grid(static_cast<unsigned>(ceilDiv(gemm.m, Tile) * ceilDiv(gemm.n, Tile)),
                    static_cast<unsigned>(gemm.batches), static_cast<unsigned>(gemm.slices));
    constexpr size_t bytes = kStages * (Operand<T, Tile, AMajor>::kBytes + Operand<T, Tile, BMajor>::kBytes);
    launch(call, tensorCoreMatmulKernel<T, Tile, AMajor, BMajor>, grid, kTileThreads<Tile>, bytes, gemm);
  };
  const auto withLayout = [&]<class T, int Tile>() {
    if (gemm.transposeA) {
      if (gemm.transposeB)
        run.template operator()<T, Tile, false, true>();
      else
        run.template operator()<T, Tile, false, false>();
    } else {
      if (gemm.transposeB)
        run.template operator()<T, Tile, true, true>();
      else
        run.template operator()<T, Tile, true, false>();
    }
  };
  const auto withTile = [&]<class T>() {
    if (choice.tile == 128)
      withLayout.template operator()<T, 128>();
    else
      withLayout.template operator()<T, 64>();
  };
  if (bfloat16)
    withTile.template operator()<bf16>();
  else
    withTile.template operator()<float>();
}

}  // namespace neurite::cuda
