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

// The sum over i of f(i, lanes), a vector at a time: f returns zeros beyond n. Two chains per block, and the blocks as a tree.
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

inline float rowMaximum(const float* x, int64_t n) {
  F32 a = broadcast(-__builtin_inff()), b = a;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    a = maximum(a, load(x + i));
    b = maximum(b, load(x + i + kLanes));
  }
  for (; i < n; i += kLanes) a = maximum(a, firstLanesOr(loadPartial(x + i, n - i), a, n - i));
  return foldMaximum(maximum(a, b));
}

// log(sum(exp(x))). An infinite maximum is replaced by 0: Inf - Inf would be NaN.
inline float rowLogSumExp(const float* x, int64_t n) {
  const float max = rowMaximum(x, n), shift = __builtin_fabsf(max) == __builtin_inff() ? 0.0f : max;
  const F32 shifts = broadcast(shift);
  const float total = sumOver(
      n, [&](int64_t i, int64_t left) __attribute__((always_inline)) {
        return firstLanesOr(exp(loadPartial(x + i, left) - shifts), zeros(), left);
      });
  return shift + log(broadcast(total))[0];
}

}  // namespace neurite::cpu::NEURITE_ISA
