// argmax and argmin along one axis: the first of equals; a NaN wins both, so that x[argmin(x)] is min(x).
#include "../pool.h"
#include "kernels.h"
#include "reduce.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// Whether x beats the best so far.
struct Greatest {
  static NEURITE_INLINE Mask beats(F32 x, F32 best) { return less(best, x) | (isNan(x) & ~isNan(best)); }
  static NEURITE_INLINE Mask beats(I32 x, I32 best) { return less(best, x); }
};
struct Least {
  static NEURITE_INLINE Mask beats(F32 x, F32 best) { return less(x, best) | (isNan(x) & ~isNan(best)); }
  static NEURITE_INLINE Mask beats(I32 x, I32 best) { return less(x, best); }
};

constexpr int64_t kPiece = 512;  // elements that are widened at a time

// Each lane keeps its best and where it was; then the lanes are compared, the smaller index first.
template <class V, class Order> int32_t searchRow(const char* data, DType dtype, int64_t n) {
  using T = Lane<V>;
  const Convert widen = kWiden[static_cast<int>(dtype)];
  alignas(64) T buffer[kPiece];
  V best{};
  I32 where = broadcastInt(INT32_MAX);
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t count = smaller(kPiece, n - i);
    const char* from = data + i * static_cast<int64_t>(dtypeBytes(dtype));
    const T* x = reinterpret_cast<const T*>(from);
    if (widen) {
      widen(from, buffer, count);
      x = buffer;
    }
    for (int64_t j = 0; j < count; j += kLanes) {
      const I32 index = laneNumbers() + static_cast<int32_t>(i + j);
      const bool whole = j + kLanes <= count;
      const V v = whole ? load(x + j) : loadPartial(x + j, count - j);
      Mask better = Order::beats(v, best) | equal(where, broadcastInt(INT32_MAX));
      if (!whole) better = better & less(index, broadcastInt(static_cast<int32_t>(n)));
      best = select(better, v, best);
      where = select(better, index, where);
    }
  }
  int winner = 0;
  for (int lane = 1; lane < kLanes; ++lane) {
    if (where[lane] == INT32_MAX) continue;
    const auto wins = [](T a, T b) { return all(Order::beats(broadcastLane(a), broadcastLane(b))); };
    const bool better = wins(best[lane], best[winner]), worse = wins(best[winner], best[lane]);
    if (better || (!worse && where[lane] < where[winner])) winner = lane;
  }
  return where[winner];
}

// kLanes neighbouring columns at a time.
template <class V, class Order>
void searchColumns(const char* data, DType dtype, int64_t rows, int64_t pitch, int64_t n, int32_t* result) {
  using T = Lane<V>;
  const Convert widen = kWiden[static_cast<int>(dtype)];
  const int64_t bytes = pitch * static_cast<int64_t>(dtypeBytes(dtype));
  alignas(64) T buffer[kLanes] = {};
  V best{};
  I32 where{};
  for (int64_t r = 0; r < rows; ++r) {
    const T* x = reinterpret_cast<const T*>(data + r * bytes);
    if (widen) {
      widen(data + r * bytes, buffer, n);
      x = buffer;
    }
    const V v = loadPartial(x, n);
    if (r == 0) {
      best = v;
      continue;
    }
    const Mask better = Order::beats(v, best);
    best = select(better, v, best);
    where = select(better, broadcastInt(static_cast<int32_t>(r)), where);
  }
  storePartial(result, where, n);
}

template <class V, class Order> void search(const Tensor& x, int64_t axis, int32_t* y) {
  const Geometry g = geometryOf(x, axis);
  const int64_t bytes = static_cast<int64_t>(dtypeBytes(x.dtype));
  const char* data = x.as<const char>();
  if (g.inner == 1) {
    const Split rows = split(g.outer, g.reduce + 32);
    parallelFor(rows.chunks, [&](int64_t chunk) {
      for (int64_t i = rows.begin(chunk); i < rows.end(chunk); ++i) {
        y[i] = searchRow<V, Order>(data + i * g.reduce * bytes, x.dtype, g.reduce);
      }
    });
    return;
  }
  const int64_t groups = ceilDivide(g.inner, kLanes);
  const Split parts = split(g.outer * groups, g.reduce * kLanes + 32);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t outer = i / groups, column = i % groups * kLanes;
      searchColumns<V, Order>(data + (outer * g.reduce * g.inner + column) * bytes, x.dtype, g.reduce, g.inner,
                              smaller(kLanes, g.inner - column), y + outer * g.inner + column);
    }
  });
}

template <class Order> void search(const Call& call, int64_t axis) {
  const Tensor& x = call.in[0];
  int32_t* y = call.out[0].as<int32_t>();
  isFloat(x.dtype) ? search<F32, Order>(x, axis, y) : search<I32, Order>(x, axis, y);
}

}  // namespace

void argmax(const Call& call) { search<Greatest>(call, attributesOf<attributes::argmax>(call).axis); }
void argmin(const Call& call) { search<Least>(call, attributesOf<attributes::argmin>(call).axis); }

}  // namespace neurite::cpu::NEURITE_ISA
