// Which convolution kernel runs: by shape, compute capability and precision. Constants, so that the same call always gives the same bits.
#pragma once
#include <numeric>

#include "matmul-table.h"

namespace neurite::cuda {

enum class ConvProduct { forward, dataGrad, filterGrad };

// A convolution with three spatial axes, d, h, w; those that are missing have size 1.
struct ConvShape {
  int64_t images, channels, features, groups;
  int32_t input[3], output[3], kernel[3], stride[3], dilation[3], before[3];

  int64_t taps() const { return int64_t{kernel[0]} * kernel[1] * kernel[2]; }
  int64_t inputPixels() const { return images * input[0] * input[1] * input[2]; }
  int64_t outputPixels() const { return images * output[0] * output[1] * output[2]; }
  int64_t groupChannels() const { return channels / groups; }
  int64_t groupFeatures() const { return features / groups; }
  bool everyPixelOnce() const {
    bool once = taps() == 1;
    for (int i = 0; i < 3; i++) once = once && stride[i] == 1 && before[i] == 0 && input[i] == output[i];
    return once;
  }
};

// How the data gradient falls apart along an axis: pixels of dx that are equal modulo the stride see the same taps.
struct ConvPhases {
  int32_t count;      // at most the stride: as many as dx has pixels
  int32_t tapStep;    // between taps of a phase
  int32_t placeStep;  // between the places of dy that they see
  int64_t most;       // taps of a phase
  int64_t grid;       // pixels of a phase
};

inline ConvPhases phasesOf(const ConvShape& shape, int axis) {
  const int32_t stride = shape.stride[axis], common = std::gcd(stride, shape.dilation[axis]);
  const int32_t tapStep = stride / common;
  return {stride < shape.input[axis] ? stride : shape.input[axis], tapStep, shape.dilation[axis] / common,
          (shape.kernel[axis] + tapStep - 1) / tapStep, (shape.input[axis] + stride - 1) / stride};
}

// The matrices that are multiplied, (m, k) and (k, n), and how many of them.
struct ConvMatrices {
  int64_t m, n, k, batches;
};

// `channels`: of a group of x, as they are gathered.
inline ConvMatrices matricesOf(const ConvShape& shape, ConvProduct product, int64_t channels) {
  const int64_t depth = shape.taps() * channels;
  if (product == ConvProduct::forward) return {shape.outputPixels(), shape.groupFeatures(), depth, shape.groups};
  if (product == ConvProduct::filterGrad) return {depth, shape.groupFeatures(), shape.outputPixels(), shape.groups};
  ConvMatrices matrices{shape.images, shape.groupChannels(), shape.groupFeatures(), shape.groups};
  for (int i = 0; i < 3; i++) {
    const ConvPhases phases = phasesOf(shape, i);
    matrices.m *= phases.grid;
    matrices.k *= phases.most;
    matrices.batches *= phases.count;
  }
  return matrices;
}

enum class ConvKernel {
  matmul,     // a kernel of one element that visits every pixel: a product of matrices that lie in memory
  depthwise,  // one channel per group: bound by memory, kernels of its own
  gather,     // the mainloops of matmul, one operand gathered
};

// Unless depthwise, with the product and what multiplies it.
struct ConvChoice {
  ConvKernel kernel;
  int64_t channels;  // of a group of x as they are gathered: with zeros behind them if they are more than there are
  ConvMatrices matrices;
  MatmulChoice product;
};

// A first layer has so few channels that a pixel of them is no word that cp.async can copy (4, 8 or 16 bytes, aligned). With zeros behind
// them it is one: a copy instead of a load and a store per channel, for at most twice the depth and one more pass over x. For the 7x7 kernel
// of ResNet-50's first layer in bfloat16 that is 49 copies per pixel of y, not 147 loads, and a depth of 196, not 147. Counted, not measured.
inline int64_t paddedChannels(int64_t channels, int64_t elementBytes) {
  int64_t padded = elementBytes < 4 ? 4 / elementBytes : 1;
  while (padded < channels) padded *= 2;
  return padded * elementBytes <= 16 ? padded : channels;
}

// The mainloop of a gathered product. Few channels or features make C narrow: a tile that is wider would multiply zeros. Filter gradients
// have a small C and a k of all pixels, so that slices of k are what fills the GPU.
inline MatmulChoice chooseConvProduct(const ConvMatrices& matrices, int capability, bool mayRound) {
  const auto [m, n, k, batches] = matrices;
  const int64_t narrow = m < n ? m : n;
  return chooseMatmul(m, n, k, batches, capability, mayRound, 128, narrow <= 32 ? 32 : narrow <= 64 ? 64 : 128);
}

inline ConvChoice chooseConv(const ConvShape& shape, ConvProduct product, int capability, bool mayRound,
                             int64_t elementBytes) {
  ConvChoice choice{ConvKernel::depthwise, shape.groupChannels(), {}, {}};
  if (shape.groups > 1 && choice.channels == 1) return choice;
  choice.matrices = matricesOf(shape, product, choice.channels);
  const auto [m, n, k, batches] = choice.matrices;
  if (shape.groups == 1 && shape.everyPixelOnce()) {
    choice.kernel = ConvKernel::matmul;
    choice.product = chooseMatmul(m, n, k, batches, capability, mayRound);
    return choice;
  }
  choice.kernel = ConvKernel::gather;
  choice.product = chooseConvProduct(choice.matrices, capability, mayRound);
  // Multiply-adds are what float32 arithmetic is bound by: there, more depth is more time.
  if (choice.product.kernel == MatmulKernel::simt || product == ConvProduct::dataGrad || shape.groups > 1)
    return choice;
  choice.channels = paddedChannels(choice.channels, elementBytes);
  choice.matrices = matricesOf(shape, product, choice.channels);
  choice.product = chooseConvProduct(choice.matrices, capability, mayRound);
  return choice;
}

// Slices of the pixels in the filter gradient of a depthwise convolution, whose other axes make `blocks` blocks, each with so many rows of
// threads over pixels.
inline int64_t depthwiseSlices(int64_t pixels, int64_t blocks, int64_t rows) {
  const int64_t least = 8 * rows;
  const int64_t wanted = (2 * kFullGrid + blocks - 1) / (blocks > 0 ? blocks : 1);
  const int64_t most = pixels / least < 128 ? pixels / least : 128;
  const int64_t slices = wanted < most ? wanted : most;
  return slices > 1 ? slices : 1;
}

}  // namespace neurite::cuda
