// Correlation: the product that convolution and its data gradient are made of, with packed weights. Blocks of windows are the
// chunks of the thread pool; each is a strip, and its lines are cut into tiles that the micro-kernel of matrix
// multiplication makes, panel by panel. Product is what that kernel multiplies (gemm-kernel.h).
// amx/correlate-tiles.h does the same with the tile unit.
#pragma once
#include "conv-finish.h"
#include "conv-image-strip.h"
#include "gemm-epilogue.h"
#include "gemm-narrow.h"

namespace neurite::cpu::NEURITE_ISA {

// Results of the windows, one row of `features` each: float32 or bfloat16. Places are elements.
struct Results {
  void* data;
  DType dtype;
  int64_t begin, imagePitch, pitch[3];
  int64_t at(int64_t image, int64_t d, int64_t h, int64_t w) const {
    return begin + image * imagePitch + d * pitch[0] + h * pitch[1] + w * pitch[2];
  }
  // Whether all windows lie one after the other.
  bool dense(const Windows& w) const {
    return pitch[1] == w.count[2] * pitch[2] && pitch[0] == w.count[1] * pitch[1] &&
           imagePitch == w.count[0] * pitch[0];
  }
};

// The packed weights of one group: panel p has its kPanelWidth features for each of the window's values, in order.
inline int64_t packedPanel(const Windows& w) { return w.values() * kPanelWidth; }

// Packs the panels of all groups, `words` each: pack(group, panel, out) writes one. Behind them and a vector is room for `more` words. If there is a
// `kept`, that is its memory, and what lies there may be ready already.
template <class Pack>
float* packPanels(Kept* kept, int64_t groups, int64_t panels, int64_t words, Pack&& pack, int64_t more = 0) {
  const size_t bytes = static_cast<size_t>(groups * panels * words + kLanes + more) * 4;
  float* packed = static_cast<float*>(kept ? kept->memory.reserve(bytes) : scratch(bytes));
  if (kept && kept->ready) return packed;
  const Split parts = split(groups * panels, words);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) pack(i / panels, i % panels, packed + i * words);
  });
  return packed;
}

struct Correlation {
  Windows windows;           // `first` and the results' begin are those of group 0
  int64_t groups, features;  // of a group
  float* packed;             // groups x panels, as the kernel wants them
  Kept* kept;                // where they stay from run to run, or null
  const float* bias;         // all features, or null
  Activation activation;
  Results results;
  Finish& finish;
};

// Pixels in memory of a thread, which become results when maxima are taken of them: one after the other, `width` features of each.
class PoolStage {
 public:
  static int64_t floats(const Correlation& c, int64_t pixels, int64_t width) {
    return c.finish.pools() ? pixels * width : 0;
  }
  PoolStage(const Correlation& c, float* memory, int64_t width) : c_(c), memory_(memory), width_(width) {}

  // Where the features from `feature` on are stored, of all groups, of rows that begin with `row`, counted through all planes of
  // `planeRows`, and `column`.
  Results at(int64_t row, int64_t planeRows, int64_t column, int64_t columns, int64_t feature) const {
    const int64_t line = columns * width_, plane = planeRows * line;
    return {memory_,
            c_.results.dtype,
            -(row * line + column * width_ + feature),
            c_.windows.count[0] * plane,
            {plane, line, width_}};
  }
  Results at(const Block& b, int64_t feature) const {
    const int64_t planeRows = b.planes > 1 ? b.rows : c_.windows.count[1];
    return at(b.plane * planeRows + b.row, planeRows, b.column, b.columns, feature);
  }
  // Of rows from `row` on, counted through all planes, which lie `skip` pixels after the first.
  void pool(int64_t skip, int64_t row, int64_t rows, int64_t column, int64_t columns, int64_t feature,
            int64_t features) const {
    const int64_t bytes = c_.results.dtype == DType::bfloat16 ? 2 : 4;
    c_.finish.pool(reinterpret_cast<const char*>(memory_) + skip * width_ * bytes, width_, row, rows, column, columns,
                   feature, features);
  }
  void pool(const Block& b, int64_t feature, int64_t features) const {
    for (int64_t p = 0; p < b.planes; ++p) {
      const int64_t row = (b.plane + p) * c_.windows.count[1] + b.row;
      pool(p * b.rows * b.columns, row, b.rows, b.column, b.columns, feature, features);
    }
  }

 private:
  const Correlation& c_;
  float* memory_;
  int64_t width_;
};

// Finishes `width` features of a group, from `feature` on, of block number `index`, which are stored.
template <class Plan>
void finishBlock(const Correlation& c, const Plan& plan, const Block& b, int64_t index, int64_t group, int64_t feature,
                 int64_t width) {
  const Windows& w = c.windows;
  feature += group * c.features;
  const auto placeOf = [&](int64_t line) {
    const int64_t plane = b.plane + line / b.rows;
    return c.results.at(plane / w.count[0], plane % w.count[0], b.row + line % b.rows, b.column) + feature;
  };
  for (int64_t line = 0; c.finish.adds() && line < b.planes * b.rows; ++line)
    c.finish.add(placeOf(line), b.columns, c.results.pitch[2], width);
  if (!c.finish.wantsMoments()) return;
  const int64_t pieces = b.planes > 1 && b.rows < w.count[1] ? b.planes : 1, rows = b.planes * b.rows / pieces;
  for (int64_t i = 0; i < pieces; ++i) {
    c.finish.takeMoments(plan.piece(index, i), placeOf(i * rows) / c.results.pitch[2], rows * b.columns, feature,
                         width);
  }
}

// Packed weights of a panel that pass under all tiles of a block before the next: they stay in L2 meanwhile.
inline constexpr int64_t kPassFloats = 64 * 1024;
inline constexpr int64_t kLeastBlocks = 16;
// Of a strip of images: with a panel of weights it shares L2.
inline constexpr int64_t kImageStripFloats = 96 * 1024;

// Whether lines through images are faster than those along rows: for the taps that they leave out, and for tiles that a row leaves low, at the price
// of more and shorter runs. Measured on Zen 4.
inline bool suitsImages(const Windows& w, const ImageStrip& strip) {
  if (!strip.suits || !w.planar() || w.pixelWords() < kLanes || strip.images < kTileRows / 2) return false;
  constexpr double kRuns = 1.05, kLowTile = 0.65;  // kLowTile: of a row of tiles, what loading B costs each
  const auto height = formFor(w) == StripForm::gathered
                          ? kTileRows
                          : static_cast<double>(w.count[2]) / static_cast<double>(ceilDivide(w.count[2], kTileRows));
  return kRuns * strip.insideShare() < 1 + kLowTile / height;
}

// Whether the micro-kernel for narrow panels makes this one.
inline bool isNarrow(int64_t runLength, int64_t columns) { return columns <= kLanes && runLength % 2 == 0; }

// The panels of one block.
template <class Product> class BlockCorrelate {
 public:
  BlockCorrelate(const Correlation& c, const StripPlan& plan, const Block& block, int64_t group, float* memory)
      : c_(c), plan_(plan), block_(block), group_(group), strip_(memory), stage_(memory + plan.stripFloats()) {
    bias_ = c.bias ? c.bias + group * c.features : nullptr;
    packed_ = c.packed + group * ceilDivide(c.features, kPanelWidth) * packedPanel(c.windows);
    plan_.fill(strip_, block_, group_);
  }
  // Memory besides that of the strip.
  static int64_t stageFloats(const Correlation& c, const StripPlan& plan) {
    return c.results.dtype == DType::bfloat16 ? plan.mostPixels() * kPanelWidth : 0;
  }

  void run(const Results& results, int64_t beginPanel, int64_t endPanel) {
    results_ = results;
    results_.begin += group_ * c_.features;
    const bool joined = plan_.gathered && results_.dense(c_.windows);
    lines_ = joined ? 1 : block_.planes * block_.rows;
    lineLength_ = joined ? block_.pixels() : block_.columns;
    const int64_t runsPerPass = larger(1, kPassFloats / larger(1, plan_.runLength * kPanelWidth));
    for (int64_t panel = beginPanel; panel < endPanel; ++panel) {
      int64_t run = 0;
      do {
        pass(panel, run, smaller(runsPerPass, plan_.runs - run));
        run += runsPerPass;
      } while (run < plan_.runs);
    }
  }

 private:
  void pass(int64_t panel, int64_t run, int64_t runs) {
    const int64_t column = panel * kPanelWidth;
    const bool last = run + runs >= plan_.runs, half = results_.dtype == DType::bfloat16;
    Tile tile{};
    tile.aStride = plan_.pixelPitch;
    tile.runs = runs;
    tile.starts = plan_.runStarts + run;
    tile.depth = plan_.runLength;
    tile.columns = smaller(kPanelWidth, c_.features - column);
    const bool narrow = isNarrow(plan_.runLength, tile.columns);
    tile.b = packed_ + panel * packedPanel(c_.windows) + run * plan_.runLength * kPanelWidth / (narrow ? 2 : 1);
    tile.bStride = kPanelWidth;
    tile.accumulate = run > 0;
    tile.bias = last && bias_ ? bias_ + column : nullptr;
    tile.relu = last && c_.activation == Activation::relu;
    tile.ahead = tile.b;
    const Activation rest = c_.activation > Activation::relu ? c_.activation : Activation::none;
    for (int64_t line = 0; line < lines_; ++line) {
      const int64_t tiles = ceilDivide(lineLength_, kTileRows);
      const float* a = strip_ + (plan_.gathered ? line * lineLength_ * plan_.pixelPitch : plan_.lineStarts[line]);
      const int64_t place = placeOf(line) + column;
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t first = lineLength_ * t / tiles, height = lineLength_ * (t + 1) / tiles - first;
        const int64_t at = place + first * results_.pitch[2];
        tile.a = a + first * plan_.pixelPitch;
        if (!half) {
          tile.c = static_cast<float*>(results_.data) + at;
          tile.ldc = results_.pitch[2];
          multiply(narrow, height, tile);
          if (last && rest != Activation::none)
            finishTile(tile.c, tile.ldc, tile.c, tile.ldc, height, tile.columns, rest);
        } else {
          tile.c = stage_ + (line * lineLength_ + first) * kPanelWidth;
          tile.ldc = kPanelWidth;
          multiply(narrow, height, tile);
          if (last) {
            finishTile(tile.c, kPanelWidth, static_cast<uint16_t*>(results_.data) + at, results_.pitch[2], height,
                       tile.columns, rest);
          }
        }
      }
    }
  }

  static void multiply(bool narrow, int64_t height, const Tile& tile) {
    if (narrow)
      NarrowTileKernels<Product>::multiply(static_cast<int>(height), tile);
    else
      TileKernels<Product>::multiply(static_cast<int>(height), TileOrder::kByRow, tile);
  }

  int64_t placeOf(int64_t line) const {
    const int64_t plane = block_.plane + line / block_.rows;
    return results_.at(plane / c_.windows.count[0], plane % c_.windows.count[0], block_.row + line % block_.rows,
                       block_.column);
  }

  const Correlation& c_;
  const StripPlan& plan_;
  const Block block_;
  const int64_t group_;
  float *strip_, *stage_;
  Results results_{};
  const float *bias_, *packed_;
  int64_t lines_ = 0, lineLength_ = 0;
};

// The panels of one block of a strip of images.
template <class Product> class ImagesCorrelate {
 public:
  ImagesCorrelate(const Correlation& c, const ImageStrip& strip, const Block& block, int64_t group, float* memory)
      : c_(c), strip_(strip), block_(block), group_(group), images_(memory), stage_(memory + strip.stripFloats()) {
    starts_ = reinterpret_cast<int64_t*>(stage_ + kTileRows * kPanelWidth);
    bStarts_ = starts_ + c.windows.tapCount();
    bias_ = c.bias ? c.bias + group * c.features : nullptr;
    packed_ = c.packed + group * ceilDivide(c.features, kPanelWidth) * packedPanel(c.windows);
    strip.fill<Product>(images_, block, c.windows.first + group * c.windows.channels, c.windows.channels);
  }
  static int64_t floats(const Correlation& c, const ImageStrip& strip) {
    return strip.stripFloats() + kTileRows * kPanelWidth + c.windows.tapCount() * 4;
  }

  void run(const Results& results, int64_t beginPanel, int64_t endPanel) {
    results_ = results;
    results_.begin += group_ * c_.features;
    const Range whole = strip_.wholeColumns();
    for (int64_t panel = beginPanel; panel < endPanel; ++panel) {
      for (int64_t row = block_.row; row < block_.row + block_.rows; ++row) {
        for (int64_t column = 0; column < block_.columns;) {
          const bool inside = column >= whole.begin && column < whole.end;
          const int64_t end = inside ? whole.end : column + 1;
          line(panel, row, column, end);
          column = end;
        }
      }
    }
  }

 private:
  // The windows [begin, end) of a row in all images of the block.
  void line(int64_t panel, int64_t row, int64_t begin, int64_t end) {
    const Windows& w = c_.windows;
    const int64_t column = panel * kPanelWidth, words = w.pixelWords();
    Tile tile{};
    tile.runs = 0;
    tile.columns = smaller(kPanelWidth, c_.features - column);
    const bool narrow = isNarrow(words, tile.columns);
    const Range rowTaps = strip_.taps(1, row), columnTaps = strip_.taps(2, begin);
    for (int64_t i = rowTaps.begin; i < rowTaps.end; ++i) {
      for (int64_t j = columnTaps.begin; j < columnTaps.end; ++j, ++tile.runs) {
        starts_[tile.runs] = strip_.at(block_, row, begin, i, j);
        bStarts_[tile.runs] = (i * w.taps[2] + j) * words * kPanelWidth / (narrow ? 2 : 1);
      }
    }
    tile.aStride = strip_.pitch;
    tile.starts = starts_, tile.bStarts = bStarts_;
    tile.b = tile.ahead = packed_ + panel * packedPanel(w);
    tile.bStride = kPanelWidth;
    tile.depth = words;
    tile.c = stage_;
    tile.ldc = kPanelWidth;
    tile.bias = bias_ ? bias_ + column : nullptr;
    tile.relu = c_.activation == Activation::relu;
    const Activation rest = tile.relu ? Activation::none : c_.activation;
    const int64_t windows = (end - begin) * block_.planes, tiles = ceilDivide(windows, kTileRows);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t first = windows * t / tiles, last = windows * (t + 1) / tiles;
      tile.a = images_ + first * strip_.pitch;
      if (narrow)
        multiplyNarrow(tile, last - first, columnTaps.size() < w.taps[2] ? columnTaps.size() : tile.runs);
      else
        TileKernels<Product>::multiply(static_cast<int>(last - first), TileOrder::kByRow, tile);
      // The windows of a column at a time, which lie an image apart.
      for (int64_t i = first, height; i < last; i += height) {
        const int64_t image = i % block_.planes;
        height = smaller(last - i, block_.planes - image);
        const int64_t at = results_.at(block_.plane + image, 0, row, begin + i / block_.planes) + column;
        withFloat(results_.dtype, [&]<class T>(T) {
          finishTile(stage_ + (i - first) * kPanelWidth, kPanelWidth, static_cast<T*>(results_.data) + at,
                     results_.imagePitch, height, tile.columns, rest);
        });
      }
    }
  }

  // The kernel for narrow panels takes B in one piece: so many runs at a time follow each other.
  static void multiplyNarrow(const Tile& whole, int64_t height, int64_t runs) {
    Tile tile = whole;
    int64_t run = 0;
    do {
      const bool last = run + runs >= whole.runs;
      tile.runs = smaller(runs, whole.runs);
      tile.starts = whole.starts + run;
      tile.b = whole.b + (whole.runs > 0 ? whole.bStarts[run] : 0);
      tile.accumulate = run > 0;
      tile.bias = last ? whole.bias : nullptr;
      tile.relu = last && whole.relu;
      NarrowTileKernels<Product>::multiply(static_cast<int>(height), tile);
      run += runs;
    } while (run < whole.runs);
  }

  const Correlation& c_;
  const ImageStrip& strip_;
  const Block block_;
  const int64_t group_;
  float *images_, *stage_;
  int64_t *starts_, *bStarts_;
  Results results_{};
  const float *bias_, *packed_;
};

// All panels of `width` features of all blocks, in chunks that take `work` multiply-adds together at the speed of vectors: f(index of a block, group, memory
// of `floats`) gives what runs panels of a block, and each chunk is finished when it has run.
template <class Plan, class F>
void forBlocks(const Correlation& c, const Plan& plan, int64_t width, int64_t work, int64_t floats, F&& f) {
  const int64_t panels = ceilDivide(c.features, width);
  // Where there are few blocks, the panels are shared out too.
  const int64_t parts = smaller(panels, larger(1, kLeastBlocks / larger(1, plan.blocks() * c.groups)));
  const int64_t chunks = plan.blocks() * parts * c.groups;
  if (c.finish.wantsMoments()) c.finish.begin(plan.pieces());
  const int64_t perChunk = larger(1, kInlineWork / 2 / larger(1, work / larger(1, chunks)));
  floats = roundUp(floats, kLanes);
  const auto bytes = static_cast<size_t>(floats + PoolStage::floats(c, plan.mostPixels(), width)) * 4;
  parallelFor(ceilDivide(chunks, perChunk), [&](int64_t begin) {
    float* memory = static_cast<float*>(threadScratch(bytes));
    const PoolStage stage(c, memory + floats, width);
    for (int64_t chunk = begin * perChunk; chunk < smaller(chunks, (begin + 1) * perChunk); ++chunk) {
      const int64_t part = chunk % parts, index = chunk / parts % plan.blocks(), group = chunk / parts / plan.blocks();
      const int64_t first = panels * part / parts, end = panels * (part + 1) / parts;
      const Block b = plan.block(index);
      auto block = f(index, group, memory);
      if (!c.finish.pools()) {
        block.run(c.results, first, end);
        finishBlock(c, plan, b, index, group, first * width, smaller(c.features, end * width) - first * width);
        continue;
      }
      for (int64_t panel = first; panel < end; ++panel) {
        const int64_t feature = group * c.features + panel * width;
        block.run(stage.at(b, feature), panel, panel + 1);
        stage.pool(b, feature, smaller(width, c.features - panel * width));
      }
    }
  });
}

// packTap(group, column, width, tap, out, pitch) packs the words of a tap for the features from `column` on.
template <class Product, class PackTap> void correlate(Correlation c, PackTap&& packTap) {
  Windows& w = c.windows;
  if (Product::kDepthPerWord == 2) w.word = StripWord::channelPair;
  const int64_t panels = ceilDivide(c.features, kPanelWidth), work = w.values() * c.features;
  const ImageStrip images(w, kTileRows, ceilDivide(kLeastBlocks, c.groups), work, kImageStripFloats);
  const bool byImages = suitsImages(w, images);
  const Offsets offsets(w);
  const StripPlan plan(w, formFor(w), true, ceilDivide(kLeastBlocks, c.groups), work, kStripFloats, offsets.memory());
  c.packed = packPanels(c.kept, c.groups, panels, packedPanel(w), [&](int64_t group, int64_t panel, float* out) {
    const int64_t column = panel * kPanelWidth, width = smaller(kPanelWidth, c.features - column);
    for (int64_t t = 0; t < w.tapCount(); ++t)
      packTap(group, column, width, t, out + t * w.pixelWords() * kPanelWidth, kPanelWidth);
    if (isNarrow(byImages ? w.pixelWords() : plan.runLength, width)) interleavePanel(out, w.values());
  });
  if (c.kept) c.kept->ready = true;
  const int64_t total = w.planes() * w.planeWindows() * work * c.groups;
  if (byImages) {
    forBlocks(c, images, kPanelWidth, total, ImagesCorrelate<Product>::floats(c, images),
              [&](int64_t index, int64_t group, float* memory) {
                return ImagesCorrelate<Product>(c, images, images.block(index), group, memory);
              });
    return;
  }
  const int64_t floats = plan.stripFloats() + BlockCorrelate<Product>::stageFloats(c, plan);
  forBlocks(c, plan, kPanelWidth, total, floats, [&](int64_t index, int64_t group, float* memory) {
    return BlockCorrelate<Product>(c, plan, plan.block(index), group, memory);
  });
}

}  // namespace neurite::cpu::NEURITE_ISA
