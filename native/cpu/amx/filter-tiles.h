// The product of convFilterGrad (conv-filter-product.h) on tiles: 32 features by 32 words of windows, as 2x2 tiles, over strips of
// pairs of pixels.
//
// B is the strip as it lies: a row of a tile is 16 neighbouring words of a run, channels of one pair of windows, and 16 pairs
// are a step. A is dy, packed with features as rows. So the sums are dw transposed: a chunk keeps them as blocks until its last
// image. Windows that a flat line passes between rows meet zeros of dy, which hides no NaN of x: with one, or infinity, multiply-adds
// do the work, whatever the number of parts.
#pragma once
#include "../conv-filter-product.h"
#include "../conv-tile-table.h"
#include "magnitudes.h"
#include "split-pack.h"

namespace neurite::cpu::NEURITE_ISA {

// The strips of all parts: with the sums of a chunk and a panel of dy they stay in L2.
inline constexpr int64_t kPairStripFloats = 128 * 1024;

// dy of the windows of a line, in steps of 32 windows: tiles of 16 features by 16 pairs. Gives the bits of the largest magnitude.
template <int parts, class T>
int32_t packGradient(const T* dy, int64_t ld, int64_t length, int64_t columns, int64_t rowPitch, int64_t features,
                     int32_t* out) {
  I32 largest{};
  int64_t window = 0, column = 0;
  // The values of the next window, if it counts.
  const auto next = [&]() -> const T* {
    const bool counts = window++ < length && column < columns;
    if (++column == rowPitch) column = 0;
    return counts ? std::exchange(dy, dy + ld) : nullptr;
  };
  const int tiles = features > kTileEdge ? 2 : 1;
  for (int64_t first = 0; first < length; first += kTileDepth, out += kStepWords<parts>) {
    for (int pair = 0; pair < kTileEdge; ++pair) {
      const T *even = next(), *odd = next();
      for (int tile = 0; tile < tiles; ++tile) {
        for (int lane = 0; lane < kTileEdge; lane += kLanes) {
          const int64_t feature = tile * kTileEdge + lane, left = features - feature;
          const F32 low = even ? loadFloats(even + feature, left) : zeros();
          const F32 high = odd ? loadFloats(odd + feature, left) : zeros();
          splitWords<parts>(low, high, out + tile * kTileWords + pair * kTileEdge + lane, largest);
        }
      }
    }
    for (int tile = 0; tile < tiles; ++tile) {
      for (int s = 0; s < parts; ++s) transposeTile(out + tile * kTileWords + s * 2 * kTileWords);
    }
  }
  return largestLane(largest);
}

// A block of dw, transposed: A is packed dy, b the first words of the strip that it sees. With `add` it is added to sums.
template <int parts, int tilesA, int tilesB>
void sumWindows(TileSession& tiles, const StripPlan& plan, int64_t lines, int64_t steps, const int32_t* a,
                const int32_t* b, bool add, float* sums) {
  using Sums = TileSums<tilesA, tilesB>;
  const int64_t pitch = plan.pixelPitch, part = plan.partPitch;
  if (add)
    Sums::load(tiles, sums);
  else
    Sums::zero(tiles);
  for (int64_t line = 0; line < lines; ++line) {
    const int32_t* pairs = b + plan.lineStarts[line];
    for (int64_t step = 0; step < steps; ++step, a += kStepWords<parts>, pairs += kTileDepth * pitch) {
      Sums::template multiplyStep<parts>(tiles, packedOperand(a), {pairs, pairs + kTileEdge, 2 * pitch, part});
    }
  }
  Sums::store(tiles, sums);
}

// A block of sums to its place in dw: rows of features.
inline void storeTransposed(const float* sums, int64_t rows, int64_t columns, float* out, int64_t ld) {
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t row = 0; row < rows; ++row) out[column * ld + row] = sums[row * kBlockLines + column];
  }
}

// False if magnitudes call for true float32: dw is undefined then.
template <int parts> bool multiplyWindowTiles(const Tensor& x, const Tensor& dy, const Tensor& dw, const ConvShape& s) {
  Windows w = s.windows(x);
  w.word = StripWord::pixelPair, w.parts = parts, w.lineMultiple = kTileDepth;
  const Offsets offsets(w);
  const int64_t features = s.groupFeatures(), panels = ceilDivide(features, kBlockLines);
  const StripPlan plan(w, pairForm(w, parts, features), true, kLeastChunks,
                       w.values() * features * productsOf(parts) / kTileSpeed, kPairStripFloats / parts,
                       offsets.memory());
  // A block of sums has kBlockLines words of a run at most.
  const int64_t blocksPerRun = ceilDivide(plan.runLength, kBlockLines);
  const FilterChunks chunks(plan, blocksPerRun * plan.runs, panels, kBlockLines, s.groups);
  const FilterSums result(dw, chunks.sums);
  const Block whole = plan.block(0);
  const int64_t stepsPerLine = ceilDivide(plan.lineLength(whole), kTileDepth);
  const int64_t packedWords = plan.lines(whole) * stepsPerLine * kStepWords<parts>;
  // The last tile of a run may be read past the strip.
  const int64_t stripFloats = roundUp(plan.stripFloats() + kTileEdge, kTileEdge);
  Magnitudes values, gradients;

  parallelFor(chunks.count(), [&](int64_t i) {
    const FilterChunk chunk = chunks.at(i);
    const int64_t blocksOfChunk = (chunk.endTile - chunk.beginTile) * (chunk.endPanel - chunk.beginPanel);
    constexpr int64_t kBlockFloats = kBlockLines * kBlockLines;
    float* strip = static_cast<float*>(
        threadScratch(static_cast<size_t>(stripFloats + packedWords + blocksOfChunk * kBlockFloats) * 4));
    int32_t* packed = reinterpret_cast<int32_t*>(strip + stripFloats);
    float* sums = strip + stripFloats + packedWords;
    TileSession tiles;
    const auto forTiles = [&](int64_t panel, auto&& f) {
      for (int64_t t = chunk.beginTile; t < chunk.endTile; ++t) {
        const int64_t run = t / blocksPerRun, first = t % blocksPerRun * kBlockLines;
        const int64_t at = (panel - chunk.beginPanel) * (chunk.endTile - chunk.beginTile) + t - chunk.beginTile;
        f(run, first, smaller(kBlockLines, plan.runLength - first), sums + at * kBlockFloats);
      }
    };
    for (int64_t index = chunk.beginBlock; index < chunk.endBlock; ++index) {
      const Block block = plan.block(index);
      values.add(plan.fill(strip, block, chunk.group));
      const int64_t lines = plan.lines(block), length = plan.lineLength(block), pitch = plan.rowPitch(block);
      const int64_t steps = ceilDivide(length, kTileDepth), windows = block.pixels() / lines;
      const int64_t pixel = (block.plane * w.count[1] + block.row) * w.count[2] + block.column;
      for (int64_t panel = chunk.beginPanel; panel < chunk.endPanel; ++panel) {
        const int64_t column = panel * kBlockLines, rows = smaller(kBlockLines, features - column);
        for (int64_t line = 0; line < lines; ++line) {
          const int64_t at = (pixel + line * windows) * s.features + chunk.group * features + column;
          int32_t* out = packed + line * steps * kStepWords<parts>;
          withFloat(dy.dtype, [&]<class T>(T) {
            gradients.add(
                packGradient<parts>(dy.as<const T>() + at, s.features, length, block.columns, pitch, rows, out));
          });
        }
        forTiles(panel, [&](int64_t run, int64_t first, int64_t columns, float* to) {
          const int32_t* b = reinterpret_cast<const int32_t*>(strip + plan.runStarts[run] + first);
          constexpr decltype(&sumWindows<parts, 1, 1>) kKernels[2][2] = {
              {sumWindows<parts, 1, 1>, sumWindows<parts, 1, 2>}, {sumWindows<parts, 2, 1>, sumWindows<parts, 2, 2>}};
          kKernels[rows > kTileEdge][columns > kTileEdge](tiles, plan, lines, steps, packed, b,
                                                          index > chunk.beginBlock, to);
        });
      }
    }
    for (int64_t panel = chunk.beginPanel; panel < chunk.endPanel; ++panel) {
      const int64_t column = panel * kBlockLines, rows = smaller(kBlockLines, features - column);
      forTiles(panel, [&](int64_t run, int64_t first, int64_t columns, const float* from) {
        float* out = result.of(chunk.sum) + (run * plan.runLength + first) * s.features;
        storeTransposed(from, rows, columns, out + chunk.group * features + column, s.features);
      });
    }
  });
  if (values.huge() || !splits(parts, values, gradients)) return false;
  result.finish();
  return true;
}

}  // namespace neurite::cpu::NEURITE_ISA
