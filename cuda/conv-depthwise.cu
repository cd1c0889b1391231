// Convolutions whose groups have one channel. Each product is bound by memory: neighbouring threads have neighbouring channels, 16 bytes of
// them where there are as many features as channels, and each element is read once per tap, from the cache after the first.
#include "conv.h"
#include "matmul-epilogue.cuh"

namespace neurite::cuda {
namespace {

template <int N, class T> GPU_DEVICE void loadFloats(const T* p, float (&values)[N]) {
  const gpu::Vec<T, N> loaded = gpu::loadVec<N>(p);
#pragma unroll
  for (int i = 0; i < N; i++) values[i] = static_cast<float>(loaded[i]);
}

// Offset of a pixel in units of pixels.
GPU_DEVICE int64_t pixelIndex(int32_t image, const int32_t (&size)[3], int32_t d, int32_t h, int32_t w) {
  return ((int64_t{image} * size[0] + d) * size[1] + h) * size[2] + w;
}

// Calls f(tap, d, h, w) for each tap, in order, with the input pixel that output pixel `at` sees, if there is one.
template <class F> GPU_DEVICE void forTaps(const Depthwise& conv, const int32_t (&at)[3], F&& f) {
  const auto place = [&](int i, int32_t t) { return at[i] * conv.stride[i] + t * conv.dilation[i] - conv.before[i]; };
  const auto inside = [&](int i, int32_t p) {
    return static_cast<uint32_t>(p) < static_cast<uint32_t>(conv.inputs[i]);
  };
  for (int32_t td = 0; td < conv.kernel[0]; td++) {
    const int32_t d = place(0, td);
    if (!inside(0, d)) continue;
    for (int32_t th = 0; th < conv.kernel[1]; th++) {
      const int32_t h = place(1, th);
      if (!inside(1, h)) continue;
      for (int32_t tw = 0; tw < conv.kernel[2]; tw++) {
        const int32_t w = place(2, tw);
        if (inside(2, w)) f((td * conv.kernel[1] + th) * conv.kernel[2] + tw, d, h, w);
      }
    }
  }
}

// y[b, o, f] = activation(bias[f] + sum over taps of x[b, o * stride + tap * dilation - before, f / multiplier] * w[tap, f]). V features a thread.
template <class T, int V> __global__ void __launch_bounds__(kThreads) depthwiseForwardKernel(Depthwise conv) {
  const T* x = static_cast<const T*>(conv.left);
  const T* w = static_cast<const T*>(conv.right);
  for (int64_t item = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; item < conv.items;
       item += int64_t{gridDim.x} * blockDim.x) {
    int32_t pixel = static_cast<int32_t>(item);
    const int32_t feature = split(conv.across, pixel) * V;
    const int32_t channel = V == 1 ? feature / conv.multiplier : feature;
    int32_t at[3], image = pixel;
    splitPixel(conv.pixels, image, at);
    float sums[V] = {};
    forTaps(conv, at, [&](int32_t tap, int32_t d, int32_t h, int32_t column) {
      float left[V], right[V];
      loadFloats(x + pixelIndex(image, conv.inputs, d, h, column) * conv.channels + channel, left);
      loadFloats(w + int64_t{tap} * conv.features + feature, right);
#pragma unroll
      for (int i = 0; i < V; i++) sums[i] = fmaf(left[i], right[i], sums[i]);
    });
    storeSums(conv, 0, int64_t{pixel} * conv.features + feature, feature, V, true, sums);
  }
}

// dx[b, p, c] = activation(bias[c] + sum over taps t with p + before - t * dilation = o * stride, and features f of c, of dy[b, o, f] * w[t, f]).
template <class T, int V> __global__ void __launch_bounds__(kThreads) depthwiseDataGradKernel(Depthwise conv) {
  const T* dy = static_cast<const T*>(conv.left);
  const T* w = static_cast<const T*>(conv.right);
  for (int64_t item = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; item < conv.items;
       item += int64_t{gridDim.x} * blockDim.x) {
    int32_t pixel = static_cast<int32_t>(item);
    const int32_t channel = split(conv.across, pixel) * V;
    int32_t at[3], image = pixel;
    splitPixel(conv.pixels, image, at);
    // Output place of a tap, or -1.
    const auto place = [&](int i, int32_t t) {
      int32_t o = at[i] + conv.before[i] - t * conv.dilation[i];
      return o >= 0 && split(conv.step[i], o) == 0 && o < conv.outputs[i] ? o : -1;
    };
    float sums[V] = {};
    for (int32_t td = 0; td < conv.kernel[0]; td++) {
      const int32_t d = place(0, td);
      if (d < 0) continue;
      for (int32_t th = 0; th < conv.kernel[1]; th++) {
        const int32_t h = place(1, th);
        if (h < 0) continue;
        for (int32_t tw = 0; tw < conv.kernel[2]; tw++) {
          const int32_t column = place(2, tw);
          if (column < 0) continue;
          const int64_t tap = (td * conv.kernel[1] + th) * conv.kernel[2] + tw;
          const int64_t from = pixelIndex(image, conv.outputs, d, h, column) * conv.features;
          for (int32_t j = 0; j < conv.multiplier; j++) {
            const int32_t feature = channel * conv.multiplier + j;
            float left[V], right[V];
            loadFloats(dy + from + feature, left);
            loadFloats(w + tap * conv.features + feature, right);
#pragma unroll
            for (int i = 0; i < V; i++) sums[i] = fmaf(left[i], right[i], sums[i]);
          }
        }
      }
    }
    storeSums(conv, 0, int64_t{pixel} * conv.channels + channel, channel, V, true, sums);
  }
}

// dw[t, f] = sum over pixels (b, o) of x[b, o * stride + t * dilation - before, f / multiplier] * dy[b, o, f]. A block has columns * V features
// of one tap (blockIdx.y) and a slice of the pixels (blockIdx.z), of which each of its rows of threads takes every so manyth.
template <class T, int V> __global__ void __launch_bounds__(kThreads) depthwiseFilterGradKernel(Depthwise conv) {
  GPU_SHARED(float, shared, [V][kThreads]);
  const T* x = static_cast<const T*>(conv.left);
  const T* dy = static_cast<const T*>(conv.right);
  const int thread = static_cast<int>(threadIdx.x), row = thread / conv.columns, rows = kThreads / conv.columns;
  const int32_t feature = (static_cast<int32_t>(blockIdx.x) * conv.columns + thread % conv.columns) * V;
  const int32_t channel = V == 1 ? feature / conv.multiplier : feature;
  const int32_t slice = static_cast<int32_t>(blockIdx.z);
  const int64_t begin = int64_t{slice} * conv.slicePixels;
  const int64_t end = begin + conv.slicePixels < conv.items ? begin + conv.slicePixels : conv.items;
  const int32_t tap = static_cast<int32_t>(blockIdx.y);
  int32_t by[3];
  by[2] = tap % conv.kernel[2];
  by[1] = tap / conv.kernel[2] % conv.kernel[1];
  by[0] = tap / conv.kernel[2] / conv.kernel[1];
  float sums[V] = {};
  for (int64_t pixel = begin + row; pixel < end && feature < conv.features; pixel += rows) {
    int32_t at[3], image = static_cast<int32_t>(pixel);
    splitPixel(conv.pixels, image, at);
    bool inside = true;
#pragma unroll
    for (int i = 0; i < 3; i++) {
      at[i] = at[i] * conv.stride[i] + by[i] * conv.dilation[i] - conv.before[i];
      inside = inside && static_cast<uint32_t>(at[i]) < static_cast<uint32_t>(conv.inputs[i]);
    }
    if (!inside) continue;
    float left[V], right[V];
    loadFloats(x + pixelIndex(image, conv.inputs, at[0], at[1], at[2]) * conv.channels + channel, left);
    loadFloats(dy + pixel * conv.features + feature, right);
#pragma unroll
    for (int i = 0; i < V; i++) sums[i] = fmaf(left[i], right[i], sums[i]);
  }
#pragma unroll
  for (int i = 0; i < V; i++) shared[i][thread] = sums[i];
  __syncthreads();
  if (row == 0 && feature < conv.features) {
    for (int r = 1; r < rows; r++) {
#pragma unroll
      for (int i = 0; i < V; i++) sums[i] += shared[i][r * conv.columns + thread];
    }
    storeSums(conv, slice, int64_t{tap} * conv.features + feature, feature, V, true, sums);
  }
}

template <class T, int V> void launchWith(const Call& call, const Depthwise& conv, ConvProduct product) {
  switch (product) {
    case ConvProduct::forward:
      return launch(call, depthwiseForwardKernel<T, V>, gridFor(call, conv.items), kThreads, 0, conv);
    case ConvProduct::dataGrad:
      return launch(call, depthwiseDataGradKernel<T, V>, gridFor(call, conv.items), kThreads, 0, conv);
    case ConvProduct::filterGrad: {
      const dim3 grid(static_cast<unsigned>(ceilDiv(conv.features, conv.columns * V)),
                      static_cast<unsigned>(conv.kernel[0] * conv.kernel[1] * conv.kernel[2]),
                      static_cast<unsigned>(conv.slices));
      return launch(call, depthwiseFilterGradKernel<T, V>, grid, kThreads, 0, conv);
    }
  }
}

}  // namespace

void launchDepthwise(const Call& call, const Depthwise& conv, ConvProduct product, bool bfloat16, int32_t vector) {
  const auto withVector = [&]<class T>() {
    if constexpr (sizeof(T) == 2) {
      if (vector == 8) return launchWith<T, 8>(call, conv, product);
    }
    if (vector == 4)
      launchWith<T, 4>(call, conv, product);
    else
      launchWith<T, 1>(call, conv, product);
  };
  if (bfloat16)
    withVector.template operator()<bf16>();
  else
    withVector.template operator()<float>();
}

}  // namespace neurite::cuda
