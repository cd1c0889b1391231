// The engine of every elementwise op: a loop over full vectors, fed with operands of any dtype and any broadcast.
//
// A loop sees contiguous runs of 4-byte elements: float32 for floats, int32 for int32, uint8 and bool. The engine hands
// over pointers into the tensors where they already look like that; otherwise it converts or repeats a block at a time
// through buffers that stay in the first-level cache. So an op is one loop per compute type, whatever the dtypes and shapes.
#pragma once
#include "../ops.h"
#include "lanes.h"
#include "split.h"

namespace neurite::cpu::NEURITE_ISA {

// What a loop may know besides its operands.
struct Params {
  float a = 0, b = 0;
  int32_t ia = 0, ib = 0;
};

using Loop = void (*)(const void* const* in, void* out, int64_t n, const Params& params);

// Elements per block: four operands of a block take 8 KiB.
inline constexpr int64_t kBlock = 512;

// Work per element in multiply-adds.
inline constexpr int64_t kLight = 1, kMedium = 4, kHeavy = 16;

// out[0][i] = loop(in[0][i], …) over the elements of the output, each of the `operands` inputs broadcast to the output's
// dims. An absent input is the number `scalar`.
void elementwise(const Call& call, int operands, Loop loop, const Params& params = {}, int64_t cost = kLight,
                 double scalar = 0);

inline bool isFloat(DType dtype) { return dtype == DType::float32 || dtype == DType::bfloat16; }

// The nearest int32 to a number of JavaScript, toward zero.
int32_t saturate(double value);

// From a storage dtype to its compute type and back; null where the two are the same.
using Convert = void (*)(const void* from, void* to, int64_t n);
extern const Convert kWiden[kDTypes];
extern const Convert kNarrow[kDTypes];

// Copies n bytes past the caches; both ends are 64-byte aligned.
void streamCopy(void* to, const void* from, int64_t bytes);

// Outputs from this many bytes on bypass the caches.
inline constexpr int64_t kStreamBytes = int64_t{24} << 20;

// Loops over one, two and three operands. `f` takes vectors (and the params) and returns a vector of type R.
template <class R, class A, auto f> void loop1(const void* const* in, void* out, int64_t n, const Params& params) {
  const auto* a = static_cast<const Lane<A>*>(in[0]);
  auto* y = static_cast<Lane<R>*>(out);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(a + i), params));
  if (i < n) storePartial(y + i, f(loadPartial(a + i, n - i), params), n - i);
}

template <class R, class A, auto f> void loop2(const void* const* in, void* out, int64_t n, const Params& params) {
  const auto* a = static_cast<const Lane<A>*>(in[0]);
  const auto* b = static_cast<const Lane<A>*>(in[1]);
  auto* y = static_cast<Lane<R>*>(out);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(a + i), load(b + i), params));
  if (i < n) storePartial(y + i, f(loadPartial(a + i, n - i), loadPartial(b + i, n - i), params), n - i);
}

template <class R, class A, auto f> void loop3(const void* const* in, void* out, int64_t n, const Params& params) {
  const auto* a = static_cast<const Lane<A>*>(in[0]);
  const auto* b = static_cast<const Lane<A>*>(in[1]);
  const auto* c = static_cast<const Lane<A>*>(in[2]);
  auto* y = static_cast<Lane<R>*>(out);
  for (int64_t i = 0; i < n; i += kLanes) {
    storePartial(y + i, f(loadPartial(a + i, n - i), loadPartial(b + i, n - i), loadPartial(c + i, n - i), params),
                 n - i);
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
