// Threads over the pixels of channels-last tensors of three spatial axes.
#pragma once
#include "index.h"

namespace neurite::cuda {

// The place of a thread's elements among pixels (N, d, h, w) of C channels, V at a time.
template <class Index> struct Pixels {
  Divisor<Index> d, h, w, vectors;
  Index count;

  Pixels(int64_t batch, int64_t d, int64_t h, int64_t w, int64_t vectors)
      : d(d), h(h), w(w), vectors(vectors), count(static_cast<Index>(batch * d * h * w * vectors)) {}

  struct Place {
    int64_t n, d, h, w, vector;
  };
  GPU_DEVICE Place at(Index i) const {
    const Index pixel = vectors.quotient(i), line = w.quotient(pixel), plane = h.quotient(line), n = d.quotient(plane);
    return {n, plane - n * d.value, line - plane * h.value, pixel - line * w.value, i - pixel * vectors.value};
  }
};

}  // namespace neurite::cuda
