// Pooling over 1 to 3 spatial axes of channels-last tensors, and its gradients.
//
// All are (N, D, H, W, C) with missing axes of size 1. An output pixel reads the pixels of its window, kTile vectors of channels
// at a time. Gradients gather: an input pixel adds up, in order, what the windows that hold it give, so nothing is written twice.
#include "../thread-pool.h"
#include "channel-tiles.h"
#include "floats.h"
#include "kernels.h"
#include "maxima.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

constexpr int kPixels = 64;  // chunks are multiples of this many, to pay for their start

struct Range {
  int64_t begin, end;
};

// One spatial axis.
struct Axis {
  int64_t in = 1, out = 1, window = 1, stride = 1, before = 0;

  // Input places of the window of output place o, before it is clipped.
  int64_t start(int64_t o) const { return stride > 0 ? o * stride - before : o * in / out; }
  // The same, clipped.
  Range covered(int64_t o) const {
    if (stride == 0) return {o * in / out, ceilDivide((o + 1) * in, out)};
    return {larger(0, start(o)), smaller(in, start(o) + window)};
  }
  // Output places whose windows hold input place i.
  Range covering(int64_t i) const {
    if (stride == 0) return {i * out / in, ceilDivide((i + 1) * out, in)};
    const int64_t last = (i + before) / stride, behind = i + before - window;
    return {behind < 0 ? 0 : behind / stride + 1, smaller(out, last + 1)};
  }
};

struct Geometry {
  int64_t batch = 1, channels = 1;
  Axis axes[3];

  template <class A> Geometry(const A& a, const Tensor& x, const Tensor& y) : batch(x.dims[0]) {
    const int spatial = x.rank - 2, skip = 3 - spatial;
    channels = x.dims[x.rank - 1];
    for (int i = 0; i < spatial; ++i)
      axes[skip + i] = {x.dims[1 + i], y.dims[1 + i], a.window[i], a.strides[i], a.before[i]};
  }
  int64_t window() const { return axes[0].window * axes[1].window * axes[2].window; }
};

// The cells of a window that lies whole inside of the input: their distances in elements from its first. Windows of more
// than kMost cells have none.
struct Cells {
  static constexpr int64_t kMost = 64;
  int64_t count = 0, offset[kMost];

  explicit Cells(const Geometry& g) {
    const auto& [D, H, W] = g.axes;
    if (g.window() > kMost) return;
    for (int64_t i = 0; i < D.window; ++i) {
      for (int64_t j = 0; j < H.window; ++j) {
        for (int64_t k = 0; k < W.window; ++k) offset[count++] = ((i * H.in + j) * W.in + k) * g.channels;
      }
    }
  }
};

// What every row asks of its axis, worked out once, in scratch memory: its divisions would cost more than a pixel's channels.
struct RowPlan {
  Range* covering;          // of each place of the input
  int64_t *start, *length;  // of each window: before it is clipped, and after

  explicit RowPlan(const Axis& axis) {
    covering = static_cast<Range*>(
        scratch(static_cast<size_t>(axis.in) * sizeof(Range) + static_cast<size_t>(2 * axis.out) * sizeof(int64_t)));
    start = reinterpret_cast<int64_t*>(covering + axis.in), length = start + axis.out;
    for (int64_t i = 0; i < axis.in; ++i) covering[i] = axis.covering(i);
    for (int64_t o = 0; o < axis.out; ++o) {
      const Range r = axis.covered(o);
      start[o] = axis.start(o), length[o] = r.end - r.begin;
    }
  }
};

// Calls row(n, d, h, wBegin, wEnd) for pixels [begin, end) of (N, d, h, w).
template <class F> void forRows(int64_t begin, int64_t end, int64_t d, int64_t h, int64_t w, F&& row) {
  for (int64_t p = begin; p < end;) {
    const int64_t from = p % w, to = smaller(w, from + end - p), line = p / w;
    row(line / (d * h), line / h % d, line % h, from, to);
    p += to - from;
  }
}

// ---- Forward: reducers of the pixels of a window

struct Sum {
  static constexpr bool positions = false;
  F32 total[kTile];
  NEURITE_INLINE explicit Sum(int32_t) {
    for (F32& t : total) t = zeros();
  }
  NEURITE_INLINE void add(int k, F32 v, int32_t) { total[k] += v; }
  NEURITE_INLINE F32 result(int k, F32 scale) const { return total[k] * scale; }
};

template <class Reducer, bool average, class T, class P>
void pool(const Geometry& g, const T* x, const Tensor& output, P* position) {
  const Axis &D = g.axes[0], &H = g.axes[1], &W = g.axes[2];
  const int64_t C = g.channels, cells = g.window();
  T* const y = output.as<T>();
  const Cells whole(g);
  const bool stream = streams(output, C);
  const Split parts = split(g.batch * D.out * H.out * W.out, (C + kLanes) * cells, kPixels);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    const auto row = [&](int64_t n, int64_t od, int64_t oh, int64_t from, int64_t to) {
      const Range d = D.covered(od), h = H.covered(oh);
      const int64_t planes = (d.end - d.begin) * (h.end - h.begin);
      const int64_t place = ((n * D.out + od) * H.out + oh) * W.out;
      for (int64_t ow = from; ow < to; ++ow) {
        const Range w = W.covered(ow);
        const T* const first = x + (((n * D.in + d.begin) * H.in + h.begin) * W.in + w.begin) * C;
        const bool inside = whole.count > 0 && planes * (w.end - w.begin) == cells;
        const F32 scale = broadcast(average ? 1.0f / static_cast<float>(planes * (w.end - w.begin)) : 1.0f);
        // Of the row's first pixel in the window.
        const auto numberOf = [&](int64_t i, int64_t j) {
          return static_cast<int32_t>(((i - D.start(od)) * H.window + (j - H.start(oh))) * W.window +
                                      (w.begin - W.start(ow)));
        };
        const auto tile = [&]<int vectors>(int64_t c, std::integral_constant<int, vectors>, int64_t left)
            __attribute__((always_inline)) {
          Reducer reducer(numberOf(d.begin, h.begin));
          for (int64_t cell = 0; inside && cell < whole.count; ++cell) {
            const T* pixel = first + whole.offset[cell] + c;
            unrolled<vectors>(
                EACH { reducer.add(v, loadFloats(pixel + v * kLanes, left), static_cast<int32_t>(cell)); });
          }
          for (int64_t i = inside ? d.end : d.begin; i < d.end; ++i) {
            for (int64_t j = h.begin; j < h.end; ++j) {
              const T* pixel = x + (((n * D.in + i) * H.in + j) * W.in + w.begin) * C + c;
              auto number = numberOf(i, j);
              for (int64_t k = w.begin; k < w.end; ++k, pixel += C, ++number) {
                unrolled<vectors>(EACH { reducer.add(v, loadFloats(pixel + v * kLanes, left), number); });
              }
            }
          }
          const int64_t at = (place + ow) * C + c;
          unrolled<vectors>(EACH {
            storeFloats(y + at + v * kLanes, reducer.result(v, scale), left, stream);
            if constexpr (Reducer::positions) storePosition(position + at + v * kLanes, reducer.at[v], left);
          });
        };
        forChannels(C, tile);
      }
    };
    forRows(parts.begin(chunk), parts.end(chunk), D.out, H.out, W.out, row);
    if (stream) streamFence();
  });
}

template <bool average, class A> void sums(const Call& call) {
  const Geometry g(attributesOf<A>(call), call.in[0], call.out[0]);
  withFloat(call.in[0].dtype,
            [&]<class T>(T) { pool<Sum, average, T, uint8_t>(g, call.in[0].as<const T>(), call.out[0], nullptr); });
}

// ---- Backward. `term(window's pixel, number of the input pixel in it, scale, vector)` is what a window gives.

template <bool average, class T, class Term> void unpool(const Geometry& g, const Tensor& output, Term&& term) {
  const Axis &D = g.axes[0], &H = g.axes[1], &W = g.axes[2];
  const int64_t C = g.channels;
  T* const dx = output.as<T>();
  const bool stream = streams(output, C);
  const RowPlan plan(W);
  const auto length = [](const Axis& axis, int64_t o) {
    const Range r = axis.covered(o);
    return r.end - r.begin;
  };
  const Split parts = split(g.batch * D.in * H.in * W.in, (C + kLanes) * 2, kPixels);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    const auto row = [&](int64_t n, int64_t id, int64_t ih, int64_t from, int64_t to) {
      const Range d = D.covering(id), h = H.covering(ih);
      T* at = dx + (((n * D.in + id) * H.in + ih) * W.in + from) * C;
      for (int64_t iw = from; iw < to; ++iw, at += C) {
        const Range w = plan.covering[iw];
        const auto tile = [&]<int vectors>(int64_t c, std::integral_constant<int, vectors>, int64_t left)
            __attribute__((always_inline)) {
          F32 total[kTile] = {};
          for (int64_t i = d.begin; i < d.end; ++i) {
            for (int64_t j = h.begin; j < h.end; ++j) {
              const int64_t planes = average ? length(D, i) * length(H, j) : 1;
              const int64_t line = ((n * D.out + i) * H.out + j) * W.out;
              const int64_t number = ((id - D.start(i)) * H.window + (ih - H.start(j))) * W.window + iw;
              for (int64_t k = w.begin; k < w.end; ++k) {
                const F32 scale = broadcast(average ? 1.0f / static_cast<float>(planes * plan.length[k]) : 1.0f);
                const auto place = static_cast<int32_t>(number - plan.start[k]);
                unrolled<vectors>(EACH { total[v] += term((line + k) * C + c + v * kLanes, place, scale, left); });
              }
            }
          }
          unrolled<vectors>(EACH { storeFloats(at + c + v * kLanes, total[v], left, stream); });
        };
        forChannels(C, tile);
      }
    };
    forRows(parts.begin(chunk), parts.end(chunk), D.in, H.in, W.in, row);
    if (stream) streamFence();
  });
}

template <bool average, class A> void sumsGrad(const Call& call) {
  const Geometry g(attributesOf<A>(call), call.out[0], call.in[0]);
  withFloat(call.in[0].dtype, [&]<class T>(T) {
    const T* dy = call.in[0].as<const T>();
    unpool<average, T>(
        g, call.out[0], [&](int64_t at, int32_t, F32 scale, int64_t left) __attribute__((always_inline)) {
          return loadFloats(dy + at, left) * scale;
        });
  });
}

// Windows that tile the input: each of its places is written once, by the window that holds it.
template <class T, class P> void maxGradOfTiles(const Geometry& g, const Cells& cells, const Call& call) {
  const Axis &D = g.axes[0], &H = g.axes[1], &W = g.axes[2];
  const int64_t C = g.channels;
  const T* dy = call.in[0].as<const T>();
  const P* position = call.in[1].as<const P>();
  T* dx = call.out[0].as<T>();
  const bool stream = streams(call.out[0], C);
  const Split parts = split(g.batch * D.out * H.out * W.out, (C + kLanes) * 2 * cells.count, kPixels);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    forRows(parts.begin(chunk), parts.end(chunk), D.out, H.out, W.out,
            [&](int64_t n, int64_t od, int64_t oh, int64_t from, int64_t to) {
              const int64_t line = ((n * D.out + od) * H.out + oh) * W.out;
              for (int64_t ow = from; ow < to; ++ow) {
                T* const first = dx + (((n * D.in + od * D.window) * H.in + oh * H.window) * W.in + ow * W.window) * C;
                const int64_t at = (line + ow) * C;
                const auto tile = [&]<int vectors>(int64_t c, std::integral_constant<int, vectors>, int64_t left)
                    __attribute__((always_inline)) {
                  F32 gradient[kTile];
                  I32 where[kTile];
                  unrolled<vectors>(EACH {
                    gradient[v] = loadFloats(dy + at + c + v * kLanes, left);
                    where[v] = loadPosition(position + at + c + v * kLanes, left);
                  });
                  for (int64_t cell = 0; cell < cells.count; ++cell) {
                    T* to = first + cells.offset[cell] + c;
                    const I32 number = broadcastInt(static_cast<int32_t>(cell));
                    unrolled<vectors>(EACH {
                      storeFloats(to + v * kLanes, select(equal(where[v], number), gradient[v], zeros()), left, stream);
                    });
                  }
                };
                forChannels(C, tile);
              }
            });
    if (stream) streamFence();
  });
}

template <class T, class P> void maxGrad(const Geometry& g, const Call& call) {
  const Cells cells(g);
  bool tiles = cells.count > 0;
  for (const Axis& axis : g.axes)
    tiles = tiles && axis.stride == axis.window && axis.before == 0 && axis.in == axis.out * axis.window;
  if (tiles) return maxGradOfTiles<T, P>(g, cells, call);
  const T* dy = call.in[0].as<const T>();
  const P* position = call.in[1].as<const P>();
  unpool<false, T>(
      g, call.out[0], [&](int64_t at, int32_t place, F32, int64_t left) __attribute__((always_inline)) {
        return select(equal(loadPosition(position + at, left), broadcastInt(place)), loadFloats(dy + at, left),
                      zeros());
      });
}

}  // namespace

void maxPool(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0], &position = call.out[1];
  const Geometry g(attributesOf<attributes::maxPool>(call), x, y);
  withFloat(x.dtype, [&]<class T>(T) {
    if (position.size() == 0)
      pool<Max, false, T, uint8_t>(g, x.as<const T>(), y, nullptr);
    else if (position.dtype == DType::uint8)
      pool<MaxWithPosition, false>(g, x.as<const T>(), y, position.as<uint8_t>());
    else
      pool<MaxWithPosition, false>(g, x.as<const T>(), y, position.as<int32_t>());
  });
}
void maxPoolGrad(const Call& call) {
  const Geometry g(attributesOf<attributes::maxPoolGrad>(call), call.out[0], call.in[0]);
  withFloat(call.in[0].dtype, [&]<class T>(T) {
    call.in[1].dtype == DType::uint8 ? maxGrad<T, uint8_t>(g, call) : maxGrad<T, int32_t>(g, call);
  });
}
void averagePool(const Call& call) { sums<true, attributes::averagePool>(call); }
void averagePoolGrad(const Call& call) { sumsGrad<true, attributes::averagePoolGrad>(call); }
void sumPool(const Call& call) { sums<false, attributes::sumPool>(call); }
void sumPoolGrad(const Call& call) { sumsGrad<false, attributes::sumPoolGrad>(call); }

}  // namespace neurite::cpu::NEURITE_ISA
