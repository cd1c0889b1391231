// Matrix products as their kernels see them: C (m, n) = activation(A (m, k) * B (k, n) + bias), for each of several batches.
#pragma once
#include "index.h"
#include "matmul-table.h"

namespace neurite::cuda {

// Where sums go. With more than one slice they go to `partial` (slices, size), and a second kernel adds them up in order.
struct Output {
  int64_t size;  // elements
  void* c;
  const void* bias;    // null or (width)
  const void* addend;  // null or as c: added with the bias
  int32_t width;       // of the last axis
  bool bfloat16, biasBfloat16;
  Activation activation;
  int32_t slices;
  float* partial;
};

// What all products have in common, wherever the elements of A and B come from.
struct Gemm : Output {
  int32_t m, n, k;
  int32_t batches;
  int32_t sliceK;  // slice s is [s * sliceK, (s + 1) * sliceK) of k
};

// The block's tile: tiles are numbered down columns of eight tile rows, so that blocks that run together share rows and columns in the cache.
struct GemmTile {
  int32_t row, column;  // first of C
  int32_t batch, slice;

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
    return tile;
  }
  static dim3 grid(const Gemm& gemm, int tile) {
    return {static_cast<unsigned>(ceilDiv(gemm.m, tile) * ceilDiv(gemm.n, tile)), static_cast<unsigned>(gemm.batches),
            static_cast<unsigned>(gemm.slices)};
  }
};

// An operand as kernels read it: lines of neighbouring elements. Of A (m, k) the lines are rows of C, of A^T (k, m) they are k.
// A source gives the address of an element from its line and its place across, or null for what is outside and counts as zero.
template <class T> struct MatrixSource {
  const T* p;
  int64_t stride;  // between lines
  int32_t lines, width;
  int32_t vector;  // elements that may be read at once: a power of two, up to 16 bytes; lines start at multiples of it

  struct Line {
    int64_t offset;
    bool inside;
  };
  struct Across {
    int32_t offset;
    bool inside;
  };
  GPU_DEVICE Line line(int32_t y) const { return {y * stride, y < lines}; }
  GPU_DEVICE Across across(int32_t x) const { return {x, x < width}; }
  GPU_DEVICE const T* at(const Line& line, const Across& across) const {
    return line.inside && across.inside ? p + line.offset + across.offset : nullptr;
  }
};

// A product of matrices that lie in memory.
struct Matmul : Gemm {
  const void *a, *b;
  int64_t aStride, bStride;     // between rows as they are stored: of A (m, k) or A^T (k, m), of B (k, n) or B^T (n, k)
  bool transposeA, transposeB;  // what is stored is A^T, B^T
  int32_t aVector, bVector;
  Strided<2, int64_t> batch;  // offsets of A and B

  // What a block needs of it. `end` is where k ends for the block.
  template <class T> struct Block {
    const Matmul& matmul;
    int32_t k, batch;
    const T *a, *b;

    GPU_DEVICE Block(const Matmul& matmul, const GemmTile& tile) : matmul(matmul), k(matmul.k), batch(tile.batch) {
      int64_t offsets[2] = {};
      matmul.batch.add(tile.batch, offsets);
      a = static_cast<const T*>(matmul.a) + offsets[0];
      b = static_cast<const T*>(matmul.b) + offsets[1];
    }
    GPU_DEVICE MatrixSource<T> sourceA(int32_t end) const {
      return {a, matmul.aStride, matmul.transposeA ? end : matmul.m, matmul.transposeA ? matmul.m : end,
              matmul.aVector};
    }
    GPU_DEVICE MatrixSource<T> sourceB(int32_t end) const {
      return {b, matmul.bStride, matmul.transposeB ? matmul.n : end, matmul.transposeB ? end : matmul.n,
              matmul.bVector};
    }
    // Offset in C of the first element of a row; -1 outside.
    GPU_DEVICE int64_t rowOffset(int32_t row) const {
      return row < matmul.m ? (int64_t{batch} * matmul.m + row) * matmul.n : -1;
    }
    // First element of the bias for this block.
    GPU_DEVICE int32_t biasOffset() const { return 0; }
  };
};

// A number of rows or columns as the kernels count them.
int32_t dimension(const Call& call, int64_t value);
// How many elements of a matrix can be read at once, if its lines start at multiples of `stride`: a power of two, up to 16 bytes.
int32_t vectorOf(const Tensor& x, int64_t stride);

// Runs the kernel that the table has chosen; of `matmul` everything is set but the slices.
void runMatmul(const Call& call, Matmul& matmul, bool bfloat16, const MatmulChoice& choice);

// Sets slices, with memory for their sums. Returns as many bytes of scratch memory as are asked for besides.
void* setSlices(const Call& call, Gemm& gemm, const MatmulChoice& choice, size_t bytes = 0);
// Adds up the slices if there are several.
void sumSlices(const Call& call, const Output& output);

// Each launches its kernel; the choice says which tile.
void launchSimtMatmul(const Call& call, const Matmul& matmul, bool bfloat16, const MatmulChoice& choice);
void launchTensorCoreMatmul(const Call& call, const Matmul& matmul, bool bfloat16, const MatmulChoice& choice);

// A number of rows or columns, or pixels or taps, as kernels count them.
inline int32_t dimension(int64_t value) {
  if (value > INT32_MAX) fail("a matrix has more than 2^31 - 1 rows or columns");
  return static_cast<int32_t>(value);
}

}  // namespace neurite::cuda
