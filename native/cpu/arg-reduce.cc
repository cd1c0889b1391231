// argmax and argmin along one axis: the first of equals; a NaN wins both, so that x[argmin(x)] is min(x).
#include "../thread-pool.h"
#include "kernels.h"
#include "rows.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// Whether x beats the best so far, and the better of two.
struct Greatest {
  static NEURITE_INLINE Mask beats(F32 x, F32 best) { return less(best, x) | (isNan(x) & ~isNan(best)); }
  static NEURITE_INLINE Mask beats(I32 x, I32 best) { return less(best, x); }
  static NEURITE_INLINE F32 better(F32 a, F32 b) { return maximum(a, b); }
  static NEURITE_INLINE I32 better(I32 a, I32 b) { return select(less(a, b), b, a); }
};
struct Least {
  static NEURITE_INLINE Mask beats(F32 x, F32 best) { return less(x, best) | (isNan(x) & ~isNan(best)); }
  static NEURITE_INLINE Mask beats(I32 x, I32 best) { return less(x, best); }
  static NEURITE_INLINE F32 better(F32 a, F32 b) { return minimum(a, b); }
  static NEURITE_INLINE I32 better(I32 a, I32 b) { return select(less(b, a), b, a); }
};
NEURITE_INLINE Mask same(F32 a, F32 b) { return equal(a, b) | (isNan(a) & isNan(b)); }
NEURITE_INLINE Mask same(I32 a, I32 b) { return equal(a, b); }

constexpr int64_t kPiece = 1024;  // elements that are widened at a time

// A row piece by piece in the compute type: f(x, first, n) until it returns true.
template <class V, class F> NEURITE_INLINE void eachPiece(const char* data, DType dtype, int64_t n, F&& f) {
  const Convert widen = kWiden[static_cast<int>(dtype)];
  alignas(64) Lane<V> buffer[kPiece];
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t count = smaller(kPiece, n - i);
    const char* from = data + i * static_cast<int64_t>(dtypeBytes(dtype));
    if (widen) widen(from, buffer, count);
    if (f(widen ? buffer : reinterpret_cast<const Lane<V>*>(from), i, count)) return;
  }
}

// The best value, then the first place that has it: two plain passes over a row that is in the cache the second time.
template <class V, class Order> int32_t searchRow(const char* data, DType dtype, int64_t n) {
  V best[2] = {};
  eachPiece<V>(data, dtype, n, [&](const Lane<V>* x, int64_t first, int64_t count) {
    if (first == 0) best[0] = best[1] = broadcastLane(x[0]);
    int64_t i = 0;
    for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
      best[0] = Order::better(best[0], load(x + i));
      best[1] = Order::better(best[1], load(x + i + kLanes));
    }
    for (; i < count; i += kLanes)
      best[0] = Order::better(best[0], firstLanesOr(loadUpTo(x + i, count - i), best[0], count - i));
    return false;
  });
  const V wanted = broadcastLane(fold(
      Order::better(best[0], best[1]), [](V a, V b) __attribute__((always_inline)) { return Order::better(a, b); }));
  int64_t found = 0;
  eachPiece<V>(data, dtype, n, [&](const Lane<V>* x, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; i += kLanes) {
      const Mask hit = same(firstLanesOr(loadUpTo(x + i, count - i), broadcastLane(x[i]), count - i), wanted);
      if (!any(hit)) continue;
      const I32 places = select(hit, laneNumbers(), broadcastInt(kLanes));
      found = first + i +
              fold(
                  places, [](I32 a, I32 b) __attribute__((always_inline)) { return select(less(a, b), a, b); });
      return true;
    }
    return false;
  });
  return static_cast<int32_t>(found);
}

// Neighbouring columns that are searched together: the best so far stay in the first-level cache.
constexpr int64_t kPanel = 1024;

// The best of `rows` rows, and in which they are, counted from `first`.
template <class V, class Order>
void searchColumns(const char* data, DType dtype, int64_t first, int64_t rows, int64_t pitch, int64_t n, Lane<V>* best,
                   int32_t* where) {
  using T = Lane<V>;
  const Convert widen = kWiden[static_cast<int>(dtype)];
  const int64_t bytes = pitch * static_cast<int64_t>(dtypeBytes(dtype));
  alignas(64) T buffer[kPanel] = {};
  const int64_t together = widen ? 1 : 4;  // rows, between a load and a store of the best
  for (int64_t r = 0; r < rows; r += together) {
    const T* x = reinterpret_cast<const T*>(data + r * bytes);
    if (widen) {
      widen(data + r * bytes, buffer, n);
      x = buffer;
    }
    const int64_t end = smaller(rows, r + together);
    eachVector(
        n, EACH_VECTOR {
          V most = r == 0 ? loadUpTo(x + i, left) : load(best + i);
          I32 there = r == 0 ? broadcastInt(static_cast<int32_t>(first)) : load(where + i);
          for (int64_t k = r; k < end; ++k) {
            const V v = loadUpTo(x + (k - r) * pitch + i, left);
            prefetch(x + (k - r + kRowsAhead) * pitch + i);
            const Mask better = Order::beats(v, most);
            most = select(better, v, most);
            there = select(better, broadcastInt(static_cast<int32_t>(first + k)), there);
          }
          store(best + i, most);
          store(where + i, there);
        });
  }
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
  // Threads share rows too, so that what they read is contiguous: each piece has its best, of which the first best wins.
  const int64_t width = smaller(kPanel, roundUp(g.inner, kLanes)), panels = ceilDivide(g.inner, kPanel);
  const int64_t rows = 128 * kPanel / width, pieces = ceilDivide(g.reduce, rows), units = g.outer * panels * pieces;
  auto* best = static_cast<Lane<V>*>(scratch(static_cast<size_t>(units * width) * 8));
  auto* where = reinterpret_cast<int32_t*>(best + units * width);
  const Split parts = split(units, smaller(g.reduce, rows) * width + 32);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t panel = i / pieces, first = i % pieces * rows, column = panel % panels * kPanel;
      const int64_t place = (panel / panels * g.reduce + first) * g.inner + column;
      searchColumns<V, Order>(data + place * bytes, x.dtype, first, smaller(rows, g.reduce - first), g.inner,
                              smaller(kPanel, g.inner - column), best + i * width, where + i * width);
    }
  });
  const Split ends = split(g.outer * panels, pieces * width);
  parallelFor(ends.chunks, [&](int64_t chunk) {
    for (int64_t panel = ends.begin(chunk); panel < ends.end(chunk); ++panel) {
      const int64_t column = panel % panels * kPanel, n = smaller(kPanel, g.inner - column);
      int32_t* to = y + panel / panels * g.inner + column;
      eachVector(
          n, EACH_VECTOR {
            int64_t place = panel * pieces * width + i;
            V most = load(best + place);
            I32 there = load(where + place);
            for (int64_t k = 1; k < pieces; ++k) {
              place += width;
              const V next = load(best + place);
              const Mask better = Order::beats(next, most);
              most = select(better, next, most);
              there = select(better, load(where + place), there);
            }
            storeUpTo(to + i, there, left);
          });
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
