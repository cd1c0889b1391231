// Shared memory, vector loads and stores, atomics on integers, cp.async.
#pragma once
#include <atomic>
#include <type_traits>

#include "../engine/engine.h"
#include "gpu-types.h"

#define GPU_SHARED(T, name, ...)    \
  using name##Type = T __VA_ARGS__; \
  static const char name##Key = 0;  \
  name##Type& name =                \
      *static_cast<name##Type*>(emulator::sharedVariable(&name##Key, sizeof(name##Type), alignof(name##Type)))
#define GPU_DYN_SHARED(name) unsigned char* const name = emulator::dynamicShared()

namespace gpu {

template <class T> T loadReadOnly(const T* p, EMULATOR_AT) {
  emulator::requireAligned(p, sizeof(T), "address of loadReadOnly", at);
  return *p;
}
template <class T> T loadStreaming(const T* p, EMULATOR_AT) {
  emulator::requireAligned(p, sizeof(T), "address of loadStreaming", at);
  return *p;
}
template <class T> void storeStreaming(T* p, T value, EMULATOR_AT) {
  emulator::requireAligned(p, sizeof(T), "address of storeStreaming", at);
  *p = value;
}
template <class T> T loadL2(const T* p, EMULATOR_AT) {
  emulator::requireAligned(p, sizeof(T), "address of loadL2", at);
  return *p;
}

template <int N, class T> Vec<T, N> loadVec(const T* p, EMULATOR_AT) {
  emulator::requireAligned(p, sizeof(Vec<T, N>), "address of loadVec", at);
  return *reinterpret_cast<const Vec<T, N>*>(p);
}
template <class T, int N> void storeVec(T* p, const Vec<T, N>& value, EMULATOR_AT) {
  emulator::requireAligned(p, sizeof(Vec<T, N>), "address of storeVec", at);
  *reinterpret_cast<Vec<T, N>*>(p) = value;
}

template <class T>
constexpr bool kAtomicType =
    std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, unsigned long long>;

namespace detail {
template <class T> std::atomic_ref<T> atomic(T* p, const emulator::Location& at) {
  static_assert(kAtomicType<T>, "no atomics on this type");
  emulator::countAtomic(at);
  return std::atomic_ref<T>(*p);
}
template <class T, class Change> T atomicChange(T* p, const emulator::Location& at, Change change) {
  const auto reference = atomic(p, at);
  T old = reference.load(std::memory_order_relaxed);
  while (!reference.compare_exchange_weak(old, change(old), std::memory_order_relaxed)) {}
  return old;
}
}  // namespace detail

template <class T> T atomicAdd(T* p, std::type_identity_t<T> value, EMULATOR_AT) {
  return detail::atomic(p, at).fetch_add(value, std::memory_order_relaxed);
}
template <class T> T atomicMax(T* p, std::type_identity_t<T> value, EMULATOR_AT) {
  return detail::atomicChange(p, at, [value](T old) { return old > value ? old : value; });
}
template <class T> T atomicMin(T* p, std::type_identity_t<T> value, EMULATOR_AT) {
  return detail::atomicChange(p, at, [value](T old) { return old < value ? old : value; });
}
template <class T> T atomicOr(T* p, std::type_identity_t<T> value, EMULATOR_AT) {
  return detail::atomic(p, at).fetch_or(value, std::memory_order_relaxed);
}
template <class T> T atomicAnd(T* p, std::type_identity_t<T> value, EMULATOR_AT) {
  return detail::atomic(p, at).fetch_and(value, std::memory_order_relaxed);
}
template <class T> T atomicExch(T* p, std::type_identity_t<T> value, EMULATOR_AT) {
  return detail::atomic(p, at).exchange(value, std::memory_order_relaxed);
}
template <class T> T atomicCas(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> value, EMULATOR_AT) {
  detail::atomic(p, at).compare_exchange_strong(expected, value, std::memory_order_relaxed);
  return expected;
}

template <int N> void cpAsync(void* shared, const void* global, int validBytes = N, EMULATOR_AT) {
  static_assert(N == 4 || N == 8 || N == 16);
  emulator::requireShared(shared, N, "destination of cpAsync", at);
  emulator::requireAligned(shared, N, "destination of cpAsync", at);
  emulator::requireAligned(global, N, "source of cpAsync", at);
  emulator::copyAsync(shared, global, N, unsigned(validBytes), at);
}
inline void cpAsyncCommit() { emulator::copyCommit(); }
template <int N> void cpAsyncWait() { emulator::copyWait(N); }

}  // namespace gpu
