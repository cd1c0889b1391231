// Reductions over any axes: sum, mean, prod, max, min, all, any, logSumExp, variance, squared norms.
// Axes are brought to (outer, reduce, inner) for the passes of reduce-pass.h.
#include <cmath>

#include "kernels.h"
#include "movement.h"
#include "reduce-pass.h"
#include "vector-math.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// ---- What is reduced: V is the compute type, map is applied to each element with a parameter of its output.

struct Sum {
  using V = F32;
  static NEURITE_INLINE V identity() { return zeros(); }
  static NEURITE_INLINE V map(V x, V) { return x; }
  static NEURITE_INLINE V combine(V a, V b) { return a + b; }
};
struct SquaredDeviations : Sum {
  static NEURITE_INLINE V map(V x, V mean) { return (x - mean) * (x - mean); }
};
struct Squares : Sum {
  static NEURITE_INLINE V map(V x, V) { return x * x; }
};
struct Exponentials : Sum {
  static NEURITE_INLINE V map(V x, V max) { return exp(x - max); }
};
struct Product : Sum {
  static NEURITE_INLINE V identity() { return broadcast(1.0f); }
  static NEURITE_INLINE V combine(V a, V b) { return a * b; }
};
struct Max : Sum {
  static NEURITE_INLINE V identity() { return broadcast(-__builtin_inff()); }
  static NEURITE_INLINE V combine(V a, V b) { return maximum(a, b); }
};
struct Min : Sum {
  static NEURITE_INLINE V identity() { return broadcast(__builtin_inff()); }
  static NEURITE_INLINE V combine(V a, V b) { return minimum(a, b); }
};
struct IntSum {
  using V = I32;
  static NEURITE_INLINE V identity() { return I32{}; }
  static NEURITE_INLINE V map(V x, V) { return x; }
  static NEURITE_INLINE V combine(V a, V b) { return (I32)((U32)a + (U32)b); }
};
struct IntProduct : IntSum {
  static NEURITE_INLINE V identity() { return broadcastInt(1); }
  static NEURITE_INLINE V combine(V a, V b) { return (I32)((U32)a * (U32)b); }
};
struct IntMax : IntSum {
  static NEURITE_INLINE V identity() { return broadcastInt(INT32_MIN); }
  static NEURITE_INLINE V combine(V a, V b) { return select(less(a, b), b, a); }
};
struct IntMin : IntSum {
  static NEURITE_INLINE V identity() { return broadcastInt(INT32_MAX); }
  static NEURITE_INLINE V combine(V a, V b) { return select(less(b, a), b, a); }
};

// ---- Any axes

// Where a reduction's intermediate values live: one piece of scratch, cut up.
struct Workspace {
  char *moved, *partials, *first, *second;
};
Workspace reserve(const Tensor& x, const Arranged& a, int values) {
  const int64_t movedBytes = a.moved ? roundUp(static_cast<int64_t>(x.bytes()), 64) : 0,
                partials = partialBytes(a.geometry);
  const int64_t value = roundUp(a.geometry.outer * a.geometry.inner * 4, 64),
                total = movedBytes + partials + values * value;
  char* p = total > 0 ? static_cast<char*>(scratch(static_cast<size_t>(total))) : nullptr;
  return {p, p + movedBytes, p + movedBytes + partials, p + movedBytes + partials + value};
}

// Brings the axes into place.
void move(const Tensor& x, Arranged& a, const Workspace& space) {
  if (!a.moved) return;
  permute(x, a.permutation, space.moved);
  a.geometry.data = space.moved;
}

// A reduction in one pass.
template <class Op> void reduce(const Call& call, const Ints& axes) {
  const Tensor &x = call.in[0], &y = call.out[0];
  Arranged a = arrange(x, axes);
  const Convert narrow = kNarrow[static_cast<int>(y.dtype)];
  const Workspace space = reserve(x, a, narrow ? 1 : 0);
  move(x, a, space);
  reduceTo<Op>(a.geometry, nullptr, narrow ? space.first : y.data, space.partials);
  if (narrow) narrow(space.first, y.data, y.size());
}

// y[i…] = finish(i, values[i…], n), a vector at a time. `values` may be y itself.
template <class F> void finishInto(const Tensor& y, const float* values, F&& finish) {
  const Split parts = split(y.size(), kMedium, kBlock);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    const int64_t begin = parts.begin(chunk), n = parts.end(chunk) - begin;
    for (int64_t i = 0; i < n; i += kLanes) {
      const F32 v = finish(begin + i, loadPartial(values + begin + i, n - i), n - i);
      if (y.dtype == DType::float32)
        storePartial(y.as<float>() + begin + i, v, n - i);
      else
        storeBfloat16Partial(y.as<uint16_t>() + begin + i, v, n - i);
    }
  });
}

}  // namespace

void sum(const Call& call) {
  const Ints& axes = attributesOf<attributes::sum>(call).axes;
  isFloat(call.in[0].dtype) ? reduce<Sum>(call, axes) : reduce<IntSum>(call, axes);
}
void prod(const Call& call) {
  const Ints& axes = attributesOf<attributes::prod>(call).axes;
  isFloat(call.in[0].dtype) ? reduce<Product>(call, axes) : reduce<IntProduct>(call, axes);
}
void max(const Call& call) {
  const Ints& axes = attributesOf<attributes::max>(call).axes;
  isFloat(call.in[0].dtype) ? reduce<Max>(call, axes) : reduce<IntMax>(call, axes);
}
void min(const Call& call) {
  const Ints& axes = attributesOf<attributes::min>(call).axes;
  isFloat(call.in[0].dtype) ? reduce<Min>(call, axes) : reduce<IntMin>(call, axes);
}
void all(const Call& call) { reduce<IntMin>(call, attributesOf<attributes::all>(call).axes); }
void any(const Call& call) { reduce<IntMax>(call, attributesOf<attributes::any>(call).axes); }

void mean(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  Arranged a = arrange(x, attributesOf<attributes::mean>(call).axes);
  const bool wide = y.dtype == DType::float32;
  const Workspace space = reserve(x, a, wide ? 0 : 1);
  move(x, a, space);
  float* sums = wide ? y.as<float>() : reinterpret_cast<float*>(space.first);
  reduceTo<Sum>(a.geometry, nullptr, sums, space.partials);
  const float count = static_cast<float>(a.geometry.reduce);
  finishInto(y, sums, [&](int64_t, F32 v, int64_t) { return v / broadcast(count); });
}

// Two passes: the mean, then the mean of squared deviations from it.
void variance(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  Arranged a = arrange(x, attributesOf<attributes::variance>(call).axes);
  const Workspace space = reserve(x, a, 2);
  move(x, a, space);
  float *means = reinterpret_cast<float*>(space.first), *sums = reinterpret_cast<float*>(space.second);
  const float count = static_cast<float>(a.geometry.reduce);
  reduceTwice<Sum, SquaredDeviations>(a.geometry, means, sums, space.partials, [&](float sum) { return sum / count; });
  finishInto(y, sums, [&](int64_t, F32 v, int64_t) { return v / broadcast(count); });
}

// max + log(sum of exp(x - max)). An infinite maximum is replaced by 0: Inf - Inf would be NaN.
void logSumExp(const Call& call) {
  const Tensor& x = call.in[0];
  Arranged a = arrange(x, attributesOf<attributes::logSumExp>(call).axes);
  const Workspace space = reserve(x, a, 2);
  move(x, a, space);
  float *maxima = reinterpret_cast<float*>(space.first), *sums = reinterpret_cast<float*>(space.second);
  reduceTwice<Max, Exponentials>(a.geometry, maxima, sums, space.partials,
                                 [](float max) { return __builtin_fabsf(max) == __builtin_inff() ? 0.0f : max; });
  finishInto(call.out[0], sums, [&](int64_t i, F32 v, int64_t n) { return loadPartial(maxima + i, n) + log(v); });
}

// The sum of squares of each input.
void squaredNorms(const Call& call) {
  int64_t most = 0;
  const auto geometry = [&](int i) { return Geometry{1, call.in[i].size(), 1, call.in[i].data, call.in[i].dtype}; };
  for (int i = 0; i < call.inputs; ++i) most = larger(most, partialBytes(geometry(i)));
  void* partials = most > 0 ? scratch(static_cast<size_t>(most)) : nullptr;
  for (int i = 0; i < call.inputs; ++i) reduceTo<Squares>(geometry(i), nullptr, call.out[0].as<float>() + i, partials);
}

}  // namespace neurite::cpu::NEURITE_ISA
