// conv and convDataGrad: both correlate an image with packed weights; the gradient correlates dy with the flipped kernel, once for each
// phase of the stride.
#include "conv.h"

#include <numeric>

#include "../pool.h"
#include "conv-correlate.h"
#include "gemm-epilogue.h"
#include "gemm.h"
#include "kernels.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// Packs `panels` panels per group: pack(group, panel, out) writes one.
template <class Pack> const float* packWeights(const Windows& w, int64_t groups, int64_t panels, Pack&& pack) {
  float* packed = static_cast<float*>(scratch(static_cast<size_t>(groups * panels * packedPanel(w) + kLanes) * 4));
  const Split parts = split(groups * panels, packedPanel(w));
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i)
      pack(i / panels, i % panels, packed + i * packedPanel(w));
  });
  return packed;
}

// Weights as values of a type: f(const float*) or f(const uint16_t*).
template <class F> void withWeights(const Tensor& w, F&& f) {
  if (w.dtype == DType::bfloat16)
    f(w.as<const uint16_t>());
  else
    f(w.as<const float>());
}

void multiplyPixels(const Call& call, const ConvShape& s, bool transposeB, Activation activation, Precision precision,
                    const float* bias) {
  Gemm g;
  g.m = s.batch * s.inPixels();
  g.k = transposeB ? s.features : s.channels;
  g.n = transposeB ? s.channels : s.features;
  g.a = call.in[0].data, g.lda = g.k, g.typeA = call.in[0].dtype;
  g.b = call.in[1].data, g.ldb = s.features, g.typeB = call.in[1].dtype, g.transposeB = transposeB;
  g.c = call.out[0].data, g.ldc = g.n, g.typeC = call.out[0].dtype;
  g.bias = bias;
  g.activation = activation;
  g.precision = precision;
  gemm(g);
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

}  // namespace

void conv(const Call& call) {
  const auto& attributes = attributesOf<attributes::conv>(call);
  const Tensor &x = call.in[0], &weights = call.in[1], &y = call.out[0];
  if (y.size() == 0) return;
  const ConvShape s(x, weights, y, attributes);
  const Bias bias(call.in[2]);
  if (s.pointwise()) return multiplyPixels(call, s, false, attributes.activation, attributes.precision, bias.values());
  const Windows w = s.windows(x);
  const int64_t features = s.groupFeatures(), panels = ceilDivide(features, kPanelWidth);
  const float* packed = nullptr;
  withWeights(weights, [&](const auto* values) {
    packed = packWeights(w, s.groups, panels, [&](int64_t group, int64_t panel, float* out) {
      const int64_t column = panel * kPanelWidth;
      packAcross<FloatProduct>(values + group * features + column, s.features, w.values(),
                               smaller(kPanelWidth, features - column), out, kPanelWidth);
    });
  });
  const int64_t row = s.out[2] * s.features;
  correlate({w,
             s.groups,
             features,
             packed,
             bias.values(),
             attributes.activation,
             {y.data, y.dtype, 0, s.outPixels() * s.features, {s.out[1] * row, row, s.features}}});
}

void convDataGrad(const Call& call) {
  const auto& attributes = attributesOf<attributes::convDataGrad>(call);
  const Tensor &dy = call.in[0], &weights = call.in[1], &dx = call.out[0];
  if (dx.size() == 0) return;
  const ConvShape s(dx, weights, dy, attributes);
  const Bias bias(call.in[2]);
  if (s.pointwise()) return multiplyPixels(call, s, true, attributes.activation, attributes.precision, bias.values());
  const int64_t channels = s.groupChannels(), features = s.groupFeatures(), panels = ceilDivide(channels, kPanelWidth);
  const int64_t pixel = s.channels, row = s.in[2] * pixel, plane = s.in[1] * row;
  const int64_t phases = s.stride[0] * s.stride[1] * s.stride[2];
  for (int64_t i = 0; i < phases; ++i) {
    const Phase phase[3] = {
        {s, 0, i / s.stride[2] / s.stride[1]}, {s, 1, i / s.stride[2] % s.stride[1]}, {s, 2, i % s.stride[2]}};
    Windows w{dy.data, dy.dtype, {}, s.features, 0, features, s.batch, {}, {}, {}, {}, {}};
    for (int axis = 0; axis < 3; ++axis) {
      w.size[axis] = s.out[axis], w.count[axis] = phase[axis].count, w.taps[axis] = phase[axis].taps;
      w.stride[axis] = 1, w.dilation[axis] = phase[axis].dilation, w.before[axis] = phase[axis].before;
    }
    if (w.planes() * w.planeWindows() == 0) continue;
    const float* packed = nullptr;
    withWeights(weights, [&](const auto* values) {
      packed = packWeights(w, s.groups, panels, [&](int64_t group, int64_t panel, float* out) {
        const int64_t channel = panel * kPanelWidth;
        for (int64_t d = 0; d < w.taps[0]; ++d) {
          for (int64_t h = 0; h < w.taps[1]; ++h) {
            for (int64_t v = 0; v < w.taps[2]; ++v, out += features * kPanelWidth) {
              const int64_t tap =
                  ((phase[0].last - d * phase[0].step) * s.taps[1] + phase[1].last - h * phase[1].step) * s.taps[2] +
                  phase[2].last - v * phase[2].step;
              packAlong<FloatProduct>(values + (tap * channels + channel) * s.features + group * features, s.features,
                                      features, smaller(kPanelWidth, channels - channel), out, kPanelWidth);
            }
          }
        }
      });
    });
    const int64_t begin = phase[0].begin * plane + phase[1].begin * row + phase[2].begin * pixel;
    correlate(
        {w,
         s.groups,
         channels,
         packed,
         bias.values(),
         attributes.activation,
         {dx.data, dx.dtype, begin, s.in[0] * plane, {s.stride[0] * plane, s.stride[1] * row, s.stride[2] * pixel}}});
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
