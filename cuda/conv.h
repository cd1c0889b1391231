// Convolutions as products of a gathered operand and a matrix ("implicit GEMM"). With taps = the elements of the kernel, per group:
//
//   forward          y  (pixels of y, F)  = x gathered (pixels of y, taps * C)    * w  (taps * C, F)
//   data gradient    dx (pixels of x, C)  = dy gathered (pixels of x, taps * F)   * w  (taps * F, C), which lies as (taps, C, F)
//   filter gradient  dw (taps * C, F)     = x gathered (pixels of y, taps * C)^T  * dy (pixels of y, F)
//
// The data gradient of a strided convolution falls apart into phases: pixels of dx that are equal modulo the stride see the same taps, every
// stride-th, at places of dy that advance by one. So it is a gather like the others, for each phase, and no tap is read in vain.
// Axes are always three, d, h, w; those that are missing are 1.
#pragma once
#include "conv-table.h"
#include "matmul.h"

namespace neurite::cuda {

using FastDivisor = Divisor<uint32_t>;

// Splits n into quotient and remainder.
GPU_DEVICE int32_t split(const FastDivisor& divisor, int32_t& n) {
  const int32_t quotient = static_cast<int32_t>(divisor.quotient(static_cast<uint32_t>(n)));
  const int32_t remainder = n - quotient * static_cast<int32_t>(divisor.value);
  n = quotient;
  return remainder;
}

// Place of pixel `n` of a grid (batch, d, h, w); `n` becomes the image.
GPU_DEVICE void splitPixel(const FastDivisor (&grid)[3], int32_t& n, int32_t (&at)[3]) {
#pragma unroll
  for (int i = 2; i >= 0; i--) at[i] = split(grid[i], n);
}

// How an operand is read that has a line for each pixel of a grid, and across it (tap, channel): pixel p and tap t see the image at
// p * stride + origin + t * step on each axis.
struct Gather {
  int32_t size[3];          // of the image that is read
  int64_t pitch[3], image;  // elements between neighbours on each axis, and of an image
  FastDivisor grid[3];
  int32_t stride[3], origin[3], step[3];
  FastDivisor taps[3], channels;  // of a group
};

// A place that is outside of every image, with whatever is added to it.
inline constexpr int32_t kNowhere = -(1 << 30);

template <class T> struct GatherSource {
  const T* p;
  const Gather& gather;
  int32_t lines, width;
  int32_t vector;

  struct Line {
    int64_t offset;
    int32_t at[3];
  };
  using Across = Line;

  GPU_DEVICE Line line(int32_t y) const {
    Line line;
    int32_t image = y;
    splitPixel(gather.grid, image, line.at);
    line.offset = image * gather.image;
#pragma unroll
    for (int i = 0; i < 3; i++) {
      line.at[i] = line.at[i] * gather.stride[i] + gather.origin[i];
      line.offset += line.at[i] * gather.pitch[i];
    }
    if (y >= lines) line.at[0] = kNowhere;
    return line;
  }
  GPU_DEVICE Across across(int32_t x) const {
    Across across;
    int32_t tap = x;
    across.offset = split(gather.channels, tap);
    across.at[2] = split(gather.taps[2], tap);
    across.at[1] = split(gather.taps[1], tap);
    across.at[0] = tap;
#pragma unroll
    for (int i = 0; i < 3; i++) {
      across.at[i] *= gather.step[i];
      across.offset += across.at[i] * gather.pitch[i];
    }
    if (x >= width) across.at[0] = kNowhere;
    return across;
  }
  GPU_DEVICE const T* at(const Line& line, const Across& across) const {
    bool inside = true;
#pragma unroll
    for (int i = 0; i < 3; i++)
      inside = inside && static_cast<uint32_t>(line.at[i] + across.at[i]) < static_cast<uint32_t>(gather.size[i]);
    return inside ? p + line.offset + across.offset : nullptr;
  }
};

// w in the data gradient: a line for each channel c, across it (tap, f) with the taps of a phase.
template <class T> struct PhaseSource {
  const T* p;  // at the phase's first tap
  const Gather& gather;
  int32_t lines, width;
  int32_t vector;
  int64_t stride;    // between channels
  int64_t pitch[3];  // between the phase's taps

  using Line = typename MatrixSource<T>::Line;
  struct Across {
    int64_t offset;
    bool inside;
  };
  GPU_DEVICE Line line(int32_t y) const { return {y * stride, y < lines}; }
  GPU_DEVICE Across across(int32_t x) const {
    int32_t tap = x;
    int64_t offset = split(gather.channels, tap);
    offset += split(gather.taps[2], tap) * pitch[2];
    offset += split(gather.taps[1], tap) * pitch[1];
    return {offset + tap * pitch[0], x < width};
  }
  GPU_DEVICE const T* at(const Line& line, const Across& across) const {
    return line.inside && across.inside ? p + line.offset + across.offset : nullptr;
  }
};

struct ConvGemm : Gemm {
  const void *gathered, *matrix;
  int32_t gatheredVector, matrixVector;
  Gather gather;
  int32_t groups;
  int32_t padding;       // channels that are gathered and are not there
  int64_t matrixStride;  // between lines of the matrix

  // The line of w and dw (taps * C) for a place (tap, channel as it is gathered); -1 for padding.
  GPU_DEVICE int32_t filterLine(int32_t place) const {
    if (padding == 0) return place;
    int32_t tap = place;
    const int32_t channel = split(gather.channels, tap);
    const int32_t channels = static_cast<int32_t>(gather.channels.value) - padding;
    return channel < channels ? tap * channels + channel : -1;
  }
};

// w in the forward product: a line for each place (tap, channel as it is gathered).
template <class T> struct FilterSource : MatrixSource<T> {
  const ConvGemm& conv;

  GPU_DEVICE typename MatrixSource<T>::Line line(int32_t y) const {
    const int32_t line = conv.filterLine(y);
    return {line * this->stride, y < this->lines && line >= 0};
  }
};

// The product that makes y.
struct ConvForward : ConvGemm {
  static constexpr bool transposeA = false, transposeB = false;

  template <class T> struct Block {
    const ConvGemm& conv;
    int32_t k, group;

    GPU_DEVICE Block(const ConvGemm& conv, const GemmTile& tile) : conv(conv), k(conv.k), group(tile.batch) {}
    GPU_DEVICE GatherSource<T> sourceA(int32_t end) const {
      const T* p = static_cast<const T*>(conv.gathered) + int64_t{group} * conv.gather.channels.value;
      return {p, conv.gather, conv.m, end, conv.gatheredVector};
    }
    GPU_DEVICE MatrixSource<T> matrix(int32_t lines) const {
      return {static_cast<const T*>(conv.matrix) + int64_t{group} * conv.n, conv.matrixStride, lines, conv.n,
              conv.matrixVector};
    }
    GPU_DEVICE FilterSource<T> sourceB(int32_t end) const { return {matrix(end), conv}; }
    GPU_DEVICE int64_t rowOffset(int32_t row) const {
      return row < conv.m ? int64_t{row} * conv.width + int64_t{group} * conv.n : -1;
    }
    GPU_DEVICE int32_t biasOffset() const { return group * conv.n; }
  };
};

// The product that makes dw.
struct ConvFilterGrad : ConvGemm {
  static constexpr bool transposeA = true, transposeB = false;

  template <class T> struct Block : ConvForward::Block<T> {
    using Base = ConvForward::Block<T>;
    GPU_DEVICE Block(const ConvGemm& conv, const GemmTile& tile) : Base(conv, tile) {}
    GPU_DEVICE GatherSource<T> sourceA(int32_t end) const {
      GatherSource<T> source = Base::sourceA(0);
      return {source.p, source.gather, end, this->conv.m, source.vector};
    }
    GPU_DEVICE MatrixSource<T> sourceB(int32_t end) const { return Base::matrix(end); }
    GPU_DEVICE int64_t rowOffset(int32_t row) const {
      const int32_t line = row < this->conv.m ? this->conv.filterLine(row) : -1;
      return line < 0 ? -1 : int64_t{line} * this->conv.width + int64_t{this->group} * this->conv.n;
    }
  };
};

// The product that makes dx, or a transposed convolution's output. Batches are phases of groups.
struct ConvDataGrad : ConvGemm {
  static constexpr bool transposeA = false, transposeB = true;

  // On each axis: of the convolution, and of its phases.
  int32_t image[3];  // dx
  int32_t stride[3], dilation[3], before[3], kernel[3];
  int32_t phases[3];                      // at most the stride: as many as dx has pixels
  int32_t tapStep[3];                     // between taps of a phase
  FastDivisor mostTaps[3], fewerTaps[3];  // a phase has as many taps, one less, or none

  template <class T> struct Block {
    const ConvDataGrad& conv;
    int32_t k, group;
    int32_t phase[3], firstTap[3];
    Gather gather;

    GPU_DEVICE Block(const ConvDataGrad& conv, const GemmTile& tile)
        : conv(conv), k(static_cast<int32_t>(conv.gather.channels.value)), gather(conv.gather) {
      group = tile.batch % conv.groups;
      int32_t rest = tile.batch / conv.groups;
#pragma unroll
      for (int i = 2; i >= 0; i--) {
        phase[i] = rest % conv.phases[i];
        rest /= conv.phases[i];
        // Tap t sees this phase if p + before - t * dilation is a multiple of the stride.
        const int32_t from = phase[i] + conv.before[i];
        const int32_t limit = conv.kernel[i] < conv.tapStep[i] ? conv.kernel[i] : conv.tapStep[i];
        int32_t tap = 0;
        while (tap < limit && (from - tap * conv.dilation[i]) % conv.stride[i] != 0) tap++;
        firstTap[i] = tap;
        const int32_t taps = tap < limit ? (conv.kernel[i] - tap + conv.tapStep[i] - 1) / conv.tapStep[i] : 0;
        gather.taps[i] = taps == static_cast<int32_t>(conv.mostTaps[i].value) ? conv.mostTaps[i] : conv.fewerTaps[i];
        gather.origin[i] = (from - tap * conv.dilation[i]) / conv.stride[i];
        k *= taps;
      }
    }
    GPU_DEVICE GatherSource<T> sourceA(int32_t end) const {
      const T* p = static_cast<const T*>(conv.gathered) + int64_t{group} * gather.channels.value;
      return {p, gather, conv.m, end, conv.gatheredVector};
    }
    GPU_DEVICE PhaseSource<T> sourceB(int32_t end) const {
      const int64_t tap = conv.n * conv.matrixStride;
      const int64_t pitch[3] = {tap * conv.kernel[1] * conv.kernel[2], tap * conv.kernel[2], tap};
      const T* p = static_cast<const T*>(conv.matrix) + int64_t{group} * gather.channels.value;
#pragma unroll
      for (int i = 0; i < 3; i++) p += k > 0 ? firstTap[i] * pitch[i] : 0;
      return {p,
              gather,
              conv.n,
              end,
              conv.matrixVector,
              conv.matrixStride,
              {pitch[0] * conv.tapStep[0], pitch[1] * conv.tapStep[1], pitch[2] * conv.tapStep[2]}};
    }
    GPU_DEVICE int64_t rowOffset(int32_t row) const {
      if (row >= conv.m) return -1;
      int32_t at[3], image = row;
      splitPixel(gather.grid, image, at);
      int64_t pixel = image;
      bool inside = true;
#pragma unroll
      for (int i = 0; i < 3; i++) {
        const int32_t p = at[i] * conv.stride[i] + phase[i];
        inside = inside && p < conv.image[i];
        pixel = pixel * conv.image[i] + p;
      }
      return inside ? pixel * conv.width + int64_t{group} * conv.n : -1;
    }
    GPU_DEVICE int32_t biasOffset() const { return group * conv.n; }
  };
};

// A convolution whose groups have one channel: x (b, inputs, C), w (taps, F), y (b, outputs, F), feature f of channel f / (F / C).
struct Depthwise : Output {
  const void *left, *right;  // x, w; dy, w; x, dy
  int32_t channels, features, multiplier;
  int32_t inputs[3], outputs[3], kernel[3], stride[3], dilation[3], before[3];
  FastDivisor pixels[3];  // of the output; in the filter gradient of dy
  FastDivisor across;     // threads for a pixel's channels or features
  FastDivisor step[3];    // the strides
  int32_t items;          // threads in all
  int32_t columns;        // filter gradient: threads of a block side by side, a power of two up to 32
  int32_t slicePixels;    // filter gradient
};

// `vector`: features of a thread, 1 or 16 bytes (bfloat16: also 8).
void launchDepthwise(const Call& call, const Depthwise& depthwise, ConvProduct product, bool bfloat16, int32_t vector);

// Each has the mainloop of the matmul launcher of the same name.
void launchSimtConv(const Call& call, const ConvForward& conv, bool bfloat16, const MatmulChoice& choice);
void launchSimtConv(const Call& call, const ConvDataGrad& conv, bool bfloat16, const MatmulChoice& choice);
void launchSimtConv(const Call& call, const ConvFilterGrad& conv, bool bfloat16, const MatmulChoice& choice);
void launchTensorCoreConv(const Call& call, const ConvForward& conv, bool bfloat16, const MatmulChoice& choice);
void launchTensorCoreConv(const Call& call, const ConvDataGrad& conv, bool bfloat16, const MatmulChoice& choice);
void launchTensorCoreConv(const Call& call, const ConvFilterGrad& conv, bool bfloat16, const MatmulChoice& choice);

}  // namespace neurite::cuda
