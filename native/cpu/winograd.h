// Winograd's transforms for kernels of 3x3 and stride 1, F(2x2, 3x3): a tile of 2x2 results takes 16 multiplications instead of 36.
//
//   y = Aᵀ [G g Gᵀ ⊙ Bᵀ d B] A     d: the 4x4 pixels that a tile sees, g: the kernel
//
//        1  0 -1  0        1    0   0
//   Bᵀ = 0  1  1  0    G = 1/2  1/2 1/2    Aᵀ = 1 1  1  0
//        0 -1  1  0        1/2 -1/2 1/2         0 1 -1 -1
//        0  1  0 -1        0    0   1
//
// Summed over channels, ⊙ is a matrix product of [tiles, channels] and [channels, features] for each of the 16 places of a tile,
// its planes. The gradient of the kernel is Gᵀ [(A dy Aᵀ) ⊙ (Bᵀ d B)] G, a product over tiles. (Lavin and Gray, 2015.)
//
// A result is made of planes that see none but the result's own pixels and of all taps, so whatever is not finite in a pixel or a tap
// reaches the results that the sum over its definition reaches, and no other.
#pragma once
#include "conv-strip.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr int kTilePlanes = 16;

// The transforms of a vector of channels. Each takes load(row, column) and gives store(row, column, value), in an order that keeps
// few values alive.

// 4x4 pixels to 4x4 planes.
template <class Load, class Store> NEURITE_INLINE void transformPatch(Load&& load, Store&& store) {
  const auto alongRow = [&](int i, F32(&row)[4]) __attribute__((always_inline)) {
    const F32 d0 = load(i, 0), d1 = load(i, 1), d2 = load(i, 2), d3 = load(i, 3);
    row[0] = d0 - d2, row[1] = d1 + d2, row[2] = d2 - d1, row[3] = d1 - d3;
  };
  F32 first[4], second[4], other[4];
  alongRow(1, first);
  alongRow(2, second);
  NEURITE_UNROLL
  for (int j = 0; j < 4; ++j) {
    store(1, j, first[j] + second[j]);
    store(2, j, second[j] - first[j]);
  }
  alongRow(0, other);
  NEURITE_UNROLL
  for (int j = 0; j < 4; ++j) store(0, j, other[j] - second[j]);
  alongRow(3, other);
  NEURITE_UNROLL
  for (int j = 0; j < 4; ++j) store(3, j, first[j] - other[j]);
}

// 3x3 taps to 4x4 planes.
template <class Load, class Store> NEURITE_INLINE void transformKernel(Load&& load, Store&& store) {
  const F32 half = broadcast(0.5f);
  const auto extend = [&](F32 g0, F32 g1, F32 g2, F32(&u)[4]) __attribute__((always_inline)) {
    const F32 outer = half * (g0 + g2), inner = half * g1;
    u[0] = g0, u[1] = outer + inner, u[2] = outer - inner, u[3] = g2;
  };
  F32 columns[3][4];
  NEURITE_UNROLL
  for (int j = 0; j < 3; ++j) extend(load(0, j), load(1, j), load(2, j), columns[j]);
  NEURITE_UNROLL
  for (int i = 0; i < 4; ++i) {
    F32 row[4];
    extend(columns[0][i], columns[1][i], columns[2][i], row);
    NEURITE_UNROLL
    for (int j = 0; j < 4; ++j) store(i, j, row[j]);
  }
}

// 4x4 planes to 2x2 results.
template <class Load, class Store> NEURITE_INLINE void transformResult(Load&& load, Store&& store) {
  F32 sum[4], difference[4];
  NEURITE_UNROLL
  for (int j = 0; j < 4; ++j) {
    const F32 m1 = load(1, j), m2 = load(2, j);
    sum[j] = load(0, j) + m1 + m2, difference[j] = m1 - m2 - load(3, j);
  }
  store(0, 0, sum[0] + sum[1] + sum[2]);
  store(0, 1, sum[1] - sum[2] - sum[3]);
  store(1, 0, difference[0] + difference[1] + difference[2]);
  store(1, 1, difference[1] - difference[2] - difference[3]);
}

// The adjoint of transformKernel: gradients of 4x4 planes to those of 3x3 taps.
template <class Load, class Store> NEURITE_INLINE void transformKernelGrad(Load&& load, Store&& store) {
  const F32 half = broadcast(0.5f);
  const auto shorten = [&](F32 u0, F32 u1, F32 u2, F32 u3, F32(&g)[3]) __attribute__((always_inline)) {
    const F32 mean = half * (u1 + u2);
    g[0] = u0 + mean, g[1] = half * (u1 - u2), g[2] = mean + u3;
  };
  F32 columns[4][3];
  NEURITE_UNROLL
  for (int j = 0; j < 4; ++j) shorten(load(0, j), load(1, j), load(2, j), load(3, j), columns[j]);
  NEURITE_UNROLL
  for (int i = 0; i < 3; ++i) {
    F32 row[3];
    shorten(columns[0][i], columns[1][i], columns[2][i], columns[3][i], row);
    NEURITE_UNROLL
    for (int j = 0; j < 3; ++j) store(i, j, row[j]);
  }
}

// The tiles of windows of [1, 3, 3] taps with stride 1: in order of planes, rows and columns. The last row or column of a plane may
// have one window only.
struct TileGrid {
  int64_t planes, rows, columns;
  explicit TileGrid(const Windows& w)
      : planes(w.planes()), rows(ceilDivide(w.count[1], 2)), columns(ceilDivide(w.count[2], 2)) {}

  struct Place {
    int64_t plane, row, column;  // of the tile's first window
  };
  int64_t tiles() const { return planes * rows * columns; }
  Place place(int64_t tile) const { return {tile / (rows * columns), tile / columns % rows * 2, tile % columns * 2}; }
  void advance(Place& place) const {
    if ((place.column += 2) < 2 * columns) return;
    place.column = 0;
    if ((place.row += 2) < 2 * rows) return;
    place.row = 0;
    ++place.plane;
  }
};

// A vector's addresses in the 16 planes from four pointers and the pitch (times 0, 1, 2, 3), so that all of it stays in scalar registers.
template <class Float> class PlanePointers {
 public:
  NEURITE_INLINE PlanePointers(Float* first, int64_t pitch) : pitch_(pitch), pitch3_(3 * pitch) {
    NEURITE_UNROLL
    for (int i = 0; i < 4; ++i) row_[i] = first + i * 4 * pitch;
  }
  NEURITE_INLINE Float* at(int i, int j) const { return row_[i] + (j == 3 ? pitch3_ : j * pitch_); }
  NEURITE_INLINE void advance() {
    NEURITE_UNROLL
    for (int i = 0; i < 4; ++i) {
      row_[i] += kLanes;
      // Hides the induction from the compiler, which would otherwise keep 16 pointers and spill them, or add to four in a vector.
      asm("" : "+r"(row_[i]));
    }
  }

 private:
  Float* row_[4];
  int64_t pitch_, pitch3_;
};

// Floats from one plane of `tiles` rows of `pitch` floats to the next: an odd number of four lines beyond a multiple of 4 KiB, so that
// the 16 places which are written at a time fall into different sets of L1.
inline int64_t tilePlanePitch(int64_t tiles, int64_t pitch) {
  constexpr int64_t kPage = 1024, kShift = 64;
  return ceilDivide(tiles * pitch, kPage) * kPage + kShift;
}
// Floats from one tile to the next in a plane: whole vectors, off multiples of 4 KiB.
inline int64_t tilePitch(int64_t channels) {
  const int64_t whole = roundUp(channels, kLanes);
  return whole % 1024 == 0 ? whole + kLanes : whole;
}

// What `count` tiles from `first` on see: planes[p * planePitch + tile * tilePitch(channels) + channel], with zeros up to the last whole
// vector. zeros: w.channels of them, for the padding.
template <class T>
void transformPatches(const Windows& w, const T* zeros, int64_t first, int64_t count, float* planes,
                      int64_t planePitch) {
  const TileGrid grid(w);
  const int64_t pitch = tilePitch(w.channels), line = w.size[2] * w.pitch;
  TileGrid::Place place = grid.place(first);
  for (int64_t t = 0; t < count; ++t, grid.advance(place), planes += pitch) {
    const int64_t row = place.row - w.before[1], column = place.column - w.before[2];
    const bool whole = row >= 0 && row + 4 <= w.size[1] && column >= 0 && column + 4 <= w.size[2];
    const T* corner =
        static_cast<const T*>(w.data) + w.first + (place.plane * w.size[1] + row) * line + column * w.pitch;
    const T* pixels[4][4];
    NEURITE_UNROLL
    for (int64_t i = 0; i < 4; ++i) {
      NEURITE_UNROLL
      for (int64_t j = 0; j < 4; ++j) {
        const bool inside = whole || (row + i >= 0 && row + i < w.size[1] && column + j >= 0 && column + j < w.size[2]);
        pixels[i][j] = inside ? corner + i * line + j * w.pitch : zeros;
      }
    }
    PlanePointers to(planes, planePitch);
    eachVector(
        w.channels, EACH_VECTOR {
          transformPatch(
              [&](int h, int v) __attribute__((always_inline)) { return loadFloats(pixels[h][v] + i, left); },
              [&](int h, int v, F32 x) __attribute__((always_inline)) { store(to.at(h, v), x); });
          to.advance();
        });
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
