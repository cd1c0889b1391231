// The gradient of prod: dy times the product of all others, right for zeros.
#include "../thread-pool.h"
#include "kernels.h"
#include "movement.h"
#include "reduce.h"

namespace neurite::cpu::NEURITE_ISA {

// dx holds the products of what comes before, times dy; then these times the products of what comes after.
void prodGrad(const Call& call) {
  const Tensor &dy = call.in[0], &x = call.in[1], &dx = call.out[0];
  const int64_t size = x.size(), outputs = dy.size();
  if (size == 0) return;
  Arranged a = arrange(x, attributesOf<attributes::prodGrad>(call).axes);
  // Copies of x, dx and dy in float32 with the reduced axes together, unless x is like that already.
  const bool wide = x.dtype == DType::float32;
  const int64_t bytes = roundUp(size * 4, 64);
  char* space = static_cast<char*>(scratch(static_cast<size_t>(3 * bytes + roundUp(outputs * 4, 64))));
  Tensor source = x;
  if (!wide) {
    source.data = space;
    source.dtype = DType::float32;
    kWiden[static_cast<int>(x.dtype)](x.data, space, size);
  }
  const float* from = source.as<const float>();
  float* to = wide && !a.moved ? dx.as<float>() : reinterpret_cast<float*>(space + bytes);
  if (a.moved) {
    permute(source, a.permutation, space + 2 * bytes);
    from = reinterpret_cast<const float*>(space + 2 * bytes);
  }
  const float* scale = dy.as<const float>();
  if (!wide) {
    kWiden[static_cast<int>(dy.dtype)](dy.data, space + 3 * bytes, outputs);
    scale = reinterpret_cast<const float*>(space + 3 * bytes);
  }
  const Geometry& g = a.geometry;
  const Split parts = split(g.outer * g.inner, g.reduce * 4);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t base = i / g.inner * g.reduce * g.inner + i % g.inner;
      float product = scale[i];
      for (int64_t r = 0; r < g.reduce; ++r) {
        to[base + r * g.inner] = product;
        product *= from[base + r * g.inner];
      }
      product = 1;
      for (int64_t r = g.reduce - 1; r >= 0; --r) {
        to[base + r * g.inner] *= product;
        product *= from[base + r * g.inner];
      }
    }
  });
  if (a.moved) {
    Tensor moved = source;
    moved.data = to;
    int64_t back[kMaxRank];
    for (int d = 0; d < x.rank; ++d) {
      moved.dims[d] = x.dims[a.permutation[d]];
      back[a.permutation[d]] = d;
    }
    to = wide ? dx.as<float>() : reinterpret_cast<float*>(space);
    permute(moved, back, to);
  }
  if (!wide) kNarrow[static_cast<int>(dx.dtype)](to, dx.data, size);
}

}  // namespace neurite::cpu::NEURITE_ISA
