// Types and constants that kernels and host code share: the same under nvcc, a host compiler and the emulator.
#pragma once
#include <cstddef>
#include <cstdint>

namespace gpu {

constexpr unsigned kWarpSize = 32;
constexpr unsigned kFullMask = 0xffffffffu;
constexpr size_t kMaxParameterBytes = 4096;  // what a kernel's parameters may take on every architecture

GPU_HOST_DEVICE uint32_t bitsOf(float value) { return __builtin_bit_cast(uint32_t, value); }
GPU_HOST_DEVICE float floatOf(uint32_t bits) { return __builtin_bit_cast(float, bits); }

// Round to nearest, ties to even; every NaN becomes 0x7fff, as cvt.rn.bf16.f32 gives it.
GPU_HOST_DEVICE uint16_t bf16Bits(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint16_t bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
#else
  const uint32_t bits = bitsOf(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
#endif
}

// bfloat16 for storage: reads as a float, is made from one explicitly. All arithmetic is float32.
struct bf16 {
  uint16_t bits;

  bf16() = default;
  GPU_HOST_DEVICE explicit bf16(float value) : bits(bf16Bits(value)) {}
  GPU_HOST_DEVICE operator float() const { return floatOf(uint32_t(bits) << 16); }

  GPU_HOST_DEVICE static bf16 fromBits(uint16_t bits) {
    bf16 result;
    result.bits = bits;
    return result;
  }
};

// Two bf16 in one register, as tensor cores take them: `low` in the lower half.
GPU_HOST_DEVICE uint32_t packBf16(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
#else
  return uint32_t(bf16Bits(low)) | uint32_t(bf16Bits(high)) << 16;
#endif
}

// Round to nearest, ties away from zero, to 10 bits of mantissa; every NaN becomes 0x7fffffff (cvt.rna.tf32.f32).
GPU_HOST_DEVICE uint32_t toTf32(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
#else
  const uint32_t bits = bitsOf(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fffffffu;
  if (magnitude == 0x7f800000u) return bits;
  return (bits + 0x1000u) & 0xffffe000u;
#endif
}

// N values that move in one instruction of 2, 4, 8 or 16 bytes.
template <class T, int N> struct alignas(sizeof(T) * N) Vec {
  static_assert(sizeof(T) * N <= 16 && (sizeof(T) * N & (sizeof(T) * N - 1)) == 0, "2, 4, 8 or 16 bytes");
  T v[N];
  GPU_HOST_DEVICE T& operator[](int i) { return v[i]; }
  GPU_HOST_DEVICE const T& operator[](int i) const { return v[i]; }
};

// How many T fill a 16-byte load.
template <class T> constexpr int kVecWidth = int(16 / sizeof(T));

// Bytes that parameters of types P... take, each aligned to its own alignment.
template <class... P> constexpr size_t parameterBytes() {
  size_t bytes = 0;
  ((bytes = (bytes + alignof(P) - 1) / alignof(P) * alignof(P) + sizeof(P)), ...);
  return bytes;
}

}  // namespace gpu
