// The product of convFilterGrad: dw[k, c, f] = sum over pixels of x[pixel + k, c] * dy[pixel, f], a matrix product over pixels.
//
// A chunk makes a part of dw, a range of its rows and of its panels of features, from some blocks of images: for each block it copies the
// strip, and panel by panel packs dy and adds up tile by tile, in place. The blocks are shared out among as many partial
// sums as the shape needs to keep threads busy, which meet in a fixed order.
#pragma once
#include "../pool.h"
#include "conv.h"
#include "gemm-epilogue.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr int64_t kLeastChunks = 16;
// Of a strip: the more pixels, the less often the sums of a tile are loaded and stored.
inline constexpr int64_t kPixelStripFloats = 80 * 1024;
// Of dw in a chunk at most: with the strip it stays in L2. The larger, the fewer chunks copy the same strip.
inline constexpr int64_t kPartFloats = 96 * 1024;

// The sum of `sums` arrays of dw's size, in order.
inline void addPartials(const float* partials, int64_t sums, const Tensor& dw) {
  const int64_t size = dw.size();
  const Split parts = split(ceilDivide(size, kLanes), sums * kLanes);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t v = parts.begin(chunk); v < parts.end(chunk); ++v) {
      const int64_t at = v * kLanes, n = size - at;
      F32 total = loadPartial(partials + at, n);
      for (int64_t i = 1; i < sums; ++i) total += loadPartial(partials + i * size + at, n);
      if (dw.dtype == DType::float32)
        storePartial(dw.as<float>() + at, total, n);
      else
        storeBfloat16Partial(dw.as<uint16_t>() + at, total, n);
    }
  });
}

// What one chunk makes: dw's tiles of rows and panels of features from the blocks of images, one of the partial sums.
struct FilterChunk {
  int64_t sum, group, beginPanel, endPanel, beginTile, endTile, beginBlock, endBlock;
};

// How the work is cut: `tiles` of rows by `panels` of up to panelWidth features. By shape only.
class FilterChunks {
 public:
  FilterChunks(const StripPlan& plan, int64_t tiles, int64_t panels, int64_t panelWidth, int64_t groups)
      : tiles_(tiles), panels_(panels), blocks_(plan.blocks()) {
    const int64_t panelFloats = plan.runs * plan.runLength * panelWidth;
    rowParts_ = smaller(tiles, ceilDivide(panelFloats, kPartFloats));
    panelParts_ = ceilDivide(panels, larger(1, kPartFloats / panelFloats));
    units_ = rowParts_ * panelParts_ * groups;
    sums = smaller(blocks_, ceilDivide(kLeastChunks, units_));
  }

  int64_t sums;
  int64_t count() const { return sums * units_; }
  FilterChunk at(int64_t i) const {
    const int64_t sum = i / units_, group = i % units_ / (rowParts_ * panelParts_);
    const int64_t panelPart = i / rowParts_ % panelParts_, rowPart = i % rowParts_;
    return {sum,
            group,
            panels_ * panelPart / panelParts_,
            panels_ * (panelPart + 1) / panelParts_,
            tiles_ * rowPart / rowParts_,
            tiles_ * (rowPart + 1) / rowParts_,
            blocks_ * sum / sums,
            blocks_ * (sum + 1) / sums};
  }

 private:
  int64_t tiles_, panels_, blocks_, rowParts_, panelParts_, units_;
};

// The partial sums; dw itself where there is one.
class FilterSums {
 public:
  FilterSums(const Tensor& dw, int64_t sums) : dw_(dw), sums_(sums), direct_(sums == 1 && dw.dtype == DType::float32) {
    partials_ =
        direct_ ? dw.as<float>() : static_cast<float*>(scratch(static_cast<size_t>(sums * dw.size()) * sizeof(float)));
  }
  float* of(int64_t sum) const { return partials_ + sum * dw_.size(); }
  void finish() const {
    if (!direct_) addPartials(partials_, sums_, dw_);
  }

 private:
  const Tensor& dw_;
  int64_t sums_;
  bool direct_;
  float* partials_;
};

template <class Product> void multiplyWindows(const Tensor& x, const Tensor& dy, const Tensor& dw, const ConvShape& s) {
  constexpr bool kPairs = Product::kDepthPerWord == 2;
  Windows w = s.windows(x);
  if (kPairs) w.word = StripWord::pixelPair;
  const Offsets offsets(w);
  // The last window of a line has no partner if their number is odd, which only a line of the whole block can leave open.
  const StripForm form = w.count[2] < 4 || (kPairs && w.count[2] % 2 != 0) ? StripForm::gathered : StripForm::padded;
  const StripPlan plan(w, form, true, kLeastChunks, w.values() * s.groupFeatures(), kPixelStripFloats,
                       offsets.memory());
  const int64_t features = s.groupFeatures(), panels = ceilDivide(features, kPanelWidth);
  const int64_t tilesPerRun = ceilDivide(plan.runLength, kTileRows);
  const FilterChunks chunks(plan, tilesPerRun * plan.runs, panels, kPanelWidth, s.groups);
  const FilterSums sums(dw, chunks.sums);
  const size_t floats = static_cast<size_t>(plan.stripFloats() + plan.mostPixels() * kPanelWidth + kTilePitch);

  parallelFor(chunks.count(), [&](int64_t i) {
    const FilterChunk chunk = chunks.at(i);
    float* strip = static_cast<float*>(threadScratch(floats * 4));
    float* packed = strip + plan.stripFloats();
    Tile tile{};
    tile.aStride = plan.pixelPitch * Product::kDepthPerWord;
    tile.starts = plan.lineStarts;
    tile.b = packed;
    tile.bStride = kPanelWidth;
    tile.ldc = s.features;
    tile.ahead = packed;
    for (int64_t index = chunk.beginBlock; index < chunk.endBlock; ++index) {
      const Block block = plan.block(index);
      plan.fill(strip, block, chunk.group);
      const int64_t pixel = (block.plane * w.count[1] + block.row) * w.count[2] + block.column;
      tile.runs = plan.lines(block);
      tile.depth = wordsOf<Product>(plan.lineLength(block));
      tile.accumulate = index > chunk.beginBlock;
      for (int64_t panel = chunk.beginPanel; panel < chunk.endPanel; ++panel) {
        const int64_t column = chunk.group * features + panel * kPanelWidth;
        tile.columns = smaller(kPanelWidth, features - panel * kPanelWidth);
        for (int64_t line = 0; line < tile.runs; ++line) {
          const int64_t at = (pixel + line * plan.lineLength(block)) * s.features + column;
          float* out = packed + line * tile.depth * kPanelWidth;
          withFloat(dy.dtype, [&]<class T>(T) {
            packAcross<Product>(dy.as<const T>() + at, s.features, plan.lineLength(block), tile.columns, out,
                                kPanelWidth);
          });
        }
        for (int64_t t = chunk.beginTile; t < chunk.endTile; ++t) {
          const int64_t run = t / tilesPerRun, part = t % tilesPerRun;
          const int64_t first = plan.runLength * part / tilesPerRun, end = plan.runLength * (part + 1) / tilesPerRun;
          tile.a = strip + plan.runStarts[run] + first;
          tile.c = sums.of(chunk.sum) + (run * plan.runLength + first) * s.features + column;
          TileKernels<Product>::multiply(static_cast<int>(end - first), TileOrder::kByDepth, tile);
        }
      }
    }
  });
  sums.finish();
}

}  // namespace neurite::cpu::NEURITE_ISA
