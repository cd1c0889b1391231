// fill and iota.
#include "dtype.h"
#include "kernels.h"

namespace neurite::cuda {
namespace {

template <class T> __global__ void __launch_bounds__(kThreads) fillKernel(T value, int64_t size, T* __restrict__ y) {
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += int64_t{gridDim.x} * blockDim.x) {
    y[i] = value;
  }
}

// start + i * step in float64, rounded once.
template <class T>
__global__ void __launch_bounds__(kThreads) iotaKernel(double start, double step, int64_t size, T* __restrict__ y) {
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += int64_t{gridDim.x} * blockDim.x) {
    const double value = start + static_cast<double>(i) * step;
    if constexpr (std::is_integral_v<T>)
      y[i] = static_cast<T>(toInt32(value));
    else
      y[i] = static_cast<T>(static_cast<float>(value));
  }
}

template <class T> void fillWith(const Call& call, T value) {
  const Tensor& y = call.out[0];
  // 16 bytes at a time where the size allows it.
  constexpr int V = gpu::kVecWidth<T>;
  const int64_t size = y.size();
  if (size % V == 0 && aligned(y.data, 16)) {
    gpu::Vec<T, V> values;
    for (int k = 0; k < V; k++) values[k] = value;
    launch(call, fillKernel<gpu::Vec<T, V>>, gridFor(call, size / V), kThreads, 0, values, size / V,
           y.as<gpu::Vec<T, V>>());
  } else {
    launch(call, fillKernel<T>, gridFor(call, size), kThreads, 0, value, size, y.as<T>());
  }
}

}  // namespace

void fill(const Call& call) {
  const double value = attributesOf<attributes::fill>(call).value;
  switch (call.out[0].dtype) {
    case DType::float32:
      return fillWith(call, static_cast<float>(value));
    case DType::bfloat16:
      return fillWith(call, bf16(static_cast<float>(value)));
    case DType::int32:
      return fillWith(call, toInt32(value));
    case DType::uint8:
      return fillWith(call, static_cast<uint8_t>(value <= 0 ? 0 : value >= 255 ? 255 : value));
    case DType::boolean:
      return fillWith(call, static_cast<uint8_t>(value != 0));
  }
}

void iota(const Call& call) {
  const auto& [start, step] = attributesOf<attributes::iota>(call);
  const Tensor& y = call.out[0];
  withNumber(call, y.dtype, [&]<class T>() {
    launch(call, iotaKernel<T>, gridFor(call, y.size()), kThreads, 0, start, step, y.size(), y.as<T>());
  });
}

}  // namespace neurite::cuda
