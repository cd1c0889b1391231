// Pooling over 1 to 3 spatial axes of channels-last tensors, and its gradients.
//
// All are (N, D, H, W, C) with missing axes of size 1. A thread makes V channels of one pixel, in one access of 16 bytes each.
// Gradients gather: an input pixel adds up, in order, what the windows that hold it give, so there are no atomics.
#include "kernels.h"
#include "pixels.cuh"

namespace neurite::cuda {
namespace {

// One spatial axis.
struct Axis {
  int64_t in = 1, out = 1, window = 1, stride = 1, before = 0;

  // Input places of the window of output place o: from its start, unclipped; from begin to end, clipped.
  GPU_DEVICE int64_t start(int64_t o) const { return stride > 0 ? o * stride - before : o * in / out; }
  GPU_DEVICE int64_t begin(int64_t o) const {
    const int64_t at = start(o);
    return at > 0 ? at : 0;
  }
  GPU_DEVICE int64_t end(int64_t o) const {
    if (stride == 0) return ceilDiv((o + 1) * in, out);
    const int64_t at = start(o) + window;
    return at < in ? at : in;
  }
  // Output places whose windows hold input place i: from first to last, exclusive.
  GPU_DEVICE int64_t first(int64_t i) const {
    if (stride == 0) return i * out / in;
    const int64_t behind = i + before - window;
    return behind < 0 ? 0 : behind / stride + 1;
  }
  GPU_DEVICE int64_t last(int64_t i) const {
    if (stride == 0) return ceilDiv((i + 1) * out, in);
    const int64_t last = (i + before) / stride + 1;
    return last < out ? last : out;
  }
};

struct Geometry {
  int64_t batch, channels;
  Axis axes[3];

  template <class A> Geometry(const A& a, const Tensor& x, const Tensor& y) : batch(x.dims[0]) {
    const int spatial = x.rank - 2, skip = 3 - spatial;
    channels = x.dims[x.rank - 1];
    for (int i = 0; i < spatial; i++)
      axes[skip + i] = {x.dims[1 + i], y.dims[1 + i], a.window[i], a.strides[i], a.before[i]};
  }
};

// ---- Forward

struct Max {
  static constexpr bool positions = false;
  float best = -INFINITY;
  GPU_DEVICE void add(float v, int32_t) { best = gpu::maxNan(best, v); }
  GPU_DEVICE float result(float) const { return best; }
};
// Also where: the first of equals, the first NaN.
struct MaxWithPosition {
  static constexpr bool positions = true;
  float best = -INFINITY;
  int32_t at = -1;
  GPU_DEVICE void add(float v, int32_t place) {
    if (at < 0 || (!(v <= best) && best == best)) best = v, at = place;
  }
  GPU_DEVICE float result(float) const { return best; }
};
struct Sum {
  static constexpr bool positions = false;
  float total = 0.0f;
  GPU_DEVICE void add(float v, int32_t) { total += v; }
  GPU_DEVICE float result(float scale) const { return total * scale; }
};

template <class Reducer, bool Average, int V, class T, class P, class Index>
__global__ void __launch_bounds__(kThreads)
    poolKernel(Geometry g, Pixels<Index> pixels, const T* __restrict__ x, T* __restrict__ y, P* __restrict__ position) {
  const Axis &D = g.axes[0], &H = g.axes[1], &W = g.axes[2];
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < pixels.count; i += Index{gridDim.x} * blockDim.x) {
    const auto o = pixels.at(i);
    const int64_t d0 = D.begin(o.d), d1 = D.end(o.d), h0 = H.begin(o.h), h1 = H.end(o.h);
    const int64_t w0 = W.begin(o.w), w1 = W.end(o.w);
    Reducer reducers[V];
    for (int64_t d = d0; d < d1; d++) {
      for (int64_t h = h0; h < h1; h++) {
        const T* pixel = x + (((o.n * D.in + d) * H.in + h) * W.in + w0) * g.channels + o.vector * V;
        auto number =
            static_cast<int32_t>(((d - D.start(o.d)) * H.window + h - H.start(o.h)) * W.window + w0 - W.start(o.w));
        for (int64_t w = w0; w < w1; w++, pixel += g.channels, number++) {
          const gpu::Vec<T, V> values = gpu::loadVec<V>(pixel);
#pragma unroll
          for (int k = 0; k < V; k++) reducers[k].add(static_cast<float>(values[k]), number);
        }
      }
    }
    const float scale = Average ? 1.0f / static_cast<float>((d1 - d0) * (h1 - h0) * (w1 - w0)) : 1.0f;
    gpu::Vec<T, V> result;
#pragma unroll
    for (int k = 0; k < V; k++) result[k] = static_cast<T>(reducers[k].result(scale));
    gpu::storeVec(y + int64_t{i} * V, result);
    if constexpr (Reducer::positions) {
      gpu::Vec<P, V> places;
#pragma unroll
      for (int k = 0; k < V; k++) places[k] = static_cast<P>(reducers[k].at);
      gpu::storeVec(position + int64_t{i} * V, places);
    }
  }
}

// How many channels a thread moves: as many as 16 bytes hold, of each operand, if they divide C.
template <class T, class P> bool vectors(const Geometry& g, const Tensor& a, const Tensor& b, const Tensor& position) {
  constexpr int V = gpu::kVecWidth<T>;
  return sizeof(P) == 1 && g.channels % V == 0 && aligned(a.data, 16) && aligned(b.data, 16) &&
         aligned(position.data, V);
}

template <class Reducer, bool Average, class T, class P>
void pool(const Call& call, const Geometry& g, const Tensor& position) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const auto launchWith = [&]<int V>() {
    withIndex(y.size(), [&]<class Index>() {
      const Pixels<Index> pixels(g.batch, g.axes[0].out, g.axes[1].out, g.axes[2].out, g.channels / V);
      launch(call, poolKernel<Reducer, Average, V, T, P, Index>, gridFor(call, y.size() / V), kThreads, 0, g, pixels,
             x.as<const T>(), y.as<T>(), position.as<P>());
    });
  };
  constexpr int V = sizeof(P) == 1 ? gpu::kVecWidth<T> : 1;
  vectors<T, P>(g, x, y, position) ? launchWith.template operator()<V>() : launchWith.template operator()<1>();
}

template <bool Average, class A> void sums(const Call& call) {
  const Geometry g(attributesOf<A>(call), call.in[0], call.out[0]);
  withFloat(call, call.in[0].dtype, [&]<class T>() { pool<Sum, Average, T, uint8_t>(call, g, Tensor{}); });
}

// ---- Backward: of max pooling if Max, else of sums, scaled to averages if Average.

template <bool Max, bool Average, int V, class T, class P, class Index>
__global__ void __launch_bounds__(kThreads) unpoolKernel(Geometry g, Pixels<Index> pixels, const T* __restrict__ dy,
                                                         const P* __restrict__ position, T* __restrict__ dx) {
  const Axis &D = g.axes[0], &H = g.axes[1], &W = g.axes[2];
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < pixels.count; i += Index{gridDim.x} * blockDim.x) {
    const auto p = pixels.at(i);
    float total[V] = {};
    for (int64_t d = D.first(p.d); d < D.last(p.d); d++) {
      for (int64_t h = H.first(p.h); h < H.last(p.h); h++) {
        for (int64_t w = W.first(p.w); w < W.last(p.w); w++) {
          const int64_t at = (((p.n * D.out + d) * H.out + h) * W.out + w) * g.channels + p.vector * V;
          const gpu::Vec<T, V> values = gpu::loadVec<V>(dy + at);
          if constexpr (Max) {
            const gpu::Vec<P, V> places = gpu::loadVec<V>(position + at);
            const auto number =
                static_cast<int32_t>(((p.d - D.start(d)) * H.window + p.h - H.start(h)) * W.window + p.w - W.start(w));
#pragma unroll
            for (int k = 0; k < V; k++)
              if (static_cast<int32_t>(places[k]) == number) total[k] += static_cast<float>(values[k]);
          } else {
            const int64_t cells = (D.end(d) - D.begin(d)) * (H.end(h) - H.begin(h)) * (W.end(w) - W.begin(w));
            const float scale = Average ? 1.0f / static_cast<float>(cells) : 1.0f;
#pragma unroll
            for (int k = 0; k < V; k++) total[k] += static_cast<float>(values[k]) * scale;
          }
        }
      }
    }
    gpu::Vec<T, V> result;
#pragma unroll
    for (int k = 0; k < V; k++) result[k] = static_cast<T>(total[k]);
    gpu::storeVec(dx + int64_t{i} * V, result);
  }
}

template <bool Max, bool Average, class T, class P>
void unpool(const Call& call, const Geometry& g, const Tensor& position) {
  const Tensor &dy = call.in[0], &dx = call.out[0];
  const auto launchWith = [&]<int V>() {
    withIndex(dx.size(), [&]<class Index>() {
      const Pixels<Index> pixels(g.batch, g.axes[0].in, g.axes[1].in, g.axes[2].in, g.channels / V);
      launch(call, unpoolKernel<Max, Average, V, T, P, Index>, gridFor(call, dx.size() / V), kThreads, 0, g, pixels,
             dy.as<const T>(), position.as<const P>(), dx.as<T>());
    });
  };
  constexpr int V = sizeof(P) == 1 ? gpu::kVecWidth<T> : 1;
  vectors<T, P>(g, dy, dx, position) ? launchWith.template operator()<V>() : launchWith.template operator()<1>();
}

template <bool Average, class A> void sumsGrad(const Call& call) {
  const Geometry g(attributesOf<A>(call), call.out[0], call.in[0]);
  withFloat(call, call.in[0].dtype, [&]<class T>() { unpool<false, Average, T, uint8_t>(call, g, Tensor{}); });
}

}  // namespace

void maxPool(const Call& call) {
  const Tensor& position = call.out[1];
  const Geometry g(attributesOf<attributes::maxPool>(call), call.in[0], call.out[0]);
  withFloat(call, call.in[0].dtype, [&]<class T>() {
    if (position.size() == 0)
      pool<Max, false, T, uint8_t>(call, g, Tensor{});
    else if (position.dtype == DType::uint8)
      pool<MaxWithPosition, false, T, uint8_t>(call, g, position);
    else
      pool<MaxWithPosition, false, T, int32_t>(call, g, position);
  });
}
void maxPoolGrad(const Call& call) {
  const Tensor& position = call.in[1];
  const Geometry g(attributesOf<attributes::maxPoolGrad>(call), call.out[0], call.in[0]);
  withFloat(call, call.in[0].dtype, [&]<class T>() {
    if (position.dtype == DType::uint8)
      unpool<true, false, T, uint8_t>(call, g, position);
    else
      unpool<true, false, T, int32_t>(call, g, position);
  });
}
void averagePool(const Call& call) { sums<true, attributes::averagePool>(call); }
void averagePoolGrad(const Call& call) { sumsGrad<true, attributes::averagePoolGrad>(call); }
void sumPool(const Call& call) { sums<false, attributes::sumPool>(call); }
void sumPoolGrad(const Call& call) { sumsGrad<false, attributes::sumPoolGrad>(call); }

}  // namespace neurite::cuda
