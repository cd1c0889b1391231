// Matrix times vector, the product with one row or one column: bound by the bandwidth of reading the matrix once.
#pragma once

#include "gemm-blocks.h"

namespace neurite::cpu::NEURITE_ISA {

// out[i] = activation(sum over k of matrix(i, k) · vector[k] (+ out[i]) + bias), i < outputs.
struct Gemv {
  int64_t outputs, depth;
  const void* matrix;
  int64_t ld;
  bool along;  // matrix(i, k) at i * ld + k, each output a dot product; else at k * ld + i, a sum of scaled rows
  DType matrixType;
  const float* vector;  // [depth], contiguous
};

inline constexpr int64_t kDotRows = 4;  // outputs computed together: as many independent chains of additions
inline constexpr int64_t kScaledRows =
    8;  // rows summed per pass, so that the sums are read and written once for eight rows

// sums[i] += dot product, for outputs [first, end).
template <class Source> void dotRows(const Gemv& g, int64_t first, int64_t end, float* sums) {
  const Source* matrix = static_cast<const Source*>(g.matrix);
  for (int64_t i = first; i < end; i += kDotRows) {
    const int64_t count = std::min(kDotRows, end - i);
    const Source* row[kDotRows];
    F32 acc[kDotRows];
    NEURITE_UNROLL
    for (int r = 0; r < kDotRows; ++r) {
      row[r] = matrix + (i + std::min<int64_t>(r, count - 1)) * g.ld;
      acc[r] = zeros();
    }
    int64_t k = 0;
    for (; k + kLanes <= g.depth; k += kLanes) {
      const F32 x = load(g.vector + k);
      NEURITE_UNROLL
      for (int r = 0; r < kDotRows; ++r) acc[r] = fma(loadFloats(row[r] + k, kLanes), x, acc[r]);
    }
    if (k < g.depth) {
      const F32 x = loadPartial(g.vector + k, g.depth - k);
      NEURITE_UNROLL
      for (int r = 0; r < kDotRows; ++r) acc[r] = fma(loadFloats(row[r] + k, g.depth - k), x, acc[r]);
    }
    NEURITE_UNROLL
    for (int r = 0; r < kDotRows; ++r) {
      if (r < count) sums[i - first + r] += sum(acc[r]);
    }
  }
}

// sums[i] += sum of vector[k] · row k, for columns [first, end).
template <class Source> void addScaledRows(const Gemv& g, int64_t first, int64_t end, float* sums) {
  const Source* matrix = static_cast<const Source*>(g.matrix) + first;
  const int64_t columns = end - first;
  int64_t k = 0;
  for (; k + kScaledRows <= g.depth; k += kScaledRows) {
    const Source* rows = matrix + k * g.ld;
    F32 x[kScaledRows];
    NEURITE_UNROLL
    for (int r = 0; r < kScaledRows; ++r) x[r] = broadcast(g.vector[k + r]);
    for (int64_t j = 0; j < columns; j += kLanes) {
      F32 acc = loadPartial(sums + j, columns - j);
      NEURITE_UNROLL
      for (int r = 0; r < kScaledRows; ++r) acc = fma(loadFloats(rows + r * g.ld + j, columns - j), x[r], acc);
      storePartial(sums + j, acc, columns - j);
    }
  }
  for (; k < g.depth; ++k) {
    const F32 x = broadcast(g.vector[k]);
    for (int64_t j = 0; j < columns; j += kLanes) {
      const F32 acc = fma(loadFloats(matrix + k * g.ld + j, columns - j), x, loadPartial(sums + j, columns - j));
      storePartial(sums + j, acc, columns - j);
    }
  }
}

// gemm with m == 1 or n == 1.
inline void multiplyVector(const Gemm& g) {
  const bool oneRow = g.m == 1;
  const int64_t outputs = oneRow ? g.n : g.m;
  const int64_t outStride = oneRow ? 1 : g.ldc;
  const DType vectorType = oneRow ? g.typeA : g.typeB;
  const int64_t vectorStride = oneRow ? (g.transposeA ? g.lda : 1) : (g.transposeB ? 1 : g.ldb);
  const int64_t threads = g.n * g.m * g.k * g.batch <= kInlineWork ? 1 : threadCount();
  // Whole cache lines of outputs, at least 128 where rows are read piece by piece: there a piece for each thread.
  const bool along = oneRow ? g.transposeB : !g.transposeA;
  const int64_t least = along ? 16 : 128, wanted = along ? threads * 4 : threads;
  const int64_t width = std::max(least, ceilDivide(ceilDivide(outputs * g.batch, wanted), 16) * 16);
  const int64_t pieces = ceilDivide(outputs, width);
  const bool contiguous = vectorType == DType::float32 && vectorStride == 1;

  parallelFor(pieces * g.batch, [&](int64_t chunk) {
    const int64_t matrix = chunk / pieces, first = chunk % pieces * width, end = std::min(outputs, first + width);
    auto offset = [&](const void* p, int64_t elements, DType type) {
      return static_cast<const char*>(p) + elements * static_cast<int64_t>(dtypeBytes(type));
    };
    const void* a = offset(g.a, matrix * g.batchStrideA, g.typeA);
    const void* b = offset(g.b, matrix * g.batchStrideB, g.typeB);
    float* sums = static_cast<float*>(threadScratch(static_cast<size_t>(width + g.k) * sizeof(float)));

    Gemv v{outputs, g.k, oneRow ? b : a, oneRow ? g.ldb : g.lda, along, oneRow ? g.typeB : g.typeA, nullptr};
    const void* source = oneRow ? a : b;
    if (contiguous) {
      v.vector = static_cast<const float*>(source);
    } else {
      float* vector = sums + width;
      for (int64_t k = 0; k < g.k; ++k) {
        const void* p = offset(source, k * vectorStride, vectorType);
        vector[k] = vectorType == DType::float32 ? *static_cast<const float*>(p)
                                                 : loadBfloat16Partial(static_cast<const uint16_t*>(p), 1)[0];
      }
      v.vector = vector;
    }

    const int64_t start = matrix * g.batchStrideC + first * outStride;
    float* c32 = static_cast<float*>(g.c) + (g.typeC == DType::float32 ? start : 0);
    uint16_t* c16 = static_cast<uint16_t*>(g.c) + (g.typeC == DType::float32 ? 0 : start);
    for (int64_t i = 0; i < end - first; ++i) {
      const int64_t at = i * outStride;
      sums[i] = !g.accumulate ? 0.0f : g.typeC == DType::float32 ? c32[at] : loadBfloat16Partial(c16 + at, 1)[0];
    }
    const bool half = v.matrixType == DType::bfloat16;
    if (along) {
      half ? dotRows<uint16_t>(v, first, end, sums) : dotRows<float>(v, first, end, sums);
    } else {
      half ? addScaledRows<uint16_t>(v, first, end, sums) : addScaledRows<float>(v, first, end, sums);
    }
    for (int64_t i = 0; i < end - first; i += kLanes) {
      const int64_t count = std::min<int64_t>(kLanes, end - first - i);
      F32 y = loadPartial(sums + i, count);
      if (g.bias) y += oneRow ? loadPartial(g.bias + first + i, count) : broadcast(g.bias[0]);
      storePartial(sums + i, activate(g.activation, y), count);
      for (int64_t j = i; j < i + count; ++j) {
        if (g.typeC == DType::float32) {
          c32[j * outStride] = sums[j];
        } else {
          storeBfloat16Partial(c16 + j * outStride, broadcast(sums[j]), 1);
        }
      }
    }
  });
}

}  // namespace neurite::cpu::NEURITE_ISA
