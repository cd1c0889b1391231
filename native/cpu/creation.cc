// fill, iota, copy and cast: tensors from numbers, or from a tensor of another dtype.
#include <cstring>

#include "../thread-pool.h"
#include "elementwise.h"
#include "kernels.h"
#include "movement.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// float to int32 truncates toward zero and saturates; NaN gives 0. The hardware's answer out of range is INT32_MIN.
NEURITE_INLINE I32 toInt(F32 x) {
  const I32 inRange = select(greaterEqual(x, broadcast(2147483648.0f)), broadcastInt(INT32_MAX), truncateToInt(x));
  const I32 raised = select(less(x, broadcast(-2147483648.0f)), broadcastInt(INT32_MIN), inRange);
  return select(isNan(x), I32{}, raised);
}
NEURITE_INLINE I32 toByte(I32 x) {
  const I32 high = broadcastInt(255), low = I32{};
  const I32 raised = select(less(x, low), low, x);
  return select(less(high, raised), high, raised);
}
NEURITE_INLINE I32 truth(Mask mask) { return select(mask, broadcastInt(1), I32{}); }

#define CAST_FLOAT [](F32 x, const Params&) __attribute__((always_inline))
#define CAST_INT [](I32 x, const Params&) __attribute__((always_inline))

// The formatter takes the brackets around a lambda for comparisons.
// clang-format off
constexpr Loop kFromFloat[kDTypes] = {loop1 < F32, F32, CAST_FLOAT{return x;
}  // namespace
>, loop1 < F32, F32, CAST_FLOAT { return x; }
>, loop1 < I32, F32, CAST_FLOAT { return toInt(x); }
>, loop1 < I32, F32, CAST_FLOAT { return toByte(toInt(x)); }
>, loop1 < I32, F32, CAST_FLOAT { return truth(~equal(x, zeros())); }
>,
};  // namespace neurite::cpu::NEURITE_ISA
constexpr Loop kFromInt[kDTypes] = {loop1 < F32, I32, CAST_INT{return toFloat(x);
}
>, loop1 < F32, I32, CAST_INT { return toFloat(x); }
>, loop1 < I32, I32, CAST_INT { return x; }
>, loop1 < I32, I32, CAST_INT { return x; }
>,  // uint8 keeps the low byte
    loop1 < I32, I32, CAST_INT {
  return truth(~equal(x, I32{}));
}
>,
}
;
// clang-format on

// The number as the output's dtype stores it.
template <class T> void fillBytes(char* to, T value, int64_t n) {
  T* y = reinterpret_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) y[i] = value;
}

}  // namespace

void fill(const Call& call) {
  const Tensor& out = call.out[0];
  const double value = attributesOf<attributes::fill>(call).value;
  const int64_t bytes = static_cast<int64_t>(out.bytes());
  // Every dtype's value repeats every 64 bytes.
  alignas(64) char pattern[64];
  const float number = static_cast<float>(value);
  uint16_t low;
  kNarrow[static_cast<int>(DType::bfloat16)](&number, &low, 1);
  switch (out.dtype) {
    case DType::float32:
      fillBytes(pattern, number, 16);
      break;
    case DType::bfloat16:
      fillBytes(pattern, low, 32);
      break;
    case DType::int32:
      fillBytes(pattern, saturate(value), 16);
      break;
    case DType::uint8:
      fillBytes(pattern, static_cast<uint8_t>(value <= 0 ? 0 : value >= 255 ? 255 : value), 64);
      break;
    case DType::boolean:
      fillBytes(pattern, static_cast<uint8_t>(value != 0), 64);
      break;
  }
  const bool stream = bytes >= kStreamBytes && reinterpret_cast<uintptr_t>(out.data) % 64 == 0;
  const Split lines = split(ceilDivide(bytes, 64), 16);
  parallelFor(lines.chunks, [&](int64_t chunk) {
    char* to = out.as<char>() + lines.begin(chunk) * 64;
    char* const end = out.as<char>() + smaller(bytes, lines.end(chunk) * 64);
    if (stream) {
      const F32 part = load(reinterpret_cast<const float*>(pattern));
      for (; to + sizeof part <= end; to += sizeof part) storeStream(reinterpret_cast<float*>(to), part);
      streamFence();
    }
    for (; to + 64 <= end; to += 64) memcpy(to, pattern, 64);
    memcpy(to, pattern, static_cast<size_t>(end - to));
  });
}

// start + i * step, in float64 and rounded once.
void iota(const Call& call) {
  const auto& a = attributesOf<attributes::iota>(call);
  const Tensor& out = call.out[0];
  const Split parts = split(out.size(), kMedium, kBlock);
  const Convert narrow = kNarrow[static_cast<int>(out.dtype)];
  const bool isInt = !isFloat(out.dtype);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    alignas(64) float block[kBlock];
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk);) {
      const int64_t n = smaller(kBlock, parts.end(chunk) - i);
      void* to = narrow ? static_cast<void*>(block) : out.as<float>() + i;
      for (int64_t j = 0; j < n; ++j) {
        const double value = a.start + static_cast<double>(i + j) * a.step;
        if (isInt)
          static_cast<int32_t*>(to)[j] = saturate(value);
        else
          static_cast<float*>(to)[j] = static_cast<float>(value);
      }
      if (narrow) narrow(block, out.as<char>() + i * static_cast<int64_t>(dtypeBytes(out.dtype)), n);
      i += n;
    }
  });
}

void copyBytes(void* to, const void* from, int64_t bytes) {
  const bool stream = bytes >= kStreamBytes;
  const Split lines = split(ceilDivide(bytes, 64), 16);
  parallelFor(lines.chunks, [&](int64_t chunk) {
    const int64_t begin = lines.begin(chunk) * 64, length = smaller(bytes, lines.end(chunk) * 64) - begin;
    char* y = static_cast<char*>(to) + begin;
    const char* x = static_cast<const char*>(from) + begin;
    if (stream) {
      streamCopy(y, x, length);
      streamFence();
    } else {
      memcpy(y, x, static_cast<size_t>(length));
    }
  });
}

void copy(const Call& call) { copyBytes(call.out[0].data, call.in[0].data, static_cast<int64_t>(call.out[0].bytes())); }

void cast(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  if (x.dtype == y.dtype) return copy(call);
  if (isFloat(x.dtype) && y.dtype == DType::bfloat16) return elementwise(call, 1, FloatLoop(nullptr));
  elementwise(call, 1, (isFloat(x.dtype) ? kFromFloat : kFromInt)[static_cast<int>(y.dtype)]);
}

}  // namespace neurite::cpu::NEURITE_ISA
