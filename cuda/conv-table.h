// Which convolution kernel runs: by shape, compute capability and precision. Constants, so that the same call always gives the same bits.
#pragma once
#include "matmul-table.h"

namespace neurite::cuda {

enum class ConvKernel {
  matmul,     // a kernel of one element that visits every pixel: a product of matrices that lie in memory
  depthwise,  // one channel per group: bound by memory, kernels of its own
  gather,     // the mainloops of matmul, one operand gathered
};

inline ConvKernel chooseConv(bool everyPixelOnce, int64_t groups, int64_t channelsPerGroup) {
  if (groups > 1 && channelsPerGroup == 1) return ConvKernel::depthwise;
  return everyPixelOnce && groups == 1 ? ConvKernel::matmul : ConvKernel::gather;
}

// The mainloop of a gathered product. Few channels or features make C narrow: a tile that is wider would multiply zeros. Filter gradients
// have a small C and a k of all pixels, so that slices of k are what fills the GPU.
inline MatmulChoice chooseConvProduct(int64_t m, int64_t n, int64_t k, int64_t batches, int capability, bool mayRound) {
  const int64_t narrow = m < n ? m : n;
  return chooseMatmul(m, n, k, batches, capability, mayRound, 128, narrow <= 32 ? 32 : narrow <= 64 ? 64 : 128);
}

// Slices of the pixels in the filter gradient of a depthwise convolution, whose other axes make `blocks` blocks.
inline int64_t depthwiseSlices(int64_t pixels, int64_t blocks) {
  constexpr int64_t kLeastPixels = 64;
  const int64_t wanted = (2 * kFullGrid + blocks - 1) / (blocks > 0 ? blocks : 1);
  const int64_t most = pixels / kLeastPixels < 128 ? pixels / kLeastPixels : 128;
  const int64_t slices = wanted < most ? wanted : most;
  return slices > 1 ? slices : 1;
}

}  // namespace neurite::cuda
