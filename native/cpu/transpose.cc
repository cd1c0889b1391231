// Transposition: axes change places, a tile of full vectors at a time.
#include <cstring>

#include "../thread-pool.h"
#include "elementwise.h"
#include "kernels.h"
#include "movement.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// The output's axes after those of size 1 vanished and neighbours that stay neighbours joined.
struct Axes {
  int rank = 0;
  int64_t dims[kMaxRank], strides[kMaxRank];  // strides of the source
};

Axes collapse(const Tensor& x, const int64_t* permutation) {
  int64_t strides[kMaxRank], stride = 1;
  for (int d = x.rank - 1; d >= 0; --d) {
    strides[d] = stride;
    stride *= x.dims[d];
  }
  Axes axes;
  for (int d = 0; d < x.rank; ++d) {
    const int64_t dim = x.dims[permutation[d]], step = strides[permutation[d]];
    if (dim == 1) continue;
    if (axes.rank > 0 && axes.strides[axes.rank - 1] == dim * step) {
      axes.dims[axes.rank - 1] *= dim;
      axes.strides[axes.rank - 1] = step;
    } else {
      axes.dims[axes.rank] = dim;
      axes.strides[axes.rank++] = step;
    }
  }
  if (axes.rank == 0) axes.dims[0] = 1, axes.strides[0] = 1, axes.rank = 1;
  return axes;
}

// kLanes elements as the vector transposition takes them: their bits in 32-bit lanes.
NEURITE_INLINE F32 loadBits(const uint32_t* p) { return load(reinterpret_cast<const float*>(p)); }
NEURITE_INLINE F32 loadBits(const uint16_t* p) { return fromBits(loadLow16(p, kLanes)); }
NEURITE_INLINE F32 loadBits(const uint8_t* p) { return fromBits(loadLow8(p, kLanes)); }
template <bool stream> NEURITE_INLINE void storeBits(uint32_t* p, F32 v) {
  if constexpr (stream)
    storeStream(reinterpret_cast<float*>(p), v);
  else
    store(reinterpret_cast<float*>(p), v);
}
template <bool stream> NEURITE_INLINE void storeBits(uint16_t* p, F32 v) { storeLow16(p, bitsOf(v), kLanes); }
template <bool stream> NEURITE_INLINE void storeBits(uint8_t* p, F32 v) { storeLow8(p, bitsOf(v), kLanes); }

// Square tiles of this side: a tile's two ends are 64 lines each, which the first-level cache holds. Of arrays larger than the caches
// they are larger, so that memory is read and written in longer runs, and what is next within the tile is asked for.
constexpr int64_t kTile = 64, kLargeTile = 256, kTileAhead = 32;

// y[r * pitchY + c] = x[c * pitchX + r] for r < rows, c < columns: both walk along their own contiguous axis in turn. What lies
// `ahead` is asked for, of this tile or the next: it is in more rows than the CPU follows.
template <bool stream, class T>
void transposeTile(const T* x, int64_t pitchX, T* y, int64_t pitchY, int64_t rows, int64_t columns, int64_t ahead) {
  int64_t r = 0;
  for (; r + kLanes <= rows; r += kLanes) {
    int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) {
      F32 block[kLanes];
      NEURITE_UNROLL
      for (int i = 0; i < kLanes; ++i) {
        prefetch(x + (c + i) * pitchX + r + ahead);
        block[i] = loadBits(x + (c + i) * pitchX + r);
      }
      transpose(block);
      NEURITE_UNROLL
      for (int i = 0; i < kLanes; ++i) storeBits<stream>(y + (r + i) * pitchY + c, block[i]);
    }
    for (; c < columns; ++c) {
      for (int i = 0; i < kLanes; ++i) y[(r + i) * pitchY + c] = x[c * pitchX + r + i];
    }
  }
  for (; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) y[r * pitchY + c] = x[c * pitchX + r];
  }
}

// Where the source of run i begins, for one i after the other.
struct Runs {
  const Axes& axes;
  int64_t source = 0, place[kMaxRank] = {};
  Runs(const Axes& a, int64_t i) : axes(a) {
    for (int d = axes.rank - 2; d >= 0; --d) {
      place[d] = i % axes.dims[d];
      source += place[d] * axes.strides[d];
      i /= axes.dims[d];
    }
  }
  void advance() {
    for (int d = axes.rank - 2; d >= 0; --d) {
      source += axes.strides[d];
      if (++place[d] < axes.dims[d]) return;
      source -= place[d] * axes.strides[d];
      place[d] = 0;
    }
  }
};

template <class T> void permuteAs(const Axes& axes, const T* x, T* y) {
  const int last = axes.rank - 1;
  int64_t pitch[kMaxRank], size = 1;
  for (int d = last; d >= 0; --d) {
    pitch[d] = size;
    size *= axes.dims[d];
  }
  if (axes.strides[last] == 1) {  // whole runs move
    const int64_t run = axes.dims[last], runs = size / larger(run, 1);
    const Split parts = split(runs, run + kMedium);
    const int64_t bytes = run * static_cast<int64_t>(sizeof(T)), ahead = ceilDivide(4096, bytes);
    const bool stream = size * static_cast<int64_t>(sizeof(T)) >= kStreamBytes && bytes >= kStreamRun;
    parallelFor(parts.chunks, [&](int64_t chunk) {
      Runs here(axes, parts.begin(chunk)), later(axes, parts.begin(chunk) + ahead);
      for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i, here.advance(), later.advance()) {
        const T* from = x + here.source;
        T* to = y + i * run;
        if (run < 16) {
          for (int64_t k = 0; k < run; ++k) to[k] = from[k];
          continue;
        }
        prefetchRun(x + later.source, smaller(bytes, 4096));
        if (stream)
          streamCopy(to, from, bytes);
        else
          memcpy(to, from, static_cast<size_t>(bytes));
      }
      if (stream) streamFence();
    });
    return;
  }
  int near = 0;  // the output axis along which the source is contiguous
  while (axes.strides[near] != 1) ++near;
  const int64_t rows = axes.dims[near], columns = axes.dims[last];
  const bool large = size * static_cast<int64_t>(sizeof(T)) >= kStreamBytes && smaller(rows, columns) >= kLargeTile;
  const int64_t side = large ? kLargeTile : kTile;
  const int64_t rowTiles = ceilDivide(rows, side), columnTiles = ceilDivide(columns, side);
  const int64_t planes = size / larger(rows * columns, 1), tiles = planes * rowTiles * columnTiles;
  // Lines that are written whole bypass the caches where the output is large; rows must begin on lines for that.
  const bool stream =
      sizeof(T) == 4 && size * 4 >= kStreamBytes && columns % 16 == 0 && reinterpret_cast<uintptr_t>(y) % 64 == 0;
  const auto tile = stream ? transposeTile<true, T> : transposeTile<false, T>;
  const Split parts = split(tiles, smaller(rows, side) * smaller(columns, side) * 2);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t r = i % rowTiles * side, c = i / rowTiles % columnTiles * side;
      int64_t rest = i / (columnTiles * rowTiles), source = 0, target = 0;
      for (int d = last - 1; d >= 0; --d) {
        if (d == near) continue;
        const int64_t place = rest % axes.dims[d];
        rest /= axes.dims[d];
        source += place * axes.strides[d];
        target += place * pitch[d];
      }
      tile(x + source + c * axes.strides[last] + r, axes.strides[last], y + target + r * pitch[near] + c, pitch[near],
           smaller(side, rows - r), smaller(side, columns - c),
           large          ? kTileAhead
           : rowTiles > 1 ? kTile
                          : kTile * axes.strides[last]);
    }
    if (stream) streamFence();
  });
}

}  // namespace

void permute(const Tensor& x, const int64_t* permutation, void* to) {
  if (x.size() == 0) return;
  const Axes axes = collapse(x, permutation);
  if (axes.rank == 1) return copyBytes(to, x.data, static_cast<int64_t>(x.bytes()));
  switch (dtypeBytes(x.dtype)) {
    case 4:
      return permuteAs(axes, x.as<const uint32_t>(), static_cast<uint32_t*>(to));
    case 2:
      return permuteAs(axes, x.as<const uint16_t>(), static_cast<uint16_t*>(to));
    default:
      return permuteAs(axes, x.as<const uint8_t>(), static_cast<uint8_t*>(to));
  }
}

void transpose(const Call& call) {
  permute(call.in[0], attributesOf<attributes::transpose>(call).permutation.values, call.out[0].data);
}

}  // namespace neurite::cpu::NEURITE_ISA
