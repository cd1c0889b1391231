// Convolutions on tiles with 1, 2 or 3 parts per float32. False where magnitudes call for true float32; the result is undefined then.
#pragma once
#include "correlate-tiles.h"
#include "filter-tiles.h"

namespace neurite::cpu::NEURITE_ISA {

// f(std::integral_constant<int, parts>).
template <class F> bool withParts(int parts, F&& f) {
  return parts == 1   ? f(std::integral_constant<int, 1>())
         : parts == 2 ? f(std::integral_constant<int, 2>())
                      : f(std::integral_constant<int, 3>());
}

inline bool convolveWithTiles(const Call& call, int parts, const float* bias) {
  const auto& attributes = attributesOf<attributes::conv>(call);
  const ConvShape s(call.in[0], call.in[1], call.out[0], attributes);
  return withParts(parts, [&](auto n) { return convolve<TileCorrelator<n>>(call, s, attributes.activation, bias); });
}

inline bool convolveDataWithTiles(const Call& call, int parts, const float* bias) {
  const auto& attributes = attributesOf<attributes::convDataGrad>(call);
  const ConvShape s(call.out[0], call.in[1], call.in[0], attributes);
  return withParts(parts,
                   [&](auto n) { return convolveData<TileCorrelator<n>>(call, s, attributes.activation, bias); });
}

inline bool sumWindowsWithTiles(const Call& call, int parts) {
  const Tensor &x = call.in[0], &dy = call.in[1], &dw = call.out[0];
  const ConvShape s(x, dw, dy, attributesOf<attributes::convFilterGrad>(call));
  return withParts(parts, [&](auto n) { return multiplyWindowTiles<n>(x, dy, dw, s); });
}

}  // namespace neurite::cpu::NEURITE_ISA
