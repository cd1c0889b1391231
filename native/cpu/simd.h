// One vocabulary of vector operations for every instruction set: float32 and int32 vectors of the set's full width.
//
// Each native/cpu/*.cc file is compiled once per set; NEURITE_ISA names the set and its namespace, so no inline
// function of one set can be merged with that of another. Apart from native/cpu/amx and native/cpu/avx512bf16 this is
// the only file with intrinsics.
//
//   set        lanes   registers   multiply-add
//   avx512     16      32          fused
//   avx2       8       16          fused
//   baseline   4       16 or 32    fused on arm64, two roundings on x86-64
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#ifndef NEURITE_ISA
#error "NEURITE_ISA must name the instruction set: baseline, avx2 or avx512"
#endif

// Loops over accumulators must be unrolled completely: an array that one rolled loop touches is kept on the stack.
#if defined(__clang__)
#define NEURITE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NEURITE_UNROLL _Pragma("GCC unroll 32")
#endif
#define NEURITE_INLINE inline __attribute__((always_inline))

namespace neurite::cpu::NEURITE_ISA {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
inline constexpr int kVectorRegisters = 32;
#elif defined(__AVX2__)
inline constexpr int kLanes = 8;
inline constexpr int kVectorRegisters = 16;
#elif defined(__aarch64__)
inline constexpr int kLanes = 4;
inline constexpr int kVectorRegisters = 32;
#else
inline constexpr int kLanes = 4;
inline constexpr int kVectorRegisters = 16;
#endif

typedef float F32 __attribute__((vector_size(kLanes * 4)));
typedef int32_t I32 __attribute__((vector_size(kLanes * 4)));
typedef uint32_t U32 __attribute__((vector_size(kLanes * 4)));  // for sums that wrap around

// ---- What each set does in its own way: partial loads and stores, multiply-add, masks, conversions ----------------
// Partial operations touch the first n lanes only, for any n (n <= 0 none, n >= kLanes all); loads fill with zeros.

#if defined(__AVX512F__)

struct Mask {
  __mmask16 bits;
  friend NEURITE_INLINE Mask operator&(Mask a, Mask b) { return {static_cast<__mmask16>(a.bits & b.bits)}; }
  friend NEURITE_INLINE Mask operator|(Mask a, Mask b) { return {static_cast<__mmask16>(a.bits | b.bits)}; }
  friend NEURITE_INLINE Mask operator^(Mask a, Mask b) { return {static_cast<__mmask16>(a.bits ^ b.bits)}; }
  friend NEURITE_INLINE Mask operator~(Mask a) { return {static_cast<__mmask16>(~a.bits)}; }
};
// The zero-masking forms with every lane on: g++ 12 warns about the undefined operand of the plain forms.
inline constexpr __mmask16 kAllLanes = 0xffff;
NEURITE_INLINE __mmask16 firstLanes(int64_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u);
}
NEURITE_INLINE F32 loadPartial(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(firstLanes(n), p); }
NEURITE_INLINE void storePartial(float* p, F32 v, int64_t n) { _mm512_mask_storeu_ps(p, firstLanes(n), v); }
NEURITE_INLINE I32 loadPartial(const int32_t* p, int64_t n) { return (I32)_mm512_maskz_loadu_epi32(firstLanes(n), p); }
NEURITE_INLINE void storePartial(int32_t* p, I32 v, int64_t n) {
  _mm512_mask_storeu_epi32(p, firstLanes(n), (__m512i)v);
}
NEURITE_INLINE void storeStream(float* p, F32 v) { _mm512_stream_ps(p, v); }
NEURITE_INLINE void streamFence() { _mm_sfence(); }
NEURITE_INLINE F32 broadcast(float x) { return _mm512_set1_ps(x); }
NEURITE_INLINE F32 fma(F32 a, F32 b, F32 c) { return _mm512_fmadd_ps(a, b, c); }
NEURITE_INLINE F32 negFma(F32 a, F32 b, F32 c) { return _mm512_fnmadd_ps(a, b, c); }
NEURITE_INLINE F32 secondIfUnorderedMax(F32 a, F32 b) { return _mm512_maskz_max_ps(kAllLanes, a, b); }
NEURITE_INLINE F32 secondIfUnorderedMin(F32 a, F32 b) { return _mm512_maskz_min_ps(kAllLanes, a, b); }
NEURITE_INLINE F32 sqrt(F32 x) { return _mm512_maskz_sqrt_ps(kAllLanes, x); }
NEURITE_INLINE F32 roundToEven(F32 x) {
  return _mm512_maskz_roundscale_ps(kAllLanes, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
NEURITE_INLINE F32 floor(F32 x) {
  return _mm512_maskz_roundscale_ps(kAllLanes, x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
NEURITE_INLINE F32 ceil(F32 x) {
  return _mm512_maskz_roundscale_ps(kAllLanes, x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
NEURITE_INLINE I32 roundToInt(F32 x) { return (I32)_mm512_maskz_cvtps_epi32(kAllLanes, x); }
// 1 / x of normal numbers, within 1 ulp: half the time of a division.
NEURITE_INLINE F32 reciprocal(F32 x) {
  const F32 y = _mm512_maskz_rcp14_ps(kAllLanes, x);
  return _mm512_fmadd_ps(y, _mm512_fnmadd_ps(x, y, _mm512_set1_ps(1.0f)), y);
}
// a / b of finite a and normal b, whose quotient is normal or zero, within 1 ulp: the same.
NEURITE_INLINE F32 quotient(F32 a, F32 b) {
  const F32 y = _mm512_maskz_rcp14_ps(kAllLanes, b), q = a * y;
  return _mm512_fmadd_ps(_mm512_fnmadd_ps(q, b, a), y, q);
}
NEURITE_INLINE F32 scale(F32 x, F32 n) { return _mm512_maskz_scalef_ps(kAllLanes, x, n); }  // x 2^n
NEURITE_INLINE Mask less(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)}; }
NEURITE_INLINE Mask lessEqual(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a, b, _CMP_LE_OQ)}; }
NEURITE_INLINE Mask equal(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ)}; }
NEURITE_INLINE Mask less(I32 a, I32 b) { return {_mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b)}; }
NEURITE_INLINE Mask equal(I32 a, I32 b) { return {_mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b)}; }
NEURITE_INLINE F32 select(Mask m, F32 yes, F32 no) { return _mm512_mask_blend_ps(m.bits, no, yes); }
NEURITE_INLINE I32 select(Mask m, I32 yes, I32 no) {
  return (I32)_mm512_mask_blend_epi32(m.bits, (__m512i)no, (__m512i)yes);
}
// Lane i becomes lane lanes[i] of v.
NEURITE_INLINE F32 permute(F32 v, I32 lanes) { return _mm512_maskz_permutexvar_ps(kAllLanes, (__m512i)lanes, v); }
// Lane i becomes table[lanes[i] mod 16], or mod 32.
NEURITE_INLINE F32 lookUp(const float (&table)[16], I32 lanes) { return permute(_mm512_load_ps(table), lanes); }
NEURITE_INLINE F32 lookUp(const float (&table)[32], I32 lanes) {
  return _mm512_permutex2var_ps(_mm512_load_ps(table), (__m512i)lanes, _mm512_load_ps(table + 16));
}
typedef double F64 __attribute__((vector_size(kLanes * 4)));
typedef int64_t I64 __attribute__((vector_size(kLanes * 4)));
NEURITE_INLINE F64 lookUp(const double (&table)[16], I64 lanes) {
  return _mm512_permutex2var_pd(_mm512_load_pd(table), (__m512i)lanes, _mm512_load_pd(table + 8));
}
NEURITE_INLINE F64 fma(F64 a, F64 b, F64 c) { return _mm512_fmadd_pd(a, b, c); }
// y = ln x with what x has no number for: NaN for NaN and below zero, -Inf for zero, Inf for Inf.
NEURITE_INLINE F32 withLimitsOfLog(F32 y, F32 x) {
  // A response to each class of x, four bits each: 0 keeps y, 2 is a quiet NaN, 3 NaN, 4 -Inf, 5 Inf.
  return _mm512_fixupimm_ps(y, x, _mm512_set1_epi32(0x03530422), 0);
}
// The first half of the lanes, and the second.
template <class V> NEURITE_INLINE auto lowHalf(V v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7); }
template <class V> NEURITE_INLINE auto highHalf(V v) {
  return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
}
// As 64-bit numbers, and back.
NEURITE_INLINE F64 widenLow(F32 v) { return _mm512_maskz_cvtps_pd(0xff, (__m256)lowHalf(v)); }
NEURITE_INLINE F64 widenHigh(F32 v) { return _mm512_maskz_cvtps_pd(0xff, (__m256)highHalf(v)); }
NEURITE_INLINE I64 widenLow(I32 v) { return (I64)_mm512_maskz_cvtepu32_epi64(0xff, (__m256i)lowHalf(v)); }
NEURITE_INLINE I64 widenHigh(I32 v) { return (I64)_mm512_maskz_cvtepu32_epi64(0xff, (__m256i)highHalf(v)); }
NEURITE_INLINE F32 narrow(F64 low, F64 high) {
  return __builtin_shufflevector(_mm512_maskz_cvtpd_ps(0xff, low), _mm512_maskz_cvtpd_ps(0xff, high), 0, 1, 2, 3, 4, 5,
                                 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
NEURITE_INLINE bool any(Mask m) { return m.bits != 0; }
NEURITE_INLINE bool all(Mask m) { return m.bits == 0xffff; }
// The low 16 bits of each lane, from and to memory.
NEURITE_INLINE I32 loadLow16(const uint16_t* p, int64_t n) {
  return (I32)_mm512_maskz_cvtepu16_epi32(kAllLanes, _mm256_maskz_loadu_epi16(firstLanes(n), p));
}
NEURITE_INLINE void storeLow16(uint16_t* p, I32 v, int64_t n) {
  _mm256_mask_storeu_epi16(p, firstLanes(n), _mm512_maskz_cvtepi32_epi16(kAllLanes, (__m512i)v));
}
NEURITE_INLINE void storeStreamLow16(uint16_t* p, I32 v) {
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), _mm512_maskz_cvtepi32_epi16(kAllLanes, (__m512i)v));
}
// The low 8 bits of each lane, from and to memory.
NEURITE_INLINE I32 loadLow8(const uint8_t* p, int64_t n) {
  return (I32)_mm512_maskz_cvtepu8_epi32(kAllLanes, _mm_maskz_loadu_epi8(firstLanes(n), p));
}
NEURITE_INLINE void storeLow8(uint8_t* p, I32 v, int64_t n) {
  _mm_mask_storeu_epi8(p, firstLanes(n), _mm512_maskz_cvtepi32_epi8(kAllLanes, (__m512i)v));
}
// Unsigned 64-bit products of the even lanes, each in the place of two.
NEURITE_INLINE I32 multiplyEven(I32 a, I32 b) { return (I32)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b); }
// a0 b0 a2 b2 …, and a1 b1 a3 b3 …
NEURITE_INLINE I32 lowHalves(I32 a, I32 b) { return (I32)_mm512_mask_moveldup_ps((__m512)a, 0xaaaa, (__m512)b); }
NEURITE_INLINE I32 highHalves(I32 a, I32 b) { return (I32)_mm512_mask_movehdup_ps((__m512)b, 0x5555, (__m512)a); }

#else

typedef I32 Mask;  // all bits of a lane set, or none

NEURITE_INLINE Mask less(F32 a, F32 b) { return a < b; }
NEURITE_INLINE Mask lessEqual(F32 a, F32 b) { return a <= b; }
NEURITE_INLINE Mask equal(F32 a, F32 b) { return a == b; }
NEURITE_INLINE Mask less(I32 a, I32 b) { return a < b; }
NEURITE_INLINE Mask equal(I32 a, I32 b) { return a == b; }

#if defined(__AVX2__)

NEURITE_INLINE __m256i firstLanes(int64_t n) {
  const int32_t count = n >= 8 ? 8 : n <= 0 ? 0 : static_cast<int32_t>(n);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
NEURITE_INLINE F32 loadPartial(const float* p, int64_t n) { return _mm256_maskload_ps(p, firstLanes(n)); }
NEURITE_INLINE void storePartial(float* p, F32 v, int64_t n) { _mm256_maskstore_ps(p, firstLanes(n), v); }
NEURITE_INLINE I32 loadPartial(const int32_t* p, int64_t n) { return (I32)_mm256_maskload_epi32(p, firstLanes(n)); }
NEURITE_INLINE void storePartial(int32_t* p, I32 v, int64_t n) { _mm256_maskstore_epi32(p, firstLanes(n), (__m256i)v); }
NEURITE_INLINE void storeStream(float* p, F32 v) { _mm256_stream_ps(p, v); }
NEURITE_INLINE void streamFence() { _mm_sfence(); }
NEURITE_INLINE F32 broadcast(float x) { return _mm256_set1_ps(x); }
NEURITE_INLINE F32 fma(F32 a, F32 b, F32 c) { return _mm256_fmadd_ps(a, b, c); }
NEURITE_INLINE F32 negFma(F32 a, F32 b, F32 c) { return _mm256_fnmadd_ps(a, b, c); }
NEURITE_INLINE F32 secondIfUnorderedMax(F32 a, F32 b) { return _mm256_max_ps(a, b); }
NEURITE_INLINE F32 secondIfUnorderedMin(F32 a, F32 b) { return _mm256_min_ps(a, b); }
NEURITE_INLINE F32 sqrt(F32 x) { return _mm256_sqrt_ps(x); }
NEURITE_INLINE F32 roundToEven(F32 x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
NEURITE_INLINE F32 floor(F32 x) { return _mm256_floor_ps(x); }
NEURITE_INLINE F32 ceil(F32 x) { return _mm256_ceil_ps(x); }
NEURITE_INLINE I32 roundToInt(F32 x) { return (I32)_mm256_cvtps_epi32(x); }
NEURITE_INLINE F32 select(Mask m, F32 yes, F32 no) { return _mm256_blendv_ps(no, yes, (__m256)m); }
NEURITE_INLINE I32 select(Mask m, I32 yes, I32 no) {
  return (I32)_mm256_blendv_epi8((__m256i)no, (__m256i)yes, (__m256i)m);
}
NEURITE_INLINE F32 permute(F32 v, I32 lanes) { return _mm256_permutevar8x32_ps(v, (__m256i)lanes); }
NEURITE_INLINE bool any(Mask m) { return _mm256_movemask_ps((__m256)m) != 0; }
NEURITE_INLINE bool all(Mask m) { return _mm256_movemask_ps((__m256)m) == 0xff; }
NEURITE_INLINE I32 loadLow16(const uint16_t* p, int64_t n) {
  alignas(16) uint16_t part[8] = {};
  if (n < 8) {
    if (n > 0) memcpy(part, p, static_cast<size_t>(n) * 2);
    p = part;
  }
  return (I32)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
NEURITE_INLINE void storeLow16(uint16_t* p, I32 v, int64_t n) {
  const __m256i low = _mm256_and_si256((__m256i)v, _mm256_set1_epi32(0xffff));
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
  alignas(16) uint16_t part[8];
  if (n >= 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
  } else if (n > 0) {
    _mm_store_si128(reinterpret_cast<__m128i*>(part), _mm256_castsi256_si128(packed));
    memcpy(p, part, static_cast<size_t>(n) * 2);
  }
}
NEURITE_INLINE void storeStreamLow16(uint16_t* p, I32 v) {
  const __m256i low = _mm256_and_si256((__m256i)v, _mm256_set1_epi32(0xffff));
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
  _mm_stream_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}
NEURITE_INLINE I32 loadLow8(const uint8_t* p, int64_t n) {
  alignas(8) uint8_t part[8] = {};
  if (n < 8) {
    if (n > 0) memcpy(part, p, static_cast<size_t>(n));
    p = part;
  }
  return (I32)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
NEURITE_INLINE void storeLow8(uint8_t* p, I32 v, int64_t n) {
  const __m256i low = _mm256_and_si256((__m256i)v, _mm256_set1_epi32(0xff));
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  const int64_t bytes = _mm_cvtsi128_si64(_mm_packus_epi16(words, words));
  if (n > 0) memcpy(p, &bytes, n >= 8 ? 8 : static_cast<size_t>(n));
}
NEURITE_INLINE I32 multiplyEven(I32 a, I32 b) { return (I32)_mm256_mul_epu32((__m256i)a, (__m256i)b); }

#else  // baseline: 128-bit vectors of the compiler, an instruction named only where the compiler has no spelling for it

NEURITE_INLINE size_t firstBytes(int64_t n) { return n >= 4 ? 16 : n <= 0 ? 0 : static_cast<size_t>(n) * 4; }
NEURITE_INLINE F32 loadPartial(const float* p, int64_t n) {
  F32 v = {};
  memcpy(&v, p, firstBytes(n));
  return v;
}
NEURITE_INLINE void storePartial(float* p, F32 v, int64_t n) { memcpy(p, &v, firstBytes(n)); }
NEURITE_INLINE I32 loadPartial(const int32_t* p, int64_t n) {
  I32 v = {};
  memcpy(&v, p, firstBytes(n));
  return v;
}
NEURITE_INLINE void storePartial(int32_t* p, I32 v, int64_t n) { memcpy(p, &v, firstBytes(n)); }
NEURITE_INLINE F32 broadcast(float x) { return F32{x, x, x, x}; }
NEURITE_INLINE F32 select(Mask m, F32 yes, F32 no) { return (F32)(((I32)yes & m) | ((I32)no & ~m)); }
NEURITE_INLINE I32 select(Mask m, I32 yes, I32 no) { return (yes & m) | (no & ~m); }
NEURITE_INLINE F32 permute(F32 v, I32 lanes) {
  return F32{v[lanes[0] & 3], v[lanes[1] & 3], v[lanes[2] & 3], v[lanes[3] & 3]};
}
NEURITE_INLINE bool any(Mask m) { return (m[0] | m[1] | m[2] | m[3]) != 0; }
NEURITE_INLINE bool all(Mask m) { return (m[0] & m[1] & m[2] & m[3]) != 0; }
#if defined(__SSE2__)
NEURITE_INLINE void storeStream(float* p, F32 v) { _mm_stream_ps(p, v); }
NEURITE_INLINE void streamFence() { _mm_sfence(); }
NEURITE_INLINE F32 secondIfUnorderedMax(F32 a, F32 b) { return _mm_max_ps(a, b); }
NEURITE_INLINE F32 secondIfUnorderedMin(F32 a, F32 b) { return _mm_min_ps(a, b); }
NEURITE_INLINE F32 sqrt(F32 x) { return _mm_sqrt_ps(x); }
NEURITE_INLINE I32 roundToInt(F32 x) { return (I32)_mm_cvtps_epi32(x); }
#else
NEURITE_INLINE void storeStream(float* p, F32 v) { memcpy(p, &v, sizeof v); }
NEURITE_INLINE void streamFence() {}
NEURITE_INLINE F32 secondIfUnorderedMax(F32 a, F32 b) { return select(a > b, a, b); }
NEURITE_INLINE F32 secondIfUnorderedMin(F32 a, F32 b) { return select(a < b, a, b); }
NEURITE_INLINE F32 sqrt(F32 x) {
  return F32{__builtin_sqrtf(x[0]), __builtin_sqrtf(x[1]), __builtin_sqrtf(x[2]), __builtin_sqrtf(x[3])};
}
#endif
#if defined(__aarch64__)
NEURITE_INLINE F32 fma(F32 a, F32 b, F32 c) { return vfmaq_f32(c, a, b); }
NEURITE_INLINE F32 negFma(F32 a, F32 b, F32 c) { return vfmsq_f32(c, a, b); }
#else
NEURITE_INLINE F32 fma(F32 a, F32 b, F32 c) { return a * b + c; }
NEURITE_INLINE F32 negFma(F32 a, F32 b, F32 c) { return c - a * b; }
#endif
// Adding and subtracting 2^23 leaves no fraction bits; from 2^23 on (and for NaN) x is whole already.
NEURITE_INLINE F32 roundToEven(F32 x) {
  const F32 magnitude = (F32)((I32)x & 0x7fffffff), big = broadcast(8388608.0f);
  const F32 whole = (F32)((I32)((magnitude + big) - big) | ((I32)x & INT32_MIN));
  return select(magnitude < big, whole, x);
}
NEURITE_INLINE F32 floor(F32 x) {
  const F32 near = roundToEven(x);
  return select(near > x, near - broadcast(1.0f), near);
}
NEURITE_INLINE F32 ceil(F32 x) {
  const F32 near = roundToEven(x);
  const F32 above = select(near < x, near + broadcast(1.0f), near);
  return (F32)((I32)above | ((I32)x & INT32_MIN));  // -0 for (-1, 0)
}
#if !defined(__SSE2__)
NEURITE_INLINE I32 roundToInt(F32 x) { return __builtin_convertvector(roundToEven(x), I32); }
#endif
NEURITE_INLINE I32 loadLow16(const uint16_t* p, int64_t n) {
  uint16_t part[4] = {};
  memcpy(part, p, firstBytes(n) / 2);
  return I32{part[0], part[1], part[2], part[3]};
}
NEURITE_INLINE void storeLow16(uint16_t* p, I32 v, int64_t n) {
  const uint16_t part[4] = {static_cast<uint16_t>(v[0]), static_cast<uint16_t>(v[1]), static_cast<uint16_t>(v[2]),
                            static_cast<uint16_t>(v[3])};
  memcpy(p, part, firstBytes(n) / 2);
}
NEURITE_INLINE void storeStreamLow16(uint16_t* p, I32 v) { storeLow16(p, v, kLanes); }
#if defined(__SSE2__)
NEURITE_INLINE I32 loadLow8(const uint8_t* p, int64_t n) {
  int32_t bytes = 0;
  memcpy(&bytes, p, firstBytes(n) / 4);
  const __m128i zero = _mm_setzero_si128();
  return (I32)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), zero), zero);
}
NEURITE_INLINE void storeLow8(uint8_t* p, I32 v, int64_t n) {
  const __m128i low = (__m128i)(v & 0xff), words = _mm_packs_epi32(low, low);
  const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  memcpy(p, &bytes, firstBytes(n) / 4);
}
NEURITE_INLINE I32 multiplyEven(I32 a, I32 b) { return (I32)_mm_mul_epu32((__m128i)a, (__m128i)b); }
#else
NEURITE_INLINE I32 loadLow8(const uint8_t* p, int64_t n) {
  uint8_t part[4] = {};
  memcpy(part, p, firstBytes(n) / 4);
  return I32{part[0], part[1], part[2], part[3]};
}
NEURITE_INLINE void storeLow8(uint8_t* p, I32 v, int64_t n) {
  const uint8_t part[4] = {static_cast<uint8_t>(v[0]), static_cast<uint8_t>(v[1]), static_cast<uint8_t>(v[2]),
                           static_cast<uint8_t>(v[3])};
  memcpy(p, part, firstBytes(n) / 4);
}
NEURITE_INLINE I32 multiplyEven(I32 a, I32 b) {
  typedef uint64_t U64 __attribute__((vector_size(kLanes * 4)));
  const U64 low = U64{} + 0xffffffffu;
  return (I32)(((U64)a & low) * ((U64)b & low));
}
#endif

#endif
#endif

// ---- The same for every set ---------------------------------------------------------------------------------------

NEURITE_INLINE F32 load(const float* p) {
  F32 v;
  memcpy(&v, p, sizeof v);
  return v;
}
NEURITE_INLINE I32 load(const int32_t* p) {
  I32 v;
  memcpy(&v, p, sizeof v);
  return v;
}
#if !defined(__AVX512F__)
typedef uint64_t U64Halves __attribute__((vector_size(kLanes * 4)));
NEURITE_INLINE I32 lowHalves(I32 a, I32 b) { return (I32)(((U64Halves)a & 0xffffffffu) | ((U64Halves)b << 32)); }
NEURITE_INLINE I32 highHalves(I32 a, I32 b) {
  return (I32)(((U64Halves)a >> 32) | ((U64Halves)b & 0xffffffff00000000u));
}
#endif
NEURITE_INLINE void store(float* p, F32 v) { memcpy(p, &v, sizeof v); }
NEURITE_INLINE void store(int32_t* p, I32 v) { memcpy(p, &v, sizeof v); }

NEURITE_INLINE F32 zeros() { return F32{}; }
NEURITE_INLINE I32 broadcastInt(int32_t x) { return I32{} + x; }
NEURITE_INLINE I32 bitsOf(F32 x) { return (I32)x; }
NEURITE_INLINE F32 fromBits(I32 x) { return (F32)x; }
NEURITE_INLINE F32 toFloat(I32 x) { return __builtin_convertvector(x, F32); }
NEURITE_INLINE I32 truncateToInt(F32 x) { return __builtin_convertvector(x, I32); }
NEURITE_INLINE I32 shiftRightLogical(I32 x, int n) { return (I32)((U32)x >> static_cast<uint32_t>(n)); }

NEURITE_INLINE Mask greater(F32 a, F32 b) { return less(b, a); }
NEURITE_INLINE Mask greaterEqual(F32 a, F32 b) { return lessEqual(b, a); }
NEURITE_INLINE Mask notEqual(F32 a, F32 b) { return ~equal(a, b); }
NEURITE_INLINE Mask isNan(F32 x) { return ~equal(x, x); }

NEURITE_INLINE F32 abs(F32 x) { return fromBits(bitsOf(x) & 0x7fffffff); }
NEURITE_INLINE F32 signOf(F32 x) { return fromBits(bitsOf(x) & INT32_MIN); }
NEURITE_INLINE F32 copySign(F32 magnitude, F32 sign) {
#if defined(__AVX512F__)
  // Of each bit the mask's choice between the two, in one instruction.
  return (F32)_mm512_ternarylogic_epi32((__m512i)magnitude, (__m512i)sign, _mm512_set1_epi32(INT32_MIN), 0xd8);
#else
  return fromBits(bitsOf(abs(magnitude)) | bitsOf(signOf(sign)));
#endif
}

// The hardware's max and min return their second operand when either is NaN: a NaN in b survives, one in a is put back.
NEURITE_INLINE F32 maximum(F32 a, F32 b) { return select(isNan(a), a, secondIfUnorderedMax(a, b)); }
NEURITE_INLINE F32 minimum(F32 a, F32 b) { return select(isNan(a), a, secondIfUnorderedMin(a, b)); }
// x < 0 ? 0 : x, so that NaN stays NaN.
NEURITE_INLINE F32 relu(F32 x) { return secondIfUnorderedMax(zeros(), x); }

// a b a b … from two neighbouring floats.
NEURITE_INLINE F32 broadcastPair(const float* p) {
  typedef int64_t I64 __attribute__((vector_size(kLanes * 4)));
  int64_t pair;
  memcpy(&pair, p, sizeof pair);
  return (F32)(I64{} + pair);
}

NEURITE_INLINE float sum(F32 v) {
  float lane[kLanes];
  store(lane, v);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

// bfloat16 is the upper half of a float32. Rounding is to nearest, ties to even; a NaN keeps its sign and becomes
// quiet.
NEURITE_INLINE F32 fromBfloat16(I32 low16) { return fromBits(low16 << 16); }
// float32 rounded to bfloat16, still as float32 (the lower half is zero).
NEURITE_INLINE F32 roundToBfloat16(F32 x) {
  const I32 bits = bitsOf(x);
  const I32 rounded = (I32)((U32)bits + (0x7fffu + (((U32)bits >> 16) & 1u)));
  return fromBits(select(isNan(x), bits | 0x400000, rounded) & static_cast<int32_t>(0xffff0000));
}
NEURITE_INLINE F32 loadBfloat16(const uint16_t* p) { return fromBfloat16(loadLow16(p, kLanes)); }
NEURITE_INLINE F32 loadBfloat16Partial(const uint16_t* p, int64_t n) { return fromBfloat16(loadLow16(p, n)); }
NEURITE_INLINE void storeBfloat16Partial(uint16_t* p, F32 v, int64_t n) {
#if defined(__AVX512BF16__)
  _mm256_mask_storeu_epi16(p, firstLanes(n), (__m256i)_mm512_cvtneps_pbh(v));
#else
  storeLow16(p, shiftRightLogical(bitsOf(roundToBfloat16(v)), 16), n);
#endif
}
NEURITE_INLINE void storeBfloat16(uint16_t* p, F32 v) { storeBfloat16Partial(p, v, kLanes); }
NEURITE_INLINE void storeStreamBfloat16(uint16_t* p, F32 v) {
  storeStreamLow16(p, shiftRightLogical(bitsOf(roundToBfloat16(v)), 16));
}

#if !defined(__AVX512F__)
NEURITE_INLINE F32 reciprocal(F32 x) { return broadcast(1.0f) / x; }
NEURITE_INLINE F32 quotient(F32 a, F32 b) { return a / b; }
#endif

// A line into the second-level cache, before it is read. The address need not be valid.
NEURITE_INLINE void prefetch(const void* p) { __builtin_prefetch(p, 0, 2); }

// ---- Transposition of kLanes rows of kLanes floats, in registers --------------------------------------------------

namespace shuffles {
#if defined(__clang__)
#define NEURITE_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define NEURITE_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, I32{__VA_ARGS__})
#endif
// Lane numbers 0 .. kLanes-1 are of a, kLanes .. 2*kLanes-1 of b. Both patterns stay within blocks of four lanes, where
// every set has an instruction for them.
constexpr int interleaveLow(int lane, int unit) {
  const int block = lane & ~3, inner = lane & 3;
  const int source = (inner / unit) & 1, position = inner / (2 * unit) * unit + inner % unit;
  return block + position + source * kLanes;
}
constexpr int interleaveHigh(int lane, int unit) { return interleaveLow(lane, unit) + 2; }
// Exchanges blocks of `span` lanes between a and b.
constexpr int exchangeLow(int lane, int span) { return (lane & span) ? lane - span + kLanes : lane; }
constexpr int exchangeHigh(int lane, int span) { return (lane & span) ? lane + kLanes : lane + span; }

template <int unit, size_t... lane> NEURITE_INLINE void interleave(F32& a, F32& b, std::index_sequence<lane...>) {
  const F32 low = NEURITE_SHUFFLE(a, b, interleaveLow(lane, unit)...);
  const F32 high = NEURITE_SHUFFLE(a, b, interleaveHigh(lane, unit)...);
  a = low, b = high;
}
template <int span, size_t... lane> NEURITE_INLINE void exchange(F32& a, F32& b, std::index_sequence<lane...>) {
  const F32 low = NEURITE_SHUFFLE(a, b, exchangeLow(lane, span)...);
  const F32 high = NEURITE_SHUFFLE(a, b, exchangeHigh(lane, span)...);
  a = low, b = high;
}
}  // namespace shuffles

// a0 + a1, a2 + a3, …, then the same of b.
template <size_t... lane> NEURITE_INLINE F32 addNeighbours(F32 a, F32 b, std::index_sequence<lane...>) {
  const F32 even = NEURITE_SHUFFLE(a, b, (2 * lane)...), odd = NEURITE_SHUFFLE(a, b, (2 * lane + 1)...);
  return even + odd;
}
NEURITE_INLINE F32 addNeighbours(F32 a, F32 b) { return addNeighbours(a, b, std::make_index_sequence<kLanes>()); }
#undef NEURITE_SHUFFLE

// Transposes the 4x4 blocks that four lanes of four rows are.
NEURITE_INLINE void transposeBlocks(F32* rows) {
  constexpr auto lanes = std::make_index_sequence<kLanes>();
  shuffles::interleave<1>(rows[0], rows[1], lanes);
  shuffles::interleave<1>(rows[2], rows[3], lanes);
  shuffles::interleave<2>(rows[0], rows[2], lanes);
  shuffles::interleave<2>(rows[1], rows[3], lanes);
  std::swap(rows[1], rows[2]);
}

// rows[i][j] becomes rows[j][i]: 4x4 blocks within their lanes first, then blocks change places.
NEURITE_INLINE void transpose(F32 (&rows)[kLanes]) {
  constexpr auto lanes = std::make_index_sequence<kLanes>();
  NEURITE_UNROLL
  for (int i = 0; i < kLanes; i += 4) transposeBlocks(rows + i);
  if constexpr (kLanes >= 8) {
    NEURITE_UNROLL
    for (int i = 0; i < kLanes; ++i) {
      if (!(i & 4)) shuffles::exchange<4>(rows[i], rows[i + 4], lanes);
    }
  }
  if constexpr (kLanes >= 16) {
    NEURITE_UNROLL
    for (int i = 0; i < kLanes; ++i) {
      if (!(i & 8)) shuffles::exchange<8>(rows[i], rows[i + 8], lanes);
    }
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
