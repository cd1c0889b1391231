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
#pragma once
#include "matmul-epilogue.cuh"

namespace neurite::cuda {

// Four neighbouring elements of a line.
template <class Source>
GPU_DEVICE void loadFour(const Source& source, const typename Source::Line& line, int32_t x, float (&values)[4]) {
  if (source.vector >= 4) {
    const auto* from = source.at(line, source.across(x));
    if (from != nullptr) {
      const auto loaded = gpu::loadVec<4>(from);
#pragma unroll
      for (int i = 0; i < 4; i++) values[i] = static_cast<float>(loaded[i]);
    } else {
#pragma unroll
      for (float& value : values) value = 0.0f;
    }
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const auto* from = source.at(line, source.across(x + i));
      values[i] = from != nullptr ? static_cast<float>(*from) : 0.0f;
    }
  }
}

// Product: Matmul, or another Gemm with a Block that gives sources of A and B, and what of them is stored transposed.
template <class T, int Tile, class Product>
__global__ void __launch_bounds__(kThreads, 2) simtMatmulKernel(Product gemm) {
  constexpr int K = 1024 / Tile;
  constexpr int Sums = Tile / 16;           // rows and columns of a thread
  constexpr int Run = Sums < 4 ? Sums : 4;  // of them next to each other
  constexpr int Stride = Tile + 4;          // transposing stores of a warp then hit 32 banks
  GPU_SHARED(float, aTile, [2][K][Stride]);
  GPU_SHARED(float, bTile, [2][K][Stride]);

  const GemmTile tile = GemmTile::of<Tile, Tile>(gemm);
  const typename Product::template Block<T> block(gemm, tile);
  const int32_t begin = tile.slice * gemm.sliceK;
  const int32_t end = begin + gemm.sliceK < block.k ? begin + gemm.sliceK : block.k;
  const auto a = block.sourceA(end);
  const auto b = block.sourceB(end);

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
      loadFour(a, a.line(k + kFirst), tile.row + kAcross, aNext);
    } else {
      loadFour(a, a.line(tile.row + tileFirst), k + tileAcross, aNext);
    }
    if (gemm.transposeB) {
      loadFour(b, b.line(tile.column + tileFirst), k + tileAcross, bNext);
    } else {
      loadFour(b, b.line(k + kFirst), tile.column + kAcross, bNext);
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
    const int64_t row = block.rowOffset(tile.row + rowBase + r / Run * 4 * Run + r % Run);
#pragma unroll
    for (int run = 0; run < Sums / Run; run++) {
      float values[Run];
#pragma unroll
      for (int j = 0; j < Run; j++) values[j] = sums[r][run * Run + j];
      storeTile(gemm, block, tile.slice, row, tile.column + columnBase + run * 8 * Run, values);
    }
  }
}

// Launches the kernel for a product.
template <class Product>
void launchSimt(const Call& call, const Product& product, bool bfloat16, const MatmulChoice& choice) {
  const auto run = [&]<class T, int Tile>() {
    launch(call, simtMatmulKernel<T, Tile, Product>, GemmTile::grid(product, Tile), kThreads, 0, product);
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
