// Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011): four random words from a 64-bit key and a 64-bit counter.
#pragma once
#include "dtype.h"

namespace neurite::cuda {

// The state of a generator as it lies in device memory.
struct RandomState {
  uint32_t keyLow, keyHigh, counterLow, counterHigh;
};

// The words of elements 4 * quad to 4 * quad + 3 of a draw that begins at `state`.
GPU_DEVICE void philox(const RandomState& state, int64_t quad, uint32_t (&words)[4]) {
  const uint64_t counter = (uint64_t{state.counterHigh} << 32 | state.counterLow) + static_cast<uint64_t>(quad);
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = state.keyLow, k1 = state.keyHigh;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint32_t high0 = __umulhi(0xd2511f53u, c0), low0 = 0xd2511f53u * c0;
    const uint32_t high1 = __umulhi(0xcd9e8d57u, c2), low1 = 0xcd9e8d57u * c2;
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

// In [0, 1), exact.
GPU_DEVICE float uniformOf(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

}  // namespace neurite::cuda
