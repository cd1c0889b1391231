// Dtypes in kernels: the C++ type that stores each, the type it is computed in, and dispatch from a tensor's dtype to a template.
#pragma once
#include "context.h"

namespace neurite::cuda {

using gpu::bf16;

// bfloat16 is computed in float32; uint8 in int32, and wraps when it is stored. bool is stored as a uint8 of 0 or 1.
template <class T> struct ComputeOf { using type = T; };
template <> struct ComputeOf<bf16> { using type = float; };
template <> struct ComputeOf<uint8_t> { using type = int32_t; };
template <class T> using Compute = typename ComputeOf<T>::type;

template <class T> GPU_DEVICE Compute<T> load(const T* p) { return static_cast<Compute<T>>(*p); }

// The nearest int32 to a number, towards zero; NaN gives 0.
GPU_HOST_DEVICE int32_t toInt32(double value) {
  if (value != value) return 0;
  return value <= -2147483648.0 ? INT32_MIN : value >= 2147483647.0 ? INT32_MAX : static_cast<int32_t>(value);
}

[[noreturn]] inline void unsupported(const Call& call, DType dtype) {
  fail(std::string(kOpNames[static_cast<int>(call.op)]) + " has no CUDA kernel for " + dtypeName(dtype));
}

// Each calls f.template operator()<T>() with the C++ type of `dtype`.
template <class F> void withFloat(const Call& call, DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f.template operator()<float>();
    case DType::bfloat16:
      return f.template operator()<bf16>();
    default:
      unsupported(call, dtype);
  }
}
template <class F> void withFloatOrInt(const Call& call, DType dtype, F&& f) {
  if (dtype == DType::int32) return f.template operator()<int32_t>();
  withFloat(call, dtype, f);
}
template <class F> void withNumber(const Call& call, DType dtype, F&& f) {
  if (dtype == DType::uint8) return f.template operator()<uint8_t>();
  withFloatOrInt(call, dtype, f);
}
// Any dtype, bool as its uint8.
template <class F> void withAny(const Call& call, DType dtype, F&& f) {
  if (dtype == DType::boolean) return f.template operator()<uint8_t>();
  withNumber(call, dtype, f);
}

// Unsigned integers of 1, 2 and 4 bytes, for what only moves elements; 8 and 16 for several at once.
template <class F> void withBytes(size_t bytes, F&& f) {
  switch (bytes) {
    case 1:
      return f.template operator()<uint8_t>();
    case 2:
      return f.template operator()<uint16_t>();
    case 4:
      return f.template operator()<uint32_t>();
    case 8:
      return f.template operator()<gpu::Vec<uint32_t, 2>>();
    default:
      return f.template operator()<gpu::Vec<uint32_t, 4>>();
  }
}

inline bool aligned(const void* p, size_t bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; }

}  // namespace neurite::cuda
