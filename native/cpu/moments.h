// Means and sums of squared deviations of columns, taken of rows that lie in the cache, and merged: as Chan, Golub and LeVeque (1979)
// do it, so that means that are large beside the deviations do no harm.
#pragma once
#include "channel-tiles.h"
#include "floats.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr int64_t kPanel = 512;  // columns at a time
inline constexpr int64_t kFlush = 32;   // lines that meet in one accumulator

// Rows of few columns that form one line, so that the accumulators of a line are whole vectors and stay in registers.
inline int64_t rowsPerLine(int64_t width) { return larger(1, kTile * kLanes / larger(1, width)); }

// Of n values each, for a vector of columns.
struct Moments {
  F32 mean = zeros(), squares = zeros();
  float n = 0;

  NEURITE_INLINE void merge(const Moments& other) {
    if (other.n == 0) return;
    const float total = n + other.n, part = other.n / total;
    const F32 delta = other.mean - mean;
    mean = fma(delta, broadcast(part), mean);
    squares += other.squares + delta * delta * broadcast(n * part);
    n = total;
  }
};

// Of the columns of lines, up to kPanel: each column's deviations from its first value are summed up over kFlush lines at a time.
class ColumnMoments {
 public:
  template <class T> void addLines(const T* x, int64_t lines, int64_t pitch, int64_t width) {
    for (int64_t begin = 0; begin < lines; begin += kFlush) {
      const int64_t count = smaller(kFlush, lines - begin);
      const auto n = static_cast<float>(count);
      const F32 inverse = broadcast(1.0f / n);
      const auto tile = [&]<int vectors>(int64_t c, std::integral_constant<int, vectors>, int64_t left)
          __attribute__((always_inline)) {
        const T* at = x + begin * pitch + c;
        F32 shift[vectors], sum[vectors] = {}, square[vectors] = {};
        unrolled<vectors>(EACH { shift[v] = loadFloats(at + v * kLanes, left); });
        for (int64_t line = 1; line < count; ++line) {
          at += pitch;
          unrolled<vectors>(EACH {
            const F32 d = loadFloats(at + v * kLanes, left) - shift[v];
            sum[v] += d;
            square[v] = fma(d, d, square[v]);
          });
        }
        unrolled<vectors>(EACH {
          const F32 part = sum[v] * inverse;
          const int64_t to = c + v * kLanes;
          Moments all = column(to);
          all.merge({shift[v] + part, maximum(square[v] - sum[v] * part, zeros()), n});
          store(mean_ + to, all.mean);
          store(squares_ + to, all.squares);
        });
      };
      forChannels(width, tile);
      n_ += n;
    }
  }
  // From column i on.
  NEURITE_INLINE Moments column(int64_t i) const {
    return n_ > 0 ? Moments{load(mean_ + i), load(squares_ + i), n_} : Moments{};
  }

 private:
  alignas(64) float mean_[kPanel + kLanes], squares_[kPanel + kLanes];  // of n_ values: nothing while there are none
  float n_ = 0;
};

// Of `width` columns of rows that lie `pitch` apart: their means, and the sums of squared deviations.
template <class T>
void momentsOfRows(const T* x, int64_t rows, int64_t pitch, int64_t width, float* mean, float* squares) {
  const int64_t together = width == pitch ? rowsPerLine(width) : 1, lines = rows / together, rest = rows % together;
  ColumnMoments whole, last;
  whole.addLines(x, lines, together * pitch, together * width);
  last.addLines(x + lines * together * pitch, rest > 0 ? 1 : 0, 0, rest * width);
  eachVector(
      width, EACH_VECTOR {
        Moments all;
        for (int64_t t = 0; t < together; ++t) all.merge(whole.column(t * width + i));
        for (int64_t t = 0; t < rest; ++t) all.merge(last.column(t * width + i));
        storeUpTo(mean + i, all.mean, left);
        storeUpTo(squares + i, all.squares, left);
      });
}

// The moments of `parts` parts of n(part) rows, each `width` columns, become those of the whole, in the place of the first part's.
template <class Count> void mergeParts(float* mean, float* squares, int64_t parts, int64_t width, Count&& n) {
  eachVector(
      width, EACH_VECTOR {
        Moments all;
        for (int64_t part = 0; part < parts; ++part) {
          const int64_t at = part * width + i;
          all.merge({loadUpTo(mean + at, left), loadUpTo(squares + at, left), static_cast<float>(n(part))});
        }
        storeUpTo(mean + i, all.mean, left);
        storeUpTo(squares + i, all.squares, left);
      });
}

}  // namespace neurite::cpu::NEURITE_ISA
