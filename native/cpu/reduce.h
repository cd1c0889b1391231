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
