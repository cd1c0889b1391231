// The engine of every elementwise op: a loop over full vectors, fed with operands of any dtype and any broadcast.
//
// A loop sees contiguous runs of 4-byte elements: float32 for floats, int32 for int32, uint8 and bool. The engine hands
// over pointers into the tensors where they already look like that; otherwise it converts or repeats a block at a time
// through buffers that stay in the first-level cache. So an op is one loop per compute type, whatever the dtypes and
// shapes.
#pragma once
#include "../ops.h"
#include "lanes.h"
#include "split.h"

namespace neurite::cpu::NEURITE_ISA {

// What a loop may know besides its operands.
struct Params {
  float a = 0, b = 0;
  int32_t ia = 0, ib = 0;
  bool stream = false;  // set by the engine: the output is aligned and bypasses the caches
};

using Loop = void (*)(const void* const* in, void* out, int64_t n, const Params& params);

// Elements per block: four operands of a block take 8 KiB.
inline constexpr int64_t kBlock = 512;

// Work per element in multiply-adds.
inline constexpr int64_t kLight = 1, kMedium = 4, kHeavy = 16;

// A float loop, and the same on bfloat16 in memory where that is worth the code: it saves the way through the buffers.
struct FloatLoop {
  Loop loop, half;
  constexpr FloatLoop(Loop loop, Loop half = nullptr) : loop(loop), half(half) {}
};

// Without a loop the op is the way from one float dtype to a narrower one. Else
// out[0][i] = loop(in[0][i], …) over the elements of the output, each of the `operands` inputs broadcast to the
// output's dims. An absent input is the number `scalar`.
void elementwise(const Call& call, int operands, FloatLoop loop, const Params& params = {}, int64_t cost = kLight,
                 double scalar = 0);

inline bool isFloat(DType dtype) { return dtype == DType::float32 || dtype == DType::bfloat16; }

// The nearest int32 to a number of JavaScript, toward zero.
int32_t saturate(double value);

// From a storage dtype to its compute type and back; null where the two are the same.
using Convert = void (*)(const void* from, void* to, int64_t n);
extern const Convert kWiden[kDTypes];
extern const Convert kNarrow[kDTypes];

// Copies n bytes; whole lines bypass the caches, whatever the alignment of either end.
void streamCopy(void* to, const void* from, int64_t bytes);

// Outputs from this many bytes on bypass the caches, in runs that are not so short that lines would be written in parts.
inline constexpr int64_t kStreamBytes = int64_t{24} << 20, kStreamRun = 256;
inline bool streams(const Tensor& y) {
  return static_cast<int64_t>(y.bytes()) >= kStreamBytes && reinterpret_cast<uintptr_t>(y.data) % 64 == 0;
}

// How many elements ahead of their use the loops ask for operands: the arithmetic in between fills the CPU's window long before it
// reaches that far by itself.
inline constexpr int64_t kAhead = 1024;

// Loops over one, two and three operands. `f` takes vectors (and the params) and returns a vector of type R.
template <class V> NEURITE_INLINE void storeResult(Lane<V>* p, V v, int64_t n, bool stream) {
  if (n < kLanes)
    storePartial(p, v, n);
  else if (stream)
    storeStream(reinterpret_cast<float*>(p), (F32)v);
  else
    store(p, v);
}

template <class R, class A, auto f> void loop1(const void* const* in, void* out, int64_t n, const Params& params) {
  const auto* a = static_cast<const Lane<A>*>(in[0]);
  auto* y = static_cast<Lane<R>*>(out);
  eachVector(
      n, EACH_VECTOR {
        prefetch(a + i + kAhead);
        storeResult<R>(y + i, f(loadUpTo(a + i, left), params), left, params.stream);
      });
}

template <class R, class A, auto f> void loop2(const void* const* in, void* out, int64_t n, const Params& params) {
  const auto* a = static_cast<const Lane<A>*>(in[0]);
  const auto* b = static_cast<const Lane<A>*>(in[1]);
  auto* y = static_cast<Lane<R>*>(out);
  eachVector(
      n, EACH_VECTOR {
        prefetch(a + i + kAhead);
        prefetch(b + i + kAhead);
        storeResult<R>(y + i, f(loadUpTo(a + i, left), loadUpTo(b + i, left), params), left, params.stream);
      });
}

template <class R, class A, auto f> void loop3(const void* const* in, void* out, int64_t n, const Params& params) {
  const auto* a = static_cast<const Lane<A>*>(in[0]);
  const auto* b = static_cast<const Lane<A>*>(in[1]);
  const auto* c = static_cast<const Lane<A>*>(in[2]);
  auto* y = static_cast<Lane<R>*>(out);
  eachVector(
      n, EACH_VECTOR {
        const R v = f(loadUpTo(a + i, left), loadUpTo(b + i, left), loadUpTo(c + i, left), params);
        storeResult<R>(y + i, v, left, params.stream);
      });
}

// The loops over bfloat16 in memory.
NEURITE_INLINE void storeHalf(uint16_t* p, F32 v, int64_t n, bool stream) {
  if (n >= kLanes && stream)
    storeStreamBfloat16(p, v);
  else
    storeBfloat16Partial(p, v, n);
}
template <auto f> void halfLoop1(const void* const* in, void* out, int64_t n, const Params& params) {
  const auto* a = static_cast<const uint16_t*>(in[0]);
  auto* y = static_cast<uint16_t*>(out);
  eachVector(
      n, EACH_VECTOR {
        prefetch(a + i + 2 * kAhead);
        storeHalf(y + i, f(loadBfloat16Partial(a + i, left), params), left, params.stream);
      });
}
template <auto f> void halfLoop2(const void* const* in, void* out, int64_t n, const Params& params) {
  const auto* a = static_cast<const uint16_t*>(in[0]);
  const auto* b = static_cast<const uint16_t*>(in[1]);
  auto* y = static_cast<uint16_t*>(out);
  eachVector(
      n, EACH_VECTOR {
        prefetch(a + i + 2 * kAhead);
        prefetch(b + i + 2 * kAhead);
        const F32 v = f(loadBfloat16Partial(a + i, left), loadBfloat16Partial(b + i, left), params);
        storeHalf(y + i, v, left, params.stream);
      });
}
template <auto f> constexpr FloatLoop unaryLoops{loop1<F32, F32, f>, halfLoop1<f>};
template <auto f> constexpr FloatLoop binaryLoops{loop2<F32, F32, f>, halfLoop2<f>};

}  // namespace neurite::cpu::NEURITE_ISA
