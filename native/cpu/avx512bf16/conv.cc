// Convolutions with dot products of bfloat16 pairs: strips of pairs of channels, or for the filter gradient of pixels, under the
// products of float32.
#include "../conv-filter-product.h"
#include "../conv-products.h"
#include "../conv-units.h"
#include "pair-product.h"

namespace neurite::cpu::NEURITE_ISA {

void convolvePairs(const Call& call, const float* bias) {
  const auto& attributes = attributesOf<attributes::conv>(call);
  convolve<VectorCorrelator<PairProduct>>(call, {call.in[0], call.in[1], call.out[0], attributes},
                                          attributes.activation, bias, call.kept);
}

void convolveDataPairs(const Call& call, const float* bias) {
  const auto& attributes = attributesOf<attributes::convDataGrad>(call);
  convolveData<VectorCorrelator<PairProduct>>(call, {call.out[0], call.in[1], call.in[0], attributes},
                                              attributes.activation, bias);
}

void multiplyWindowPairs(const Call& call) {
  const Tensor &x = call.in[0], &dy = call.in[1], &dw = call.out[0];
  multiplyWindows<PairProduct>(x, dy, dw, {x, dw, dy, attributesOf<attributes::convFilterGrad>(call)});
}

}  // namespace neurite::cpu::NEURITE_ISA
