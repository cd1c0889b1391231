// A tiny test registry for kernels: the same cases run on the emulator and, compiled by nvcc, on a GPU.
//
// To test a kernel put a .cu file into test/cuda-emulator/kernels (it is found by itself):
//
//   #include "suite.h"
//   #include "../../../cuda/elementwise.cu"            // or the header that declares its launcher
//
//   SUITE_CASE(reluOddSizes) {
//     for (const int n : {1, 31, 33, 1023, 4097}) {
//       const std::vector<float> x = suite::uniform(n, -2, 2);
//       const suite::DeviceBuffer<float> dx(x);
//       suite::DeviceBuffer<float> dy(n);                                     // exact size, filled with NaN
//       SUITE_CUDA(gpu::launch(reluKernel, (n + 255) / 256, 256, 0, suite::stream(), n, dx.data(), dy.data()));
//       std::vector<double> reference(x.size());
//       for (size_t i = 0; i < x.size(); i++) reference[i] = std::max(double(x[i]), 0.0);
//       suite::expectClose("relu, n = " + std::to_string(n), dy.download(), reference, 1e-6);
//     }
//   }
//
// Run every kernel at: 1, below one tile, K below one K-tile, tile +- 1, several blocks, more K-tiles than stages.
// Sizes stay tiny, since the same cases run under ThreadSanitizer. `node test/cuda-emulator/matrix.mjs` runs all.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gpu.h"

namespace suite {

// ---- cases ------------------------------------------------------------------------------------------------------

struct Registration {
  Registration(const char* name, void (*run)());
};

// What must hold of the cases together: runs behind them when all have run, not when some were asked for.
struct Afterwards {
  Afterwards(const char* name, void (*run)());
};

#define SUITE_CASE(name)                                            \
  static void name();                                               \
  static const suite::Registration name##Registration(#name, name); \
  static void name()

// Ends the case as skipped unless the device has this compute capability (10 * major + minor).
void requireComputeCapability(int atLeast);

// ---- expectations: a failure is printed and the case goes on ----------------------------------------------------

void expect(bool holds, const std::string& what);

// Records the error of a CUDA call that should have succeeded.
void expectSuccess(cudaError_t error, const char* call, const char* file, int line);
#define SUITE_CUDA(call) suite::expectSuccess((call), #call, __FILE__, __LINE__)

// Records a call that gave another result than the expected error.
void expectError(const std::function<cudaError_t()>& run, cudaError_t expected, const char* call, const char* file,
                 int line);
#define SUITE_CUDA_ERROR(expected, call) suite::expectError([&] { return (call); }, expected, #call, __FILE__, __LINE__)

// Every element within tolerance * (1 + |reference|); NaN only where the reference is NaN.
void expectClose(const std::string& what, const std::vector<double>& received, const std::vector<double>& reference,
                 double tolerance);
// ||received - reference|| / ||reference|| at most tolerance.
void expectRelativeError(const std::string& what, const std::vector<double>& received,
                         const std::vector<double>& reference, double tolerance);
void expectSameBits(const std::string& what, const std::vector<uint32_t>& received,
                    const std::vector<uint32_t>& expected);

template <class T> std::vector<double> toDouble(const std::vector<T>& values) {
  return std::vector<double>(values.begin(), values.end());
}
template <class T>
void expectClose(const std::string& what, const std::vector<T>& received, const std::vector<double>& reference,
                 double tolerance) {
  expectClose(what, toDouble(received), reference, tolerance);
}
template <class T>
void expectRelativeError(const std::string& what, const std::vector<T>& received, const std::vector<double>& reference,
                         double tolerance) {
  expectRelativeError(what, toDouble(received), reference, tolerance);
}

// ---- data -------------------------------------------------------------------------------------------------------

// The stream of the cases, non-blocking.
cudaStream_t stream();

// Random numbers that depend on the case and on how many it has drawn.
std::vector<float> uniform(size_t count, float low, float high);
std::vector<uint32_t> randomBits(size_t count);

// Device memory of exactly `count` elements, filled with NaN or with values.
template <class T> class DeviceBuffer {
 public:
  explicit DeviceBuffer(size_t count) : count_(count) {
    SUITE_CUDA(cudaMalloc(&data_, bytes()));
    SUITE_CUDA(cudaMemsetAsync(data_, 0xff, bytes(), stream()));
  }
  explicit DeviceBuffer(const std::vector<T>& values) : DeviceBuffer(values.size()) { upload(values); }
  ~DeviceBuffer() { cudaFree(data_); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  T* data() const { return data_; }
  size_t size() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }

  void upload(const std::vector<T>& values) {
    SUITE_CUDA(cudaMemcpyAsync(data_, values.data(), bytes(), cudaMemcpyHostToDevice, stream()));
  }
  std::vector<T> download() const {
    std::vector<T> values(count_);
    SUITE_CUDA(cudaMemcpyAsync(values.data(), data_, bytes(), cudaMemcpyDeviceToHost, stream()));
    SUITE_CUDA(cudaStreamSynchronize(stream()));
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

#ifdef NEURITE_EMULATOR
// Runs `launch` and expects an error of the emulator whose text holds `text`; the device is reset afterwards, which
// frees all memory.
void expectEmulatorError(const std::string& text, void (*launch)(), cudaError_t error = cudaErrorLaunchFailure);
#endif

}  // namespace suite
