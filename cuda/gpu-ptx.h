// Wrappers for intrinsics and PTX, for nvcc. Each has a twin of the same name in test/cuda-emulator/device.
// What needs sm_80 compiles for sm_75 too: cp.async becomes a plain copy; tensor-core instructions trap there.
#pragma once
#include <cooperative_groups.h>

#include "gpu-types.h"

#define GPU_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
#define GPU_DYN_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]

namespace gpu {

// ---- threads ----------------------------------------------------------------------------------------------------

GPU_DEVICE unsigned laneId() {
  unsigned lane;
  asm("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}

// Barrier `id` (1 to 15; 0 is __syncthreads) for `threads` threads, a multiple of 32.
GPU_DEVICE void barrierSync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
GPU_DEVICE void barrierArrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// All threads of a cooperative launch.
GPU_DEVICE void gridSync() { cooperative_groups::this_grid().sync(); }

// T: float, double, or a 32- or 64-bit integer. As in CUDA, a lane outside of the warp gives the own value.
template <class T> GPU_DEVICE T shfl(T value, int lane, unsigned mask = kFullMask) {
  return __shfl_sync(mask, value, lane);
}
template <class T> GPU_DEVICE T shflXor(T value, int laneMask, unsigned mask = kFullMask) {
  return __shfl_xor_sync(mask, value, laneMask);
}
template <class T> GPU_DEVICE T shflDown(T value, int delta, unsigned mask = kFullMask) {
  return __shfl_down_sync(mask, value, delta);
}
template <class T> GPU_DEVICE T shflUp(T value, int delta, unsigned mask = kFullMask) {
  return __shfl_up_sync(mask, value, delta);
}
GPU_DEVICE unsigned ballot(bool predicate, unsigned mask = kFullMask) { return __ballot_sync(mask, predicate); }
GPU_DEVICE bool any(bool predicate, unsigned mask = kFullMask) { return __any_sync(mask, predicate); }
GPU_DEVICE bool all(bool predicate, unsigned mask = kFullMask) { return __all_sync(mask, predicate); }

// ---- memory -----------------------------------------------------------------------------------------------------

namespace detail {
template <size_t Bytes> struct Word;
template <> struct Word<1> { using type = unsigned char; };
template <> struct Word<2> { using type = unsigned short; };
template <> struct Word<4> { using type = unsigned; };
template <> struct Word<8> { using type = uint2; };
template <> struct Word<16> { using type = uint4; };
template <class T> GPU_DEVICE T fromWord(typename Word<sizeof(T)>::type word) { return __builtin_bit_cast(T, word); }
template <class T> GPU_DEVICE typename Word<sizeof(T)>::type toWord(const T& value) {
  return __builtin_bit_cast(typename Word<sizeof(T)>::type, value);
}
template <class T> using WordOf = typename Word<sizeof(T)>::type;
}  // namespace detail

// Global memory that nothing writes while the kernel runs.
template <class T> GPU_DEVICE T loadReadOnly(const T* p) {
  return detail::fromWord<T>(__ldg(reinterpret_cast<const detail::WordOf<T>*>(p)));
}
// Data that is used once: evicted first.
template <class T> GPU_DEVICE T loadStreaming(const T* p) {
  return detail::fromWord<T>(__ldcs(reinterpret_cast<const detail::WordOf<T>*>(p)));
}
template <class T> GPU_DEVICE void storeStreaming(T* p, T value) {
  __stcs(reinterpret_cast<detail::WordOf<T>*>(p), detail::toWord(value));
}
// Past the first-level cache: what another block of the same launch wrote before its __threadfence().
template <class T> GPU_DEVICE T loadL2(const T* p) {
  return detail::fromWord<T>(__ldcg(reinterpret_cast<const detail::WordOf<T>*>(p)));
}

// N values in one instruction; p is aligned to N * sizeof(T) bytes. Global or shared memory.
template <int N, class T> GPU_DEVICE Vec<T, N> loadVec(const T* p) {
  return detail::fromWord<Vec<T, N>>(*reinterpret_cast<const detail::WordOf<Vec<T, N>>*>(p));
}
template <class T, int N> GPU_DEVICE void storeVec(T* p, const Vec<T, N>& value) {
  *reinterpret_cast<detail::WordOf<Vec<T, N>>*>(p) = detail::toWord(value);
}

// Integers only: a sum of floats would depend on the order of arrival. T: int, unsigned, unsigned long long.
template <class T>
constexpr bool kAtomicType =
    std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, unsigned long long>;

template <class T> GPU_DEVICE T atomicAdd(T* p, std::type_identity_t<T> value) {
  static_assert(kAtomicType<T>, "no atomics on this type");
  return ::atomicAdd(p, value);
}
template <class T> GPU_DEVICE T atomicMax(T* p, std::type_identity_t<T> value) {
  static_assert(kAtomicType<T>, "no atomics on this type");
  return ::atomicMax(p, value);
}
template <class T> GPU_DEVICE T atomicMin(T* p, std::type_identity_t<T> value) {
  static_assert(kAtomicType<T>, "no atomics on this type");
  return ::atomicMin(p, value);
}
template <class T> GPU_DEVICE T atomicOr(T* p, std::type_identity_t<T> value) {
  static_assert(kAtomicType<T>, "no atomics on this type");
  return ::atomicOr(p, value);
}
template <class T> GPU_DEVICE T atomicAnd(T* p, std::type_identity_t<T> value) {
  static_assert(kAtomicType<T>, "no atomics on this type");
  return ::atomicAnd(p, value);
}
template <class T> GPU_DEVICE T atomicExch(T* p, std::type_identity_t<T> value) {
  static_assert(kAtomicType<T>, "no atomics on this type");
  return ::atomicExch(p, value);
}
template <class T> GPU_DEVICE T atomicCas(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  static_assert(kAtomicType<T>, "no atomics on this type");
  return ::atomicCAS(p, expected, value);
}

GPU_DEVICE uint32_t sharedAddress(const void* p) { return uint32_t(__cvta_generic_to_shared(p)); }

// Copies N bytes (4, 8 or 16; both pointers aligned to N) from global to shared memory in the background: the first
// validBytes of them, zeros after that. A copy belongs to the group that the next cpAsyncCommit closes.
template <int N> GPU_DEVICE void cpAsync(void* shared, const void* global, int validBytes = N) {
  static_assert(N == 4 || N == 8 || N == 16);
#if __CUDA_ARCH__ >= 800
  if constexpr (N == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(shared)), "l"(global),
                 "r"(validBytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(sharedAddress(shared)), "l"(global), "n"(N),
                 "r"(validBytes)
                 : "memory");
  }
#else
  using Word = typename detail::Word<N>::type;
  if (validBytes == N) {
    *static_cast<Word*>(shared) = *static_cast<const Word*>(global);
  } else {
    for (int i = 0; i < N; i++)
      static_cast<unsigned char*>(shared)[i] = i < validBytes ? static_cast<const unsigned char*>(global)[i] : 0;
  }
#endif
}
GPU_DEVICE void cpAsyncCommit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits until at most N of the own committed groups are in flight.
template <int N> GPU_DEVICE void cpAsyncWait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

// ---- arithmetic -------------------------------------------------------------------------------------------------

// NaN if either is NaN, unlike fmaxf and fminf; denormals count as zero.
GPU_DEVICE float maxNan(float a, float b) {
#if __CUDA_ARCH__ >= 800
  float result;
  asm("max.ftz.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#else
  return a != a || b != b ? floatOf(0x7fffffffu) : fmaxf(a, b);
#endif
}
GPU_DEVICE float minNan(float a, float b) {
#if __CUDA_ARCH__ >= 800
  float result;
  asm("min.ftz.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#else
  return a != a || b != b ? floatOf(0x7fffffffu) : fminf(a, b);
#endif
}

// Towards zero; values out of range saturate, NaN gives 0.
GPU_DEVICE int toInt(float value) { return __float2int_rz(value); }
GPU_DEVICE unsigned toUint(float value) { return __float2uint_rz(value); }

// ---- tensor cores -----------------------------------------------------------------------------------------------
// Fragments as in the PTX ISA, with g = lane / 4 and t = lane % 4.

// Four 8 x 8 matrices of 16-bit values: lane 8 j + i gives the address of row i of matrix j (16 bytes, aligned);
// r[j] receives elements 2 t and 2 t + 1 of row g of matrix j (Trans: of column g).
GPU_DEVICE void ldmatrixX4(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(sharedAddress(row))
               : "memory");
}
GPU_DEVICE void ldmatrixX4Trans(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(sharedAddress(row))
               : "memory");
}

// d (16 x 8) = a (16 x 16) * b (16 x 8) + c.
// a[r]: row g + 8 (r % 2), columns 2 t + 8 (r / 2) and the next; b[r]: rows 2 t + 8 r and the next, column g;
// c, d[r]: row g + 8 (r / 2), column 2 t + r % 2.
GPU_DEVICE void mmaBf16M16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%10,%11,%12,%13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
#else
  __trap();
#endif
}

// d (16 x 8) = a (16 x 8) * b (8 x 8) + c, the operands as toTf32 gives them.
// a[r]: row g + 8 (r % 2), column t + 4 (r / 2); b[r]: row t + 4 r, column g; c and d as above.
GPU_DEVICE void mmaTf32M16n8k8(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%10,%11,%12,%13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
#else
  __trap();
#endif
}

}  // namespace gpu
