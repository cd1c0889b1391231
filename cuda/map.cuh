// One pass over equal shapes: y[i] = f(a[i]), f(a[i], b[i]) or f(a[i], b[i], c[i]), the form of all elementwise ops that do not broadcast.
//
// f is a functor of values in compute types. Bytes: every operand once. Each thread moves V elements per operand in one access
// of at most 16 bytes; what V does not divide is done one by one.
#pragma once
#include "dtype.h"

namespace neurite::cuda {

// N of the operands a, b, c are there.
template <int V, int N, class F, class Out, class A, class B, class C>
__global__ void __launch_bounds__(kThreads) mapKernel(F f, int64_t size, Out* __restrict__ y, const A* __restrict__ a,
                                                      const B* __restrict__ b, const C* __restrict__ c) {
  const auto apply = [&f](const A& a, const B& b, const C& c) {
    if constexpr (N == 1) return f(static_cast<Compute<A>>(a));
    if constexpr (N == 2) return f(static_cast<Compute<A>>(a), static_cast<Compute<B>>(b));
    if constexpr (N == 3) return f(static_cast<Compute<A>>(a), static_cast<Compute<B>>(b), static_cast<Compute<C>>(c));
  };
  const int64_t thread = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  const int64_t vectors = size / V;
  for (int64_t i = thread; i < vectors; i += step) {
    gpu::Vec<A, V> left = gpu::loadVec<V>(a + i * V);
    gpu::Vec<B, V> middle;
    gpu::Vec<C, V> right;
    if constexpr (N > 1) middle = gpu::loadVec<V>(b + i * V);
    if constexpr (N > 2) right = gpu::loadVec<V>(c + i * V);
    gpu::Vec<Out, V> result;
#pragma unroll
    for (int k = 0; k < V; k++) result[k] = static_cast<Out>(apply(left[k], middle[k], right[k]));
    gpu::storeVec(y + i * V, result);
  }
  for (int64_t i = vectors * V + thread; i < size; i += step) {
    y[i] = static_cast<Out>(apply(a[i], N > 1 ? b[i] : B{}, N > 2 ? c[i] : C{}));
  }
}

template <int N, class Out, class A, class B, class C, class F>
void launchMap(const Call& call, F f, const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& c) {
  constexpr size_t left = sizeof(Out) > sizeof(A) ? sizeof(Out) : sizeof(A);
  constexpr size_t right = sizeof(B) > sizeof(C) ? sizeof(B) : sizeof(C);
  constexpr int V = static_cast<int>(16 / (left > right ? left : right));
  const int64_t size = y.size();
  const bool vectors = aligned(y.data, V * sizeof(Out)) && aligned(a.data, V * sizeof(A)) &&
                       aligned(b.data, V * sizeof(B)) && aligned(c.data, V * sizeof(C));
  launch(call, vectors ? mapKernel<V, N, F, Out, A, B, C> : mapKernel<1, N, F, Out, A, B, C>,
         gridFor(call, vectors ? ceilDiv(size, V) : size), kThreads, 0, f, size, y.as<Out>(), a.as<const A>(),
         b.as<const B>(), c.as<const C>());
}

template <class Out, class A, class F> void map(const Call& call, F f, const Tensor& y, const Tensor& a) {
  launchMap<1, Out, A, A, A>(call, f, y, a, a, a);
}
template <class Out, class A, class B, class F>
void map(const Call& call, F f, const Tensor& y, const Tensor& a, const Tensor& b) {
  launchMap<2, Out, A, B, B>(call, f, y, a, b, b);
}
template <class Out, class A, class B, class C, class F>
void map(const Call& call, F f, const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& c) {
  launchMap<3, Out, A, B, C>(call, f, y, a, b, c);
}

}  // namespace neurite::cuda
