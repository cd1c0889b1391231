// Correlation by Winograd's tiles of 2x2 windows (winograd.h): 16 products of tiles and transformed weights.
//
// A chunk of the thread pool transforms the patches of some tiles once; then, panel of features by panel, the micro-kernel of matrix
// multiplication makes the 16 planes, and the results are transformed back, with bias and activation, while the planes are in L2.
#pragma once
#include <atomic>

#include "conv-correlate.h"
#include "winograd.h"

namespace neurite::cpu::NEURITE_ISA {

// Planes of patches and of a panel's results that a chunk keeps in L2, beside the weights that stream past.
inline constexpr int64_t kPlaneFloats = 160 * 1024;

// Transformed weights of a panel: [kTilePlanes][channels][kPanelWidth], the planes a little apart so that they fall into different
// sets of L1.
inline int64_t weightPlane(int64_t channels) { return channels * kPanelWidth + 4 * kLanes; }
inline int64_t tileWeights(const Correlation& c) {
  return ceilDivide(c.features, kPanelWidth) * kTilePlanes * weightPlane(c.windows.channels);
}

// Whether the micro-kernel for narrow panels makes this one.
inline bool isNarrow(const Correlation& c, int64_t columns) { return columns <= kLanes && c.windows.channels % 2 == 0; }

// The packed weights of all panels, transformed.
inline void transformWeights(const Correlation& c, float* weights) {
  const int64_t channels = c.windows.channels, panels = ceilDivide(c.features, kPanelWidth);
  const int64_t plane = weightPlane(channels);
  const Split rows = split(panels * channels, kTilePlanes * kPanelWidth);
  parallelFor(rows.chunks, [&](int64_t chunk) {
    for (int64_t row = rows.begin(chunk); row < rows.end(chunk); ++row) {
      const int64_t panel = row / channels, at = row % channels * kPanelWidth;
      const float* from = c.packed + panel * packedPanel(c.windows) + at;
      float* to = weights + panel * kTilePlanes * plane + at;
      for (int64_t i = 0; i < smaller(kPanelWidth, c.features - panel * kPanelWidth); i += kLanes) {
        transformKernel(
            [&](int h, int v)
                __attribute__((always_inline)) { return load(from + (h * 3 + v) * channels * kPanelWidth + i); },
            [&](int h, int v, F32 x) __attribute__((always_inline)) { store(to + (h * 4 + v) * plane + i, x); });
      }
    }
  });
  if (isNarrow(c, c.features - (panels - 1) * kPanelWidth)) {
    float* last = weights + (panels - 1) * kTilePlanes * plane;
    for (int64_t i = 0; i < kTilePlanes; ++i) interleavePanel(last + i * plane, channels);
  }
}

// The panels of one chunk of tiles.
class TileCorrelate {
 public:
  // memory: planes of patches, planes of results, a pixel of zeros, a pixel for results beyond the last window.
  static int64_t floats(const Correlation& c, int64_t tiles) {
    return kTilePlanes * (patchPlane(c, tiles) + resultPlane(tiles)) + tilePitch(c.windows.channels) + kPanelWidth;
  }

  TileCorrelate(const Correlation& c, const float* weights, int64_t first, int64_t tiles, float* memory)
      : c_(c),
        weights_(weights),
        first_(first),
        tiles_(tiles),
        patchPlane_(patchPlane(c, tiles)),
        resultPlane_(resultPlane(tiles)),
        patches_(memory),
        results_(patches_ + kTilePlanes * patchPlane_),
        zeros_(results_ + kTilePlanes * resultPlane_),
        spare_(zeros_ + tilePitch(c.windows.channels)) {
    memset(zeros_, 0, static_cast<size_t>(c.windows.channels) * 4);
    withFloat(c.windows.dtype, [&]<class T>(T) {
      transformPatches(c.windows, reinterpret_cast<const T*>(zeros_), first, tiles, patches_, patchPlane_);
    });
  }

  // Whether all results are finite.
  bool run(const Results& results, int64_t beginPanel, int64_t endPanel) {
    to_ = results;
    bool finite = true;
    for (int64_t panel = beginPanel; panel < endPanel; ++panel) {
      multiply(panel);
      withFloat(to_.dtype, [&]<class T>(T) { finite = finish<T>(panel) && finite; });
    }
    return finite;
  }

 private:
  static int64_t patchPlane(const Correlation& c, int64_t tiles) {
    return tilePlanePitch(tiles, tilePitch(c.windows.channels));
  }
  static int64_t resultPlane(int64_t tiles) { return tilePlanePitch(tiles, kPanelWidth); }
  int64_t columns(int64_t panel) const { return smaller(kPanelWidth, c_.features - panel * kPanelWidth); }

  void multiply(int64_t panel) {
    const int64_t channels = c_.windows.channels, pitch = tilePitch(channels);
    Tile tile{};
    tile.aStride = pitch;
    tile.bStride = kPanelWidth;
    tile.depth = channels;
    tile.ldc = kPanelWidth;
    tile.columns = roundUp(columns(panel), kLanes);
    tile.ahead = weights_;
    const bool narrow = isNarrow(c_, columns(panel));
    const int64_t groups = ceilDivide(tiles_, kTileRows);
    for (int64_t plane = 0; plane < kTilePlanes; ++plane) {
      tile.b = weights_ + (panel * kTilePlanes + plane) * weightPlane(channels);
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t first = tiles_ * g / groups, height = tiles_ * (g + 1) / groups - first;
        tile.a = patches_ + plane * patchPlane_ + first * pitch;
        tile.c = results_ + plane * resultPlane_ + first * kPanelWidth;
        if (narrow)
          NarrowTileKernels<FloatProduct>::multiply(static_cast<int>(height), tile);
        else
          TileKernels<FloatProduct>::multiply(static_cast<int>(height), TileOrder::kByRow, tile);
      }
    }
  }

  template <class T> bool finish(int64_t panel) {
    return withActivation(c_.activation, [&](auto activation) { return finish<T, activation>(panel); });
  }

  template <class T, Activation activation> bool finish(int64_t panel) {
    const Windows& w = c_.windows;
    const TileGrid grid(w);
    const int64_t column = panel * kPanelWidth, features = columns(panel);
    const int64_t* pitch = to_.pitch;
    F32 notFinite = zeros();
    TileGrid::Place place = grid.place(first_);
    for (int64_t t = 0; t < tiles_; ++t, grid.advance(place)) {
      T* corner = static_cast<T*>(to_.data) + to_.at(0, place.plane, place.row, place.column) + column;
      T* to[2][2];
      for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 2; ++j) {
          const bool inside = place.row + i < w.count[1] && place.column + j < w.count[2];
          to[i][j] = inside ? corner + i * pitch[1] + j * pitch[2] : reinterpret_cast<T*>(spare_);
        }
      }
      PlanePointers<const float> from(results_ + t * kPanelWidth, resultPlane_);
      eachVector(
          features, EACH_VECTOR {
            const F32 bias = c_.bias ? loadUpTo(c_.bias + column + i, left) : zeros();
            transformResult(
                [&](int h, int v) __attribute__((always_inline)) { return load(from.at(h, v)); },
                [&](int h, int v, F32 y) __attribute__((always_inline)) {
                  notFinite = fma(y, zeros(), notFinite);
                  storeFloats(to[h][v] + i, activate(activation, y + bias), left, false);
                });
            from.advance();
          });
    }
    return !any(isNan(notFinite));
  }

  const Correlation& c_;
  const float* weights_;
  const int64_t first_, tiles_, patchPlane_, resultPlane_;
  float *patches_, *results_, *zeros_, *spare_;
  Results to_{};
};

// Whether tiles are faster than windows, by multiply-adds: a tile takes 16 per channel and feature, besides the transforms of each of its
// channels and features; the transformed weights count once. Measured with 16 to 512 channels and features on a fifth-generation
// Xeon: what is worth it on paper gains from 10 % (24 of each) to 90 % (128 and more).
inline bool suitsTiles(const Windows& w, int64_t groups, int64_t outputs) {
  bool suits = groups == 1 && w.taps[0] == 1 && w.stride[0] == 1 && w.before[0] == 0 && w.size[0] == w.count[0];
  for (int axis = 1; axis < 3; ++axis)
    suits = suits && w.taps[axis] == 3 && w.stride[axis] == 1 && w.dilation[axis] == 1;
  if (!suits) return false;
  constexpr double kTransforms = 150, kWeights = 64, kAdvantage = 0.85;
  const double channels = static_cast<double>(w.channels), features = static_cast<double>(outputs);
  const double tiles = static_cast<double>(TileGrid(w).tiles());
  const double windows = static_cast<double>(w.planes() * w.planeWindows());
  const double perTile = kTilePlanes * channels * features + kTransforms * (channels + features);
  return tiles * perTile + kWeights * channels * features < kAdvantage * 9 * windows * channels * features;
}

// Tiles that a chunk has: rows of tiles, whose windows lie one after the other; parts of a row where that is longer.
inline int64_t tilesOfChunk(const Correlation& c) {
  const int64_t most = kPlaneFloats / kTilePlanes / (tilePitch(c.windows.channels) + kPanelWidth) / kTileRows;
  const int64_t tiles = larger(2, most) * kTileRows, row = TileGrid(c.windows).columns;
  return tiles < row ? tiles : smaller(tiles / row * row, TileGrid(c.windows).tiles());
}

// The row of windows with which a tile begins that is the first of its row, counted through all planes; the last row of a plane's tiles may have one
// row of windows only.
inline int64_t rowOfTile(const Windows& w, int64_t tile) {
  const TileGrid grid(w);
  return tile / grid.columns / grid.rows * w.count[1] + smaller(w.count[1], tile / grid.columns % grid.rows * 2);
}

// Finishes `width` features from `feature` on, of chunk number `index`: rows of tiles from tile `first` on.
inline void finishTiles(const Correlation& c, int64_t first, int64_t tiles, int64_t index, int64_t feature,
                        int64_t width) {
  const Windows& w = c.windows;
  const int64_t pixel = rowOfTile(w, first) * w.count[2], pixels = rowOfTile(w, first + tiles) * w.count[2] - pixel;
  const int64_t pitch = c.results.pitch[2];
  if (c.finish.adds()) c.finish.add(c.results.begin + pixel * pitch + feature, pixels, pitch, width);
  if (c.finish.wantsMoments()) c.finish.takeMoments(index, pixel, pixels, feature, width);
}

// Whether chunks of tiles have whole rows, and those windows that maxima are taken of.
inline bool tilesHaveRows(const Correlation& c) {
  return tilesOfChunk(c) % TileGrid(c.windows).columns == 0 && (!c.finish.pools() || c.windows.multiple[1] <= 2);
}

// False if a result is not finite: a difference of infinities is NaN where the sum over the definition may be infinite, so the
// results are to be made by `correlate`.
inline bool correlateTiles(const Correlation& c, const float* weights) {
  const Windows& w = c.windows;
  const int64_t total = TileGrid(w).tiles(), panels = ceilDivide(c.features, kPanelWidth);
  const int64_t size = tilesOfChunk(c), blocks = ceilDivide(total, size);
  const int64_t parts = smaller(panels, ceilDivide(kLeastBlocks, blocks));
  const bool wholeRows = tilesHaveRows(c);
  const int64_t floats = roundUp(TileCorrelate::floats(c, size), kLanes);
  const auto bytes = static_cast<size_t>(floats + PoolStage::floats(c, 4 * size, kPanelWidth)) * 4;
  if (wholeRows && c.finish.wantsMoments()) c.finish.begin(blocks);
  std::atomic<bool> finite = true;
  parallelFor(blocks * parts, [&](int64_t chunk) {
    if (!finite.load(std::memory_order_relaxed)) return;
    const int64_t part = chunk % parts, index = chunk / parts, first = index * size,
                  tiles = smaller(size, total - first);
    const int64_t begin = panels * part / parts, end = panels * (part + 1) / parts;
    float* memory = static_cast<float*>(threadScratch(bytes));
    TileCorrelate correlate(c, weights, first, tiles, memory);
    const auto run = [&](const Results& results, int64_t from, int64_t to) {
      if (!correlate.run(results, from, to)) finite.store(false, std::memory_order_relaxed);
    };
    if (!c.finish.pools()) {
      run(c.results, begin, end);
      if (wholeRows)
        finishTiles(c, first, tiles, index, begin * kPanelWidth,
                    smaller(c.features, end * kPanelWidth) - begin * kPanelWidth);
      return;
    }
    const PoolStage stage(c, memory + floats, kPanelWidth);
    const int64_t row = rowOfTile(w, first), rows = rowOfTile(w, first + tiles) - row;
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t feature = panel * kPanelWidth;
      run(stage.at(row, w.count[1], 0, w.count[2], feature), panel, panel + 1);
      stage.pool(0, row, rows, 0, w.count[2], feature, smaller(kPanelWidth, c.features - feature));
    }
  });
  if (finite.load(std::memory_order_relaxed) && !wholeRows) c.finish.whole();
  return finite.load(std::memory_order_relaxed);
}

}  // namespace neurite::cpu::NEURITE_ISA
