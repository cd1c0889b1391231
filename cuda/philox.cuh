// The state of a generator in device memory, and what elements of a draw are made of.
#pragma once
#include "../native/philox.h"
#include "dtype.h"

namespace neurite::cuda {

struct RandomState {
  uint32_t keyLow, keyHigh, counterLow, counterHigh;

  GPU_DEVICE uint64_t key() const { return uint64_t{keyHigh} << 32 | keyLow; }
  GPU_DEVICE uint64_t counter() const { return uint64_t{counterHigh} << 32 | counterLow; }
  // The words of elements 4 * quad to 4 * quad + 3 of a draw that begins here.
  GPU_DEVICE PhiloxWords words(int64_t quad) const { return philox(key(), counter() + static_cast<uint64_t>(quad)); }
};

// u * 2^24 of the uniform number u in [0, 1) that a word stands for.
GPU_DEVICE int32_t mantissaOf(uint32_t word) { return static_cast<int32_t>(word >> 8); }
GPU_DEVICE float uniformOf(uint32_t word) { return static_cast<float>(mantissaOf(word)) * 0x1p-24f; }

// u < p is mantissaOf(word) < threshold(p): u is a multiple of 2^-24.
inline int32_t threshold(double p) {
  return p <= 0 ? 0 : p >= 1 ? 1 << 24 : static_cast<int32_t>(__builtin_ceil(p * 0x1p24));
}

}  // namespace neurite::cuda
