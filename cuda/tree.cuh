// Trees over the threads of a warp or a block: results depend on the number of threads only.
#pragma once
#include "dtype.h"

namespace neurite::cuda {

struct SumOf {
  template <class T> GPU_DEVICE T operator()(T a, T b) const { return a + b; }
};
struct MaxOf {
  GPU_DEVICE float operator()(float a, float b) const { return gpu::maxNan(a, b); }
};

// shflXor for any struct of 4-byte words.
template <class T> GPU_DEVICE T exchange(const T& value, int laneMask) {
  static_assert(sizeof(T) % 4 == 0);
  struct Words {
    uint32_t w[sizeof(T) / 4];
  };
  Words words = __builtin_bit_cast(Words, value);
#pragma unroll
  for (uint32_t& word : words.w) word = gpu::shflXor(word, laneMask);
  return __builtin_bit_cast(T, words);
}

// Over each `group` neighbouring lanes, a power of two. All lanes of the warp must call it. The first lane of a group has the result; the
// others too if `merge` is commutative bit for bit.
template <class T, class Merge> GPU_DEVICE T reduceLanes(T value, int group, Merge merge) {
  for (int mask = group / 2; mask > 0; mask /= 2) value = merge(value, exchange(value, mask));
  return value;
}

template <class T, class Merge> GPU_DEVICE T reduceWarp(T value, Merge merge) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) value = merge(value, exchange(value, mask));
  return value;
}

// Over a block of `Threads`. All threads must call it; all have the same result.
template <int Threads, class T, class Merge> GPU_DEVICE T reduceBlock(T value, Merge merge) {
  GPU_SHARED(T, warps, [Threads / 32]);
  value = reduceWarp(value, merge);
  __syncthreads();  // a call before this one may still be reading
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  value = warps[0];
#pragma unroll
  for (int i = 1; i < Threads / 32; i++) value = merge(value, warps[i]);
  return value;
}

}  // namespace neurite::cuda
