// Loads, stores, atomics and background copies.
#include <algorithm>

#include "suite.h"

namespace {

constexpr int kCount = 64;

// Copies x to every row of out (5, kCount) with another load and store.
template <class T> __global__ void __launch_bounds__(32) copyKernel(const T* x, T* out) {
  constexpr int kWidth = gpu::kVecWidth<T>;
  for (int i = threadIdx.x; i < kCount; i += 32) {
    out[i] = gpu::loadReadOnly(x + i);
    out[kCount + i] = gpu::loadStreaming(x + i);
    gpu::storeStreaming(out + 2 * kCount + i, x[i]);
    out[3 * kCount + i] = gpu::loadL2(x + i);
  }
  for (int i = threadIdx.x * kWidth; i < kCount; i += 32 * kWidth)
    gpu::storeVec(out + 4 * kCount + i, gpu::loadVec<kWidth>(x + i));
}

template <class T> void checkCopies() {
  std::vector<T> x(kCount);
  const std::vector<uint32_t> bits = suite::randomBits(kCount * sizeof(T) / 4 + 1);
  std::copy_n(reinterpret_cast<const unsigned char*>(bits.data()), kCount * sizeof(T),
              reinterpret_cast<unsigned char*>(x.data()));
  const suite::DeviceBuffer<T> dx(x), out(5 * kCount);
  SUITE_CUDA(gpu::launch(copyKernel<T>, 1, 32, 0, suite::stream(), dx.data(), out.data()));
  const std::vector<T> received = out.download();
  const auto* want = reinterpret_cast<const unsigned char*>(x.data());
  for (int way = 0; way < 5; way++)
    suite::expect(std::equal(want, want + kCount * sizeof(T),
                             reinterpret_cast<const unsigned char*>(received.data() + way * kCount)),
                  "copy " + std::to_string(way) + " of " + std::to_string(sizeof(T)) + "-byte values");
}

template <class T> __global__ void __launch_bounds__(64) atomicsKernel(const T* x, T* out) {
  const T value = x[blockIdx.x * 64 + threadIdx.x];
  gpu::atomicAdd(out, value);
  gpu::atomicMax(out + 1, value);
  gpu::atomicMin(out + 2, value);
  gpu::atomicOr(out + 3, value);
  gpu::atomicAnd(out + 4, value);
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    out[6] = gpu::atomicExch(out + 5, value);
    out[7] = gpu::atomicCas(out + 5, value, T(77));
    out[8] = gpu::atomicCas(out + 5, value, T(78));  // does not match any more
  }
}

template <class T> void checkAtomics() {
  std::vector<T> x;
  for (const uint32_t bits : suite::randomBits(128)) x.push_back(T(bits) * T(sizeof(T) == 8 ? 0x10001 : 1));
  const std::vector<T> start = {0, x[0], x[0], 0, T(-1), 5, 0, 0, 0};
  const suite::DeviceBuffer<T> dx(x), out(start);
  SUITE_CUDA(gpu::launch(atomicsKernel<T>, 2, 64, 0, suite::stream(), dx.data(), out.data()));
  std::vector<T> expected = start;
  unsigned long long sum = 0;
  for (const T value : x) {
    sum += static_cast<unsigned long long>(value);
    expected[1] = std::max(expected[1], value);
    expected[2] = std::min(expected[2], value);
    expected[3] |= value;
    expected[4] &= value;
  }
  expected[0] = T(sum);
  expected[5] = T(77);
  expected[6] = 5;
  expected[7] = x[0];
  expected[8] = T(77);
  suite::expect(out.download() == expected, "atomics on " + std::to_string(sizeof(T)) + "-byte integers");
}

// Two groups in flight: the first is waited for while the second lands later. out (2, 32 * N) bytes.
template <int N>
__global__ void __launch_bounds__(32) cpAsyncKernel(const unsigned char* x, const int* validBytes, unsigned char* out) {
  GPU_DYN_SHARED(shared);
  const int at = threadIdx.x * N;
  gpu::cpAsync<N>(shared + at, x + at);
  gpu::cpAsyncCommit();
  gpu::cpAsync<N>(shared + 32 * N + at, x + at, validBytes[threadIdx.x]);
  gpu::cpAsyncCommit();
  gpu::cpAsyncWait<1>();
  __syncthreads();
  for (int i = 0; i < N; i++) out[at + i] = shared[32 * N - 1 - at - i];
  gpu::cpAsyncWait<0>();
  __syncthreads();
  for (int i = 0; i < N; i++) out[32 * N + at + i] = shared[64 * N - 1 - at - i];
}

template <int N> void checkCpAsync() {
  std::vector<unsigned char> x(32 * N), expected(64 * N);
  const std::vector<uint32_t> bits = suite::randomBits(32 * N);
  for (int i = 0; i < 32 * N; i++) x[i] = (unsigned char)(bits[i]);
  std::vector<int> validBytes(32);
  for (int i = 0; i < 32; i++) validBytes[i] = i % (N + 1);
  for (int i = 0; i < 32 * N; i++) {
    expected[32 * N - 1 - i] = x[i];
    expected[64 * N - 1 - i] = i % N < validBytes[i / N] ? x[i] : 0;
  }
  const suite::DeviceBuffer<unsigned char> dx(x), out(64 * N);
  const suite::DeviceBuffer<int> dValid(validBytes);
  SUITE_CUDA(gpu::launch(cpAsyncKernel<N>, 1, 32, 64 * N, suite::stream(), dx.data(), dValid.data(), out.data()));
  suite::expect(out.download() == expected, "cpAsync of " + std::to_string(N) + " bytes");
}

struct LargeParameters {
  float values[1000];
};

__global__ void __launch_bounds__(32) parametersKernel(LargeParameters p, short s, double d, float* out) {
  for (int i = threadIdx.x; i < 1000; i += 32) out[i] = p.values[i] + s + float(d);
}

// Static and dynamic shared memory side by side, of several types.
__global__ void __launch_bounds__(32) sharedKernel(int n, double* out) {
  GPU_SHARED(double, doubles, [32]);
  GPU_SHARED(unsigned char, bytes, [4][8]);
  GPU_SHARED(int, single);
  GPU_DYN_SHARED(dynamic);
  float* const floats = reinterpret_cast<float*>(dynamic);
  const int i = threadIdx.x;
  doubles[i] = i + 0.5;
  bytes[i / 8][i % 8] = (unsigned char)(200 + i);
  floats[i] = -i;
  if (i == 31) single = n;
  __syncthreads();
  out[i] = doubles[31 - i] + bytes[3 - i / 8][7 - i % 8] + floats[31 - i] + single;
}

}  // namespace

SUITE_CASE(loadsAndStores) {
  checkCopies<unsigned char>();
  checkCopies<gpu::bf16>();
  checkCopies<float>();
  checkCopies<int>();
  checkCopies<double>();
  checkCopies<uint4>();
}

SUITE_CASE(atomics) {
  checkAtomics<int>();
  checkAtomics<unsigned>();
  checkAtomics<unsigned long long>();
}

SUITE_CASE(backgroundCopies) {
  checkCpAsync<4>();
  checkCpAsync<8>();
  checkCpAsync<16>();
}

SUITE_CASE(parameters) {
  LargeParameters p;
  std::vector<double> expected(1000);
  for (int i = 0; i < 1000; i++) {
    p.values[i] = float(i);
    expected[i] = i - 3 + 0.25;
  }
  const suite::DeviceBuffer<float> out(1000);
  SUITE_CUDA(gpu::launch(parametersKernel, 1, 32, 0, suite::stream(), p, -3, 0.25, out.data()));
  suite::expectClose("parameters", out.download(), expected, 0);
}

SUITE_CASE(sharedMemory) {
  const suite::DeviceBuffer<double> out(32);
  SUITE_CUDA(gpu::launch(sharedKernel, 1, 32, 32 * sizeof(float), suite::stream(), 1000, out.data()));
  std::vector<double> expected(32);
  for (int i = 0; i < 32; i++) expected[i] = 31 - i + 0.5 + 200 + 31 - i - (31 - i) + 1000;
  suite::expectClose("shared memory", out.download(), expected, 0);
}
