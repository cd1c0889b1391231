// The product of bfloat16 pairs (vdpbf16ps) for the micro-kernel of matrix multiplication.
#pragma once
#include "../gemm-pack.h"

namespace neurite::cpu::NEURITE_ISA {

// Pairs the values of two lines of k: the low 16 values, then the high 16, become the halves of 16 words.
NEURITE_INLINE F32 interleave(__m512i lowThenHigh) {
  alignas(64) static constexpr uint16_t kOrder[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return (F32)_mm512_maskz_permutexvar_epi16(0xffffffffu, _mm512_load_si512(kOrder), lowThenHigh);
}

struct PairProduct {
  static constexpr int kDepthPerWord = 2;

  // c + a.low · b.low + a.high · b.high
  static NEURITE_INLINE F32 multiplyAdd(F32 a, F32 b, F32 c) {
    return (F32)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
  }

  // Words of the first n values of one line, 32 at most.
  static NEURITE_INLINE F32 along(const uint16_t* p, int64_t n) {
    const __mmask32 first = n >= 32 ? 0xffffffffu : (1u << n) - 1u;
    return (F32)_mm512_maskz_loadu_epi16(first, p);
  }
  static NEURITE_INLINE F32 along(const float* p, int64_t n) {
    return (F32)_mm512_cvtne2ps_pbh(loadPartial(p + kLanes, n - kLanes), loadPartial(p, n));
  }

  // Words of n lines, 16 at most, from their values of k and of k + 1; null counts as zeros.
  static NEURITE_INLINE F32 across(const uint16_t* k, const uint16_t* next, int64_t n) {
    const __m256i low = _mm256_maskz_loadu_epi16(firstLanes(n), k);
    const __m256i high = _mm256_maskz_loadu_epi16(next ? firstLanes(n) : __mmask16{0}, next);
    return interleave(_mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(low), high, 1));
  }
  static NEURITE_INLINE F32 across(const float* k, const float* next, int64_t n) {
    return interleave((__m512i)_mm512_cvtne2ps_pbh(next ? loadPartial(next, n) : zeros(), loadPartial(k, n)));
  }
};

}  // namespace neurite::cpu::NEURITE_ISA
