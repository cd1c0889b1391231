// Resizing over 1 to 3 spatial axes of channels-last tensors, and its gradient.
//
// All are (N, D, H, W, C) with missing axes of size 1. An output element is a sum over taps of each axis: places of the input with
// their weights. The gradient is the same sum with the taps transposed: an element of dx reads every element of dy that it was a tap
// of, so there are no atomics. A small kernel writes the taps of all axes to scratch memory; then a thread makes V channels of one
// pixel, in one access of 16 bytes each.
#include "../native/resize.h"

#include "kernels.h"
#include "pixels.cuh"

namespace neurite::cuda {
namespace {

struct alignas(16) Tap {
  int64_t offset;  // of the place, in elements
  float weight;
};

// One spatial axis: place o of the output has counts[o] taps from taps[o * pitch] on.
struct Axis {
  int64_t in = 1, out = 1, stride = 1, pitch = 1;
  Tap* taps = nullptr;
  int32_t* counts = nullptr;
};

struct Geometry {
  int64_t batch, channels;
  Axis axes[3];
  int64_t places = 0;  // of the three axes of the output

  // Sizes only. A place has up to `width` taps; transposed, as many times more as the axis gets smaller.
  Geometry(const Tensor& x, const Tensor& y, int64_t channels, int width, bool transposed)
      : batch(x.dims[0]), channels(channels) {
    const int spatial = x.rank - 2, skip = 3 - spatial;
    for (int i = 0; i < spatial; i++) {
      axes[skip + i].in = x.dims[1 + i];
      axes[skip + i].out = y.dims[1 + i];
    }
    axes[2].stride = channels;
    axes[1].stride = axes[2].stride * axes[2].in;
    axes[0].stride = axes[1].stride * axes[1].in;
    for (Axis& axis : axes) {
      const int64_t most = transposed ? ceilDiv(width * axis.in, axis.out) + 1 : width;
      axis.pitch = most < axis.in ? most : axis.in;
      places += axis.out;
    }
  }

  // Points the axes into scratch memory.
  void allocate(const Call& call) {
    int64_t taps = 0;
    for (const Axis& axis : axes) taps += axis.out * axis.pitch;
    const auto tapBytes = static_cast<size_t>(taps) * sizeof(Tap);
    auto* memory =
        static_cast<char*>(contextOf(call).scratch(tapBytes + static_cast<size_t>(places) * sizeof(int32_t)));
    auto* nextTap = reinterpret_cast<Tap*>(memory);
    auto* nextCount = reinterpret_cast<int32_t*>(memory + tapBytes);
    for (Axis& axis : axes) {
      axis.taps = nextTap;
      axis.counts = nextCount;
      nextTap += axis.out * axis.pitch;
      nextCount += axis.out;
    }
  }
};

// ---- Taps

// The first of `in` places of dy whose centre lies at or behind `twice` / 2, in places of the `out` of dx.
GPU_DEVICE int64_t firstFrom(int64_t twice, int64_t in, int64_t out) {
  const int64_t above = twice * in - out;
  if (above <= 0) return 0;
  const int64_t place = ceilDiv(above, 2 * out);
  return place < in ? place : in;
}

template <bool Transposed>
__global__ void __launch_bounds__(kThreads) tapsKernel(Geometry g, Interpolation interpolation) {
  const int64_t threads = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < g.places; i += threads) {
    int64_t o = i;
    int which = 0;
    while (o >= g.axes[which].out) o -= g.axes[which++].out;
    const Axis& axis = g.axes[which];
    Tap* to = axis.taps + o * axis.pitch;
    int32_t n = 0;
    if constexpr (Transposed) {
      const int width = widthOf(interpolation);
      const int64_t begin = o == 0 ? 0 : firstFrom(2 * o + 1 - width, axis.in, axis.out);
      const int64_t end = o == axis.out - 1 ? axis.in : firstFrom(2 * o + 1 + width, axis.in, axis.out);
      for (int64_t p = begin; p < end; p++) {
        const Taps taps = tapsOf(interpolation, axis.out, axis.in, p);
        const int64_t k = o - taps.first;
        if (k >= 0 && k < taps.count) to[n++] = {p * axis.stride, taps.weights[k]};
      }
    } else {
      const Taps taps = tapsOf(interpolation, axis.in, axis.out, o);
      for (; n < taps.count; n++) to[n] = {(taps.first + n) * axis.stride, taps.weights[n]};
    }
    axis.counts[o] = n;
  }
}

template <bool Transposed> void writeTaps(const Call& call, Geometry& g, Interpolation interpolation) {
  g.allocate(call);
  launch(call, tapsKernel<Transposed>, gridFor(call, g.places), kThreads, 0, g, interpolation);
}

// ---- Sums over taps

template <int V, class T, class Index>
__global__ void __launch_bounds__(kThreads)
    weighKernel(Geometry g, Pixels<Index> pixels, const T* __restrict__ x, T* __restrict__ y) {
  const Axis &D = g.axes[0], &H = g.axes[1], &W = g.axes[2];
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < pixels.count; i += Index{gridDim.x} * blockDim.x) {
    const auto o = pixels.at(i);
    const T* sample = x + o.n * (D.in * D.stride) + o.vector * V;
    const Tap *d = D.taps + o.d * D.pitch, *h = H.taps + o.h * H.pitch, *w = W.taps + o.w * W.pitch;
    const int32_t dCount = D.counts[o.d], hCount = H.counts[o.h], wCount = W.counts[o.w];
    float total[V] = {};
    for (int32_t a = 0; a < dCount; a++) {
      for (int32_t b = 0; b < hCount; b++) {
        const T* row = sample + d[a].offset + h[b].offset;
        const float outer = d[a].weight * h[b].weight;
        for (int32_t c = 0; c < wCount; c++) {
          const float weight = outer * w[c].weight;
          const gpu::Vec<T, V> values = gpu::loadVec<V>(row + w[c].offset);
#pragma unroll
          for (int k = 0; k < V; k++) total[k] += weight * static_cast<float>(values[k]);
        }
      }
    }
    gpu::Vec<T, V> result;
#pragma unroll
    for (int k = 0; k < V; k++) result[k] = static_cast<T>(total[k]);
    gpu::storeVec(y + int64_t{i} * V, result);
  }
}

template <bool Transposed> void weigh(const Call& call, Interpolation interpolation) {
  const Tensor &x = call.in[0], &y = call.out[0];
  if (y.size() == 0) return;
  Geometry g(x, y, x.dims[x.rank - 1], widthOf(interpolation), Transposed);
  writeTaps<Transposed>(call, g, interpolation);
  withFloat(call, x.dtype, [&]<class T>() {
    const auto launchWith = [&]<int V>() {
      withIndex(y.size(), [&]<class Index>() {
        const Pixels<Index> pixels(g.batch, g.axes[0].out, g.axes[1].out, g.axes[2].out, g.channels / V);
        launch(call, weighKernel<V, T, Index>, gridFor(call, y.size() / V), kThreads, 0, g, pixels, x.as<const T>(),
               y.as<T>());
      });
    };
    constexpr int V = gpu::kVecWidth<T>;
    if (g.channels % V == 0 && aligned(x.data, 16) && aligned(y.data, 16))
      launchWith.template operator()<V>();
    else
      launchWith.template operator()<1>();
  });
}

// ---- nearest, of any dtype: a pixel is copied in words of up to 16 bytes.

template <class Word, class Index>
__global__ void __launch_bounds__(kThreads)
    copyPixelsKernel(Geometry g, Pixels<Index> pixels, const Word* __restrict__ x, Word* __restrict__ y) {
  const Axis &D = g.axes[0], &H = g.axes[1], &W = g.axes[2];
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < pixels.count; i += Index{gridDim.x} * blockDim.x) {
    const auto o = pixels.at(i);
    const int64_t place = D.taps[o.d].offset + H.taps[o.h].offset + W.taps[o.w].offset;
    y[i] = x[o.n * (D.in * D.stride) + place + o.vector];
  }
}

void copyPixels(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  if (y.size() == 0) return;
  const auto pixel = static_cast<int64_t>(dtypeBytes(x.dtype)) * x.dims[x.rank - 1];
  int64_t bytes = 16;
  while (pixel % bytes != 0 || !aligned(x.data, static_cast<size_t>(bytes)) ||
         !aligned(y.data, static_cast<size_t>(bytes)))
    bytes /= 2;
  Geometry g(x, y, pixel / bytes, 1, false);
  writeTaps<false>(call, g, Interpolation::nearest);
  const int64_t words = static_cast<int64_t>(y.bytes()) / bytes;
  withBytes(static_cast<size_t>(bytes), [&]<class Word>() {
    withIndex(words, [&]<class Index>() {
      const Pixels<Index> pixels(g.batch, g.axes[0].out, g.axes[1].out, g.axes[2].out, g.channels);
      launch(call, copyPixelsKernel<Word, Index>, gridFor(call, words), kThreads, 0, g, pixels, x.as<const Word>(),
             y.as<Word>());
    });
  });
}

}  // namespace

void resize(const Call& call) {
  const Interpolation interpolation = attributesOf<attributes::resize>(call).interpolation;
  interpolation == Interpolation::nearest ? copyPixels(call) : weigh<false>(call, interpolation);
}
void resizeGrad(const Call& call) { weigh<true>(call, attributesOf<attributes::resizeGrad>(call).interpolation); }

}  // namespace neurite::cuda
