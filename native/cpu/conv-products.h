// The products of convolution and its data gradient: both correlate an image with packed weights; the gradient correlates dy with the
// flipped kernel, once for each phase of the stride.
#pragma once
#include "conv-phases.h"
#include "conv-winograd.h"

namespace neurite::cpu::NEURITE_ISA {

// With more windows than this, packing the weights is nothing beside what is done with them: not worth keeping.
inline constexpr int64_t kManyWindows = 4096;

// A correlation by vectors of Product's words.
template <class Product> struct VectorCorrelator {
  using Packing = Product;  // what packs the weights of a tap
  // Whether it did the work: always.
  template <class PackTap> static bool run(const Correlation& c, PackTap&& packTap) {
    correlate<Product>(c, packTap);
    return true;
  }
};

// A correlation by Winograd's tiles.
struct WinogradCorrelator {
  using Packing = FloatProduct;
  // False if windows are faster, if results are only a phase of a stride, or if one is not finite: they are undefined then.
  template <class PackTap> static bool run(Correlation c, PackTap&& packTap) {
    const Windows& w = c.windows;
    const bool whole = c.results.dense(w) && c.results.pitch[2] == c.features;
    if (!whole || !suitsTiles(w, c.groups, c.features) || (c.finish.pools() && !tilesHaveRows(c))) return false;
    const int64_t panels = ceilDivide(c.features, kPanelWidth);
    const bool ready = c.kept && c.kept->ready;
    c.packed = packPanels(
        c.kept, 1, panels, packedPanel(w),
        [&](int64_t, int64_t panel, float* out) {
          const int64_t column = panel * kPanelWidth, width = smaller(kPanelWidth, c.features - column);
          for (int64_t t = 0; t < w.tapCount(); ++t)
            packTap(0, column, width, t, out + t * w.channels * kPanelWidth, kPanelWidth);
        },
        tileWeights(c));
    float* weights = c.packed + panels * packedPanel(w) + kLanes;
    if (!ready) transformWeights(c, weights);
    if (c.kept) c.kept->ready = true;
    return correlateTiles(c, weights);
  }
};

// y of conv. True if Correlator did the work; else y is undefined. `kept`: for packed weights, or null.
template <class Correlator>
bool convolve(const Call& call, const ConvShape& s, Activation activation, const float* bias, Kept* kept = nullptr) {
  const Tensor &x = call.in[0], &weights = call.in[1], &y = call.out[0];
  const int64_t channels = s.groupChannels(), features = s.groupFeatures(), row = s.out[2] * s.features;
  const Results results{y.data, y.dtype, 0, s.outPixels() * s.features, {s.out[1] * row, row, s.features}};
  const Windows w = s.windows(x);
  if (w.planes() * w.planeWindows() >= kManyWindows) kept = nullptr;
  Finish finish(call, s, activation);
  bool done = false;
  withFloat(weights.dtype, [&]<class T>(T) {
    const T* values = weights.as<const T>();
    done = Correlator::run({w, s.groups, features, nullptr, kept, bias, finish.storedWith(), results, finish},
                           [&](int64_t group, int64_t column, int64_t width, int64_t tap, float* out, int64_t pitch) {
                             packAcross<typename Correlator::Packing>(
                                 values + tap * channels * s.features + group * features + column, s.features, channels,
                                 width, out, pitch);
                           });
  });
  finish.end();
  return done;
}

// dx of convDataGrad. True if Correlator did the work; else dx is undefined.
template <class Correlator>
bool convolveData(const Call& call, const ConvShape& s, Activation activation, const float* bias) {
  const Tensor &weights = call.in[1], &dx = call.out[0];
  const int64_t channels = s.groupChannels(), features = s.groupFeatures();
  Finish finish(call, s, activation);
  bool done = true;
  forPhases(call.in[0], s, [&](const Windows& w, const auto& tapAt, int64_t begin, const int64_t(&pitch)[3]) {
    const Results results{dx.data, dx.dtype, begin, s.inPixels() * s.channels, {pitch[0], pitch[1], pitch[2]}};
    withFloat(weights.dtype, [&]<class T>(T) {
      const T* values = weights.as<const T>();
      done = done && Correlator::run(
                         {w, s.groups, channels, nullptr, nullptr, bias, finish.storedWith(), results, finish},
                         [&](int64_t group, int64_t channel, int64_t width, int64_t tap, float* out, int64_t pitchOut) {
                           const T* from = values + (tapAt(tap) * channels + channel) * s.features;
                           packAlong<typename Correlator::Packing>(from + group * features, s.features, features, width,
                                                                   out, pitchOut);
                         });
    });
  });
  return done;
}

}  // namespace neurite::cpu::NEURITE_ISA
