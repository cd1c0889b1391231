// Normalisation by row, for layer, rms and unit norm. A row is read once from memory, again from the cache, and written once; the
// backward pass sums up the gradients of gamma and beta as it goes.
#include "../thread-pool.h"
#include "floats.h"
#include "kernels.h"
#include "rows.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

constexpr int64_t kSlices = 64;        // at most: each has sums of gamma's and beta's gradients of its own
constexpr int64_t kSliceWork = 65536;  // elements of a slice at least
constexpr int64_t kFlush = 32;         // rows that meet in one accumulator

struct Statistics {
  float mean, inverse;
};

template <class T> Statistics statisticsOf(const T* x, int64_t n, RowNorm kind, float epsilon) {
  const auto count = static_cast<float>(n);
  const float mean = kind != RowNorm::layer ? 0.0f
                                            : sumOver(
                                                  n, EACH_VECTOR { return loadFloats(x + i, left); }) /
                                                  count;
  const F32 means = broadcast(mean);
  const float squares = sumOver(
      n, EACH_VECTOR {
        const F32 d = firstLanesOr(loadFloats(x + i, left) - means, zeros(), left);
        return d * d;
      });
  if (kind != RowNorm::unit) return {mean, 1.0f / __builtin_sqrtf(squares / count + epsilon)};
  const float inverse = 1.0f / __builtin_sqrtf(squares), most = 1.0f / epsilon;
  return {mean, inverse > most ? most : inverse};
}

}  // namespace

void rowNorm(const Call& call) {
  const auto& a = attributesOf<attributes::rowNorm>(call);
  const Tensor &x = call.in[0], &y = call.out[0];
  const float *gamma = call.in[1].as<const float>(), *beta = call.in[2].as<const float>();
  const int64_t rows = call.out[1].size(), n = x.size() / rows;
  const bool stream = streams(y, n);
  const Split parts = split(rows, (n + kLanes) * kMedium);
  withFloat(x.dtype, [&]<class T>(T) {
    parallelFor(parts.chunks, [&](int64_t chunk) {
      for (int64_t r = parts.begin(chunk); r < parts.end(chunk); ++r) {
        const T* from = x.as<const T>() + r * n;
        T* to = y.as<T>() + r * n;
        const Statistics s = statisticsOf(from, n, a.kind, static_cast<float>(a.epsilon));
        call.out[1].as<float>()[r] = s.mean;
        call.out[2].as<float>()[r] = s.inverse;
        const F32 mean = broadcast(s.mean), inverse = broadcast(s.inverse);
        eachVector(
            n, EACH_VECTOR {
              F32 v = (loadFloats(from + i, left) - mean) * inverse;
              if (gamma) v *= loadUpTo(gamma + i, left);
              if (beta) v += loadUpTo(beta + i, left);
              storeFloats(to + i, v, left, stream);
            });
      }
      if (stream) streamFence();
    });
  });
}

// With g = dy * gamma: layer dx = inverse * (g - mean(g) - xhat * mean(g xhat)); rms without mean(g); unit the same with a sum for
// the mean, and dx = inverse * g for a row shorter than epsilon, whose divisor is a constant.
void rowNormGrad(const Call& call) {
  const auto& a = attributesOf<attributes::rowNormGrad>(call);
  const Tensor &dy = call.in[0], &x = call.in[1], &dx = call.out[0], &dgamma = call.out[1], &dbeta = call.out[2];
  const float *means = call.in[2].as<const float>(), *inverses = call.in[3].as<const float>();
  const float* gamma = call.in[4].as<const float>();
  const int64_t rows = call.in[2].size(), n = x.dims[x.rank - 1];
  const bool sums = dgamma.size() + dbeta.size() > 0, stream = streams(dx, n);
  const int64_t sliceRows = larger(larger(1, ceilDivide(rows, kSlices)), kSliceWork / larger(1, n));
  const int64_t slices = larger(1, ceilDivide(rows, sliceRows)), pitch = roundUp(n, kLanes);
  float* partials = static_cast<float*>(sums ? scratch(static_cast<size_t>(2 * slices * pitch) * 4) : nullptr);
  const float most = 1.0f / static_cast<float>(a.epsilon);
  const Split parts = split(slices, smaller(rows, sliceRows) * n * kMedium);
  withFloat(x.dtype, [&]<class T>(T) {
    parallelFor(parts.chunks, [&](int64_t chunk) {
      // Sums of dy * xhat and of dy: of the last rows, and of all.
      float* near = sums ? static_cast<float*>(threadScratch(static_cast<size_t>(2 * pitch) * 4)) : nullptr;
      for (int64_t slice = parts.begin(chunk); slice < parts.end(chunk); ++slice) {
        float* far = sums ? partials + 2 * slice * pitch : nullptr;
        for (int64_t i = 0; sums && i < 2 * pitch; i += kLanes) store(near + i, zeros()), store(far + i, zeros());
        const auto flush = [&] {
          for (int64_t i = 0; i < 2 * pitch; i += kLanes) {
            store(far + i, load(far + i) + load(near + i));
            store(near + i, zeros());
          }
        };
        const int64_t begin = slice * sliceRows, end = smaller(rows, begin + sliceRows);
        for (int64_t r = begin; r < end; ++r) {
          const T *d = dy.as<const T>() + r * n, *from = x.as<const T>() + r * n;
          T* to = dx.as<T>() + r * n;
          const F32 mean = broadcast(means[r]), inverse = broadcast(inverses[r]);
          const auto gradient = [&](int64_t i, int64_t left) __attribute__((always_inline)) {
            const F32 g = loadFloats(d + i, left);
            return gamma ? g * loadUpTo(gamma + i, left) : g;
          };
          const auto xhat = [&](int64_t i, int64_t left) __attribute__((always_inline)) {
            return firstLanesOr((loadFloats(from + i, left) - mean) * inverse, zeros(), left);
          };
          const float divisor = a.kind == RowNorm::unit ? 1.0f : static_cast<float>(n);
          const bool constant = a.kind == RowNorm::unit && inverses[r] >= most;
          const float sum = a.kind == RowNorm::layer ? sumOver(
                                                           n, EACH_VECTOR { return gradient(i, left); }) /
                                                           divisor
                                                     : 0.0f;
          const float product = constant ? 0.0f
                                         : sumOver(
                                               n, EACH_VECTOR { return gradient(i, left) * xhat(i, left); }) /
                                               divisor;
          const F32 first = broadcast(sum), second = broadcast(product);
          eachVector(
              n, EACH_VECTOR {
                const F32 normalized = xhat(i, left);
                storeFloats(to + i, inverse * (gradient(i, left) - first - normalized * second), left, stream);
                if (sums) {
                  const F32 plain = loadFloats(d + i, left);
                  store(near + i, fma(plain, normalized, load(near + i)));
                  store(near + pitch + i, load(near + pitch + i) + plain);
                }
              });
          if (sums && (r - begin + 1) % kFlush == 0) flush();
        }
        if (sums) flush();
      }
      if (stream) streamFence();
    });
  });
  if (!sums) return;
  const Split vectors = split(ceilDivide(n, kLanes), slices * kLanes * 2);
  parallelFor(vectors.chunks, [&](int64_t chunk) {
    for (int64_t v = vectors.begin(chunk); v < vectors.end(chunk); ++v) {
      const int64_t i = v * kLanes;
      F32 total[2] = {};
      for (int64_t s = 0; s < slices; ++s) {
        for (int k = 0; k < 2; ++k) total[k] += load(partials + (2 * s + k) * pitch + i);
      }
      if (dgamma.size() > 0) storePartial(dgamma.as<float>() + i, total[0], n - i);
      if (dbeta.size() > 0) storePartial(dbeta.as<float>() + i, total[1], n - i);
    }
  });
}

}  // namespace neurite::cpu::NEURITE_ISA
