// How kernels cut their work into chunks for parallelFor: by shape only, never by the number of threads.
#pragma once
#include <cstdint>

namespace neurite::cpu::NEURITE_ISA {

// Below this many multiply-add-equivalents a second thread costs more than it gains.
inline constexpr int64_t kInlineWork = 40000;

inline int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t roundUp(int64_t a, int64_t b) { return ceilDivide(a, b) * b; }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// `count` units in `chunks` runs of `size` (the last may be shorter).
struct Split {
  int64_t count, size, chunks;
  int64_t begin(int64_t chunk) const { return chunk * size; }
  int64_t end(int64_t chunk) const { return smaller(count, (chunk + 1) * size); }
};

// Chunks of about kInlineWork / 2, in multiples of eight so that 2, 4 or 8 threads end together, but no more than
// kMostChunks, where claiming them would begin to cost; sizes are multiples of `unit`.
inline constexpr int64_t kMostChunks = 512;
inline Split split(int64_t count, int64_t workPerUnit, int64_t unit = 1) {
  const int64_t work = count * workPerUnit;
  if (work <= kInlineWork) return {count, count, count > 0 ? 1 : 0};
  const int64_t wanted = smaller(kMostChunks, roundUp(ceilDivide(work, kInlineWork / 2), 8));
  const int64_t size = roundUp(ceilDivide(count, wanted), unit);
  return {count, size, ceilDivide(count, size)};
}

}  // namespace neurite::cpu::NEURITE_ISA
