// Resizing over 1 to 3 spatial axes of channels-last tensors, and its gradient.
//
// All are (N, D, H, W, C) with missing axes of size 1. An output element is a sum over taps of each axis: places of the input with
// their weights. The gradient is the same sum with the taps transposed: an element of dx reads every element of dy that it was a tap
// of, so nothing is written twice. The taps of each axis are computed once per call. A place of the output reads its taps in all axes
// directly, kTile vectors of channels at a time; or, where that is less work, a row first adds up the input rows that it is made of, in
// vectors along the whole row, and its places read that sum.
#include <cstring>

#include "../resize.h"
#include "../thread-pool.h"
#include "channel-tiles.h"
#include "floats.h"
#include "kernels.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

constexpr int64_t kRowFloats = 4096;  // of a sum of input rows, so that it stays in the first-level cache

struct Tap {
  int64_t offset;  // of the place, in elements
  float weight;
};

struct TapRange {
  const Tap *first, *last;
};

// One spatial axis: place o of the output has the taps from begin[o] to begin[o + 1].
struct Axis {
  int64_t in = 1, out = 1, stride = 1;
  int64_t* begin = nullptr;
  Tap* taps = nullptr;

  TapRange at(int64_t o) const { return {taps + begin[o], taps + begin[o + 1]}; }
};

// Places [from, to) along a row of the output, and the part of an input row that they read.
struct Piece {
  int64_t from, to, low, size;
};

struct Geometry {
  int64_t batch, channels;
  Axis axes[3];
  Piece* pieces;
  int64_t count = 0, longest = 0;  // of pieces; size of the longest, in elements

  Geometry(const Tensor& x, const Tensor& y, Interpolation interpolation, bool transposed);

 private:
  void fill(Axis& axis, Interpolation interpolation, bool transposed);
  void cut();
};

Geometry::Geometry(const Tensor& x, const Tensor& y, Interpolation interpolation, bool transposed)
    : batch(x.dims[0]), channels(x.dims[x.rank - 1]) {
  const int spatial = x.rank - 2, skip = 3 - spatial;
  for (int i = 0; i < spatial; ++i) axes[skip + i].in = x.dims[1 + i], axes[skip + i].out = y.dims[1 + i];
  axes[2].stride = channels;
  axes[1].stride = axes[2].stride * axes[2].in;
  axes[0].stride = axes[1].stride * axes[1].in;
  int64_t begins = 0, taps = 0;
  for (const Axis& axis : axes) {
    begins += axis.out + 2;
    taps += widthOf(interpolation) * (transposed ? axis.in : axis.out);
  }
  const int64_t pieceBytes = axes[2].out * static_cast<int64_t>(sizeof(Piece));
  const int64_t tapBytes = taps * static_cast<int64_t>(sizeof(Tap));
  char* memory = static_cast<char*>(scratch(static_cast<size_t>(pieceBytes + tapBytes + begins * 8)));
  pieces = reinterpret_cast<Piece*>(memory);
  auto* nextTap = reinterpret_cast<Tap*>(memory + pieceBytes);
  auto* nextBegin = reinterpret_cast<int64_t*>(memory + pieceBytes + tapBytes);
  for (Axis& axis : axes) {
    axis.begin = nextBegin;
    axis.taps = nextTap;
    nextBegin += axis.out + 2;
    nextTap += widthOf(interpolation) * (transposed ? axis.in : axis.out);
    fill(axis, interpolation, transposed);
  }
  cut();
}

void Geometry::fill(Axis& axis, Interpolation interpolation, bool transposed) {
  if (!transposed) {
    int64_t n = 0;
    for (int64_t o = 0; o < axis.out; ++o) {
      axis.begin[o] = n;
      const Taps taps = tapsOf(interpolation, axis.in, axis.out, o);
      for (int k = 0; k < taps.count; ++k) axis.taps[n++] = {(taps.first + k) * axis.stride, taps.weights[k]};
    }
    axis.begin[axis.out] = n;
    return;
  }
  // Taps of place p are counted in begin[p + 2]; begin[p + 1] is where the next goes, and in the end where those of p + 1 begin.
  memset(axis.begin, 0, static_cast<size_t>(axis.out + 2) * 8);
  for (int64_t i = 0; i < axis.in; ++i) {
    const Taps taps = tapsOf(interpolation, axis.out, axis.in, i);
    for (int k = 0; k < taps.count; ++k) ++axis.begin[taps.first + k + 2];
  }
  for (int64_t p = 2; p < axis.out + 2; ++p) axis.begin[p] += axis.begin[p - 1];
  for (int64_t i = 0; i < axis.in; ++i) {
    const Taps taps = tapsOf(interpolation, axis.out, axis.in, i);
    for (int k = 0; k < taps.count; ++k)
      axis.taps[axis.begin[taps.first + k + 1]++] = {i * axis.stride, taps.weights[k]};
  }
}

// Pieces of at least one place that read no more than kRowFloats of a row.
void Geometry::cut() {
  const Axis& W = axes[2];
  Piece piece{0, 0, 0, 0};
  const auto close = [&] {
    pieces[count++] = piece;
    longest = larger(longest, piece.size);
  };
  for (int64_t o = 0; o < W.out; ++o) {
    int64_t low = W.in * channels, high = 0;
    const TapRange taps = W.at(o);
    for (const Tap* t = taps.first; t < taps.last; ++t) {
      low = smaller(low, t->offset);
      high = larger(high, t->offset + channels);
    }
    const bool empty = high == 0;  // nothing reads this place
    const int64_t allLow = piece.size == 0 ? low : smaller(low, piece.low);
    const int64_t allHigh = piece.size == 0 ? high : larger(high, piece.low + piece.size);
    if (!empty && piece.size > 0 && allHigh - allLow > kRowFloats) {
      close();
      piece = {o, o + 1, low, high - low};
    } else {
      piece.to = o + 1;
      if (!empty) piece.low = allLow, piece.size = allHigh - allLow;
    }
  }
  close();
}

// to[i] = sum of the rows' elements i, for the rows of taps of D and H.
template <class T> void addRows(TapRange d, TapRange h, const T* from, int64_t size, float* to) {
  const auto tile = [&]<int vectors>(int64_t i, std::integral_constant<int, vectors>, int64_t left)
      __attribute__((always_inline)) {
    F32 total[kTile] = {};
    for (const Tap* a = d.first; a < d.last; ++a) {
      for (const Tap* b = h.first; b < h.last; ++b) {
        const F32 weight = broadcast(a->weight * b->weight);
        const T* row = from + a->offset + b->offset + i;
        unrolled<vectors>(EACH { total[v] = fma(loadFloats(row + v * kLanes, left), weight, total[v]); });
      }
    }
    unrolled<vectors>(EACH { storeFloats(to + i + v * kLanes, total[v], left, false); });
  };
  forChannels(size, tile);
}

// Places of a piece, from the taps of D and H and its own along W. `from` is element piece.low of a row, y where the first place goes.
template <class S, class T>
void addPlaces(TapRange d, TapRange h, const Axis& W, const Piece& piece, const S* from, int64_t channels, T* y,
               bool stream) {
  for (int64_t o = piece.from; o < piece.to; ++o, y += channels) {
    const TapRange w = W.at(o);
    const auto tile = [&]<int vectors>(int64_t c, std::integral_constant<int, vectors>, int64_t left)
        __attribute__((always_inline)) {
      F32 total[kTile] = {};
      for (const Tap* i = d.first; i < d.last; ++i) {
        for (const Tap* j = h.first; j < h.last; ++j) {
          const S* row = from + i->offset + j->offset + c;
          for (const Tap* k = w.first; k < w.last; ++k) {
            const F32 weight = broadcast(i->weight * j->weight * k->weight);
            const S* place = row + (k->offset - piece.low);
            unrolled<vectors>(EACH { total[v] = fma(loadFloats(place + v * kLanes, left), weight, total[v]); });
          }
        }
      }
      unrolled<vectors>(EACH { storeFloats(y + c + v * kLanes, total[v], left, stream); });
    };
    forChannels(channels, tile);
  }
}

template <class T> void weigh(const Geometry& g, const T* x, const Tensor& output) {
  const Axis &D = g.axes[0], &H = g.axes[1], &W = g.axes[2];
  const int64_t C = g.channels, sample = D.in * D.stride;
  T* const y = output.as<T>();
  const bool stream = streams(output, C);
  const int64_t rows = g.batch * D.out * H.out;
  // Loads of the average row of the output, in vectors, both ways; a sum of rows is also stored. Small images have full vectors only
  // along a row.
  const int64_t rowTaps = ceilDivide(D.begin[D.out] * H.begin[H.out], D.out * H.out), vectors = ceilDivide(C, kLanes);
  const int64_t directly = rowTaps * W.begin[W.out] * vectors;
  const int64_t bySums = (rowTaps + 1) * ceilDivide(W.in * C, kLanes) + W.begin[W.out] * vectors;
  const Split parts = split(rows * g.count, ceilDivide(smaller(directly, bySums) * kLanes, g.count));
  parallelFor(parts.chunks, [&](int64_t chunk) {
    float* const sum = static_cast<float*>(threadScratch(static_cast<size_t>(g.longest) * 4));
    for (int64_t unit = parts.begin(chunk); unit < parts.end(chunk); ++unit) {
      const int64_t line = unit / g.count, n = line / (D.out * H.out);
      const int64_t od = line / H.out % D.out, oh = line % H.out;
      const Piece& piece = g.pieces[unit % g.count];
      const TapRange d = D.at(od), h = H.at(oh);
      const T* from = x + n * sample + piece.low;
      T* to = y + (line * W.out + piece.from) * C;
      if (directly <= bySums || (d.last - d.first == 1 && h.last - h.first == 1)) {
        addPlaces(d, h, W, piece, from, C, to, stream);
      } else {
        constexpr Tap whole{0, 1.0f};
        addRows(d, h, from, piece.size, sum);
        addPlaces({&whole, &whole + 1}, {&whole, &whole + 1}, W, piece, sum, C, to, stream);
      }
    }
    if (stream) streamFence();
  });
}

// nearest, of any dtype: each place is a copy. Word is as wide as an element.
template <class Word> void copyPlaces(const Geometry& g, const Tensor& input, const Tensor& output) {
  const Axis &D = g.axes[0], &H = g.axes[1], &W = g.axes[2];
  const int64_t C = g.channels, row = W.out * C, sample = D.in * D.stride;
  const auto* x = input.as<const Word>();
  auto* const y = output.as<Word>();
  const auto bytes = static_cast<size_t>(C) * sizeof(Word);
  const bool stream = streams(output) && bytes % 64 == 0;
  const Split parts = split(g.batch * D.out * H.out, W.out * (C + kLanes));
  parallelFor(parts.chunks, [&](int64_t chunk) {
    const Word* previous = nullptr;
    for (int64_t line = parts.begin(chunk); line < parts.end(chunk); ++line) {
      const int64_t n = line / (D.out * H.out), d = line / H.out % D.out, h = line % H.out;
      const Word* from = x + n * sample + D.taps[d].offset + H.taps[h].offset;
      Word* to = y + line * row;
      if (!stream && from == previous) {
        memcpy(to, to - row, static_cast<size_t>(row) * sizeof(Word));
        continue;
      }
      previous = from;
      for (int64_t o = 0; o < W.out; ++o, to += C) {
        const Word* pixel = from + W.taps[o].offset;
        if (stream)
          streamCopy(to, pixel, static_cast<int64_t>(bytes));
        else if (bytes >= 64)
          memcpy(to, pixel, bytes);
        else
          for (int64_t c = 0; c < C; ++c) to[c] = pixel[c];
      }
    }
    if (stream) streamFence();
  });
}

}  // namespace

void resize(const Call& call) {
  const Interpolation interpolation = attributesOf<attributes::resize>(call).interpolation;
  const Tensor &x = call.in[0], &y = call.out[0];
  if (y.size() == 0) return;
  const Geometry g(x, y, interpolation, false);
  if (interpolation == Interpolation::nearest) {
    switch (dtypeBytes(x.dtype)) {
      case 4:
        return copyPlaces<uint32_t>(g, x, y);
      case 2:
        return copyPlaces<uint16_t>(g, x, y);
      default:
        return copyPlaces<uint8_t>(g, x, y);
    }
  }
  withFloat(x.dtype, [&]<class T>(T) { weigh<T>(g, x.as<const T>(), y); });
}

void resizeGrad(const Call& call) {
  const Tensor &dy = call.in[0], &dx = call.out[0];
  if (dx.size() == 0) return;
  const Geometry g(dy, dx, attributesOf<attributes::resizeGrad>(call).interpolation, true);
  withFloat(dy.dtype, [&]<class T>(T) { weigh<T>(g, dy.as<const T>(), dx); });
}

}  // namespace neurite::cpu::NEURITE_ISA
