// Normalisation by row, for layer, rms and unit norm.
//
// A warp or less takes a short row, a block a long one. A row is read once from memory, again from the caches, and written once. The
// gradients of gamma and beta are sums of columns: a pass of their own over strips of columns and slices of rows.
#include "kernels.h"
#include "rows.cuh"

namespace neurite::cuda {
namespace {

constexpr int kStrip = 32;
constexpr int kStripRows = kThreads / kStrip;
constexpr int64_t kFullGrid = 512;  // blocks that fill a large GPU
constexpr int64_t kLeastRows = 64;  // of a slice

// Rows as a matrix.
Rows rowsOf(int64_t count, int64_t length) {
  Tensor matrix;
  matrix.rank = 2;
  matrix.dims[0] = count;
  matrix.dims[1] = length;
  return Rows(matrix, 1);
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    rowNormKernel(Rows rows, RowNorm kind, float epsilon, const T* __restrict__ x, const float* __restrict__ gamma,
                  const float* __restrict__ beta, T* __restrict__ y, float* __restrict__ means,
                  float* __restrict__ inverses) {
  const int64_t row = rows.row(), start = rows.start(row), step = int64_t{rows.group} * V;
  const auto count = static_cast<float>(rows.length);
  float mean = 0.0f;
  if (kind == RowNorm::layer) {
    float sum = 0.0f;
    for (int64_t i = int64_t{rows.lane()} * V; i < rows.length; i += step) {
      const gpu::Vec<T, V> values = gpu::loadVec<V>(x + start + i);
#pragma unroll
      for (int k = 0; k < V; k++) sum += static_cast<float>(values[k]);
    }
    mean = reduceRow(rows, sum, SumOf{}) / count;
  }
  float squares = 0.0f;
  for (int64_t i = int64_t{rows.lane()} * V; i < rows.length; i += step) {
    const gpu::Vec<T, V> values = gpu::loadVec<V>(x + start + i);
#pragma unroll
    for (int k = 0; k < V; k++) {
      const float d = static_cast<float>(values[k]) - mean;
      squares += d * d;
    }
  }
  squares = reduceRow(rows, squares, SumOf{});
  if (!rows.active()) return;
  float inverse = 1.0f / sqrtf(kind == RowNorm::unit ? squares : squares / count + epsilon);
  if (kind == RowNorm::unit && inverse > 1.0f / epsilon) inverse = 1.0f / epsilon;
  if (rows.lane() == 0) means[row] = mean, inverses[row] = inverse;
  for (int64_t i = int64_t{rows.lane()} * V; i < rows.length; i += step) {
    const gpu::Vec<T, V> values = gpu::loadVec<V>(x + start + i);
    gpu::Vec<T, V> result;
#pragma unroll
    for (int k = 0; k < V; k++) {
      float v = (static_cast<float>(values[k]) - mean) * inverse;
      if (gamma != nullptr) v *= gamma[i + k];
      if (beta != nullptr) v += beta[i + k];
      result[k] = static_cast<T>(v);
    }
    gpu::storeVec(y + start + i, result);
  }
}

struct Sums {
  float sum = 0.0f, product = 0.0f;
};
struct AddSums {
  GPU_DEVICE Sums operator()(const Sums& a, const Sums& b) const { return {a.sum + b.sum, a.product + b.product}; }
};

// With g = dy * gamma: layer dx = inverse * (g - mean(g) - xhat * mean(g xhat)); rms without mean(g); unit the same with a sum for
// the mean, and dx = inverse * g for a row shorter than epsilon, whose divisor is a constant.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    rowNormGradKernel(Rows rows, RowNorm kind, float epsilon, const T* __restrict__ dy, const T* __restrict__ x,
                      const float* __restrict__ means, const float* __restrict__ inverses,
                      const float* __restrict__ gamma, T* __restrict__ dx) {
  const int64_t row = rows.row(), start = rows.start(row), step = int64_t{rows.group} * V;
  const float mean = means[row], inverse = inverses[row];
  Sums sums;
  for (int64_t i = int64_t{rows.lane()} * V; i < rows.length; i += step) {
    const gpu::Vec<T, V> gradient = gpu::loadVec<V>(dy + start + i), values = gpu::loadVec<V>(x + start + i);
#pragma unroll
    for (int k = 0; k < V; k++) {
      const float g = static_cast<float>(gradient[k]) * (gamma != nullptr ? gamma[i + k] : 1.0f);
      sums.sum += g;
      sums.product += g * ((static_cast<float>(values[k]) - mean) * inverse);
    }
  }
  sums = reduceRow(rows, sums, AddSums{});
  if (!rows.active()) return;
  const float divisor = kind == RowNorm::unit ? 1.0f : static_cast<float>(rows.length);
  const bool constant = kind == RowNorm::unit && inverse >= 1.0f / epsilon;
  const float first = kind == RowNorm::layer ? sums.sum / divisor : 0.0f;
  const float second = constant ? 0.0f : sums.product / divisor;
  for (int64_t i = int64_t{rows.lane()} * V; i < rows.length; i += step) {
    const gpu::Vec<T, V> gradient = gpu::loadVec<V>(dy + start + i), values = gpu::loadVec<V>(x + start + i);
    gpu::Vec<T, V> result;
#pragma unroll
    for (int k = 0; k < V; k++) {
      const float g = static_cast<float>(gradient[k]) * (gamma != nullptr ? gamma[i + k] : 1.0f);
      result[k] = static_cast<T>(inverse * (g - first - (static_cast<float>(values[k]) - mean) * inverse * second));
    }
    gpu::storeVec(dx + start + i, result);
  }
}

// Sums over a slice of rows of dy and of dy * xhat, for a strip of columns.
template <class T>
__global__ void __launch_bounds__(kThreads)
    columnSumsKernel(int64_t rows, int64_t columns, int64_t slice, const T* __restrict__ dy, const T* __restrict__ x,
                     const float* __restrict__ means, const float* __restrict__ inverses, Sums* __restrict__ partials) {
  GPU_SHARED(Sums, shared, [kStripRows][kStrip]);
  const int tx = static_cast<int>(threadIdx.x) % kStrip, ty = static_cast<int>(threadIdx.x) / kStrip;
  const int64_t column = int64_t{blockIdx.x} * kStrip + tx, begin = int64_t{blockIdx.y} * slice;
  const int64_t end = begin + slice < rows ? begin + slice : rows;
  Sums sums;
  if (column < columns) {
#pragma unroll 4
    for (int64_t r = begin + ty; r < end; r += kStripRows) {
      const int64_t i = r * columns + column;
      const float gradient = load(dy + i);
      sums.sum += gradient;
      sums.product += gradient * ((load(x + i) - means[r]) * inverses[r]);
    }
  }
  shared[ty][tx] = sums;
  __syncthreads();
  if (ty == 0 && column < columns) {
#pragma unroll
    for (int i = 1; i < kStripRows; i++) sums = AddSums{}(sums, shared[i][tx]);
    partials[blockIdx.y * columns + column] = sums;
  }
}

__global__ void __launch_bounds__(kThreads)
    mergeColumnSumsKernel(int64_t columns, int64_t slices, const Sums* __restrict__ partials,
                          float* __restrict__ dgamma, float* __restrict__ dbeta) {
  const int64_t column = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  Sums sums;
  for (int64_t s = 0; s < slices; s++) sums = AddSums{}(sums, partials[s * columns + column]);
  if (dgamma != nullptr) dgamma[column] = sums.product;
  if (dbeta != nullptr) dbeta[column] = sums.sum;
}

float* wanted(const Tensor& x) { return x.size() > 0 ? x.as<float>() : nullptr; }

}  // namespace

void rowNorm(const Call& call) {
  const auto& a = attributesOf<attributes::rowNorm>(call);
  const Tensor &x = call.in[0], &y = call.out[0];
  const Rows rows = rowsOf(call.out[1].size(), x.dims[x.rank - 1]);
  withFloat(call, x.dtype, [&]<class T>() {
    constexpr int V = gpu::kVecWidth<T>;
    const bool vectors = rows.length % V == 0 && aligned(x.data, 16) && aligned(y.data, 16);
    launch(call, vectors ? rowNormKernel<T, V> : rowNormKernel<T, 1>, rows.grid(), kThreads, 0, rows, a.kind,
           static_cast<float>(a.epsilon), x.as<const T>(), call.in[1].as<const float>(), call.in[2].as<const float>(),
           y.as<T>(), call.out[1].as<float>(), call.out[2].as<float>());
  });
}

void rowNormGrad(const Call& call) {
  const auto& a = attributesOf<attributes::rowNormGrad>(call);
  const Tensor &dy = call.in[0], &x = call.in[1], &dx = call.out[0];
  const float *means = call.in[2].as<const float>(), *inverses = call.in[3].as<const float>();
  float *dgamma = wanted(call.out[1]), *dbeta = wanted(call.out[2]);
  const Rows rows = rowsOf(call.in[2].size(), x.dims[x.rank - 1]);
  withFloat(call, x.dtype, [&]<class T>() {
    constexpr int V = gpu::kVecWidth<T>;
    const bool vectors = rows.length % V == 0 && aligned(x.data, 16) && aligned(dy.data, 16) && aligned(dx.data, 16);
    launch(call, vectors ? rowNormGradKernel<T, V> : rowNormGradKernel<T, 1>, rows.grid(), kThreads, 0, rows, a.kind,
           static_cast<float>(a.epsilon), dy.as<const T>(), x.as<const T>(), means, inverses,
           call.in[4].as<const float>(), dx.as<T>());
    if (dgamma == nullptr && dbeta == nullptr) return;
    const int64_t columns = rows.length, strips = ceilDiv(columns, kStrip);
    const int64_t most = rows.count / kLeastRows, full = ceilDiv(kFullGrid, strips);
    const int64_t parts = full < most ? full : most > 0 ? most : 1;
    const int64_t slice = rows.count > 0 ? ceilDiv(rows.count, parts) : 1;
    const int64_t slices = rows.count > 0 ? ceilDiv(rows.count, slice) : 1;
    auto* partials = static_cast<Sums*>(contextOf(call).scratch(static_cast<size_t>(slices * columns) * sizeof(Sums)));
    const dim3 grid(static_cast<unsigned>(strips), static_cast<unsigned>(slices));
    launch(call, columnSumsKernel<T>, grid, kThreads, 0, rows.count, columns, slice, dy.as<const T>(), x.as<const T>(),
           means, inverses, partials);
    launch(call, mergeColumnSumsKernel, static_cast<unsigned>(ceilDiv(columns, kThreads)), kThreads, 0, columns, slices,
           partials, dgamma, dbeta);
  });
}

}  // namespace neurite::cuda
