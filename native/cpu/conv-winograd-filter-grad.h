// convFilterGrad in the Winograd domain of F(2x2, 3x3): 16 products of channels by features where the direct gradient has 36 for the same pixels.
#pragma once
#include "conv.h"

namespace neurite::cpu::NEURITE_ISA {

// Whether dw is made faster from transformed tiles than from windows.
bool winogradFilterGradIsFaster(const ConvShape& s);

// Writes dw and returns true; or returns false where a value of it is not finite, as infinities that the transforms mix would become NaN.
bool multiplyWinogradTiles(const Tensor& x, const Tensor& dy, const Tensor& dw, const ConvShape& s);

}  // namespace neurite::cpu::NEURITE_ISA
