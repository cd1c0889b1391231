// A matrix product as its kernels see it: C (m, n) = activation(A (m, k) * B (k, n) + bias), for each of several batches.
#pragma once
#include "index.h"
#include "matmul-table.h"

namespace neurite::cuda {

struct Gemm {
  int32_t m, n, k;
  const void *a, *b;
  int64_t aStride, bStride;     // between rows as they are stored: of A (m, k) or A^T (k, m), of B (k, n) or B^T (n, k)
  bool transposeA, transposeB;  // what is stored is A^T, B^T
  bool aVector, bVector;        // rows may be read 16 bytes at a time (float32) or 16 (bfloat16)
  Strided<2, int64_t> batch;    // offsets of A and B
  int32_t batches;

  // Slices of k: slice s is [s * sliceK, (s + 1) * sliceK). With more than one, sums go to `partial` (slices, batches, m, n) and a second
  // kernel adds them up in order.
  int32_t slices, sliceK;
  float* partial;

  void* c;
  const void* bias;  // null or (n)
  bool cBfloat16, biasBfloat16;
  Activation activation;
};

// The block's tile: tiles are numbered down columns of eight tile rows, so that blocks that run together share rows and columns in the cache.
struct GemmTile {
  int32_t row, column;  // first of C
  int32_t batch, slice;
  int64_t a, b;  // offsets of the batch

  template <int BM, int BN> GPU_DEVICE static GemmTile of(const Gemm& gemm) {
    constexpr int32_t kGroup = 8;
    const int32_t rows = (gemm.m + BM - 1) / BM, columns = (gemm.n + BN - 1) / BN;
    const int32_t number = static_cast<int32_t>(blockIdx.x);
    const int32_t group = number / (kGroup * columns);
    const int32_t height = rows - group * kGroup < kGroup ? rows - group * kGroup : kGroup;
    const int32_t rest = number - group * kGroup * columns;
    GemmTile tile;
    tile.row = (group * kGroup + rest % height) * BM;
    tile.column = rest / height * BN;
    tile.batch = static_cast<int32_t>(blockIdx.y);
    tile.slice = static_cast<int32_t>(blockIdx.z);
    int64_t offsets[2] = {};
    gemm.batch.add(tile.batch, offsets);
    tile.a = offsets[0];
    tile.b = offsets[1];
    return tile;
  }
};

// Each launches its kernel; the choice says which tile.
void launchSimtMatmul(const Call& call, const Gemm& gemm, bool bfloat16, const MatmulChoice& choice);
void launchTensorCoreMatmul(const Call& call, const Gemm& gemm, bool bfloat16, const MatmulChoice& choice);

}  // namespace neurite::cuda
