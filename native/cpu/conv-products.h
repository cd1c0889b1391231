// The products of convolution and its data gradient: both correlate an image with packed weights; the gradient correlates dy with the
// flipped kernel, once for each phase of the stride.
#pragma once
#include <numeric>

#include "conv-winograd.h"
#include "conv.h"

namespace neurite::cpu::NEURITE_ISA {

// Packs the weights of c and makes its results, by tiles where that is faster: pack(group, panel, out) writes one panel.
template <class Product, class Pack> void correlate(Correlation c, Pack&& pack) {
  const int64_t panels = ceilDivide(c.features, kPanelWidth), panel = packedPanel(c.windows);
  const int64_t packed = c.groups * panels * panel + kLanes;
  bool byTiles = false;
  if constexpr (Product::kDepthPerWord == 1) byTiles = suitsTiles(c);
  c.packed = static_cast<float*>(scratch(static_cast<size_t>(packed + (byTiles ? tileWeights(c) : 0)) * 4));
  const Split parts = split(c.groups * panels, panel);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) pack(i / panels, i % panels, c.packed + i * panel);
  });
  if constexpr (Product::kDepthPerWord == 1) {
    if (byTiles && correlateTiles(c, c.packed + packed)) return;
  }
  correlate<Product>(c);
}

// The taps of one phase along an axis, from the last to the first, as windows over dy: those that reach places i with
// (i + before) mod stride == phase.
struct Phase {
  int64_t begin = 0, count = 0;          // first place, number of places
  int64_t taps = 0, last = 0, step = 1;  // tap t of the phase is tap last - t * step of the kernel
  int64_t dilation = 1, before = 0;      // of the windows
  Phase(const ConvShape& s, int axis, int64_t phase) {
    const int64_t stride = s.stride[axis], dilated = s.dilation[axis];
    begin = ((phase - s.before[axis]) % stride + stride) % stride;
    count = begin < s.in[axis] ? ceilDivide(s.in[axis] - begin, stride) : 0;
    const int64_t common = std::gcd(stride, dilated);
    step = stride / common;
    dilation = dilated / common;
    for (int64_t k = 0; k < s.taps[axis]; ++k) {
      if (k * dilated % stride == phase) last = k, ++taps;
    }
    before = (last * dilated - begin - s.before[axis]) / stride;
  }
};

// Windows with their channels counted in words of the product.
template <class Product> Windows inWords(Windows w) {
  if (Product::kDepthPerWord == 2) w.word = StripWord::channelPair, w.channels /= 2;
  return w;
}

// y of conv. In products of pairs each group has an even number of channels.
template <class Product> void convolve(const Call& call, const ConvShape& s, Activation activation, const float* bias) {
  const Tensor &x = call.in[0], &weights = call.in[1], &y = call.out[0];
  const Windows w = inWords<Product>(s.windows(x));
  const int64_t features = s.groupFeatures(), row = s.out[2] * s.features;
  const Results results{y.data, y.dtype, 0, s.outPixels() * s.features, {s.out[1] * row, row, s.features}};
  withFloat(weights.dtype, [&]<class T>(T) {
    const T* values = weights.as<const T>();
    correlate<Product>(
        {w, s.groups, features, nullptr, bias, activation, results}, [&](int64_t group, int64_t panel, float* out) {
          const int64_t column = panel * kPanelWidth;
          packAcross<Product>(values + group * features + column, s.features, s.tapCount() * s.groupChannels(),
                              smaller(kPanelWidth, features - column), out, kPanelWidth);
        });
  });
}

// The data gradient as correlations of dy, one for each phase of the stride: f(windows over all features, tapAt, begin, pitch), where
// tapAt(t) is the tap of the kernel that the windows' tap t is, begin the first place of dx in elements, pitch the distances of its places.
template <class F> void forPhases(const Tensor& dy, const ConvShape& s, F&& f) {
  const int64_t pixel = s.channels, row = s.in[2] * pixel, plane = s.in[1] * row;
  const int64_t phases = s.stride[0] * s.stride[1] * s.stride[2];
  for (int64_t i = 0; i < phases; ++i) {
    const Phase phase[3] = {
        {s, 0, i / s.stride[2] / s.stride[1]}, {s, 1, i / s.stride[2] % s.stride[1]}, {s, 2, i % s.stride[2]}};
    Windows w{dy.data, dy.dtype, {}, s.features, 0, s.groupFeatures(), s.batch, {}, {}, {}, {}, {}};
    for (int axis = 0; axis < 3; ++axis) {
      w.size[axis] = s.out[axis], w.count[axis] = phase[axis].count, w.taps[axis] = phase[axis].taps;
      w.stride[axis] = 1, w.dilation[axis] = phase[axis].dilation, w.before[axis] = phase[axis].before;
    }
    if (w.planes() * w.planeWindows() == 0) continue;
    const auto tapAt = [&](int64_t t) {
      const int64_t at[3] = {t / w.taps[2] / w.taps[1], t / w.taps[2] % w.taps[1], t % w.taps[2]};
      int64_t tap = 0;
      for (int axis = 0; axis < 3; ++axis) tap = tap * s.taps[axis] + phase[axis].last - at[axis] * phase[axis].step;
      return tap;
    };
    f(w, tapAt, phase[0].begin * plane + phase[1].begin * row + phase[2].begin * pixel,
      {s.stride[0] * plane, s.stride[1] * row, s.stride[2] * pixel});
  }
}

// dx of convDataGrad. In products of pairs each group has an even number of features.
template <class Product>
void convolveData(const Call& call, const ConvShape& s, Activation activation, const float* bias) {
  const Tensor &weights = call.in[1], &dx = call.out[0];
  const int64_t channels = s.groupChannels(), features = s.groupFeatures();
  forPhases(call.in[0], s, [&](const Windows& phase, const auto& tapAt, int64_t begin, const int64_t(&pitch)[3]) {
    const Windows w = inWords<Product>(phase);
    const Results results{dx.data, dx.dtype, begin, s.inPixels() * s.channels, {pitch[0], pitch[1], pitch[2]}};
    withFloat(weights.dtype, [&]<class T>(T) {
      correlate<Product>(
          {w, s.groups, channels, nullptr, bias, activation, results}, [&](int64_t group, int64_t panel, float* out) {
            const int64_t channel = panel * kPanelWidth, width = smaller(kPanelWidth, channels - channel);
            for (int64_t t = 0; t < w.tapCount(); ++t, out += w.channels * kPanelWidth) {
              const T* from = weights.as<const T>() + (tapAt(t) * channels + channel) * s.features + group * features;
              packAlong<Product>(from, s.features, features, width, out, kPanelWidth);
            }
          });
    });
  });
}

}  // namespace neurite::cpu::NEURITE_ISA
