// Correlation (conv-correlate.h) on tiles: 32 windows by 32 features, as 2x2 tiles, over strips of pairs of channels.
//
// The rows of a tile of A are 16 windows of a line, as they lie in the strip; its 32 values of k are neighbouring channels. Where
// channels would leave much of them empty windows are gathered, and where lines would leave many rows empty windows run on
// into the next line. Weights are packed step by step, in as many parts as the strip: error and parts as in
// multiply-tiles.h.
#pragma once
#include "../conv-products.h"
#include "../conv-tile-table.h"
#include "magnitudes.h"
#include "split-pack.h"

namespace neurite::cpu::NEURITE_ISA {

// The strips of all parts: with a panel of weights they stay in L2.
inline constexpr int64_t kTileStripFloats = 96 * 1024;

// Weights as steps of k: 32 values by kBlockLines features in each part. The words `first` and on of a panel, from rows of values.
// Gives the bits of the largest magnitude.
template <int parts> int32_t splitTap(const float* rows, int64_t first, int64_t words, int32_t* out) {
  I32 largest{};
  for (int64_t i = 0; i < words; ++i, rows += 2 * kBlockLines) {
    const int64_t word = first + i;
    int32_t* to = out + word / kTileEdge * kStepWords<parts> + word % kTileEdge * kBlockLines;
    for (int lane = 0; lane < kBlockLines; lane += kLanes)
      splitWords<parts>(load(rows + lane), load(rows + kBlockLines + lane), to + lane, largest);
  }
  return largestLane(largest);
}

// The panels of one block: `packed` are those of its group, panelWords each.
template <int parts> class BlockOfTiles {
 public:
  BlockOfTiles(const Correlation& c, const StripPlan& plan, const Block& block, int64_t group, const float* strip,
               const float* packed, int64_t panelWords)
      : c_(c),
        plan_(plan),
        block_(block),
        strip_(strip),
        packed_(packed),
        panelWords_(panelWords),
        group_(group),
        length_(plan.lineLength(block)),
        tilesPerLine_(ceilDivide(length_, kTileEdge)),
        tiles_(plan.lines(block) * tilesPerLine_) {}

  void run(const Results& results, int64_t beginPanel, int64_t endPanel) {
    results_ = results;
    for (int64_t panel = beginPanel; panel < endPanel; ++panel) {
      const float* packed = packed_ + panel * panelWords_;
      column_ = panel * kBlockLines;
      columns_ = smaller(kBlockLines, c_.features - column_);
      if (columns_ > kTileEdge)
        multiply<2>(packed);
      else
        multiply<1>(packed);
    }
  }

 private:
  template <int tilesB> void multiply(const float* packed) {
    using Sums = TileSums<2, tilesB>;
    alignas(64) float sums[kBlockLines * kBlockLines];
    const int64_t pitch = plan_.pixelPitch, part = plan_.partPitch;
    for (int64_t tile = 0; tile < tiles_; tile += 2) {
      const int64_t second = smaller(tile + 1, tiles_ - 1);
      const int32_t *a = windows(tile), *a1 = windows(second), *b = reinterpret_cast<const int32_t*>(packed);
      Sums::zero(unit_);
      for (int64_t run = 0; run < plan_.runs; ++run) {
        const int64_t start = plan_.runStarts[run];
        for (int64_t word = start; word < start + plan_.runLength; word += kTileEdge, b += kStepWords<parts>) {
          Sums::template multiplyStep<parts>(unit_, {a + word, a1 + word, pitch, part},
                                             {b, b + kTileEdge, kBlockLines, 2 * kTileWords});
        }
      }
      Sums::store(unit_, sums);
      finish(tile, sums);
      if (second != tile) finish(second, sums + kTileEdge * kBlockLines);
    }
  }

  const int32_t* windows(int64_t tile) const {
    const int64_t at = plan_.lineStarts[tile / tilesPerLine_] + tile % tilesPerLine_ * kTileEdge * plan_.pixelPitch;
    return reinterpret_cast<const int32_t*>(strip_ + at);
  }

  // The sums of one tile of windows become results, row of the image by row.
  void finish(int64_t tile, const float* sums) const {
    const int64_t line = tile / tilesPerLine_, first = tile % tilesPerLine_ * kTileEdge;
    const int64_t end = smaller(first + kTileEdge, length_), pitch = plan_.rowPitch(block_);
    for (int64_t i = first; i < end;) {
      const int64_t row = plan_.flat ? line * block_.rows + i / pitch : (line * length_ + i) / pitch;
      const int64_t column = i % pitch, count = smaller(end - i, block_.columns - column);
      if (count > 0) finishRow(row, column, count, sums + (i - first) * kBlockLines);
      i += count > 0 ? count : pitch - column;
    }
  }
  void finishRow(int64_t row, int64_t column, int64_t count, const float* sums) const {
    const int64_t plane = block_.plane + row / block_.rows, feature = group_ * c_.features + column_;
    const int64_t at = feature + results_.at(plane / c_.windows.count[0], plane % c_.windows.count[0],
                                             block_.row + row % block_.rows, block_.column + column);
    withFloat(results_.dtype, [&]<class T>(T) {
      finishTile(sums, kBlockLines, static_cast<T*>(results_.data) + at, results_.pitch[2], count, columns_,
                 c_.activation, c_.bias ? c_.bias + feature : nullptr);
    });
  }

  TileSession unit_;
  const Correlation& c_;
  const StripPlan& plan_;
  const Block block_;
  const float *strip_, *packed_;
  const int64_t panelWords_, group_, length_, tilesPerLine_, tiles_;
  Results results_{};
  int64_t column_ = 0, columns_ = 0;
};

// A correlation by tiles of `parts` parts.
template <int parts> struct TileCorrelator {
  using Packing = FloatProduct;
  // False if magnitudes call for true float32: results are undefined then.
  template <class PackTap> static bool run(Correlation c, PackTap&& packTap) {
    Windows& w = c.windows;
    w.word = StripWord::channelPair, w.parts = parts;
    w.runMultiple = w.lineMultiple = kTileEdge;
    const Offsets offsets(w);
    const int64_t work = w.values() * 2 * c.features * productsOf(parts) / kTileSpeed;
    const StripPlan plan(w, tileForm(w, parts, c.features), true, ceilDivide(kLeastBlocks, c.groups), work,
                         kTileStripFloats / parts, offsets.memory());
    const int64_t panels = ceilDivide(c.features, kBlockLines);
    const int64_t panelWords = plan.runs * plan.runLength / kTileEdge * kStepWords<parts>;
    Magnitudes weights, values;
    c.packed = packPanels(nullptr, c.groups, panels, panelWords, [&](int64_t group, int64_t panel, float* out) {
      const int64_t column = panel * kBlockLines, width = smaller(kBlockLines, c.features - column);
      const size_t stage = static_cast<size_t>(2 * w.pixelWords() * kBlockLines) * 4;
      float* rows = static_cast<float*>(threadScratch(stage));
      memset(rows, 0, stage);
      if (plan.runs * plan.runLength > w.values()) memset(out, 0, static_cast<size_t>(panelWords) * 4);
      int32_t largest = 0;
      for (int64_t t = 0; t < w.tapCount(); ++t) {
        packTap(group, column, width, t, rows, kBlockLines);
        largest = std::max(largest,
                           splitTap<parts>(rows, t * plan.tapPitch, w.pixelWords(), reinterpret_cast<int32_t*>(out)));
      }
      weights.add(largest);
    });
    const int64_t total = w.planes() * w.planeWindows() * work * c.groups;
    forBlocks(c, plan, kBlockLines, total, plan.stripFloats(), [&](int64_t index, int64_t group, float* strip) {
      const Block block = plan.block(index);
      values.add(plan.fill(strip, block, group));
      return BlockOfTiles<parts>(c, plan, block, group, strip, c.packed + group * panels * panelWords, panelWords);
    });
    return splits(parts, values, weights);
  }
};

}  // namespace neurite::cpu::NEURITE_ISA
