// Matrix products with float32 multiply-adds: precision `highest`, GPUs before sm_80, and shapes too small for tensor cores.
//
// A block of 256 threads makes a tile of C, Tile x Tile, from tiles of A and B in shared memory, both as (K, Tile), so that the inner loop
// reads rows. Tiles are doubled: the next is fetched into registers while the present one is multiplied. In every
// configuration a tile has 1,024 elements, so each thread moves four of A and four of B.
//
//   Tile   K  sums per thread   bytes read from shared memory per multiply-add
//   128    8  8 x 8             1
//   64    16  4 x 4             2
//   32    32  2 x 2             4
#include "matmul-epilogue.cuh"

namespace neurite::cuda {
namespace {

// Four elements of row `row` from `column` on of a matrix (rows, columns), zeros outside.
template <class T>
GPU_DEVICE void loadFour(const T* p, int64_t stride, bool vector, int32_t row, int32_t rows, int32_t column,
                         int32_t columns, float (&values)[4]) {
  const T* from = p + row * stride + column;
  if (vector && row < rows && column + 4 <= columns) {
    const gpu::Vec<T, 4> loaded = gpu::loadVec<4>(from);
#pragma unroll
    for (int i = 0; i < 4; i++) values[i] = static_cast<float>(loaded[i]);
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++) values[i] = row < rows && column + i < columns ? static_cast<float>(from[i]) : 0.0f;
  }
}

template <class T, int Tile> __global__ void __launch_bounds__(kThreads, 2) simtMatmulKernel(Gemm gemm) {
  constexpr int K = 1024 / Tile;
  constexpr int Sums = Tile / 16;           // rows and columns of a thread
  constexpr int Run = Sums < 4 ? Sums : 4;  // of them next to each other
  constexpr int Stride = Tile + 4;          // transposing stores of a warp then hit 32 banks
  GPU_SHARED(float, aTile, [2][K][Stride]);
  GPU_SHARED(float, bTile, [2][K][Stride]);

  const GemmTile tile = GemmTile::of<Tile, Tile>(gemm);
  const T* a = static_cast<const T*>(gemm.a) + tile.a;
  const T* b = static_cast<const T*>(gemm.b) + tile.b;
  const int32_t begin = tile.slice * gemm.sliceK;
  const int32_t end = begin + gemm.sliceK < gemm.k ? begin + gemm.sliceK : gemm.k;

  // A warp has 4 x 8 threads; 4 x 2 warps. Its reads of a row of B take 8 runs side by side, those of A are broadcast.
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int rowBase = warp / 2 * 4 * Sums + lane / 8 * Run;
  const int columnBase = warp % 2 * 8 * Sums + lane % 8 * Run;

  // Which four elements of a tile this thread moves: where rows of the tile are (k), or where they are (row or column of C).
  const int kFirst = thread / (Tile / 4), kAcross = thread % (Tile / 4) * 4;
  const int tileFirst = thread / (K / 4), tileAcross = thread % (K / 4) * 4;

  float aNext[4], bNext[4];
  const auto fetch = [&](int32_t k) {
    if (gemm.transposeA) {
      loadFour(a, gemm.aStride, gemm.aVector, k + kFirst, end, tile.row + kAcross, gemm.m, aNext);
    } else {
      loadFour(a, gemm.aStride, gemm.aVector, tile.row + tileFirst, gemm.m, k + tileAcross, end, aNext);
    }
    if (gemm.transposeB) {
      loadFour(b, gemm.bStride, gemm.bVector, tile.column + tileFirst, gemm.n, k + tileAcross, end, bNext);
    } else {
      loadFour(b, gemm.bStride, gemm.bVector, k + kFirst, end, tile.column + kAcross, gemm.n, bNext);
    }
  };
  const auto place = [&](float(&to)[K][Stride], bool rowsOfK, const float(&values)[4]) {
    if (rowsOfK) {
      gpu::Vec<float, 4> packed;
#pragma unroll
      for (int i = 0; i < 4; i++) packed[i] = values[i];
      gpu::storeVec(&to[kFirst][kAcross], packed);
    } else {
#pragma unroll
      for (int i = 0; i < 4; i++) to[tileAcross + i][tileFirst] = values[i];
    }
  };

  float sums[Sums][Sums] = {};
  fetch(begin);
  int stage = 0;
  for (int32_t k = begin; k < end; k += K) {
    place(aTile[stage], gemm.transposeA, aNext);
    place(bTile[stage], !gemm.transposeB, bNext);
    __syncthreads();
    if (k + K < end) fetch(k + K);
#pragma unroll
    for (int i = 0; i < K; i++) {
      float left[Sums], right[Sums];
#pragma unroll
      for (int run = 0; run < Sums / Run; run++) {
        const gpu::Vec<float, Run> rows = gpu::loadVec<Run>(&aTile[stage][i][rowBase + run * 4 * Run]);
        const gpu::Vec<float, Run> columns = gpu::loadVec<Run>(&bTile[stage][i][columnBase + run * 8 * Run]);
#pragma unroll
        for (int j = 0; j < Run; j++) {
          left[run * Run + j] = rows[j];
          right[run * Run + j] = columns[j];
        }
      }
#pragma unroll
      for (int r = 0; r < Sums; r++) {
#pragma unroll
        for (int c = 0; c < Sums; c++) sums[r][c] = fmaf(left[r], right[c], sums[r][c]);
      }
    }
    stage ^= 1;  // the barrier of the next turn keeps this tile until all have read it
  }

#pragma unroll
  for (int r = 0; r < Sums; r++) {
#pragma unroll
    for (int run = 0; run < Sums / Run; run++) {
      float values[Run];
#pragma unroll
      for (int j = 0; j < Run; j++) values[j] = sums[r][run * Run + j];
      storeSums(gemm, tile, tile.row + rowBase + r / Run * 4 * Run + r % Run, tile.column + columnBase + run * 8 * Run,
                values);
    }
  }
}

}  // namespace

void launchSimtMatmul(const Call& call, const Gemm& gemm, bool bfloat16, const MatmulChoice& choice) {
  const auto run = [&]<class T, int Tile>() {
    const dim3 grid(static_cast<unsigned>(ceilDiv(gemm.m, Tile) * ceilDiv(gemm.n, Tile)),
                    static_cast<unsigned>(gemm.batches), static_cast<unsigned>(gemm.slices));
    launch(call, simtMatmulKernel<T, Tile>, grid, kThreads, 0, gemm);
  };
  const auto withTile = [&]<class T>() {
    switch (choice.tile) {
      case 128:
        return run.template operator()<T, 128>();
      case 64:
        return run.template operator()<T, 64>();
      default:
        return run.template operator()<T, 32>();
    }
  };
  if (bfloat16)
    withTile.template operator()<bf16>();
  else
    withTile.template operator()<float>();
}

}  // namespace neurite::cuda
