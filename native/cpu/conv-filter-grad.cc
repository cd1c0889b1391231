// convFilterGrad: a matrix product over pixels where a pixel sees only itself, lanes of channels where a channel does, else a product of
// windows.
#include "conv-filter-product.h"
#include "conv-tile-table.h"
#include "conv-units.h"
#include "conv-winograd-filter-grad.h"
#include "gemm.h"
#include "kernels.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// dw as the product of x's pixels, transposed, and dy's.
void multiplyPixels(const Call& call, const ConvShape& s, Precision precision) {
  Gemm g;
  g.m = s.channels, g.n = s.features, g.k = s.batch * s.inPixels();
  g.a = call.in[0].data, g.lda = s.channels, g.typeA = call.in[0].dtype, g.transposeA = true;
  g.b = call.in[1].data, g.ldb = s.features, g.typeB = call.in[1].dtype;
  g.c = call.out[0].data, g.ldc = s.features, g.typeC = call.out[0].dtype;
  g.precision = precision;
  gemm(g);
}

}  // namespace

void convFilterGrad(const Call& call) {
  const auto& attributes = attributesOf<attributes::convFilterGrad>(call);
  const Tensor &x = call.in[0], &dy = call.in[1], &dw = call.out[0];
  if (dw.size() == 0) return;
  if (dy.size() == 0 || x.size() == 0) {
    memset(dw.data, 0, dw.bytes());
    return;
  }
  const ConvShape s(x, dw, dy, attributes);
  if (s.pointwise()) return multiplyPixels(call, s, attributes.precision);
  if (s.depthwise()) return sumChannels(x, dy, dw, s);
  const int parts = partsOf(x.dtype, dy.dtype, attributes.precision);
  const auto faster = [&] { return tilesSumFaster(x, s, parts); };
  if (byTiles(unit::sumWindowTiles, amx_twin::sumWindowTiles, faster, call, parts)) return;
#if defined(__x86_64__) && defined(__AVX512F__)
  if (bfloat16Dots() && parts == 1) return avx512bf16::multiplyWindowPairs(call);
#endif
  if (winogradFilterGradIsFaster(s) && multiplyWinogradTiles(x, dy, dw, s)) return;
  multiplyWindows<FloatProduct>(x, dy, dw, s);
}

}  // namespace neurite::cpu::NEURITE_ISA
