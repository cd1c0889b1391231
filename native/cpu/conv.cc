// conv and convDataGrad: matrix products of pixels where a pixel sees only itself, lanes of channels where a channel does, else
// correlations with packed weights, which are made by windows or by Winograd's tiles.
#include "../bfloat16-dots.h"
#include "conv-products.h"
#include "gemm-table.h"
#include "gemm.h"
#include "kernels.h"

#if defined(__x86_64__) && defined(__AVX512F__)
namespace neurite::cpu::avx512bf16 {
void convolvePairs(const Call& call, const float* bias);
void convolveDataPairs(const Call& call, const float* bias);
}  // namespace neurite::cpu::avx512bf16
#endif

namespace neurite::cpu::NEURITE_ISA {

namespace {

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

}  // namespace

void conv(const Call& call) {
  const auto& attributes = attributesOf<attributes::conv>(call);
  const Tensor &x = call.in[0], &y = call.out[0];
  if (y.size() == 0) return;
  const ConvShape s(x, call.in[1], y, attributes);
  const Bias bias(call.in[2]);
  if (s.pointwise()) return multiplyPixels(call, s, false, attributes.activation, attributes.precision, bias.values());
  if (s.depthwise()) return convolveChannels(call, s, attributes.activation, bias.values());
#if defined(__x86_64__) && defined(__AVX512F__)
  if (bfloat16Dots() && partsOf(x.dtype, call.in[1].dtype, attributes.precision) == 1 && s.groupChannels() % 2 == 0)
    return avx512bf16::convolvePairs(call, bias.values());
#endif
  convolve<FloatProduct>(call, s, attributes.activation, bias.values());
}

void convDataGrad(const Call& call) {
  const auto& attributes = attributesOf<attributes::convDataGrad>(call);
  const Tensor &dy = call.in[0], &dx = call.out[0];
  if (dx.size() == 0) return;
  const ConvShape s(dx, call.in[1], dy, attributes);
  const Bias bias(call.in[2]);
  if (s.pointwise()) return multiplyPixels(call, s, true, attributes.activation, attributes.precision, bias.values());
  if (s.depthwise()) return convolveChannelsData(call, s, attributes.activation, bias.values());
#if defined(__x86_64__) && defined(__AVX512F__)
  if (bfloat16Dots() && partsOf(dy.dtype, call.in[1].dtype, attributes.precision) == 1 && s.groupFeatures() % 2 == 0)
    return avx512bf16::convolveDataPairs(call, bias.values());
#endif
  convolveData<FloatProduct>(call, s, attributes.activation, bias.values());
}

}  // namespace neurite::cpu::NEURITE_ISA
