// softmax and logSoftmax with their gradients, along any axis.
//
// A row is read once from memory and stays in the caches: maximum, exponentials and their sum, result. The row after it
// is fetched meanwhile, half with the sum and half with the result, so that memory is read while it is written. Large results bypass the caches; their exponentials wait in a buffer. With inner > 1 the "row" is
// a column, and panels of neighbouring columns are handled at once; those that no cache holds are read twice, and the exponentials are made
// twice, rather than written and read again.
#include <type_traits>

#include "../thread-pool.h"
#include "kernels.h"
#include "rows.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

struct Forward {
  bool logarithm;
};
struct Backward {
  bool logarithm;
};

// ---- One contiguous row of float32. With `stream` y bypasses the caches, and `held` has room for n values; else it is y.

constexpr int64_t kHeld = 1 << 16;  // the longest row that is held back: 256 KiB

void row(Forward f, const float* x, const float*, float* y, int64_t n, float* held, bool stream) {
  const F32 max = broadcast(rowMaximum(x, n));
  if (f.logarithm) {
    const float total = sumOver(
        n, [&](int64_t i, int64_t left) __attribute__((always_inline)) {
          prefetch(x + n + i / 2);
          return firstLanesOr(expOfNegative(loadUpTo(x + i, left) - max), zeros(), left);
        });
    const F32 shift = log(broadcast(total));
    eachVector(
        n, EACH_VECTOR {
          prefetch(x + n + (n + i) / 2);
          storeResult<F32>(y + i, (loadUpTo(x + i, left) - max) - shift, left, stream);
        });
  } else {
    const float total = sumOver(
        n, [&](int64_t i, int64_t left) __attribute__((always_inline)) {
          prefetch(x + n + i / 2);
          const F32 e = expOfNegative(loadUpTo(x + i, left) - max);
          storeUpTo(held + i, e, left);
          return firstLanesOr(e, zeros(), left);
        });
    const F32 scale = broadcast(1.0f / total);
    eachVector(
        n, EACH_VECTOR {
          prefetch(x + n + (n + i) / 2);
          storeResult<F32>(y + i, loadUpTo(held + i, left) * scale, left, stream);
        });
  }
}

// softmax: y (dy - sum(dy y)). logSoftmax: dy - e^y sum(dy).
void row(Backward f, const float* dy, const float* y, float* dx, int64_t n, const float*, bool stream) {
  if (f.logarithm) {
    const F32 total = broadcast(sumOver(
        n, [&](int64_t i, int64_t left) __attribute__((always_inline)) { return loadUpTo(dy + i, left); }));
    eachVector(
        n, EACH_VECTOR {
          storeResult<F32>(dx + i, loadUpTo(dy + i, left) - exp(loadUpTo(y + i, left)) * total, left, stream);
        });
  } else {
    const F32 total = broadcast(sumOver(
        n, [&](int64_t i, int64_t left)
               __attribute__((always_inline)) { return loadUpTo(dy + i, left) * loadUpTo(y + i, left); }));
    eachVector(
        n, EACH_VECTOR {
          storeResult<F32>(dx + i, loadUpTo(y + i, left) * (loadUpTo(dy + i, left) - total), left, stream);
        });
  }
}

// ---- Up to `vectors` vectors of n neighbouring columns of `rows` float32, `pitch` apart.

NEURITE_INLINE F32 element(const float* x, int64_t i, int64_t pitch, int64_t left) {
  prefetch(x + i + kRowsAhead * pitch);
  return loadUpTo(x + i, left);
}

template <int vectors>
void columns(Forward f, const float* x, const float*, float* y, int64_t rows, int64_t pitch, int64_t n) {
  F32 max[vectors], total[vectors];
  columnMaxima<vectors>(x, rows, pitch, n, max);
  const auto exponentials = [&](int64_t r, int64_t i, int64_t left) __attribute__((always_inline)) {
    return expOfNegative(element(x, r * pitch + i, pitch, left) - max[i / kLanes]);
  };
  if (f.logarithm) {
    columnSums<vectors>(rows, n, total, exponentials);
    for (int v = 0; v < vectors; ++v) total[v] = log(total[v]);
  } else {
    columnSums<vectors>(
        rows, n, total, [&](int64_t r, int64_t i, int64_t left) __attribute__((always_inline)) {
          const F32 e = exponentials(r, i, left);
          storeUpTo(y + r * pitch + i, e, left);
          return e;
        });
    for (int v = 0; v < vectors; ++v) total[v] = broadcast(1.0f) / total[v];
  }
  for (int64_t r = 0; r < rows; ++r)
    eachVector(
        n, EACH_VECTOR {
          const int64_t v = i / kLanes, place = r * pitch + i;
          storeUpTo(y + place,
                    f.logarithm ? (element(x, place, pitch, left) - max[v]) - total[v]
                                : element(y, place, pitch, left) * total[v],
                    left);
        });
}

// The largest of a column's numbers, and the sum of e^(x - largest), of a piece of its rows.
struct ColumnTotal {
  struct V {
    F32 max, total;
  };
  // What is subtracted: -Inf - -Inf would be NaN, where the rows that follow may be finite.
  static NEURITE_INLINE F32 shift(F32 max) { return select(equal(max, broadcast(-__builtin_inff())), zeros(), max); }
  static NEURITE_INLINE V identity() { return {broadcast(-__builtin_inff()), zeros()}; }
  static NEURITE_INLINE V combine(V a, V b) {
    const F32 max = secondIfUnorderedMax(a.max, b.max), by = shift(max);
    return {max, a.total * expOfNegative(a.max - by) + b.total * expOfNegative(b.max - by)};
  }
};

constexpr int64_t kCachedPanel = 1 << 18;  // bytes of a panel that is still there after a pass

// Columns of which no cache holds a panel, of float32: threads share rows too, so that what they read is contiguous.
void tallColumns(Forward f, const Geometry& g, const float* x, float* y, bool stream) {
  constexpr int64_t kWidth = 1024, kRows = 32;  // 128 KiB, which are read twice
  constexpr int64_t kPieceRows = 8 * kRows;
  constexpr int kVectors = static_cast<int>(kWidth / kLanes);
  const int64_t panels = ceilDivide(g.inner, kWidth), pieces = ceilDivide(g.reduce, kPieceRows);
  const int64_t width = smaller(kWidth, roundUp(g.inner, kLanes));
  // Of each piece of each panel, then of each panel: maxima and sums of its columns.
  auto* totals = static_cast<float*>(scratch(static_cast<size_t>(g.outer * panels * (pieces + 1) * 2 * width) * 4));
  float* whole = totals + g.outer * panels * pieces * 2 * width;
  const auto eachPiece = [&](auto&& work) {
    const Split parts = split(g.outer * panels * pieces, smaller(g.reduce, kPieceRows) * width * kHeavy);
    parallelFor(parts.chunks, [&](int64_t chunk) {
      for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
        const int64_t panel = i / pieces, row = i % pieces * kPieceRows, column = panel % panels * kWidth;
        const int64_t place = (panel / panels * g.reduce + row) * g.inner + column;
        work(i, panel, place, smaller(kPieceRows, g.reduce - row), smaller(kWidth, g.inner - column));
      }
      if (stream) streamFence();
    });
  };
  eachPiece([&](int64_t i, int64_t, int64_t place, int64_t rows, int64_t n) {
    ColumnTotal::V sum[kVectors];
    for (ColumnTotal::V& s : sum) s = ColumnTotal::identity();
    for (int64_t begin = 0; begin < rows; begin += kRows) {
      const int64_t count = smaller(kRows, rows - begin);
      const float* block = x + place + begin * g.inner;
      F32 max[kVectors], total[kVectors];
      columnMaxima<kVectors>(block, count, g.inner, n, max);
      for (F32& t : total) t = zeros();
      for (int64_t r = 0; r < count; ++r)
        eachVector(
            n, EACH_VECTOR {
              const int64_t v = i / kLanes;
              total[v] += expOfNegative(loadUpTo(block + r * g.inner + i, left) - ColumnTotal::shift(max[v]));
            });
      for (int64_t v = 0; v * kLanes < n; ++v) sum[v] = ColumnTotal::combine(sum[v], {max[v], total[v]});
    }
    for (int64_t v = 0; v * kLanes < n; ++v) {
      store(totals + (2 * i) * width + v * kLanes, sum[v].max);
      store(totals + (2 * i + 1) * width + v * kLanes, sum[v].total);
    }
  });
  parallelFor(g.outer * panels, [&](int64_t panel) {
    for (int64_t column = 0; column < smaller(width, g.inner - panel % panels * kWidth); column += kLanes) {
      Tree<ColumnTotal> tree;
      for (int64_t i = panel * pieces; i < (panel + 1) * pieces; ++i)
        tree.push({load(totals + 2 * i * width + column), load(totals + (2 * i + 1) * width + column)});
      const ColumnTotal::V sum = tree.result();
      store(whole + 2 * panel * width + column, sum.max);
      store(whole + (2 * panel + 1) * width + column, f.logarithm ? log(sum.total) : broadcast(1.0f) / sum.total);
    }
  });
  eachPiece([&](int64_t, int64_t panel, int64_t place, int64_t rows, int64_t n) {
    const float *max = whole + 2 * panel * width, *last = max + width;
    for (int64_t r = 0; r < rows; ++r)
      eachVector(
          n, EACH_VECTOR {
            const F32 d = element(x, place + r * g.inner + i, g.inner, left) - loadUpTo(max + i, left);
            const F32 t = loadUpTo(last + i, left);
            storeResult<F32>(y + place + r * g.inner + i, f.logarithm ? d - t : expOfNegative(d) * t, left, stream);
          });
  });
}

template <int vectors>
void columns(Backward f, const float* dy, const float* y, float* dx, int64_t rows, int64_t pitch, int64_t n) {
  F32 total[vectors];
  columnSums<vectors>(
      rows, n, total, [&](int64_t r, int64_t i, int64_t left) __attribute__((always_inline)) {
        const F32 d = element(dy, r * pitch + i, pitch, left);
        return f.logarithm ? d : d * element(y, r * pitch + i, pitch, left);
      });
  for (int64_t r = 0; r < rows; ++r)
    eachVector(
        n, EACH_VECTOR {
          const int64_t place = r * pitch + i;
          const F32 d = element(dy, place, pitch, left), v = element(y, place, pitch, left), sum = total[i / kLanes];
          storeUpTo(dx + place, f.logarithm ? d - exp(v) * sum : v * (d - sum), left);
        });
}

// ---- Both, over whole tensors: one or two inputs of one float dtype.

template <class Direction> void run(const Call& call, int64_t axis, Direction direction) {
  const Geometry g = geometryOf(call.in[0], axis);
  const bool two = call.inputs == 2;
  if (call.in[0].size() == 0) return;
  const Convert widen = kWiden[static_cast<int>(g.dtype)], narrow = kNarrow[static_cast<int>(g.dtype)];
  const int64_t bytes = static_cast<int64_t>(dtypeBytes(g.dtype));
  const char *a = call.in[0].as<const char>(), *b = two ? call.in[1].as<const char>() : nullptr;
  char* y = call.out[0].as<char>();
  const auto at = [](const char* p, int64_t element) { return reinterpret_cast<const float*>(p) + element; };
  if (g.inner == 1 && g.reduce <= kLanes) {  // short rows: kLanes of them side by side
    const Split parts = split(ceilDivide(g.outer, kLanes), (g.reduce + 2) * kLanes * kHeavy);
    parallelFor(parts.chunks, [&](int64_t chunk) {
      constexpr int64_t kBlockSize = kLanes * kLanes;
      alignas(64) float wide[2][kBlockSize], turned[3][kBlockSize], result[kBlockSize];
      for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
        const int64_t count = smaller(kLanes, g.outer - i * kLanes), place = i * kLanes * g.reduce,
                      size = count * g.reduce;
        for (int k = 0; k < (two ? 2 : 1); ++k) {
          const char* from = k ? b : a;
          if (widen) widen(from + place * bytes, wide[k], size);
          rowsToColumns(widen ? wide[k] : at(from, place), g.reduce, count, g.reduce, turned[k]);
        }
        columns<1>(direction, turned[0], turned[1], turned[2], g.reduce, kLanes, kLanes);
        columnsToRows(turned[2], widen ? result : reinterpret_cast<float*>(y) + place, g.reduce, count, g.reduce);
        if (widen) narrow(result, y + place * bytes, size);
      }
    });
    return;
  }
  if (g.inner == 1) {
    const Split parts = split(g.outer, (g.reduce + 8) * kHeavy);
    const bool stream = !widen && streams(call.out[0]) && g.reduce % kLanes == 0 && g.reduce <= kHeld;
    parallelFor(parts.chunks, [&](int64_t chunk) {
      const int64_t pitch = roundUp(g.reduce, kLanes);
      float* buffer =
          widen || stream ? static_cast<float*>(threadScratch(static_cast<size_t>(3 * pitch) * 4)) : nullptr;
      for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
        const int64_t place = i * g.reduce;
        if (!widen) {
          float* to = reinterpret_cast<float*>(y) + place;
          row(direction, at(a, place), two ? at(b, place) : nullptr, to, g.reduce, stream ? buffer : to, stream);
          continue;
        }
        widen(a + place * bytes, buffer, g.reduce);
        if (two) widen(b + place * bytes, buffer + pitch, g.reduce);
        float* to = buffer + 2 * pitch;
        row(direction, buffer, buffer + pitch, to, g.reduce, to, false);
        narrow(to, y + place * bytes, g.reduce);
      }
      if (stream) streamFence();
    });
    return;
  }
  // Panels of columns; where there are few, narrower ones, so that more threads have some.
  const int64_t shares = ceilDivide(4, g.outer),
                panel = smaller(kColumnVectors * kLanes, roundUp(ceilDivide(g.inner, shares), kLanes)),
                panels = ceilDivide(g.inner, panel);
  if constexpr (std::is_same_v<Direction, Forward>) {
    if (!widen && g.reduce * panel * 4 > kCachedPanel) {
      const bool stream = streams(call.out[0]) && g.inner % kLanes == 0;
      return tallColumns(direction, g, at(a, 0), reinterpret_cast<float*>(y), stream);
    }
  }
  const Split parts = split(g.outer * panels, (g.reduce + 2) * panel * kHeavy);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    const int64_t block = g.reduce * panel;
    float* buffer = widen ? static_cast<float*>(threadScratch(static_cast<size_t>(3 * block) * 4)) : nullptr;
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t column = i % panels * panel, n = smaller(panel, g.inner - column);
      const int64_t place = i / panels * g.reduce * g.inner + column;
      if (!widen) {
        columns<kColumnVectors>(direction, at(a, place), two ? at(b, place) : nullptr,
                                reinterpret_cast<float*>(y) + place, g.reduce, g.inner, n);
        continue;
      }
      for (int64_t r = 0; r < g.reduce; ++r) {
        widen(a + (place + r * g.inner) * bytes, buffer + r * panel, n);
        if (two) widen(b + (place + r * g.inner) * bytes, buffer + block + r * panel, n);
      }
      columns<kColumnVectors>(direction, buffer, buffer + block, buffer + 2 * block, g.reduce, panel, n);
      for (int64_t r = 0; r < g.reduce; ++r)
        narrow(buffer + 2 * block + r * panel, y + (place + r * g.inner) * bytes, n);
    }
  });
}

}  // namespace

void softmax(const Call& call) { run(call, attributesOf<attributes::softmax>(call).axis, Forward{false}); }
void logSoftmax(const Call& call) { run(call, attributesOf<attributes::logSoftmax>(call).axis, Forward{true}); }
void softmaxGrad(const Call& call) { run(call, attributesOf<attributes::softmaxGrad>(call).axis, Backward{false}); }
void logSoftmaxGrad(const Call& call) {
  run(call, attributesOf<attributes::logSoftmaxGrad>(call).axis, Backward{true});
}

}  // namespace neurite::cpu::NEURITE_ISA
