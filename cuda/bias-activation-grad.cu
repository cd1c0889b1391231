// Backward of bias and activation of a dense layer: dz = dy * f'(y) and db = the sum of dz over all rows.
//
// Reads dy and y, writes dz, once each. A block takes a strip of 32 columns and a slice of the rows; the slices' sums of a column are
// added up, in order, by a second kernel.
#include "activations.cuh"
#include "kernels.h"

namespace neurite::cuda {
namespace {

constexpr int kStrip = 32;
constexpr int kStripRows = kThreads / kStrip;
constexpr int64_t kFullGrid = 512;  // blocks that fill a large GPU
constexpr int64_t kLeastRows = 64;  // of a slice

template <Activation A, class T>
__global__ void __launch_bounds__(kThreads)
    biasActivationGradKernel(int64_t rows, int64_t columns, int64_t slice, const T* __restrict__ dy,
                             const T* __restrict__ y, T* __restrict__ dz, float* __restrict__ partial) {
  GPU_SHARED(float, sums, [kStripRows][kStrip]);
  const int tx = static_cast<int>(threadIdx.x) % kStrip, ty = static_cast<int>(threadIdx.x) / kStrip;
  const int64_t column = int64_t{blockIdx.x} * kStrip + tx;
  const int64_t begin = int64_t{blockIdx.y} * slice;
  const int64_t end = begin + slice < rows ? begin + slice : rows;
  float sum = 0.0f;
  if (column < columns) {
#pragma unroll 4
    for (int64_t r = begin + ty; r < end; r += kStripRows) {
      const int64_t i = r * columns + column;
      const float value = ActivationOf<A>::gradient(load(dy + i), load(y + i));
      dz[i] = static_cast<T>(value);
      sum += value;
    }
  }
  sums[ty][tx] = sum;
  __syncthreads();
  if (ty == 0 && column < columns) {
#pragma unroll
    for (int i = 1; i < kStripRows; i++) sum += sums[i][tx];
    partial[blockIdx.y * columns + column] = sum;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    sumBiasKernel(int64_t columns, int64_t slices, const float* __restrict__ partial, T* __restrict__ db) {
  const int64_t column = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  float sum = 0.0f;
  for (int64_t s = 0; s < slices; s++) sum += partial[s * columns + column];
  db[column] = static_cast<T>(sum);
}

template <class F> void withActivation(Activation activation, F&& f) {
  switch (activation) {
    case Activation::none:
      return f.template operator()<Activation::none>();
    case Activation::relu:
      return f.template operator()<Activation::relu>();
    case Activation::sigmoid:
      return f.template operator()<Activation::sigmoid>();
    case Activation::tanh:
      return f.template operator()<Activation::tanh>();
  }
}

}  // namespace

void biasActivationGrad(const Call& call) {
  const Tensor &dy = call.in[0], &y = call.in[1], &dz = call.out[0], &db = call.out[1];
  const int64_t columns = dz.dims[dz.rank - 1];
  const int64_t rows = columns > 0 ? dz.size() / columns : 0;
  const int64_t strips = ceilDiv(columns, kStrip);
  if (strips == 0) return;
  const int64_t wanted = ceilDiv(kFullGrid, strips), most = rows / kLeastRows;
  const int64_t parts = wanted < most ? wanted : most > 0 ? most : 1;
  const int64_t slice = rows > 0 ? ceilDiv(rows, parts) : 1;
  const int64_t slices = rows > 0 ? ceilDiv(rows, slice) : 1;
  auto* partial = static_cast<float*>(contextOf(call).scratch(static_cast<size_t>(slices * columns) * sizeof(float)));
  const dim3 grid(static_cast<unsigned>(strips), static_cast<unsigned>(slices));
  withFloat(call, dz.dtype, [&]<class T>() {
    withActivation(attributesOf<attributes::biasActivationGrad>(call).activation, [&]<Activation A>() {
      launch(call, biasActivationGradKernel<A, T>, grid, kThreads, 0, rows, columns, slice, dy.as<const T>(),
             y.as<const T>(), dz.as<T>(), partial);
    });
  });
  withFloat(call, db.dtype, [&]<class T>() {
    launch(call, sumBiasKernel<T>, static_cast<unsigned>(ceilDiv(columns, kThreads)), kThreads, 0, columns, slices,
           partial, db.as<T>());
  });
}

}  // namespace neurite::cuda
