// One pass of a reduction over (outer, reduce, inner), for any operation.
//
// With inner = 1 a row is contiguous and is folded a vector at a time; otherwise rows of `inner` elements are combined.
// Long reductions are cut into slices whose number depends on the shape alone. Partial results meet as a balanced tree,
// so that the error of a float32 sum grows with the logarithm of its length.
//
// An operation Op names its compute type V and has identity(), combine(a, b), and map(x, param), which is applied to
// each element with a parameter of its output.
#pragma once
#include "../thread-pool.h"
#include "reduce.h"

namespace neurite::cpu::NEURITE_ISA {

constexpr int64_t kRowBlock =
    64 * kLanes;                      // elements of a contiguous run between two pushes to the tree: four chains of 16
constexpr int64_t kRowSlice = 32768;  // elements of a row that one chunk takes
constexpr int64_t kPanel = 1024;      // columns at a time: their accumulators stay in the first-level cache
constexpr int64_t kGroup = 2;         // rows that are read side by side: more streams than that are read slower
constexpr int64_t kFlush = 32;        // groups that meet in one accumulator
constexpr int64_t kColumnSlice = 2048;  // rows that one chunk takes

// How a pass is cut; `partials` values per output wait in scratch when it is more than one.
struct Plan {
  int64_t slice, slices;
};
inline Plan planOf(const Geometry& g) {
  if (g.inner == 0) return {g.reduce, 1};  // no outputs
  const int64_t most =
      g.inner == 1 ? kRowSlice : larger(kGroup * kFlush, smaller(kColumnSlice, 4 * kRowSlice / g.inner));
  if (g.reduce <= most) return {g.reduce, 1};
  return {most, ceilDivide(g.reduce, most)};
}
inline int64_t partialBytes(const Geometry& g) {
  const Plan plan = planOf(g);
  return plan.slices == 1 ? 0 : roundUp(plan.slices * g.outer * g.inner * 4, 64);
}

template <class Op> using LaneOfOp = Lane<typename Op::V>;
template <class T> constexpr DType kStoredAs = DType::int32;
template <> constexpr DType kStoredAs<float> = DType::float32;

// A contiguous run of at most kRowBlock elements.
template <class Op> NEURITE_INLINE typename Op::V reduceBlock(const LaneOfOp<Op>* x, int64_t n, typename Op::V param) {
  using V = typename Op::V;
  V acc[4] = {Op::identity(), Op::identity(), Op::identity(), Op::identity()};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    NEURITE_UNROLL
    for (int k = 0; k < 4; ++k) acc[k] = Op::combine(acc[k], Op::map(load(x + i + k * kLanes), param));
  }
  for (; i + kLanes <= n; i += kLanes) acc[0] = Op::combine(acc[0], Op::map(load(x + i), param));
  if (i < n)
    acc[1] = Op::combine(acc[1], firstLanesOr(Op::map(loadPartial(x + i, n - i), param), Op::identity(), n - i));
  return Op::combine(Op::combine(acc[0], acc[1]), Op::combine(acc[2], acc[3]));
}

// A contiguous run of any length.
template <class Op> LaneOfOp<Op> reduceRun(const char* data, DType dtype, int64_t n, LaneOfOp<Op> param) {
  const auto params = broadcastLane(param);
  const Convert widen = kWiden[static_cast<int>(dtype)];
  alignas(64) LaneOfOp<Op> buffer[kRowBlock];
  const auto block = [&](int64_t count) {
    const LaneOfOp<Op>* x = reinterpret_cast<const LaneOfOp<Op>*>(data);
    if (widen) {
      widen(data, buffer, count);
      x = buffer;
    }
    data += count * static_cast<int64_t>(dtypeBytes(dtype));
    return reduceBlock<Op>(x, count, params);
  };
  const auto combine = [](typename Op::V a, typename Op::V b) __attribute__((always_inline)) {
    return Op::combine(a, b);
  };
  if (n <= kRowBlock) return fold(block(n), combine);
  Tree<Op> tree;
  for (int64_t i = 0; i < n; i += kRowBlock) tree.push(block(smaller(kRowBlock, n - i)));
  return fold(tree.result(), combine);
}

// `count` <= kLanes rows of n <= kLanes elements, side by side.
template <class Op>
void reduceShortRows(const char* data, DType dtype, int64_t count, int64_t n, const LaneOfOp<Op>* params,
                     LaneOfOp<Op>* result) {
  using V = typename Op::V;
  alignas(64) float wide[kLanes * kLanes], columns[kLanes * kLanes];
  const Convert widen = kWiden[static_cast<int>(dtype)];
  if (widen) widen(data, wide, count * n);
  rowsToColumns(widen ? wide : reinterpret_cast<const float*>(data), n, count, n, columns);
  const V param = params ? loadUpTo(params, count) : V{};
  const auto* x = reinterpret_cast<const LaneOfOp<Op>*>(columns);
  V acc = Op::identity();
  for (int64_t j = 0; j < n; ++j) acc = Op::combine(acc, Op::map(load(x + j * kLanes), param));
  storeUpTo(result, acc, count);
}

// acc[j] = combine(acc[j], x[0][j], …, x[rows - 1][j]) for j < width, while the rows after those are on their way.
template <class Op, int rows>
void addRows(const LaneOfOp<Op>* x, int64_t pitch, int64_t width, const LaneOfOp<Op>* params, LaneOfOp<Op>* acc) {
  using V = typename Op::V;
  eachVector(
      width, [&](int64_t j, int64_t left) __attribute__((always_inline)) {
        const V param = params ? load(params + j) : V{};
        V v[rows];
        NEURITE_UNROLL
        for (int r = 0; r < rows; ++r) {
          prefetch(x + (rows + r) * pitch + j);
          v[r] = Op::map(loadUpTo(x + r * pitch + j, left), param);
        }
        NEURITE_UNROLL
        for (int span = 1; span < rows; span *= 2) {
          for (int r = 0; r + span < rows; r += 2 * span) v[r] = Op::combine(v[r], v[r + span]);
        }
        store(acc + j, Op::combine(load(acc + j), v[0]));
      });
}

template <class Op> void clear(LaneOfOp<Op>* acc, int64_t width) {
  for (int64_t j = 0; j < width; j += kLanes) store(acc + j, Op::identity());
}

// Rows [begin, end) of `width` columns at x, `pitch` elements apart, into result. params and result hold a multiple
// of kLanes.
template <class Op>
void reducePanel(const char* data, DType dtype, int64_t pitch, int64_t rows, int64_t width, const LaneOfOp<Op>* params,
                 LaneOfOp<Op>* result) {
  using T = LaneOfOp<Op>;
  const Convert widen = kWiden[static_cast<int>(dtype)];
  const int64_t bytes = static_cast<int64_t>(dtypeBytes(dtype)) * pitch;
  alignas(64) T near[kPanel], buffer[kGroup * kPanel];
  clear<Op>(near, width);
  clear<Op>(result, width);
  const auto flush = [&] {
    for (int64_t j = 0; j < width; j += kLanes) store(result + j, Op::combine(load(result + j), load(near + j)));
  };
  int64_t groups = 0;
  for (int64_t r = 0; r < rows;) {
    const int64_t count = rows - r >= kGroup ? kGroup : 1;
    const T* x = reinterpret_cast<const T*>(data + r * bytes);
    int64_t step = pitch;
    if (widen) {
      for (int64_t i = 0; i < count; ++i) widen(data + (r + i) * bytes, buffer + i * kPanel, width);
      x = buffer;
      step = kPanel;
    }
    if (count == kGroup)
      addRows<Op, kGroup>(x, step, width, params, near);
    else
      addRows<Op, 1>(x, step, width, params, near);
    r += count;
    if (++groups % kFlush == 0) {
      flush();
      clear<Op>(near, width);
    }
  }
  flush();
}

// The same for few columns: `fold` rows become one, and their groups of columns meet at the end.
template <class Op>
void reduceNarrow(const char* data, DType dtype, int64_t inner, int64_t rows, const LaneOfOp<Op>* params,
                  LaneOfOp<Op>* result) {
  using T = LaneOfOp<Op>;
  const int64_t together = larger(1, smaller(rows, kPanel / inner)), width = together * inner;
  alignas(64) T repeated[kPanel], acc[kPanel], rest[kPanel];
  if (params) {
    for (int64_t i = 0; i < width; ++i) repeated[i] = params[i % inner];
    for (int64_t i = width; i < roundUp(width, kLanes); ++i) repeated[i] = T{};
  }
  const T* wide = params ? repeated : nullptr;
  reducePanel<Op>(data, dtype, width, rows / together, width, wide, acc);
  if (const int64_t more = rows % together * inner; more > 0) {
    const char* tail = data + (rows - rows % together) * inner * static_cast<int64_t>(dtypeBytes(dtype));
    reducePanel<Op>(tail, dtype, more, 1, more, wide, rest);
    for (int64_t j = 0; j < more; j += kLanes) {
      store(acc + j, Op::combine(load(acc + j), firstLanesOr(load(rest + j), Op::identity(), more - j)));
    }
  }
  for (int64_t groups = together; groups > 1;) {
    const int64_t kept = (groups + 1) / 2, moved = (groups - kept) * inner;
    for (int64_t j = 0; j < moved; j += kLanes) {
      const auto sum = Op::combine(load(acc + j), loadPartial(acc + kept * inner + j, moved - j));
      storePartial(acc + j, sum, moved - j);
    }
    groups = kept;
  }
  for (int64_t j = 0; j < inner; ++j) result[j] = acc[j];
}

// One slice of rows of one outer index, columns [column, column + width).
template <class Op>
void reduceColumns(const Geometry& g, int64_t outer, int64_t row, int64_t rows, int64_t column, int64_t width,
                   const LaneOfOp<Op>* params, LaneOfOp<Op>* result) {
  using T = LaneOfOp<Op>;
  const int64_t bytes = static_cast<int64_t>(dtypeBytes(g.dtype));
  const char* data = static_cast<const char*>(g.data) + ((outer * g.reduce + row) * g.inner + column) * bytes;
  if (g.inner <= kPanel / 2) return reduceNarrow<Op>(data, g.dtype, g.inner, rows, params, result);
  alignas(64) T padded[kPanel], acc[kPanel];
  if (params) {
    for (int64_t j = 0; j < width; ++j) padded[j] = params[j];
    for (int64_t j = width; j < roundUp(width, kLanes); ++j) padded[j] = T{};
  }
  reducePanel<Op>(data, g.dtype, g.inner, rows, width, params ? padded : nullptr, acc);
  memcpy(result, acc, static_cast<size_t>(width) * sizeof(T));
}

// result (outer, inner) = the reduction of g, with params (outer, inner) or null for the map. `partials` is
// partialBytes(g) long.
template <class Op> void reduceTo(const Geometry& g, const void* params, void* result, void* partials) {
  using T = LaneOfOp<Op>;
  const Plan plan = planOf(g);
  const int64_t outputs = g.outer * g.inner;
  if (outputs == 0) return;
  T* const to = static_cast<T*>(plan.slices == 1 ? result : partials);
  const T* param = static_cast<const T*>(params);
  if (g.inner == 1 && g.reduce <= kLanes) {
    const Split parts = split(ceilDivide(g.outer, kLanes), (g.reduce + 8) * kLanes);
    const int64_t bytes = static_cast<int64_t>(dtypeBytes(g.dtype));
    parallelFor(parts.chunks, [&](int64_t chunk) {
      for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
        const int64_t row = i * kLanes;
        reduceShortRows<Op>(static_cast<const char*>(g.data) + row * g.reduce * bytes, g.dtype,
                            smaller(kLanes, g.outer - row), g.reduce, param ? param + row : nullptr, to + row);
      }
    });
  } else if (g.inner == 1) {
    const Split parts = split(g.outer * plan.slices, plan.slice + 8);
    const int64_t bytes = static_cast<int64_t>(dtypeBytes(g.dtype));
    parallelFor(parts.chunks, [&](int64_t chunk) {
      for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
        const int64_t outer = plan.slices == 1 ? i : i / plan.slices, begin = (i - outer * plan.slices) * plan.slice;
        to[i] = reduceRun<Op>(static_cast<const char*>(g.data) + (outer * g.reduce + begin) * bytes, g.dtype,
                              smaller(plan.slice, g.reduce - begin), param ? param[outer] : T{});
      }
    });
  } else {
    const int64_t panels = g.inner <= kPanel / 2 ? 1 : ceilDivide(g.inner, kPanel);
    const int64_t panel = panels == 1 ? g.inner : kPanel;
    const Split parts = split(g.outer * plan.slices * panels, plan.slice * panel + 32);
    parallelFor(parts.chunks, [&](int64_t chunk) {
      for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
        const int64_t column = i % panels * panel, outer = i / (panels * plan.slices), slice = i / panels % plan.slices;
        const int64_t row = slice * plan.slice, width = smaller(panel, g.inner - column);
        reduceColumns<Op>(g, outer, row, smaller(plan.slice, g.reduce - row), column, width,
                          param ? param + outer * g.inner + column : nullptr,
                          to + (outer * plan.slices + slice) * g.inner + column);
      }
    });
  }
  if (plan.slices == 1) return;
  // The slices' results, which are few, as one more reduction, without the map.
  struct Meet : Op {
    static NEURITE_INLINE typename Op::V map(typename Op::V x, typename Op::V) { return x; }
  };
  const T* slices = static_cast<const T*>(partials);
  const Split parts = split(outputs, plan.slices);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk);) {
      const int64_t outer = i / g.inner, column = i % g.inner;
      const T* x = slices + outer * plan.slices * g.inner + column;
      if (g.inner == 1) {
        static_cast<T*>(result)[i++] =
            reduceRun<Meet>(reinterpret_cast<const char*>(x), kStoredAs<T>, plan.slices, T{});
        continue;
      }
      const int64_t n = smaller(smaller(kLanes, g.inner - column), parts.end(chunk) - i);
      Tree<Op> tree;
      for (int64_t s = 0; s < plan.slices; ++s) tree.push(loadPartial(x + s * g.inner, n));
      storePartial(static_cast<T*>(result) + i, tree.result(), n);
      i += n;
    }
  });
}

// Two reductions in a row of float32 values, the second with finish(first result) as its parameter, which is left in `first`: row
// by row while a row is in the caches and the beginning of the next is on its way, where rows are contiguous and not cut.
template <class First, class Second, class F>
void reduceTwice(const Geometry& g, float* first, float* second, void* partials, F&& finish) {
  if (g.inner == 1 && g.reduce > kLanes && planOf(g).slices == 1) {
    const Split rows = split(g.outer, 2 * g.reduce + 16);
    const int64_t bytes = g.reduce * static_cast<int64_t>(dtypeBytes(g.dtype));
    parallelFor(rows.chunks, [&](int64_t chunk) {
      for (int64_t i = rows.begin(chunk); i < rows.end(chunk); ++i) {
        const char* row = static_cast<const char*>(g.data) + i * bytes;
        first[i] = finish(reduceRun<First>(row, g.dtype, g.reduce, 0.0f));
        prefetchRun(row + bytes, smaller(bytes, 4096));
        second[i] = reduceRun<Second>(row, g.dtype, g.reduce, first[i]);
      }
    });
    return;
  }
  reduceTo<First>(g, nullptr, first, partials);
  for (int64_t i = 0; i < g.outer * g.inner; ++i) first[i] = finish(first[i]);
  reduceTo<Second>(g, first, second, partials);
}

}  // namespace neurite::cpu::NEURITE_ISA
