// conv and convDataGrad: matrix products of pixels where a pixel sees only itself, lanes of channels where a channel does, else
// correlations with packed weights, which are made by windows or by Winograd's tiles.
#include "../conv-then-pool.h"
#include "conv-products.h"
#include "conv-tile-table.h"
#include "conv-units.h"
#include "gemm.h"
#include "kernels.h"

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
  Finish finish(call, s, activation);
  g.bias = bias;
  g.activation = finish.storedWith();
  g.precision = precision;
  gemm(g);
  finish.whole();
  finish.end();
}

}  // namespace

void conv(const Call& call) {
  const auto& attributes = attributesOf<attributes::conv>(call);
  const Tensor &x = call.in[0], &y = call.out[0];
  if (y.size() == 0) {
    for (int i = 1; i < call.outputs; ++i) memset(call.out[i].data, 0, call.out[i].bytes());
    return;
  }
  if (attributes.window.count > 0 && call.out[2].size() > 0) return convThenPool(call, conv, maxPool);
  const ConvShape s(x, call.in[1], y, attributes);
  const Bias bias(call.in[2]);
  if (s.pointwise() && !s.pools)
    return multiplyPixels(call, s, false, attributes.activation, attributes.precision, bias.values());
  if (s.depthwise()) return convolveChannels(call, s, attributes.activation, bias.values());
  const int parts = partsOf(x.dtype, call.in[1].dtype, attributes.precision);
  const auto faster = [&] { return tilesConvolveFaster(x, s, parts); };
  if (byTiles(unit::convolveTiles, amx_twin::convolveTiles, faster, call, parts, bias.values())) return;
#if defined(__x86_64__) && defined(__AVX512F__)
  if (bfloat16Dots() && parts == 1 && s.groupChannels() % 2 == 0) return avx512bf16::convolvePairs(call, bias.values());
#endif
  Kept* kept = call.kept;
  if (suitsTiles(s.windows(x), s.groups, s.groupFeatures())) {
    if (convolve<WinogradCorrelator>(call, s, attributes.activation, bias.values(), kept)) return;
    kept = nullptr;  // it holds what the tiles want
  }
  convolve<VectorCorrelator<FloatProduct>>(call, s, attributes.activation, bias.values(), kept);
}

void convDataGrad(const Call& call) {
  const auto& attributes = attributesOf<attributes::convDataGrad>(call);
  const Tensor &dy = call.in[0], &dx = call.out[0];
  if (dx.size() == 0) return;
  const ConvShape s(dx, call.in[1], dy, attributes);
  const Bias bias(call.in[2]);
  if (s.pointwise()) return multiplyPixels(call, s, true, attributes.activation, attributes.precision, bias.values());
  if (s.depthwise()) return convolveChannelsData(call, s, attributes.activation, bias.values());
  const int parts = partsOf(dy.dtype, call.in[1].dtype, attributes.precision);
  const auto faster = [&] { return tilesConvolveDataFaster(dy, s, parts); };
  if (byTiles(unit::convolveDataTiles, amx_twin::convolveDataTiles, faster, call, parts, bias.values())) return;
#if defined(__x86_64__) && defined(__AVX512F__)
  if (bfloat16Dots() && parts == 1 && s.groupFeatures() % 2 == 0)
    return avx512bf16::convolveDataPairs(call, bias.values());
#endif
  if (convolveData<WinogradCorrelator>(call, s, attributes.activation, bias.values())) return;
  convolveData<VectorCorrelator<FloatProduct>>(call, s, attributes.activation, bias.values());
}

}  // namespace neurite::cpu::NEURITE_ISA
