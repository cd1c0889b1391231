// Whether splitting in parts of bfloat16 represents the operands of a product: their magnitudes, looked at while packing.
#pragma once
#include <atomic>

#include "../simd.h"

namespace neurite::cpu::NEURITE_ISA {

// Magnitudes that splitting in parts cannot represent: parts of 2^127 and more may round to infinity, and products of
// parts below 2^-126 are flushed. Compared by exponent: 2^127 has 254, and a product of 2^-100 two that add up to 154.
inline constexpr int32_t kHugeExponent = 254, kTinyProduct = 2 * 127 - 100;

// The largest magnitude of all blocks of an operand packed so far, and the smallest of the blocks' largest ones.
class Magnitudes {
 public:
  // The bits of a block's largest magnitude; those of infinity and NaN are the largest.
  void add(int32_t bits) {
    int32_t seen = largest_.load(std::memory_order_relaxed);
    while (bits > seen && !largest_.compare_exchange_weak(seen, bits, std::memory_order_relaxed)) {}
    if (bits == 0) return;  // zeros are exact
    seen = smallestBlock_.load(std::memory_order_relaxed);
    while (bits < seen && !smallestBlock_.compare_exchange_weak(seen, bits, std::memory_order_relaxed)) {}
  }
  bool huge() const { return largest_ >> 23 >= kHugeExponent; }
  int32_t smallestExponent() const { return smallestBlock_ >> 23; }

 private:
  std::atomic<int32_t> largest_{0}, smallestBlock_{0x7fffffff};
};

inline bool splits(int parts, const Magnitudes& a, const Magnitudes& b) {
  return parts == 1 || (!a.huge() && !b.huge() && a.smallestExponent() + b.smallestExponent() >= kTinyProduct);
}

}  // namespace neurite::cpu::NEURITE_ISA
