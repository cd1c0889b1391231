// convFilterGrad in the Winograd domain of F(2x2, 3x3): 16 products of channels by features where the direct gradient has 36 for the same pixels.
#pragma once
#include "conv.h"

namespace neurite::cpu::NEURITE_ISA {

// Whether dw is made faster from transformed tiles than from windows. Measured with AVX-512 on one thread: 1.6 to 1.9 times as fast from
// 64 channels and features on, 1.35 times at 32, little faster at 16; at 8 the transforms cost more than they save. A sum of few pixels would
// show the transforms' rounding, which does not grow with their number (RMS 3.5e-7; the direct sum's is 1e-7 of 64 pixels and 5e-7 of
// 60,000).
inline bool winogradFilterGradIsFaster(const ConvShape& s) {
  constexpr int64_t kLeastWidth = 16, kLeastPixels = 64;
  if (s.batch * s.outPixels() < kLeastPixels) return false;
  if (s.groups != 1 || s.channels < kLeastWidth || s.features < kLeastWidth) return false;
  if (s.taps[0] != 1 || s.in[0] != 1 || s.out[0] != 1 || s.before[0] != 0) return false;
  for (int i = 1; i < 3; ++i) {
    if (s.taps[i] != 3 || s.stride[i] != 1 || s.dilation[i] != 1) return false;
  }
  // Where the last row or column of tiles is cut, they multiply zeros.
  constexpr double kAdvantage = 0.85;
  const auto tiles = static_cast<double>(ceilDivide(s.out[1], 2) * ceilDivide(s.out[2], 2));
  return 16 * tiles < kAdvantage * 9 * static_cast<double>(s.outPixels());
}

// Writes dw and returns true; or returns false where a value of it is not finite, as infinities that the transforms mix would become NaN.
bool multiplyWinogradTiles(const Tensor& x, const Tensor& dy, const Tensor& dw, const ConvShape& s);

}  // namespace neurite::cpu::NEURITE_ISA
