// The product of convFilterGrad: dw[k, c, f] = sum over pixels of x[pixel + k, c] * dy[pixel, f], a matrix product over pixels.
//
// A chunk makes a part of dw, a range of its rows and of its panels of features, from some blocks of images: for each block it copies the
// strip, and panel by panel packs dy and adds up tile by tile, in place. The blocks are shared out among as many partial
// sums as the shape needs to keep threads busy, which meet in a fixed order.
#pragma once
#include "../thread-pool.h"
#include "conv-image-strip.h"
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

// The product over strips of images (conv-image-strip.h), whose words are pairs of images where Product multiplies pairs. A chunk copies only the
// channels that it makes, and a tap's sums go over the pixels that it sees inside of the image.
template <class Product> class ImageProduct {
 public:
  ImageProduct(const Tensor& x, const Tensor& dy, const Tensor& dw, const ConvShape& s)
      : dy_(dy),
        dw_(dw),
        s_(s),
        w_(s.windows(x)),
        cut_(s, w_),
        strip_(windowsOfPart(), w_.images, leastBlocks(), workPerPixel(), mostFloats()) {}

  // Whether there is room for a strip, and channels enough to fill tiles, as a tile has those of one tap; pairs need fewer, as they halve the strip.
  bool suits() const {
    return strip_.suits && w_.planar() && w_.images >= Product::kDepthPerWord &&
           s_.groupChannels() * Product::kDepthPerWord >= 2 * kLanes;
  }

  void run() {
    const int64_t blocks = strip_.blocks(), total = smaller(blocks, leastBlocks());
    const FilterSums sums(dw_, total);
    const int64_t pixels = ceilDivide(strip_.images, Product::kDepthPerWord) * strip_.rows * w_.count[2];
    const size_t bytes = static_cast<size_t>(packedAt() + pixels * kPanelWidth) * 4;
    const int64_t units = cut_.units() * s_.groups;
    parallelFor(total * units, [&](int64_t i) {
      const int64_t sum = i / units, unit = i % units;
      float* strip = static_cast<float*>(threadScratch(bytes));
      for (int64_t index = blocks * sum / total; index < blocks * (sum + 1) / total; ++index)
        addBlock(strip, strip_.block(index), unit, sums.of(sum), index > blocks * sum / total);
    });
    sums.finish();
  }

 private:
  // dw in parts of channels by features, so that one stays in L2 with the strip.
  struct Cut {
    int64_t tiles, panels;  // of a group's channels, and of its features
    int64_t tileParts = 1, panelParts = 1;
    Cut(const ConvShape& s, const Windows& w)
        : tiles(ceilDivide(s.groupChannels(), kTileRows)), panels(ceilDivide(s.groupFeatures(), kPanelWidth)) {
      while (w.tapCount() * rows() * columns() > kPartFloats && tileParts * panelParts < tiles * panels)
        ++(panelParts == panels || (rows() >= columns() && tileParts < tiles) ? tileParts : panelParts);
    }
    int64_t rows() const { return ceilDivide(tiles, tileParts) * kTileRows; }
    int64_t columns() const { return ceilDivide(panels, panelParts) * kPanelWidth; }
    int64_t units() const { return tileParts * panelParts; }
  };

  Windows& windowsOfPart() {
    if (Product::kDepthPerWord == 2) w_.word = StripWord::imagePair;
    w_.channels = smaller(w_.channels, cut_.rows());
    return w_;
  }
  int64_t leastBlocks() const { return ceilDivide(kLeastChunks, cut_.units() * s_.groups); }
  int64_t workPerPixel() const { return w_.tapCount() * s_.groupChannels() * s_.groupFeatures(); }
  int64_t mostFloats() const { return smaller(kPixelStripFloats, kMostPixels * roundUp(w_.channels, kLanes)); }

  // Behind the strip and where its rows begin: dy, packed.
  int64_t packedAt() const { return roundUp(strip_.stripFloats() + 4 * strip_.rows, kLanes); }

  // Adds what the images of a block contribute to a unit of dw.
  void addBlock(float* strip, const Block& block, int64_t unit, float* sum, bool accumulate) const {
    const int64_t group = unit / cut_.units(), tilePart = unit / cut_.panelParts % cut_.tileParts,
                  panelPart = unit % cut_.panelParts;
    const int64_t channels = s_.groupChannels(), features = s_.groupFeatures(), depth = strip_.depth(block);
    const int64_t beginTile = cut_.tiles * tilePart / cut_.tileParts,
                  endTile = cut_.tiles * (tilePart + 1) / cut_.tileParts;
    const auto channelOf = [&](int64_t tile) { return channels * tile / cut_.tiles; };
    const int64_t firstChannel = channelOf(beginTile);
    strip_.template fill<Product>(strip, block, group * channels + firstChannel, channelOf(endTile) - firstChannel);
    int64_t* starts = reinterpret_cast<int64_t*>(strip + strip_.stripFloats());
    int64_t* bStarts = starts + strip_.rows;
    float* packed = strip + packedAt();
    Tile tile{};
    tile.aStride = strip_.pitch;
    tile.starts = starts, tile.bStarts = bStarts;
    tile.b = tile.ahead = packed;
    tile.bStride = kPanelWidth;
    tile.ldc = s_.features;
    tile.accumulate = accumulate;
    for (int64_t panel = cut_.panels * panelPart / cut_.panelParts;
         panel < cut_.panels * (panelPart + 1) / cut_.panelParts; ++panel) {
      const int64_t column = group * features + panel * kPanelWidth;
      tile.columns = smaller(kPanelWidth, features - panel * kPanelWidth);
      pack(block, column, tile.columns, packed);
      for (int64_t tap = 0; tap < w_.tapCount(); ++tap) {
        const int64_t rowTap = tap / w_.taps[2], columnTap = tap % w_.taps[2];
        const Range rows = strip_.windowsOf(1, rowTap), columns = strip_.windowsOf(2, columnTap);
        tile.runs = 0;
        for (int64_t row = larger(rows.begin, block.row); row < smaller(rows.end, block.row + block.rows);
             ++row, ++tile.runs) {
          starts[tile.runs] = strip_.at(block, row, columns.begin, rowTap, columnTap);
          bStarts[tile.runs] = ((row - block.row) * block.columns + columns.begin) * depth * kPanelWidth;
        }
        tile.depth = columns.size() * depth;
        if (tile.depth == 0) tile.runs = 0;
        for (int64_t t = beginTile; t < endTile; ++t) {
          tile.a = strip + channelOf(t) - firstChannel;
          tile.c = sum + (tap * channels + channelOf(t)) * s_.features + column;
          TileKernels<Product>::multiply(static_cast<int>(channelOf(t + 1) - channelOf(t)), TileOrder::kByDepth, tile);
        }
      }
    }
  }

  // `width` features of dy from `column` on, as they lie in the strip: packed[row][column][image or pair of images][feature].
  void pack(const Block& b, int64_t column, int64_t width, float* packed) const {
    const int64_t depth = strip_.depth(b), row = w_.count[2] * s_.features, image = w_.count[1] * row;
    withFloat(dy_.dtype, [&]<class T>(T) {
      for (int64_t h = 0; h < b.rows; ++h) {
        for (int64_t i = 0; i < depth; ++i) {
          const int64_t first = b.plane + i * Product::kDepthPerWord;
          const T* from = dy_.as<const T>() + first * image + (b.row + h) * row + column;
          const int64_t next = Product::kDepthPerWord == 2 && first + 1 < b.plane + b.planes ? image : 0;
          for (int64_t c = 0; c < b.columns; ++c, from += s_.features) {
            // A word has the second image one `next` after the first.
            packAcross<Product>(from, next, next ? 2 : 1, width,
                                packed + ((h * b.columns + c) * depth + i) * kPanelWidth, kPanelWidth);
          }
        }
      }
    });
  }

  const Tensor &dy_, &dw_;
  const ConvShape& s_;
  Windows w_;
  Cut cut_;
  ImageStrip strip_;
};

template <class Product> void multiplyWindows(const Tensor& x, const Tensor& dy, const Tensor& dw, const ConvShape& s) {
  ImageProduct<Product> images(x, dy, dw, s);
  if (images.suits()) return images.run();
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
