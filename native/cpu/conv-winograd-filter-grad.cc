// The filter gradient of 3x3 convolutions in the Winograd domain of F(2x2, 3x3):
//
//   dw = Gt U G,  U = sum over tiles of V * M (for each channel and feature),  V = Bt d B,  M = A dy At
//
// A tile is 2x2 pixels of dy and the 4x4 pixels d of x that their windows see. For each of the 16 positions of U that is a matrix product
// [channels x tiles] [tiles x features]: 16 multiplications where the direct sum has 36.
//
// A chunk makes U of a block of channels and features from a part of the tiles, in L2: for each block of tiles and each of the four rows of
// positions it transforms both operands, in the order in which the micro-kernel reads them, and adds the products of that row's four
// positions. The parts are summed after the last transform, which is linear, in a fixed order.
#include "conv-winograd-filter-grad.h"

#include <atomic>

#include "../thread-pool.h"
#include "conv-filter-product.h"
#include "winograd.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// Of U in a chunk: 512 KiB of float32.
constexpr int64_t kBlockChannels = 64, kBlockFeatures = 128;
// Of a block of tiles: the more, the less often U is loaded and stored; a panel of M stays in L1. Of 16 channels and features a shorter block
// stays there whole.
constexpr int64_t kBlockTiles = 128, kShortBlockTiles = 48, kShortBlockFloats = 6 * 1024;

// A run of tiles side by side.
struct TileLine {
  int64_t image, row, column, count;
};

// How tiles are cut: rows of tiles into equal lines, lines into blocks, blocks into sums.
struct TilePlan {
  int64_t rows, columns;  // tiles of an image
  int64_t lineParts, lineTiles, lines, blocks;

  explicit TilePlan(const ConvShape& s) {
    rows = ceilDivide(s.out[1], 2), columns = ceilDivide(s.out[2], 2);
    const int64_t tileFloats = 4 * (roundUp(s.channels, kLanes) + roundUp(s.features, kLanes));
    const int64_t most = kShortBlockTiles * tileFloats <= kShortBlockFloats ? kShortBlockTiles : kBlockTiles;
    lineParts = ceilDivide(columns, most);
    lineTiles = ceilDivide(columns, lineParts);
    lines = s.batch * rows * lineParts;
    blocks = ceilDivide(lines, most / lineTiles);
  }
  int64_t firstLine(int64_t block) const { return lines * block / blocks; }
  int64_t mostTiles() const { return ceilDivide(lines, blocks) * lineTiles; }
  TileLine line(int64_t index) const {
    const int64_t column = index % lineParts * lineTiles, row = index / lineParts;
    return {row / rows, row % rows, column, larger(0, smaller(lineTiles, columns - column))};
  }
};

// A row of an image's pixels, zeros outside of it.
template <class T> struct PixelRow {
  const T* data;
  int64_t width, pitch;

  PixelRow(const Tensor& images, const int64_t (&size)[3], int64_t image, int64_t row, int64_t channels)
      : width(row >= 0 && row < size[1] ? size[2] : 0), pitch(channels) {
    data = images.as<const T>() + (width > 0 ? (image * size[1] + row) * size[2] * channels : 0);
  }
  // n channels of a pixel, from `channel` on.
  NEURITE_INLINE F32 at(int64_t column, int64_t channel, int64_t n) const {
    return column >= 0 && column < width ? loadFloats(data + column * pitch + channel, n) : zeros();
  }
};

// Row `row` of V = Bt d B for a line of tiles, channels [first, first + channels): v[position][tile][channel].
template <int row, class T>
void transformPatchRow(const Tensor& x, const ConvShape& s, const TileLine& line, int64_t first, int64_t channels,
                       float* v, int64_t positionPitch, int64_t tilePitch) {
  constexpr int kFirst = row == 0 ? 0 : row == 3 ? 3 : row, kSecond = row == 0 || row == 1 ? 2 : 1;
  const int64_t top = 2 * line.row - s.before[1], left = 2 * line.column - s.before[2];
  const PixelRow<T> a(x, s.in, line.image, top + kFirst, s.channels);
  const PixelRow<T> b(x, s.in, line.image, top + kSecond, s.channels);
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int64_t n = channels - c;
    const auto column = [&](int64_t i) __attribute__((always_inline)) {
      const F32 p = a.at(left + i, first + c, n), q = b.at(left + i, first + c, n);
      return row == 1 ? p + q : p - q;
    };
    F32 d0 = column(0), d1 = column(1);
    float* out = v + c;
    for (int64_t t = 0; t < line.count; ++t, out += tilePitch) {
      const F32 d2 = column(2 * t + 2), d3 = column(2 * t + 3);
      store(out, d0 - d2);
      store(out + positionPitch, d1 + d2);
      store(out + 2 * positionPitch, d2 - d1);
      store(out + 3 * positionPitch, d3 - d1);
      d0 = d2, d1 = d3;
    }
  }
}

// Row `row` of M = A dy At for a line of tiles, features [first, first + features): m[position][panel][tile][feature].
template <int row, class T>
void transformGradRow(const Tensor& dy, const ConvShape& s, const TileLine& line, int64_t first, int64_t features,
                      float* m, int64_t positionPitch, int64_t panelPitch) {
  const PixelRow<T> a(dy, s.out, line.image, 2 * line.row, s.features);
  const PixelRow<T> b(dy, s.out, line.image, 2 * line.row + 1, s.features);
  for (int64_t f = 0; f < features; f += kLanes) {
    const int64_t n = features - f;
    const auto column = [&](int64_t i) __attribute__((always_inline)) {
      const int64_t at = 2 * line.column + i;
      if constexpr (row == 0) return a.at(at, first + f, n);
      if constexpr (row == 1) return a.at(at, first + f, n) + b.at(at, first + f, n);
      if constexpr (row == 2) return a.at(at, first + f, n) - b.at(at, first + f, n);
      if constexpr (row == 3) return b.at(at, first + f, n);
    };
    float* out = m + f / kPanelWidth * panelPitch + f % kPanelWidth;
    for (int64_t t = 0; t < line.count; ++t, out += kPanelWidth) {
      const F32 y0 = column(2 * t), y1 = column(2 * t + 1);
      store(out, y0);
      store(out + positionPitch, y0 + y1);
      store(out + 2 * positionPitch, y0 - y1);
      store(out + 3 * positionPitch, y1);
    }
  }
}

// f(row) with the row as a constant.
template <class F> void withRow(int row, F&& f) {
  switch (row) {
    case 0:
      return f(std::integral_constant<int, 0>());
    case 1:
      return f(std::integral_constant<int, 1>());
    case 2:
      return f(std::integral_constant<int, 2>());
    default:
      return f(std::integral_constant<int, 3>());
  }
}

// A block of channels and features, and where its chunk keeps what.
class BlockProduct {
 public:
  BlockProduct(const ConvShape& s, const TilePlan& plan, int64_t channel, int64_t channels, int64_t feature,
               int64_t features)
      : s_(s), plan_(plan), channel_(channel), channels_(channels), feature_(feature), features_(features) {
    rowPitch_ = roundUp(channels, kLanes);
    columnPitch_ = roundUp(features, kLanes);
    panels_ = ceilDivide(features, kPanelWidth);
    positionV_ = plan.mostTiles() * rowPitch_;
    panelM_ = plan.mostTiles() * kPanelWidth;
    positionM_ = panels_ * panelM_;
    positionU_ = channels * columnPitch_;
    const int64_t floats = 16 * positionU_ + 4 * (positionV_ + positionM_) + kTilePitch;
    u_ = static_cast<float*>(threadScratch(static_cast<size_t>(floats) * 4));
    v_ = u_ + 16 * positionU_;
    m_ = v_ + 4 * positionV_;
  }

  void add(const Tensor& x, const Tensor& dy, int64_t block, bool accumulate) {
    const int64_t begin = plan_.firstLine(block), end = plan_.firstLine(block + 1);
    for (int row = 0; row < 4; ++row) {
      int64_t tiles = 0;
      withRow(row, [&]<class Row>(Row) {
        for (int64_t i = begin; i < end; ++i) {
          const TileLine line = plan_.line(i);
          withFloat(x.dtype, [&]<class T>(T) {
            transformPatchRow<Row::value, T>(x, s_, line, channel_, channels_, v_ + tiles * rowPitch_, positionV_,
                                             rowPitch_);
          });
          withFloat(dy.dtype, [&]<class T>(T) {
            transformGradRow<Row::value, T>(dy, s_, line, feature_, features_, m_ + tiles * kPanelWidth, positionM_,
                                            panelM_);
          });
          tiles += line.count;
        }
      });
      for (int position = 0; position < 4; ++position) multiply(row, position, tiles, accumulate);
    }
  }

  // dw [3, 3, C, F] of the block; false if a value is not finite.
  bool finish(float* dw) const {
    F32 mixed = zeros();
    for (int64_t c = 0; c < channels_; ++c) {
      for (int64_t f = 0; f < features_; f += kLanes) {
        const float* u = u_ + c * columnPitch_ + f;
        float* out = dw + (channel_ + c) * s_.features + feature_ + f;
        transformKernelGrad(
            [&](int i, int j) __attribute__((always_inline)) { return load(u + (4 * i + j) * positionU_); },
            [&](int i, int j, F32 g) __attribute__((always_inline)) {
              storePartial(out + (3 * i + j) * s_.channels * s_.features, g, features_ - f);
              mixed += g - g;  // 0, or NaN of an infinity or NaN
            });
      }
    }
    return !any(isNan(mixed));
  }

 private:
  void multiply(int row, int position, int64_t count, bool accumulate) {
    Tile tile{};
    tile.aStride = rowPitch_;
    tile.bStride = kPanelWidth;
    tile.depth = count;
    tile.ldc = columnPitch_;
    tile.accumulate = accumulate;
    const int64_t tiles = ceilDivide(channels_, kTileRows);
    for (int64_t panel = 0; panel < panels_; ++panel) {
      tile.b = m_ + position * positionM_ + panel * panelM_;
      tile.columns = smaller(kPanelWidth, columnPitch_ - panel * kPanelWidth);
      tile.ahead = tile.b;
      for (int64_t i = 0; i < tiles; ++i) {
        const int64_t first = channels_ * i / tiles, end = channels_ * (i + 1) / tiles;
        tile.a = v_ + position * positionV_ + first;
        tile.c = u_ + (4 * row + position) * positionU_ + first * columnPitch_ + panel * kPanelWidth;
        TileKernels<FloatProduct>::multiply(static_cast<int>(end - first), TileOrder::kByDepth, tile);
      }
    }
  }

  const ConvShape& s_;
  const TilePlan& plan_;
  int64_t channel_, channels_, feature_, features_;
  int64_t rowPitch_, columnPitch_, panels_;             // of V; of M and U
  int64_t positionV_, positionM_, panelM_, positionU_;  // floats
  float *u_, *v_, *m_;
};

}  // namespace

bool multiplyWinogradTiles(const Tensor& x, const Tensor& dy, const Tensor& dw, const ConvShape& s) {
  const TilePlan plan(s);
  const int64_t channelBlocks = ceilDivide(s.channels, kBlockChannels);
  const int64_t featureBlocks = ceilDivide(s.features, kBlockFeatures);
  const int64_t panels = ceilDivide(s.features, kPanelWidth);
  const int64_t units = channelBlocks * featureBlocks;
  const int64_t sums = smaller(plan.blocks, ceilDivide(kLeastChunks, units));
  const bool direct = sums == 1 && dw.dtype == DType::float32;
  const int64_t size = dw.size();
  float* partials = direct ? dw.as<float>() : static_cast<float*>(scratch(static_cast<size_t>(sums * size) * 4));
  std::atomic<bool> finite = true;
  parallelFor(sums * units, [&](int64_t chunk) {
    const int64_t sum = chunk / units, unit = chunk % units;
    const int64_t i = unit / featureBlocks, j = unit % featureBlocks;
    const int64_t channel = s.channels * i / channelBlocks, endChannel = s.channels * (i + 1) / channelBlocks;
    const int64_t feature = panels * j / featureBlocks * kPanelWidth;
    const int64_t endFeature = smaller(s.features, panels * (j + 1) / featureBlocks * kPanelWidth);
    BlockProduct product(s, plan, channel, endChannel - channel, feature, endFeature - feature);
    const int64_t begin = plan.blocks * sum / sums, end = plan.blocks * (sum + 1) / sums;
    for (int64_t block = begin; block < end; ++block) product.add(x, dy, block, block > begin);
    if (!product.finish(partials + sum * size)) finite.store(false, std::memory_order_relaxed);
  });
  if (finite && !direct) addPartials(partials, sums, dw);
  return finite;
}

}  // namespace neurite::cpu::NEURITE_ISA
