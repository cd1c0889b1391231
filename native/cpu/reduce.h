// Reductions as every kernel sees them: (outer, reduce, inner) -> (outer, inner).
#pragma once
#include "elementwise.h"

namespace neurite::cpu::NEURITE_ISA {

// A tensor with the axes to reduce in the middle.
struct Geometry {
  int64_t outer = 1, reduce = 1, inner = 1;
  const void* data = nullptr;
  DType dtype = DType::float32;
};

// The geometry of one axis.
inline Geometry geometryOf(const Tensor& x, int64_t axis) {
  Geometry g;
  for (int64_t d = 0; d < axis; ++d) g.outer *= x.dims[d];
  g.reduce = x.dims[axis];
  for (int64_t d = axis + 1; d < x.rank; ++d) g.inner *= x.dims[d];
  g.data = x.data;
  g.dtype = x.dtype;
  return g;
}

// The collapsed shape, and whether the axes had to change places first.
struct Arranged {
  Geometry geometry;
  bool moved = false;
  int64_t permutation[kMaxRank];
};
inline Arranged arrange(const Tensor& x, const Ints& axes) {
  bool reduced[kMaxRank] = {};
  for (int i = 0; i < axes.count; ++i) reduced[axes[i]] = true;
  Arranged result;
  Geometry& g = result.geometry;
  g.data = x.data;
  g.dtype = x.dtype;
  // Runs of kept and of reduced axes: more than kept, reduced, kept cannot be said in three numbers.
  int state = 0;
  for (int d = 0; d < x.rank; ++d) {
    if (x.dims[d] == 1) continue;
    if (reduced[d] ? state == 2 : false) result.moved = true;
    if (reduced[d])
      state = 1;
    else if (state == 1)
      state = 2;
    (reduced[d] ? g.reduce : state == 0 ? g.outer : g.inner) *= x.dims[d];
  }
  if (x.size() == 0) result.moved = false;
  if (result.moved) {
    int n = 0;
    for (int pass = 0; pass < 2; ++pass) {
      for (int d = 0; d < x.rank; ++d) {
        if (reduced[d] == (pass == 1)) result.permutation[n++] = d;
      }
    }
    g.outer *= g.inner;
    g.inner = 1;
  }
  return result;
}

// A binary counter of partial results: n values are combined as a balanced tree, whatever n, so that the error of a sum
// grows with log n.
template <class Op> struct Tree {
  using V = typename Op::V;
  V levels[40];
  uint64_t count = 0;
  NEURITE_INLINE void push(V v) {
    int level = 0;
    for (uint64_t bits = count++; bits & 1; bits >>= 1) v = Op::combine(levels[level++], v);
    levels[level] = v;
  }
  NEURITE_INLINE V result() const {
    if (count == 0) return Op::identity();
    int level = 0;
    uint64_t bits = count;
    for (; !(bits & 1); bits >>= 1) ++level;
    V v = levels[level++];
    for (bits >>= 1; bits; bits >>= 1, ++level) {
      if (bits & 1) v = Op::combine(levels[level], v);
    }
    return v;
  }
};

}  // namespace neurite::cpu::NEURITE_ISA
