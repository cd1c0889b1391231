// Convolutions whose groups are single channels: lanes are channels, and a strip is read once per tap. Bound by loads: each
// multiply-add takes one of the strip; a weight serves several windows, a value of dy several taps.
#include "../pool.h"
#include "conv-filter-product.h"
#include "conv-products.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// Windows of a line that share the loads of the weights.
constexpr int kWindows = 8;
// Taps whose sums stay in registers while dy passes by.
constexpr int kTaps = kVectorRegisters == 32 ? 12 : 9;

// Weights as float32 in scratch memory, taps x channels: tap t is the kernel's tap order(t).
template <class Order> float* tapWeights(const Tensor& weights, int64_t taps, int64_t channels, Order&& order) {
  float* out = static_cast<float*>(scratch(static_cast<size_t>(taps * channels) * 4));
  for (int64_t t = 0; t < taps; ++t) {
    withFloat(weights.dtype, [&]<class T>(T) {
      const T* from = weights.as<const T>() + order(t) * channels;
      eachVector(
          channels, EACH_VECTOR { storeUpTo(out + t * channels + i, loadFloats(from + i, left), left); });
    });
  }
  return out;
}

// `windows` neighbouring windows of a line, all channels.
template <int windows, class T>
void correlateLine(const Correlation& c, const StripPlan& plan, const float* strip, T* y) {
  const int64_t channels = c.features, pitch = plan.pixelPitch, step = c.results.pitch[2];
  const Activation activation = c.activation;
  eachVector(
      channels, EACH_VECTOR {
        F32 sums[windows];
        const F32 bias = c.bias ? loadUpTo(c.bias + i, left) : zeros();
        NEURITE_UNROLL
        for (int k = 0; k < windows; ++k) sums[k] = bias;
        const float* weight = c.packed + i;
        for (int64_t t = 0; t < plan.runs; ++t, weight += channels) {
          const F32 w = loadUpTo(weight, left);
          const float* x = strip + plan.runStarts[t] + i;
          NEURITE_UNROLL
          for (int k = 0; k < windows; ++k) sums[k] = fma(loadUpTo(x + k * pitch, left), w, sums[k]);
        }
        NEURITE_UNROLL
        for (int k = 0; k < windows; ++k) storeFloats(y + k * step + i, activate(activation, sums[k]), left, false);
      });
}
template <class T, size_t... n> constexpr auto lineKernels(std::index_sequence<n...>) {
  using Kernel = void (*)(const Correlation&, const StripPlan&, const float*, T*);
  struct Kernels {
    Kernel ofWindows[kWindows];
  };
  return Kernels{{correlateLine<n + 1, T>...}};
}

// One strip for all channels, and a run for each tap. `packed` is taps x channels.
void correlateChannels(const Correlation& c) {
  const Windows& w = c.windows;
  const Offsets offsets(w);
  const StripPlan plan(w, StripForm::padded, false, kLeastBlocks, w.values(), kStripFloats, offsets.memory());
  const int64_t perChunk =
      larger(1, kInlineWork / 2 / larger(1, w.planes() * w.planeWindows() * w.values() / plan.blocks()));
  if (c.finish.wantsMoments()) c.finish.begin(plan.blocks());
  parallelFor(ceilDivide(plan.blocks(), perChunk), [&](int64_t chunk) {
    float* strip = static_cast<float*>(threadScratch(static_cast<size_t>(plan.stripFloats()) * 4));
    for (int64_t index = chunk * perChunk; index < smaller(plan.blocks(), (chunk + 1) * perChunk); ++index) {
      const Block b = plan.block(index);
      plan.fill(strip, b, 0);
      for (int64_t line = 0; line < plan.lines(b); ++line) {
        const int64_t plane = b.plane + line / b.rows;
        const int64_t place = c.results.at(plane / w.count[0], plane % w.count[0], b.row + line % b.rows, b.column);
        withFloat(c.results.dtype, [&]<class T>(T) {
          static constexpr auto kKernels = lineKernels<T>(std::make_index_sequence<kWindows>());
          for (int64_t i = 0; i < b.columns; i += kWindows) {
            kKernels.ofWindows[smaller(kWindows, b.columns - i) - 1](
                c, plan, strip + plan.lineStarts[line] + i * plan.pixelPitch,
                static_cast<T*>(c.results.data) + place + i * c.results.pitch[2]);
          }
        });
      }
      finishBlock(c, b, index, 0, 0, c.features);
    }
  });
}

// Adds to sums (taps x channels) what the windows of a block say about `taps` taps from `first` on: x of the tap times dy.
template <int taps, class T>
void sumTaps(const StripPlan& plan, const Block& b, const float* strip, const T* dy, int64_t channels, int64_t first,
             float* sums) {
  int64_t starts[taps];
  for (int t = 0; t < taps; ++t) starts[t] = plan.runStarts[first + t];
  eachVector(
      channels, EACH_VECTOR {
        F32 sum[taps] = {};
        const T* d = dy + i;
        for (int64_t line = 0; line < plan.lines(b); ++line) {
          const float* x = strip + plan.lineStarts[line] + i;
          for (int64_t k = 0; k < b.columns; ++k, d += channels, x += plan.pixelPitch) {
            const F32 gradient = loadFloats(d, left);
            NEURITE_UNROLL
            for (int t = 0; t < taps; ++t) sum[t] = fma(loadUpTo(x + starts[t], left), gradient, sum[t]);
          }
        }
        NEURITE_UNROLL
        for (int t = 0; t < taps; ++t) {
          float* to = sums + (first + t) * channels + i;
          storeUpTo(to, loadUpTo(to, left) + sum[t], left);
        }
      });
}
template <class T, size_t... n> constexpr auto tapKernels(std::index_sequence<n...>) {
  using Kernel = void (*)(const StripPlan&, const Block&, const float*, const T*, int64_t, int64_t, float*);
  struct Kernels {
    Kernel ofTaps[kTaps];
  };
  return Kernels{{sumTaps<n + 1, T>...}};
}

}  // namespace

void convolveChannels(const Call& call, const ConvShape& s, Activation activation, const float* bias) {
  const Tensor& y = call.out[0];
  Windows w = s.windows(call.in[0]);
  w.channels = s.channels;
  float* packed = tapWeights(call.in[1], s.tapCount(), s.channels, [](int64_t t) { return t; });
  const int64_t row = s.out[2] * s.features;
  Finish finish(call);
  correlateChannels({w,
                     1,
                     s.features,
                     packed,
                     nullptr,
                     bias,
                     activation,
                     {y.data, y.dtype, 0, s.outPixels() * s.features, {s.out[1] * row, row, s.features}},
                     finish});
  finish.end();
}

void convolveChannelsData(const Call& call, const ConvShape& s, Activation activation, const float* bias) {
  Finish finish(call);
  forPhases(call.in[0], s, [&](Windows w, const auto& tapAt, int64_t begin, const int64_t(&pitch)[3]) {
    w.channels = s.channels;
    float* packed = tapWeights(call.in[1], w.tapCount(), s.channels, tapAt);
    const Tensor& dx = call.out[0];
    correlateChannels({w,
                       1,
                       s.channels,
                       packed,
                       nullptr,
                       bias,
                       activation,
                       {dx.data, dx.dtype, begin, s.inPixels() * s.channels, {pitch[0], pitch[1], pitch[2]}},
                       finish});
  });
}

void sumChannels(const Tensor& x, const Tensor& dy, const Tensor& dw, const ConvShape& s) {
  Windows w = s.windows(x);
  w.channels = s.channels;
  const Offsets offsets(w);
  const StripPlan plan(w, StripForm::padded, false, kLeastChunks, w.values(), kStripFloats, offsets.memory());
  const int64_t sums = smaller(plan.blocks(), kLeastChunks), size = dw.size(), taps = w.tapCount();
  float* partials = static_cast<float*>(scratch(static_cast<size_t>(sums * size) * 4));
  parallelFor(sums, [&](int64_t sum) {
    float* strip = static_cast<float*>(threadScratch(static_cast<size_t>(plan.stripFloats()) * 4));
    float* result = partials + sum * size;
    memset(result, 0, static_cast<size_t>(size) * 4);
    for (int64_t index = plan.blocks() * sum / sums; index < plan.blocks() * (sum + 1) / sums; ++index) {
      const Block b = plan.block(index);
      plan.fill(strip, b, 0);
      const int64_t pixel = (b.plane * w.count[1] + b.row) * w.count[2] + b.column;
      withFloat(dy.dtype, [&]<class T>(T) {
        static constexpr auto kKernels = tapKernels<T>(std::make_index_sequence<kTaps>());
        for (int64_t first = 0; first < taps; first += kTaps) {
          kKernels.ofTaps[smaller(kTaps, taps - first) - 1](plan, b, strip, dy.as<const T>() + pixel * s.channels,
                                                            s.channels, first, result);
        }
      });
    }
  });
  addPartials(partials, sums, dw);
}

}  // namespace neurite::cpu::NEURITE_ISA
