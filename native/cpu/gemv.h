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

inline constexpr int64_t kDotRows = 4;     // outputs computed together: as many independent chains of additions
inline constexpr int64_t kScaledRows = 8;  // rows summed per pass: the sums are read and written once for all

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

// The same, with the sums of a block of columns in registers: each row is read in pieces of a block, which the CPU follows only where the matrix lies
// in its caches. The chain of additions of an element is the same.
inline constexpr int64_t kSumVectors = 8, kSumColumns = kSumVectors * kLanes;
template <class Source> void addScaledColumns(const Gemv& g, int64_t first, int64_t end, float* sums) {
  for (; first + kSumColumns <= end; first += kSumColumns, sums += kSumColumns) {
    const Source* row = static_cast<const Source*>(g.matrix) + first;
    F32 acc[kSumVectors];
    NEURITE_UNROLL
    for (int v = 0; v < kSumVectors; ++v) acc[v] = load(sums + v * kLanes);
    for (int64_t k = 0; k < g.depth; ++k, row += g.ld) {
      const F32 x = broadcast(g.vector[k]);
      NEURITE_UNROLL
      for (int v = 0; v < kSumVectors; ++v) acc[v] = fma(loadFloats(row + v * kLanes, kLanes), x, acc[v]);
    }
    NEURITE_UNROLL
    for (int v = 0; v < kSumVectors; ++v) store(sums + v * kLanes, acc[v]);
  }
  if (first < end) addScaledRows<Source>(g, first, end, sums);
}

inline const void* elementAt(const void* data, int64_t elements, DType type) {
  return static_cast<const char*>(data) + elements * static_cast<int64_t>(dtypeBytes(type));
}

// `count` values from `data` on, `stride` elements apart, as they lie or converted to `memory`.
inline const float* vectorValues(const void* data, DType type, int64_t stride, int64_t count, float* memory) {
  if (type == DType::float32 && stride == 1) return static_cast<const float*>(data);
  for (int64_t k = 0; k < count; ++k) {
    const void* p = elementAt(data, k * stride, type);
    memory[k] = type == DType::float32 ? *static_cast<const float*>(p)
                                       : loadBfloat16Partial(static_cast<const uint16_t*>(p), 1)[0];
  }
  return memory;
}

// Outputs of a product with one row or column, before their sums are made and after.
class VectorOutputs {
 public:
  VectorOutputs(const Gemm& g, int64_t matrix, int64_t first)
      : g_(g), first_(first), stride_(g.m == 1 ? 1 : g.ldc), start_(matrix * g.batchStrideC + first * stride_) {}

  void begin(float* sums, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = start_ + i * stride_;
      sums[i] = !g_.accumulate               ? 0.0f
                : g_.typeC == DType::float32 ? static_cast<float*>(g_.c)[at]
                                             : loadBfloat16Partial(static_cast<uint16_t*>(g_.c) + at, 1)[0];
    }
  }
  void end(float* sums, int64_t outputs) const {
    for (int64_t i = 0; i < outputs; i += kLanes) {
      const int64_t count = std::min<int64_t>(kLanes, outputs - i);
      F32 y = loadPartial(sums + i, count);
      if (g_.bias) y += g_.m == 1 ? loadPartial(g_.bias + first_ + i, count) : broadcast(g_.bias[0]);
      y = activate(g_.activation, y);
      if (stride_ == 1 && g_.typeC == DType::float32) {
        storePartial(static_cast<float*>(g_.c) + start_ + i, y, count);
        continue;
      }
      storePartial(sums + i, y, count);
      for (int64_t j = i; j < i + count; ++j) {
        const int64_t at = start_ + j * stride_;
        if (g_.typeC == DType::float32)
          static_cast<float*>(g_.c)[at] = sums[j];
        else
          storeBfloat16Partial(static_cast<uint16_t*>(g_.c) + at, broadcast(sums[j]), 1);
      }
    }
  }

 private:
  const Gemm& g_;
  const int64_t first_, stride_, start_;
};

// Matrices whose rows are scaled and added lie in the caches, shared ones included, if they have so many values together: then a chunk takes columns of
// one. A larger one, or one of few columns, is cut into parts of rows, which chunks read from beginning to end; their sums go from core to core once
// more. Either way the same thread reads the same part each time.
inline constexpr int64_t kCachedValues = 2 * 1024 * 1024;
inline constexpr int64_t kPartValues = 64 * 1024, kMostParts = 16;

// gemm with m == 1 or n == 1.
inline void multiplyVector(const Gemm& g) {
  const bool oneRow = g.m == 1;
  const int64_t outputs = oneRow ? g.n : g.m;
  const DType vectorType = oneRow ? g.typeA : g.typeB;
  const int64_t vectorStride = oneRow ? (g.transposeA ? g.lda : 1) : (g.transposeB ? 1 : g.ldb);
  const bool along = oneRow ? g.transposeB : !g.transposeA;
  const bool byColumns = !along && outputs >= 2 * kSumColumns && g.k * outputs * g.batch <= kCachedValues;
  const auto add = [&](const Gemv& v, int64_t first, int64_t end, float* sums) {
    const bool half = v.matrixType == DType::bfloat16;
    if (along)
      half ? dotRows<uint16_t>(v, first, end, sums) : dotRows<float>(v, first, end, sums);
    else if (byColumns)
      half ? addScaledColumns<uint16_t>(v, first, end, sums) : addScaledColumns<float>(v, first, end, sums);
    else
      half ? addScaledRows<uint16_t>(v, first, end, sums) : addScaledRows<float>(v, first, end, sums);
  };
  const int64_t ld = oneRow ? g.ldb : g.lda;
  const DType matrixType = oneRow ? g.typeB : g.typeA;

  const int64_t parts = smaller(kMostParts, g.k * outputs / kPartValues);
  if (!along && !byColumns && g.batch == 1 && parts > 1) {
    float* sums = static_cast<float*>(scratch(static_cast<size_t>(parts * outputs) * sizeof(float)));
    const VectorOutputs results(g, 0, 0);
    results.begin(sums, outputs);
    parallelFor(parts, [&](int64_t part) {
      const int64_t first = g.k * part / parts, depth = g.k * (part + 1) / parts - first;
      float* memory = static_cast<float*>(threadScratch(static_cast<size_t>(depth) * sizeof(float)));
      const void* source = elementAt(oneRow ? g.a : g.b, first * vectorStride, vectorType);
      const void* matrix = elementAt(oneRow ? g.b : g.a, first * ld, matrixType);
      const float* vector = vectorValues(source, vectorType, vectorStride, depth, memory);
      float* own = sums + part * outputs;
      if (part > 0) memset(own, 0, static_cast<size_t>(outputs) * sizeof(float));
      add({outputs, depth, matrix, ld, along, matrixType, vector}, 0, outputs, own);
    });
    for (int64_t part = 1; part < parts; ++part)
      for (int64_t i = 0; i < outputs; i += kLanes)
        storePartial(sums + i, loadPartial(sums + i, outputs - i) + loadPartial(sums + part * outputs + i, outputs - i),
                     outputs - i);
    return results.end(sums, outputs);
  }

  const int64_t threads = g.n * g.m * g.k * g.batch <= kInlineWork ? 1 : threadCount();
  // Whole cache lines of outputs, at least 128 where rows are read piece by piece: there a piece for each thread, or two where they are short.
  const int64_t least = along ? 16 : 128, wanted = along ? threads * 4 : byColumns ? threads * 2 : threads;
  const int64_t width = std::max(least, ceilDivide(ceilDivide(outputs * g.batch, wanted), 16) * 16);
  const int64_t pieces = ceilDivide(outputs, width);
  parallelFor(pieces * g.batch, [&](int64_t chunk) {
    const int64_t matrix = chunk / pieces, first = chunk % pieces * width, end = std::min(outputs, first + width);
    const void* a = elementAt(g.a, matrix * g.batchStrideA, g.typeA);
    const void* b = elementAt(g.b, matrix * g.batchStrideB, g.typeB);
    float* sums = static_cast<float*>(threadScratch(static_cast<size_t>(width + g.k) * sizeof(float)));
    const float* vector = vectorValues(oneRow ? a : b, vectorType, vectorStride, g.k, sums + width);
    const VectorOutputs results(g, matrix, first);
    results.begin(sums, end - first);
    add({outputs, g.k, oneRow ? b : a, ld, along, matrixType, vector}, first, end, sums);
    results.end(sums, end - first);
  });
}

}  // namespace neurite::cpu::NEURITE_ISA
