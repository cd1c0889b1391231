// What softmax and the losses compute of one contiguous row of float32.
#pragma once
#include "reduce.h"
#include "vector-math.h"

namespace neurite::cpu::NEURITE_ISA {

struct RowSum {
  using V = F32;
  static NEURITE_INLINE V identity() { return zeros(); }
  static NEURITE_INLINE V combine(V a, V b) { return a + b; }
};
inline constexpr int64_t kRowBlock = 32 * kLanes;

// The sum over i of f(i, lanes), a vector at a time: f returns zeros beyond n. Two chains per block, and the blocks
// as a tree.
template <class F> NEURITE_INLINE float sumOver(int64_t n, F&& f) {
  Tree<RowSum> tree;
  for (int64_t begin = 0; begin < n; begin += kRowBlock) {
    const int64_t end = smaller(n, begin + kRowBlock);
    F32 a = zeros(), b = zeros();
    int64_t i = begin;
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
      a += f(i, kLanes);
      b += f(i + kLanes, kLanes);
    }
    for (; i < end; i += kLanes) a += f(i, end - i);
    if (n <= kRowBlock) return foldSum(a + b);
    tree.push(a + b);
  }
  return foldSum(tree.result());
}

// The largest of what is not NaN: a NaN ends in the sum that follows. x is the first operand, so that a NaN leaves
// the other.
inline float rowMaximum(const float* x, int64_t n) {
  F32 best[4];
  for (F32& b : best) b = broadcast(-__builtin_inff());
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    NEURITE_UNROLL
    for (int k = 0; k < 4; ++k) best[k] = secondIfUnorderedMax(load(x + i + k * kLanes), best[k]);
  }
  for (; i < n; i += kLanes)
    best[0] = secondIfUnorderedMax(firstLanesOr(loadUpTo(x + i, n - i), best[0], n - i), best[0]);
  return foldMaximum(maximum(maximum(best[0], best[1]), maximum(best[2], best[3])));
}

// Neighbouring columns are walked through together, row by row: as many vectors of them as this, whose sums stay in the first-level cache.
inline constexpr int kColumnVectors = 16;
inline constexpr int64_t kRowsAhead = 4;  // rows that are asked for early: each is a stream of its own

// The sums of up to `vectors` vectors of columns: f(r, i, left) is what row r adds to columns i and after, of n. Chains of 32 rows, which meet
// as trees.
template <int vectors, class F> NEURITE_INLINE void columnSums(int64_t rows, int64_t n, F32* total, F&& f) {
  Tree<RowSum> trees[vectors];
  for (int64_t begin = 0; begin < rows; begin += 32) {
    for (int v = 0; v < vectors; ++v) total[v] = zeros();
    for (int64_t r = begin; r < smaller(rows, begin + 32); ++r)
      eachVector(
          n, EACH_VECTOR { total[i / kLanes] += f(r, i, left); });
    if (rows <= 32) return;
    for (int v = 0; v < vectors; ++v) trees[v].push(total[v]);
  }
  for (int v = 0; v < vectors; ++v) total[v] = trees[v].result();
}

template <int vectors>
NEURITE_INLINE void columnMaxima(const float* x, int64_t rows, int64_t pitch, int64_t n, F32* max) {
  for (int v = 0; v < vectors; ++v) max[v] = broadcast(-__builtin_inff());
  for (int64_t r = 0; r < rows; ++r)
    eachVector(
        n, EACH_VECTOR {
          prefetch(x + (r + kRowsAhead) * pitch + i);
          max[i / kLanes] = secondIfUnorderedMax(loadUpTo(x + r * pitch + i, left), max[i / kLanes]);
        });
}

// log(sum(exp(x))). An infinite maximum is replaced by 0: Inf - Inf would be NaN.
inline float rowLogSumExp(const float* x, int64_t n) {
  const float max = rowMaximum(x, n), shift = __builtin_fabsf(max) == __builtin_inff() ? 0.0f : max;
  const F32 shifts = broadcast(shift);
  const float total = sumOver(
      n, [&](int64_t i, int64_t left) __attribute__((always_inline)) {
        return firstLanesOr(exp(loadUpTo(x + i, left) - shifts), zeros(), left);
      });
  return shift + log(broadcast(total))[0];
}

// The same for `count` <= kLanes rows; short rows side by side.
inline void rowsLogSumExp(const float* x, int64_t count, int64_t n, float* result) {
  if (n > kLanes) {
    for (int64_t r = 0; r < count; ++r) result[r] = rowLogSumExp(x + r * n, n);
    return;
  }
  alignas(64) float columns[kLanes * kLanes];
  rowsToColumns(x, n, count, n, columns);
  F32 max, total;
  columnMaxima<1>(columns, n, kLanes, kLanes, &max);
  const F32 shift = select(equal(abs(max), broadcast(__builtin_inff())), zeros(), max);
  columnSums<1>(
      n, kLanes, &total, [&](int64_t r, int64_t, int64_t) __attribute__((always_inline)) {
        return exp(load(columns + r * kLanes) - shift);
      });
  storeUpTo(result, shift + log(total), count);
}

}  // namespace neurite::cpu::NEURITE_ISA
