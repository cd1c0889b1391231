// Launching kernels without <<<>>>: arguments are converted to the kernel's parameter types and checked for size.
#pragma once
#include <tuple>
#include <type_traits>
#include <utility>

#include "gpu-types.h"

namespace gpu {

namespace detail {
template <class Launch, class... P, class... A>
cudaError_t launchWith(Launch launch, void (*kernel)(P...), A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
  static_assert(parameterBytes<P...>() <= kMaxParameterBytes, "kernel parameters take at most 4,096 bytes");
  std::tuple<std::remove_cv_t<P>...> values(std::forward<A>(arguments)...);
  return std::apply(
      [&](auto&... value) {
        void* pointers[sizeof...(P) + 1] = {const_cast<void*>(static_cast<const void*>(&value))...};
        return launch(reinterpret_cast<const void*>(kernel), pointers);
      },
      values);
}
}  // namespace detail

template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t sharedBytes, cudaStream_t stream,
                   A&&... arguments) {
  return detail::launchWith(
      [&](const void* function, void** pointers) {
        return cudaLaunchKernel(function, grid, block, pointers, sharedBytes, stream);
      },
      kernel, std::forward<A>(arguments)...);
}

template <class... P, class... A>
cudaError_t launchCooperative(void (*kernel)(P...), dim3 grid, dim3 block, size_t sharedBytes, cudaStream_t stream,
                              A&&... arguments) {
  return detail::launchWith(
      [&](const void* function, void** pointers) {
        return cudaLaunchCooperativeKernel(function, grid, block, pointers, sharedBytes, stream);
      },
      kernel, std::forward<A>(arguments)...);
}

}  // namespace gpu
