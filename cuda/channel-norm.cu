// Normalisation by channel, for batch and group norm: statistics, forward, and backward in two passes; and moving averages.
//
// x is (outer, rows, C). A block takes a strip of channels and a slice of the rows of one outer index; a thread keeps V channels, in
// accesses of 16 bytes, and every so manyth row. Threads of a channel meet as a tree, slices in order.
#include <initializer_list>

#include "activations.cuh"
#include "channel-moments.h"
#include "kernels.h"
#include "tree.cuh"

namespace neurite::cuda {
namespace {

constexpr int64_t kFullGrid = 1024;  // blocks that fill a large GPU
constexpr int64_t kLeastRows = 16;   // of a thread

struct Channels {
  int64_t outer, rows, channels, groups;

  template <class A> Channels(const A& a, const Tensor& x) : Channels(x, a.outer, a.groups) {}
  Channels(const Tensor& x, int64_t outer, int64_t groups) : outer(outer), groups(groups) {
    channels = x.dims[x.rank - 1];
    rows = outer * channels > 0 ? x.size() / (outer * channels) : 0;
  }
  GPU_HOST_DEVICE int64_t perGroup() const { return channels / groups; }
  // Of a statistic (outer, groups), that of a channel.
  GPU_DEVICE int64_t group(int64_t o, int64_t c) const { return o * groups + c / perGroup(); }
};

// How a grid (outer * strips, slices) of blocks covers x, V channels per thread.
template <int V> struct Cover {
  Channels g;
  int columns;    // threads of a block side by side, a power of two
  int64_t slice;  // rows of a block
  int64_t slices, strips;

  explicit Cover(const Channels& g) : g(g), columns(1) {
    while (columns < 32 && columns * V < g.channels) columns *= 2;
    strips = ceilDiv(g.channels, columns * V);
    const int64_t blocks = strips * g.outer > 0 ? strips * g.outer : 1;
    const int64_t wanted = ceilDiv(kFullGrid, blocks), most = g.rows / (kLeastRows * lines());
    const int64_t parts = wanted < most ? wanted : most > 0 ? most : 1;
    slice = g.rows > 0 ? ceilDiv(g.rows, parts) : 1;
    slices = g.rows > 0 ? ceilDiv(g.rows, slice) : 1;
  }
  dim3 grid() const { return dim3(static_cast<unsigned>(g.outer * strips), static_cast<unsigned>(slices)); }
  GPU_HOST_DEVICE int lines() const { return kThreads / columns; }
  GPU_DEVICE int line() const { return static_cast<int>(threadIdx.x) / columns; }
  GPU_DEVICE int64_t outer() const { return blockIdx.x / strips; }
  GPU_DEVICE int64_t channel() const {
    return (blockIdx.x % strips * columns + static_cast<int>(threadIdx.x) % columns) * V;
  }
  GPU_DEVICE bool active() const { return channel() < g.channels; }
  GPU_DEVICE int64_t begin() const { return int64_t{blockIdx.y} * slice + line(); }
  GPU_DEVICE int64_t end() const {
    const int64_t end = (int64_t{blockIdx.y} + 1) * slice;
    return end < g.rows ? end : g.rows;
  }
  GPU_DEVICE int64_t at(int64_t row) const { return (outer() * g.rows + row) * g.channels + channel(); }
  // Of the results of slices (outer, slices, C).
  GPU_DEVICE int64_t partial() const { return (outer() * slices + blockIdx.y) * g.channels + channel(); }
};

GPU_DEVICE float inverseOf(float variance, float epsilon) { return 1.0f / sqrtf(variance + epsilon); }

// Mean and sum of squared deviations of n values; merged as Chan, Golub and LeVeque (1979) do it.
struct Moments {
  float mean, squares, n;
  GPU_DEVICE static Moments merge(const Moments& a, const Moments& b) {
    if (b.n == 0.0f) return a;
    const float n = a.n + b.n, delta = b.mean - a.mean, part = b.n / n;
    return {a.mean + delta * part, a.squares + b.squares + delta * delta * a.n * part, n};
  }
};

// The merge of what the threads of a channel hold, for the thread of line 0. All threads must call it.
template <int V, class T, class Merge> GPU_DEVICE void meet(const Cover<V>& cover, T (&values)[V], Merge merge) {
  GPU_SHARED(T, shared, [kThreads * V]);
  const int t = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int k = 0; k < V; k++) shared[k * kThreads + t] = values[k];
  __syncthreads();
  for (int half = cover.lines() / 2; half > 0; half /= 2) {
    if (cover.line() < half) {
#pragma unroll
      for (int k = 0; k < V; k++) {
        values[k] = merge(values[k], shared[k * kThreads + t + half * cover.columns]);
        shared[k * kThreads + t] = values[k];
      }
    }
    __syncthreads();
  }
}

// ---- Statistics

// A thread adds up deviations from the first of its values, in chunks of rows that it merges.
template <int V, class T>
__global__ void __launch_bounds__(kThreads)
    momentsKernel(Cover<V> cover, const T* __restrict__ x, Moments* __restrict__ partials) {
  constexpr int kChunk = 32;
  Moments moments[V] = {};
  if (cover.active()) {
    const int64_t step = cover.lines(), end = cover.end();
    for (int64_t begin = cover.begin(); begin < end; begin += kChunk * step) {
      const gpu::Vec<T, V> shift = gpu::loadVec<V>(x + cover.at(begin));
      float sum[V] = {}, square[V] = {};
      float n = 1.0f;
      const int64_t limit = begin + kChunk * step < end ? begin + kChunk * step : end;
#pragma unroll 4
      for (int64_t r = begin + step; r < limit; r += step, n += 1.0f) {
        const gpu::Vec<T, V> values = gpu::loadVec<V>(x + cover.at(r));
#pragma unroll
        for (int k = 0; k < V; k++) {
          const float d = static_cast<float>(values[k]) - static_cast<float>(shift[k]);
          sum[k] += d;
          square[k] += d * d;
        }
      }
#pragma unroll
      for (int k = 0; k < V; k++) {
        const float mean = sum[k] / n;
        moments[k] = Moments::merge(
            moments[k], {static_cast<float>(shift[k]) + mean, gpu::maxNan(square[k] - sum[k] * mean, 0.0f), n});
      }
    }
  }
  meet<V>(cover, moments, [](const Moments& a, const Moments& b) { return Moments::merge(a, b); });
  if (cover.line() == 0 && cover.active()) {
#pragma unroll
    for (int k = 0; k < V; k++) partials[cover.partial() + k] = moments[k];
  }
}

// A thread per statistic merges slices and channels.
__global__ void __launch_bounds__(kThreads)
    mergeMomentsKernel(Channels g, int64_t slices, const Moments* __restrict__ partials, float* __restrict__ mean,
                       float* __restrict__ variance) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= g.outer * g.groups) return;
  const int64_t o = i / g.groups, first = i % g.groups * g.perGroup();
  Moments all{};
  for (int64_t s = 0; s < slices; s++) {
    for (int64_t c = first; c < first + g.perGroup(); c++)
      all = Moments::merge(all, partials[(o * slices + s) * g.channels + c]);
  }
  mean[i] = all.mean;
  variance[i] = all.n > 0.0f ? all.squares / all.n : 0.0f;
}

// Of V channels of a block from `channel` on: channelNorm makes fmaf(x - center, scale, shift) of x, and the way back finds out with the
// same numbers where that is positive.
struct Affine {
  const float *mean, *variance, *gamma, *beta;
  float epsilon;
};
template <int V> struct AffineOf {
  float center[V], scale[V], shift[V];

  GPU_DEVICE AffineOf(const Cover<V>& cover, const Affine& a) {
#pragma unroll
    for (int k = 0; k < V; k++) {
      const int64_t c = cover.channel() + k, group = cover.g.group(cover.outer(), c);
      center[k] = a.mean[group];
      scale[k] = inverseOf(a.variance[group], a.epsilon) * (a.gamma != nullptr ? a.gamma[c] : 1.0f);
      shift[k] = a.beta != nullptr ? a.beta[c] : 0.0f;
    }
  }
  GPU_DEVICE float operator()(int k, float x) const { return fmaf(x - center[k], scale[k], shift[k]); }
};

// ---- Forward

template <int V, class T>
__global__ void __launch_bounds__(kThreads)
    normalizeKernel(Cover<V> cover, Affine parameters, bool relu, const T* __restrict__ x,
                    const T* __restrict__ residual, T* __restrict__ y) {
  if (!cover.active()) return;
  const AffineOf<V> affine(cover, parameters);
#pragma unroll 4
  for (int64_t r = cover.begin(); r < cover.end(); r += cover.lines()) {
    const int64_t at = cover.at(r);
    const gpu::Vec<T, V> values = gpu::loadVec<V>(x + at);
    gpu::Vec<T, V> more;
    if (residual != nullptr) more = gpu::loadVec<V>(residual + at);
    gpu::Vec<T, V> result;
#pragma unroll
    for (int k = 0; k < V; k++) {
      float v = affine(k, static_cast<float>(values[k]));
      if (residual != nullptr) v += static_cast<float>(more[k]);
      result[k] = static_cast<T>(relu ? reluOf(v) : v);
    }
    gpu::storeVec(y + at, result);
  }
}

// ---- Backward

struct Sums {
  float sum, product;
};
struct AddSums {
  GPU_DEVICE Sums operator()(const Sums& a, const Sums& b) const { return {a.sum + b.sum, a.product + b.product}; }
};

GPU_DEVICE float reluGrad(float gradient, float y) { return ActivationOf<Activation::relu>::gradient(gradient, y); }

// With a relu dz is what its result lets pass: y, where there is one, and then dz is written; else what is normalised again.
template <int V, class T>
__global__ void __launch_bounds__(kThreads)
    sumsKernel(Cover<V> cover, Affine parameters, bool relu, const T* __restrict__ dy, const T* __restrict__ y,
               const T* __restrict__ x, T* __restrict__ dz, Sums* __restrict__ partials) {
  Sums sums[V] = {};
  if (cover.active()) {
    const AffineOf<V> affine(cover, parameters);
#pragma unroll 2
    for (int64_t r = cover.begin(); r < cover.end(); r += cover.lines()) {
      const int64_t at = cover.at(r);
      gpu::Vec<T, V> gradient = gpu::loadVec<V>(dy + at);
      const gpu::Vec<T, V> values = gpu::loadVec<V>(x + at);
      if (relu) {
        gpu::Vec<T, V> outputs;
        if (y != nullptr) outputs = gpu::loadVec<V>(y + at);
#pragma unroll
        for (int k = 0; k < V; k++) {
          const float output = y != nullptr ? static_cast<float>(outputs[k]) : affine(k, static_cast<float>(values[k]));
          gradient[k] = static_cast<T>(reluGrad(static_cast<float>(gradient[k]), output));
        }
        if (y != nullptr) gpu::storeVec(dz + at, gradient);
      }
#pragma unroll
      for (int k = 0; k < V; k++) {
        const auto d = static_cast<float>(gradient[k]);
        sums[k].sum += d;
        sums[k].product += d * (static_cast<float>(values[k]) - affine.center[k]);
      }
    }
  }
  meet<V>(cover, sums, AddSums{});
  if (cover.line() == 0 && cover.active()) {
#pragma unroll
    for (int k = 0; k < V; k++) partials[cover.partial() + k] = sums[k];
  }
}

// A thread per channel of each outer index.
__global__ void __launch_bounds__(kThreads)
    mergeSumsKernel(Channels g, int64_t slices, float epsilon, const Sums* __restrict__ partials,
                    const float* __restrict__ variance, float* __restrict__ sum, float* __restrict__ product) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= g.outer * g.channels) return;
  const int64_t o = i / g.channels, c = i % g.channels;
  Sums all{};
  for (int64_t s = 0; s < slices; s++) all = AddSums{}(all, partials[(o * slices + s) * g.channels + c]);
  sum[i] = all.sum;
  product[i] = all.product * inverseOf(variance[g.group(o, c)], epsilon);
}

// A thread per statistic: the means of gamma dz and of gamma dz xhat over rows and channels of its group.
__global__ void __launch_bounds__(kThreads)
    groupMeansKernel(Channels g, const float* __restrict__ gamma, const float* __restrict__ sum,
                     const float* __restrict__ product, Sums* __restrict__ means) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= g.outer * g.groups) return;
  const int64_t o = i / g.groups, first = i % g.groups * g.perGroup();
  Sums all{};
  for (int64_t c = first; c < first + g.perGroup(); c++) {
    const float factor = gamma != nullptr ? gamma[c] : 1.0f;
    all.sum += factor * sum[o * g.channels + c];
    all.product += factor * product[o * g.channels + c];
  }
  const float count = static_cast<float>(g.rows) * static_cast<float>(g.perGroup());
  means[i] = {all.sum / count, all.product / count};
}

// dx = inverse * (gamma dz - mean of gamma dz - xhat * mean of gamma dz xhat). Without means (constant statistics) dx does not depend on an x that may
// be infinite.
template <int V, class T>
__global__ void __launch_bounds__(kThreads)
    normalizeGradKernel(Cover<V> cover, Affine parameters, bool relu, const T* __restrict__ dy, const T* __restrict__ x,
                        const Sums* __restrict__ means, T* __restrict__ dx) {
  if (!cover.active()) return;
  const AffineOf<V> affine(cover, parameters);
  float byDeviation[V] = {}, rest[V] = {};
#pragma unroll
  for (int k = 0; means != nullptr && k < V; k++) {
    const int64_t group = cover.g.group(cover.outer(), cover.channel() + k);
    const float inverse = inverseOf(parameters.variance[group], parameters.epsilon);
    byDeviation[k] = -inverse * inverse * means[group].product;
    rest[k] = -inverse * means[group].sum;
  }
#pragma unroll 4
  for (int64_t r = cover.begin(); r < cover.end(); r += cover.lines()) {
    const int64_t at = cover.at(r);
    const gpu::Vec<T, V> gradient = gpu::loadVec<V>(dy + at), values = gpu::loadVec<V>(x + at);
    gpu::Vec<T, V> result;
#pragma unroll
    for (int k = 0; k < V; k++) {
      const auto value = static_cast<float>(values[k]);
      auto d = static_cast<float>(gradient[k]);
      if (relu) d = reluGrad(d, affine(k, value));
      const float more = means != nullptr ? fmaf(value - affine.center[k], byDeviation[k], rest[k]) : 0.0f;
      result[k] = static_cast<T>(fmaf(d, affine.scale[k], more));
    }
    gpu::storeVec(dx + at, result);
  }
}

__global__ void __launch_bounds__(kThreads)
    movingAverageKernel(int64_t size, float momentum, float* __restrict__ a, const float* __restrict__ c) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < size) a[i] = fmaf(a[i], momentum, c[i] * (1.0f - momentum));
}

// f.template operator()<T, V>(): 16 bytes per thread if C divides and all are aligned, else one element.
template <class F>
void withVectors(const Call& call, const Channels& g, std::initializer_list<const Tensor*> operands, F&& f) {
  withFloat(call, (*operands.begin())->dtype, [&]<class T>() {
    constexpr int V = gpu::kVecWidth<T>;
    bool fits = g.channels % V == 0;
    for (const Tensor* operand : operands) fits = fits && aligned(operand->data, 16);
    fits ? f.template operator()<T, V>() : f.template operator()<T, 1>();
  });
}
// Of the operands mean, variance, gamma and beta.
Affine affineOf(const Tensor* operands, double epsilon) {
  return {operands[0].as<const float>(), operands[1].as<const float>(), operands[2].as<const float>(),
          operands[3].as<const float>(), static_cast<float>(epsilon)};
}
unsigned threadsFor(int64_t items) { return static_cast<unsigned>(ceilDiv(items, kThreads)); }

}  // namespace

void takeMoments(const Call& call, const Tensor& x, int64_t outer, int64_t groups, float* mean, float* variance) {
  const Channels g(x, outer, groups);
  withVectors(call, g, {&x}, [&]<class T, int V>() {
    const Cover<V> cover(g);
    auto* partials = static_cast<Moments*>(
        contextOf(call).scratch(static_cast<size_t>(g.outer * cover.slices * g.channels) * sizeof(Moments)));
    launch(call, momentsKernel<V, T>, cover.grid(), kThreads, 0, cover, x.as<const T>(), partials);
    launch(call, mergeMomentsKernel, threadsFor(g.outer * g.groups), kThreads, 0, g, cover.slices, partials, mean,
           variance);
  });
}

void channelMoments(const Call& call) {
  const auto& a = attributesOf<attributes::channelMoments>(call);
  takeMoments(call, call.in[0], a.outer, a.groups, call.out[0].as<float>(), call.out[1].as<float>());
}

void channelNorm(const Call& call) {
  const auto& a = attributesOf<attributes::channelNorm>(call);
  const Tensor &x = call.in[0], &residual = call.in[5], &y = call.out[0];
  const Channels g(a, x);
  const Affine affine = affineOf(&call.in[1], a.epsilon);
  withVectors(call, g, {&x, &residual, &y}, [&]<class T, int V>() {
    const Cover<V> cover(g);
    launch(call, normalizeKernel<V, T>, cover.grid(), kThreads, 0, cover, affine, a.relu, x.as<const T>(),
           residual.as<const T>(), y.as<T>());
  });
}

void channelNormSums(const Call& call) {
  const auto& a = attributesOf<attributes::channelNormSums>(call);
  const Tensor &dy = call.in[0], &y = call.in[1], &x = call.in[2], &dz = call.out[0];
  const Channels g(a, x);
  const Affine affine = affineOf(&call.in[3], a.epsilon);
  withVectors(call, g, {&x, &dy, &y, &dz}, [&]<class T, int V>() {
    const Cover<V> cover(g);
    auto* partials = static_cast<Sums*>(
        contextOf(call).scratch(static_cast<size_t>(g.outer * cover.slices * g.channels) * sizeof(Sums)));
    launch(call, sumsKernel<V, T>, cover.grid(), kThreads, 0, cover, affine, a.relu, dy.as<const T>(), y.as<const T>(),
           x.as<const T>(), dz.as<T>(), partials);
    launch(call, mergeSumsKernel, threadsFor(g.outer * g.channels), kThreads, 0, g, cover.slices, affine.epsilon,
           partials, affine.variance, call.out[1].as<float>(), call.out[2].as<float>());
  });
}

void channelNormGrad(const Call& call) {
  const auto& a = attributesOf<attributes::channelNormGrad>(call);
  const Tensor &dy = call.in[0], &x = call.in[1], &dx = call.out[0];
  const Channels g(a, x);
  const Affine affine = affineOf(&call.in[2], a.epsilon);
  Sums* means = nullptr;
  if (call.in[6].present()) {
    means = static_cast<Sums*>(contextOf(call).scratch(static_cast<size_t>(g.outer * g.groups) * sizeof(Sums)));
    launch(call, groupMeansKernel, threadsFor(g.outer * g.groups), kThreads, 0, g, affine.gamma,
           call.in[6].as<const float>(), call.in[7].as<const float>(), means);
  }
  withVectors(call, g, {&x, &dy, &dx}, [&]<class T, int V>() {
    const Cover<V> cover(g);
    launch(call, normalizeGradKernel<V, T>, cover.grid(), kThreads, 0, cover, affine, a.relu, dy.as<const T>(),
           x.as<const T>(), means, dx.as<T>());
  });
}

void movingAverage(const Call& call) {
  const auto momentum = static_cast<float>(attributesOf<attributes::movingAverage>(call).momentum);
  for (int k = 0; k < 2; k++) {
    const Tensor& target = call.in[k];
    launch(call, movingAverageKernel, threadsFor(target.size()), kThreads, 0, target.size(), momentum,
           target.as<float>(), call.in[k + 2].as<const float>());
  }
}

}  // namespace neurite::cuda
