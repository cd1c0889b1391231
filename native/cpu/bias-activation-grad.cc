// biasActivationGrad: dz = dy f'(y) and db = sum of dz over the rows, in one pass.
//
// dy, y, dz (R, N), db (N). Rows are cut into slices whose size depends on the shape; each slice sums its rows in the
// first-level cache, and the slices' sums meet as a tree. Where N is small, several rows form one, so that vectors
// stay full.
#include <cstring>

#include "../thread-pool.h"
#include "activation.h"
#include "kernels.h"
#include "reduce.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

constexpr int64_t kPanel = 512;        // columns at a time
constexpr int64_t kSliceWork = 16384;  // elements of a slice, more or less
constexpr int64_t kFlush = 64;         // rows that meet in one accumulator

struct RowSum {
  using V = F32;
  static NEURITE_INLINE V identity() { return zeros(); }
  static NEURITE_INLINE V combine(V a, V b) { return a + b; }
};

template <Activation activation> NEURITE_INLINE F32 derivative(F32 dy, F32 y) {
  if constexpr (activation == Activation::relu) return reluGrad(dy, y);
  if constexpr (activation == Activation::sigmoid) return sigmoidGrad(dy, y);
  if constexpr (activation == Activation::tanh) return tanhGrad(dy, y);
  return dy;
}

// One row of up to kPanel columns: dz = dy f'(y), sums += dz.
using RowLoop = void (*)(const float* dy, const float* y, float* dz, float* sums, int64_t n, bool stream);
template <Activation activation>
void rowLoop(const float* dy, const float* y, float* dz, float* sums, int64_t n, bool stream) {
  eachVector(
      n, EACH_VECTOR {
        const F32 out = activation == Activation::none ? zeros() : loadUpTo(y + i, left);
        const F32 d = derivative<activation>(loadUpTo(dy + i, left), out);
        storeResult<F32>(dz + i, d, left, stream);
        storeUpTo(sums + i, loadUpTo(sums + i, left) + d, left);
      });
}
constexpr RowLoop kRowLoops[] = {rowLoop<Activation::none>, rowLoop<Activation::relu>, rowLoop<Activation::sigmoid>,
                                 rowLoop<Activation::tanh>};

struct Job {
  const Tensor &dy, &y, &dz;
  RowLoop loop;
  int64_t columns;  // N
  bool stream;      // whether dz, float32 and with rows that begin on lines, bypasses the caches

  // Elements [at, at + n): widened and narrowed where they are bfloat16.
  void row(int64_t at, int64_t n, float* sums) const {
    if (dy.dtype == DType::float32) {
      return loop(dy.as<const float>() + at, y.present() ? y.as<const float>() + at : nullptr, dz.as<float>() + at,
                  sums, n, stream);
    }
    alignas(64) float wide[3][kPanel];
    const int type = static_cast<int>(DType::bfloat16);
    kWiden[type](dy.as<const uint16_t>() + at, wide[0], n);
    if (y.present()) kWiden[type](y.as<const uint16_t>() + at, wide[1], n);
    loop(wide[0], wide[1], wide[2], sums, n, false);
    kNarrow[type](wide[2], dz.as<uint16_t>() + at, n);
  }

  // Rows [begin, end), columns [column, column + width): their sums into `result`.
  void slice(int64_t begin, int64_t end, int64_t column, int64_t width, float* result) const {
    const int64_t together = width == columns ? larger(1, smaller(end - begin, kPanel / columns)) : 1;
    alignas(64) float near[kPanel] = {}, far[kPanel] = {};
    const auto flush = [&] {
      for (int64_t i = 0; i < kPanel; i += kLanes) {
        store(far + i, load(far + i) + load(near + i));
        store(near + i, zeros());
      }
    };
    int64_t rows = 0;
    for (int64_t r = begin; r < end; r += together) {
      row(r * columns + column, smaller(together, end - r) * width, near);
      if (++rows % kFlush == 0) flush();
    }
    flush();
    for (int64_t groups = together; groups > 1;) {
      const int64_t kept = (groups + 1) / 2, moved = (groups - kept) * width;
      for (int64_t i = 0; i < moved; ++i) far[i] += far[kept * width + i];
      groups = kept;
    }
    memcpy(result, far, static_cast<size_t>(width) * 4);
  }
};

}  // namespace

void biasActivationGrad(const Call& call) {
  const Tensor &dy = call.in[0], &db = call.out[1];
  const int64_t columns = dy.dims[dy.rank - 1], rows = dy.size() / larger(columns, 1);
  const auto activation = attributesOf<attributes::biasActivationGrad>(call).activation;
  const Tensor& dz = call.out[0];
  const bool stream = dz.dtype == DType::float32 && dz.size() * 4 >= kStreamBytes && columns % kLanes == 0 &&
                      reinterpret_cast<uintptr_t>(dz.data) % 64 == 0;
  const Job job{dy, call.in[1], dz, kRowLoops[static_cast<int>(activation)], columns, stream};
  const int64_t panels = ceilDivide(columns, kPanel), panel = smaller(columns, kPanel);
  const int64_t sliceRows = larger(8, kSliceWork / larger(panel, 1)), slices = larger(1, ceilDivide(rows, sliceRows));
  float* partials = static_cast<float*>(scratch(static_cast<size_t>(slices * columns) * 4));
  const Split parts = split(slices * panels, smaller(rows, sliceRows) * panel * 2);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t slice = i / panels, column = i % panels * panel, begin = slice * sliceRows;
      job.slice(begin, smaller(rows, begin + sliceRows), column, smaller(panel, columns - column),
                partials + slice * columns + column);
    }
    if (stream) streamFence();
  });
  const Split vectors = split(ceilDivide(columns, kLanes), slices * kLanes);
  parallelFor(vectors.chunks, [&](int64_t chunk) {
    for (int64_t v = vectors.begin(chunk); v < vectors.end(chunk); ++v) {
      const int64_t column = v * kLanes, n = columns - column;
      Tree<RowSum> tree;
      for (int64_t s = 0; s < slices; ++s) tree.push(loadPartial(partials + s * columns + column, n));
      if (db.dtype == DType::float32)
        storePartial(db.as<float>() + column, tree.result(), n);
      else
        storeBfloat16Partial(db.as<uint16_t>() + column, tree.result(), n);
    }
  });
}

}  // namespace neurite::cpu::NEURITE_ISA
