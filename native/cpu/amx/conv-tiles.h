// The definitions of conv-units.h's convolutions on tiles, for the one file of each set that includes them.
#pragma once
#include "../conv-units.h"
#include "correlate-tiles.h"
#include "filter-tiles.h"

namespace neurite::cpu::NEURITE_ISA {

// f(std::integral_constant<int, parts>).
template <class F> bool withParts(int parts, F&& f) {
  return parts == 1   ? f(std::integral_constant<int, 1>())
         : parts == 2 ? f(std::integral_constant<int, 2>())
                      : f(std::integral_constant<int, 3>());
}

bool convolveTiles(const Call& call, int parts, const float* bias) {
  const auto& attributes = attributesOf<attributes::conv>(call);
  const ConvShape s(call.in[0], call.in[1], call.out[0], attributes);
  return withParts(parts, [&](auto n) { return convolve<TileCorrelator<n>>(call, s, attributes.activation, bias); });
}

bool convolveDataTiles(const Call& call, int parts, const float* bias) {
  const auto& attributes = attributesOf<attributes::convDataGrad>(call);
  const ConvShape s(call.out[0], call.in[1], call.in[0], attributes);
  return withParts(parts,
                   [&](auto n) { return convolveData<TileCorrelator<n>>(call, s, attributes.activation, bias); });
}

bool sumWindowTiles(const Call& call, int parts) {
  const Tensor &x = call.in[0], &dy = call.in[1], &dw = call.out[0];
  const ConvShape s(x, dw, dy, attributesOf<attributes::convFilterGrad>(call));
  return withParts(parts, [&](auto n) { return multiplyWindowTiles<n>(x, dy, dw, s); });
}

}  // namespace neurite::cpu::NEURITE_ISA
