// gpu::launch for the emulator: copies the arguments, checks pointers, and queues the kernel.
#pragma once
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "cuda-runtime.h"
#include "gpu-types.h"

namespace emulator {

struct PointerArgument {
  const void* value;
  int position;
};

struct LaunchRequest {
  const void* kernel;
  dim3 grid, block;
  size_t dynamicSharedBytes;
  bool cooperative;
  cudaStream_t stream;
  std::source_location at;  // of the call of launch()
  std::vector<PointerArgument> pointers;
  std::function<void()> body;
};

cudaError_t submitLaunch(LaunchRequest request);

// The size of the grid, which also remembers where launch() was called.
struct Grid {
  dim3 size;
  std::source_location at;
  template <class T, class = std::enable_if_t<std::is_convertible_v<T, dim3>>>
  Grid(T size, std::source_location at = std::source_location::current()) : size(size), at(at) {}
};

template <class... P, class... A>
cudaError_t launchKernel(bool cooperative, void (*kernel)(P...), Grid grid, dim3 block, size_t sharedBytes,
                         cudaStream_t stream, A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
  static_assert(gpu::parameterBytes<P...>() <= gpu::kMaxParameterBytes, "kernel parameters take at most 4,096 bytes");
  std::tuple<std::remove_cv_t<P>...> values(std::forward<A>(arguments)...);
  std::vector<PointerArgument> pointers;
  std::apply(
      [&](const auto&... value) {
        int position = 0;
        [[maybe_unused]] const auto note = [&](const auto& v) {
          if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(v)>>)
            pointers.push_back({const_cast<const void*>(static_cast<const volatile void*>(v)), position});
          position++;
        };
        (note(value), ...);
      },
      values);
  return submitLaunch({reinterpret_cast<const void*>(kernel), grid.size, block, sharedBytes, cooperative, stream,
                       grid.at, std::move(pointers), [kernel, values] { std::apply(kernel, values); }});
}

}  // namespace emulator

namespace gpu {

template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), emulator::Grid grid, dim3 block, size_t sharedBytes, cudaStream_t stream,
                   A&&... arguments) {
  return emulator::launchKernel(false, kernel, grid, block, sharedBytes, stream, std::forward<A>(arguments)...);
}

template <class... P, class... A>
cudaError_t launchCooperative(void (*kernel)(P...), emulator::Grid grid, dim3 block, size_t sharedBytes,
                              cudaStream_t stream, A&&... arguments) {
  return emulator::launchKernel(true, kernel, grid, block, sharedBytes, stream, std::forward<A>(arguments)...);
}

}  // namespace gpu
