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
  const int64_t tilesPerRun = ceilDivide(plan.runLength, kTileRows), tiles = tilesPerRun * plan.runs;
  const int64_t panelFloats = w.values() * kPanelWidth;
  const int64_t rowParts = smaller(tiles, ceilDivide(panelFloats, kPartFloats));
  const int64_t panelParts = ceilDivide(panels, larger(1, kPartFloats / panelFloats));
  const int64_t units = rowParts * panelParts * s.groups;
  const int64_t sums = smaller(plan.blocks(), ceilDivide(kLeastChunks, units));
  const bool direct = sums == 1 && dw.dtype == DType::float32;
  const int64_t size = dw.size();
  float* partials = direct ? dw.as<float>() : static_cast<float*>(scratch(static_cast<size_t>(sums * size) * 4));
  const size_t floats = static_cast<size_t>(plan.stripFloats() + plan.mostPixels() * kPanelWidth + kTilePitch);

  parallelFor(sums * units, [&](int64_t chunk) {
    const int64_t sum = chunk / units, group = chunk % units / (rowParts * panelParts);
    const int64_t panelPart = chunk / rowParts % panelParts, rowPart = chunk % rowParts;
    const int64_t beginPanel = panels * panelPart / panelParts, endPanel = panels * (panelPart + 1) / panelParts;
    const int64_t beginTile = tiles * rowPart / rowParts, endTile = tiles * (rowPart + 1) / rowParts;
    float* strip = static_cast<float*>(threadScratch(floats * 4));
    float* packed = strip + plan.stripFloats();
    Tile tile{};
    tile.aStride = plan.pixelPitch * Product::kDepthPerWord;
    tile.starts = plan.lineStarts;
    tile.b = packed;
    tile.bStride = kPanelWidth;
    tile.ldc = s.features;
    tile.ahead = packed;
    const int64_t beginBlock = plan.blocks() * sum / sums, endBlock = plan.blocks() * (sum + 1) / sums;
    for (int64_t index = beginBlock; index < endBlock; ++index) {
      const Block block = plan.block(index);
      plan.fill(strip, block, group);
      const int64_t pixel = (block.plane * w.count[1] + block.row) * w.count[2] + block.column;
      tile.runs = plan.lines(block);
      tile.depth = wordsOf<Product>(plan.lineLength(block));
      tile.accumulate = index > beginBlock;
      for (int64_t panel = beginPanel; panel < endPanel; ++panel) {
        const int64_t column = group * features + panel * kPanelWidth;
        tile.columns = smaller(kPanelWidth, features - panel * kPanelWidth);
        for (int64_t line = 0; line < tile.runs; ++line) {
          const int64_t at = (pixel + line * plan.lineLength(block)) * s.features + column;
          float* out = packed + line * tile.depth * kPanelWidth;
          withFloat(dy.dtype, [&]<class T>(T) {
            packAcross<Product>(dy.as<const T>() + at, s.features, plan.lineLength(block), tile.columns, out,
                                kPanelWidth);
          });
        }
        for (int64_t t = beginTile; t < endTile; ++t) {
          const int64_t run = t / tilesPerRun, part = t % tilesPerRun;
          const int64_t first = plan.runLength * part / tilesPerRun, end = plan.runLength * (part + 1) / tilesPerRun;
          tile.a = strip + plan.runStarts[run] + first;
          tile.c = partials + sum * size + (run * plan.runLength + first) * s.features + column;
          TileKernels<Product>::multiply(static_cast<int>(end - first), TileOrder::kByDepth, tile);
        }
      }
    }
  });
  if (!direct) addPartials(partials, sums, dw);
}

}  // namespace neurite::cpu::NEURITE_ISA
