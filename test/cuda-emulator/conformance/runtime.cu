// The runtime API: memory, streams, events, capture, graphs, and calls that are errors.
#include <atomic>
#include <thread>

#include "suite.h"

namespace {

constexpr int kCount = 100;

__global__ void __launch_bounds__(32) addKernel(int n, float value, const float* x, float* y) {
  for (int i = threadIdx.x; i < n; i += 32) y[i] = x[i] + value;
}

cudaError_t add(cudaStream_t stream, float value, const suite::DeviceBuffer<float>& x,
                const suite::DeviceBuffer<float>& y) {
  return gpu::launch(addKernel, 1, 32, 0, stream, int(x.size()), value, x.data(), y.data());
}

std::vector<double> constant(double value) { return std::vector<double>(kCount, value); }
std::vector<float> zeros() { return std::vector<float>(kCount, 0.0f); }

// Pinned memory that lives as long as the case.
class PinnedBuffer {
 public:
  PinnedBuffer() { SUITE_CUDA(cudaMallocHost(&data_, kCount * sizeof(float))); }
  ~PinnedBuffer() { cudaFreeHost(data_); }
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;
  float* data() const { return data_; }
  std::vector<float> values() const { return std::vector<float>(data_, data_ + kCount); }

 private:
  float* data_ = nullptr;
};

}  // namespace

SUITE_CASE(deviceProperties) {
  int count = 0, device = -1, value = 0, driver = 0, runtime = 0;
  SUITE_CUDA(cudaGetDeviceCount(&count));
  suite::expect(count >= 1, "a device");
  SUITE_CUDA(cudaSetDevice(0));
  SUITE_CUDA(cudaGetDevice(&device));
  suite::expect(device == 0, "device 0");
  SUITE_CUDA_ERROR(cudaErrorInvalidDevice, cudaSetDevice(count));
  cudaDeviceProp properties;
  SUITE_CUDA(cudaGetDeviceProperties(&properties, 0));
  SUITE_CUDA(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0));
  suite::expect(value == properties.major && value >= 7, "major");
  SUITE_CUDA(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0));
  suite::expect(value == properties.multiProcessorCount && value > 0, "multiprocessors");
  SUITE_CUDA(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
  suite::expect(size_t(value) == properties.sharedMemPerBlockOptin && value >= 64 << 10, "shared memory");
  SUITE_CUDA(cudaDriverGetVersion(&driver));
  SUITE_CUDA(cudaRuntimeGetVersion(&runtime));
  suite::expect(driver >= 12000 && runtime >= 12000, "versions");
}

SUITE_CASE(memoryInfo) {
  size_t before = 0, after = 0, total = 0;
  SUITE_CUDA(cudaMemGetInfo(&before, &total));
  {
    constexpr size_t kBytes = 64 << 20;
    const suite::DeviceBuffer<char> block(kBytes);
    SUITE_CUDA(cudaMemGetInfo(&after, &total));
    suite::expect(after + kBytes <= before + (4 << 20) && total >= before, "an allocation shows in cudaMemGetInfo");
  }
  void* p = &total;
  SUITE_CUDA_ERROR(cudaErrorMemoryAllocation, cudaMalloc(&p, total + 1));
  SUITE_CUDA(cudaMalloc(&p, 0));
  suite::expect(p == nullptr, "no bytes, no pointer");
  SUITE_CUDA(cudaFree(nullptr));
}

SUITE_CASE(copiesOfEveryKind) {
  const std::vector<float> x = suite::uniform(kCount, -1, 1);
  const suite::DeviceBuffer<float> a(x), b(kCount);
  const PinnedBuffer pinned;
  SUITE_CUDA(cudaMemcpyAsync(b.data(), a.data(), a.bytes(), cudaMemcpyDeviceToDevice, suite::stream()));
  SUITE_CUDA(cudaMemcpyAsync(pinned.data(), b.data(), b.bytes(), cudaMemcpyDefault, suite::stream()));
  SUITE_CUDA(cudaStreamSynchronize(suite::stream()));
  suite::expectClose("copied", pinned.values(), suite::toDouble(x), 0);
  SUITE_CUDA(cudaMemsetAsync(b.data(), 0, b.bytes(), suite::stream()));
  SUITE_CUDA(cudaStreamSynchronize(suite::stream()));
  SUITE_CUDA(cudaMemcpy(pinned.data(), b.data(), b.bytes(), cudaMemcpyDeviceToHost));
  suite::expectClose("set", pinned.values(), constant(0), 0);
  SUITE_CUDA_ERROR(cudaErrorInvalidValue,
                   cudaMemcpyAsync(b.data(), a.data(), a.bytes() + 4096 * 4096, cudaMemcpyDeviceToDevice));
}

SUITE_CASE(streamsAndEvents) {
  cudaStream_t other = nullptr;
  cudaEvent_t ready = nullptr, start = nullptr, end = nullptr;
  SUITE_CUDA(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  SUITE_CUDA(cudaEventCreateWithFlags(&ready, cudaEventDisableTiming));
  SUITE_CUDA(cudaEventCreate(&start));
  SUITE_CUDA(cudaEventCreate(&end));
  SUITE_CUDA(cudaEventQuery(ready));  // never recorded: complete
  const suite::DeviceBuffer<float> x(zeros()), y(kCount), z(kCount);
  SUITE_CUDA(cudaEventRecord(start, suite::stream()));
  SUITE_CUDA(add(suite::stream(), 1, x, y));
  SUITE_CUDA(cudaEventRecord(ready, suite::stream()));
  SUITE_CUDA(cudaStreamWaitEvent(other, ready));
  SUITE_CUDA(add(other, 1, y, z));
  SUITE_CUDA(cudaEventRecord(end, other));
  SUITE_CUDA(cudaEventSynchronize(end));
  SUITE_CUDA(cudaEventQuery(end));
  SUITE_CUDA(cudaEventQuery(ready));
  float milliseconds = -1;
  SUITE_CUDA(cudaEventElapsedTime(&milliseconds, start, end));
  suite::expect(milliseconds >= 0, "time goes forward");
  SUITE_CUDA_ERROR(cudaErrorInvalidResourceHandle, cudaEventElapsedTime(&milliseconds, ready, end));
  suite::expectClose("through two streams", z.download(), constant(2), 0);
  while (cudaStreamQuery(other) == cudaErrorNotReady) std::this_thread::yield();
  cudaGetLastError();
  SUITE_CUDA(cudaEventDestroy(ready));
  SUITE_CUDA(cudaEventDestroy(start));
  SUITE_CUDA(cudaEventDestroy(end));
  SUITE_CUDA(cudaStreamDestroy(other));
}

SUITE_CASE(pollingMakesProgress) {
  cudaEvent_t done = nullptr;
  SUITE_CUDA(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
  const suite::DeviceBuffer<float> x(zeros()), y(kCount);
  SUITE_CUDA(add(suite::stream(), 3, x, y));
  SUITE_CUDA(cudaEventRecord(done, suite::stream()));
  cudaError_t error;
  while ((error = cudaEventQuery(done)) == cudaErrorNotReady) std::this_thread::yield();
  SUITE_CUDA(error);
  cudaGetLastError();
  suite::expectClose("polled", y.download(), constant(3), 0);
  SUITE_CUDA(cudaEventDestroy(done));
}

SUITE_CASE(hostFunctions) {
  struct State {
    float* pinned;
    std::atomic<float> seen{-1};
    std::atomic<cudaError_t> error{cudaSuccess};
  } state;
  const PinnedBuffer pinned;
  state.pinned = pinned.data();
  const suite::DeviceBuffer<float> x(zeros()), y(kCount);
  SUITE_CUDA(add(suite::stream(), 5, x, y));
  SUITE_CUDA(cudaMemcpyAsync(pinned.data(), y.data(), y.bytes(), cudaMemcpyDeviceToHost, suite::stream()));
  SUITE_CUDA(cudaLaunchHostFunc(
      suite::stream(),
      [](void* data) {
        auto* s = static_cast<State*>(data);
        void* p = nullptr;
        s->error = cudaMalloc(&p, 4);  // the API may not be called from here
        s->seen = s->pinned[kCount - 1];
      },
      &state));
  while (state.seen < 0) std::this_thread::yield();  // nobody synchronises: the device goes on by itself
  suite::expect(state.seen == 5, "the host function runs after the copy");
  suite::expect(state.error == cudaErrorNotPermitted, "the API in a host function");
}

SUITE_CASE(defaultStreamOrders) {
  cudaStream_t blocking = nullptr;
  SUITE_CUDA(cudaStreamCreate(&blocking));
  const suite::DeviceBuffer<float> x(zeros()), y(kCount), z(kCount), w(kCount);
  SUITE_CUDA(cudaStreamSynchronize(suite::stream()));
  SUITE_CUDA(add(blocking, 1, x, y));
  SUITE_CUDA(add(nullptr, 1, y, z));
  SUITE_CUDA(add(blocking, 1, z, w));
  SUITE_CUDA(cudaStreamSynchronize(blocking));
  suite::expectClose("in order with the default stream", w.download(), constant(3), 0);
  SUITE_CUDA(cudaStreamDestroy(blocking));
}

SUITE_CASE(otherThreadsSubmit) {
  const suite::DeviceBuffer<float> x(zeros()), y(kCount), z(kCount);
  const cudaStream_t stream = suite::stream();
  std::thread([&] {
    for (int i = 0; i < 20; i++) {
      add(stream, 1, x, y);
      add(stream, 1, y, z);
    }
  }).join();
  suite::expectClose("submitted by another thread", z.download(), constant(2), 0);
  std::thread([&] { cudaSetDevice(1000); }).join();
  SUITE_CUDA(cudaPeekAtLastError());  // the last error belongs to the thread that made it
}

SUITE_CASE(graphs) {
  const suite::DeviceBuffer<float> x(zeros()), y(kCount);
  const PinnedBuffer pinned;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  cudaStreamCaptureStatus status;
  SUITE_CUDA(cudaStreamSynchronize(suite::stream()));
  SUITE_CUDA(cudaStreamBeginCapture(suite::stream(), cudaStreamCaptureModeThreadLocal));
  SUITE_CUDA(cudaStreamIsCapturing(suite::stream(), &status));
  suite::expect(status == cudaStreamCaptureStatusActive, "capturing");
  SUITE_CUDA(add(suite::stream(), 1, x, y));
  SUITE_CUDA(add(suite::stream(), 1, y, x));
  SUITE_CUDA(cudaMemcpyAsync(pinned.data(), x.data(), x.bytes(), cudaMemcpyDeviceToHost, suite::stream()));
  SUITE_CUDA(cudaMemsetAsync(y.data(), 0, y.bytes(), suite::stream()));
  SUITE_CUDA(cudaStreamEndCapture(suite::stream(), &graph));
  SUITE_CUDA(cudaStreamIsCapturing(suite::stream(), &status));
  suite::expect(status == cudaStreamCaptureStatusNone, "not capturing any more");
  size_t nodes = 0;
  SUITE_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
  suite::expect(nodes == 4, "four nodes");
  SUITE_CUDA(cudaGraphInstantiate(&executable, graph, 0));
  SUITE_CUDA(cudaGraphDestroy(graph));
  suite::expectClose("nothing ran while capturing", x.download(), constant(0), 0);
  for (int i = 1; i <= 3; i++) {
    SUITE_CUDA(cudaGraphLaunch(executable, suite::stream()));
    SUITE_CUDA(cudaStreamSynchronize(suite::stream()));
    suite::expectClose("replayed", pinned.values(), constant(2 * i), 0);
  }
  SUITE_CUDA(cudaGraphLaunch(executable, suite::stream()));
  SUITE_CUDA(cudaGraphExecDestroy(executable));  // while it may still be waiting to run
  suite::expectClose("replayed", x.download(), constant(8), 0);
}

SUITE_CASE(graphsOverTwoStreams) {
  cudaStream_t other = nullptr;
  cudaEvent_t fork = nullptr, join = nullptr;
  SUITE_CUDA(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  SUITE_CUDA(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  SUITE_CUDA(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  const suite::DeviceBuffer<float> x(zeros()), a(kCount), b(kCount), c(kCount);
  SUITE_CUDA(cudaStreamSynchronize(suite::stream()));
  for (const bool joined : {true, false}) {
    cudaGraph_t graph = nullptr;
    SUITE_CUDA(cudaStreamBeginCapture(suite::stream(), cudaStreamCaptureModeThreadLocal));
    SUITE_CUDA(add(suite::stream(), 1, x, a));
    SUITE_CUDA(cudaEventRecord(fork, suite::stream()));
    SUITE_CUDA(cudaStreamWaitEvent(other, fork));
    SUITE_CUDA(add(other, 1, a, b));
    SUITE_CUDA(cudaEventRecord(join, other));
    if (joined) SUITE_CUDA(cudaStreamWaitEvent(suite::stream(), join));
    SUITE_CUDA(add(suite::stream(), 1, joined ? b : a, c));
    if (!joined) {
      SUITE_CUDA_ERROR(cudaErrorStreamCaptureUnjoined, cudaStreamEndCapture(suite::stream(), &graph));
      suite::expect(graph == nullptr, "no graph");
      continue;
    }
    SUITE_CUDA(cudaStreamEndCapture(suite::stream(), &graph));
    cudaGraphExec_t executable = nullptr;
    SUITE_CUDA(cudaGraphInstantiate(&executable, graph, 0));
    SUITE_CUDA(cudaGraphLaunch(executable, suite::stream()));
    suite::expectClose("fork and join", c.download(), constant(3), 0);
    SUITE_CUDA(cudaGraphExecDestroy(executable));
    SUITE_CUDA(cudaGraphDestroy(graph));
  }
  SUITE_CUDA(cudaEventDestroy(fork));
  SUITE_CUDA(cudaEventDestroy(join));
  SUITE_CUDA(cudaStreamDestroy(other));
}

namespace {

// Captures one kernel and `call`, which is not allowed there: it fails, and so does the end of the capture.
template <class Call> void expectForbidden(const char* what, cudaError_t expected, Call call) {
  const suite::DeviceBuffer<float> x(zeros()), y(kCount);
  SUITE_CUDA(cudaStreamSynchronize(suite::stream()));
  cudaGraph_t graph = nullptr;
  SUITE_CUDA(cudaStreamBeginCapture(suite::stream(), cudaStreamCaptureModeThreadLocal));
  SUITE_CUDA(add(suite::stream(), 1, x, y));
  const cudaError_t received = call();
  suite::expect(received == expected, std::string(what) + " while capturing: expected " + cudaGetErrorName(expected) +
                                          ", received " + cudaGetErrorName(received));
  cudaGetLastError();
  SUITE_CUDA_ERROR(cudaErrorStreamCaptureInvalidated, cudaStreamEndCapture(suite::stream(), &graph));
  suite::expect(graph == nullptr, std::string("no graph after ") + what);
  SUITE_CUDA(add(suite::stream(), 1, x, y));  // the stream is usable again
  suite::expectClose(what, y.download(), constant(1), 0);
}

}  // namespace

SUITE_CASE(callsForbiddenWhileCapturing) {
  void* p = nullptr;
  void* kept = nullptr;
  SUITE_CUDA(cudaMalloc(&kept, 4));
  expectForbidden("cudaMalloc", cudaErrorStreamCaptureUnsupported, [&] { return cudaMalloc(&p, 4); });
  expectForbidden("cudaFree", cudaErrorStreamCaptureUnsupported, [&] { return cudaFree(kept); });
  expectForbidden("cudaStreamSynchronize", cudaErrorStreamCaptureUnsupported,
                  [] { return cudaStreamSynchronize(suite::stream()); });
  expectForbidden("cudaStreamQuery", cudaErrorStreamCaptureUnsupported,
                  [] { return cudaStreamQuery(suite::stream()); });
  expectForbidden("cudaDeviceSynchronize", cudaErrorStreamCaptureUnsupported, [] { return cudaDeviceSynchronize(); });
  expectForbidden("cudaMemcpy", cudaErrorStreamCaptureUnsupported,
                  [&] { return cudaMemcpy(&p, kept, 4, cudaMemcpyDeviceToHost); });
  cudaEvent_t event = nullptr;
  SUITE_CUDA(cudaEventCreate(&event));
  expectForbidden("cudaEventSynchronize", cudaErrorCapturedEvent, [&] {
    SUITE_CUDA(cudaEventRecord(event, suite::stream()));
    return cudaEventSynchronize(event);
  });
  SUITE_CUDA(cudaEventDestroy(event));
  cudaGraph_t graph = nullptr;
  SUITE_CUDA_ERROR(cudaErrorIllegalState, cudaStreamEndCapture(suite::stream(), &graph));
  SUITE_CUDA(cudaFree(kept));
}

SUITE_CASE(captureIsThreadLocal) {
  const suite::DeviceBuffer<float> x(zeros()), y(kCount);
  SUITE_CUDA(cudaStreamSynchronize(suite::stream()));
  cudaGraph_t graph = nullptr;
  cudaError_t allocated = cudaErrorUnknown, ended = cudaErrorUnknown;
  SUITE_CUDA(cudaStreamBeginCapture(suite::stream(), cudaStreamCaptureModeThreadLocal));
  SUITE_CUDA(add(suite::stream(), 1, x, y));
  std::thread([&, stream = suite::stream()] {
    void* p = nullptr;
    allocated = cudaMalloc(&p, 4);  // another thread may allocate
    cudaGraph_t none = nullptr;
    ended = cudaStreamEndCapture(stream, &none);  // but not end the capture
    cudaFree(p);
  }).join();
  SUITE_CUDA(allocated);
  suite::expect(ended == cudaErrorStreamCaptureWrongThread, "only the thread that began may end");
  SUITE_CUDA(cudaStreamEndCapture(suite::stream(), &graph));
  SUITE_CUDA(cudaGraphDestroy(graph));
}

SUITE_CASE(launchesThatAreRejected) {
  const suite::DeviceBuffer<float> x(zeros()), y(kCount);
  const auto launch = [&](dim3 grid, dim3 block, size_t sharedBytes) {
    return gpu::launch(addKernel, grid, block, sharedBytes, suite::stream(), kCount, 1.0f, x.data(), y.data());
  };
  SUITE_CUDA_ERROR(cudaErrorInvalidConfiguration, launch(0, 32, 0));
  SUITE_CUDA_ERROR(cudaErrorInvalidConfiguration, launch(dim3(1, 65536), 32, 0));
  SUITE_CUDA_ERROR(cudaErrorInvalidValue, launch(1, 32, (48 << 10) + 1));
  int most = 0;
  SUITE_CUDA(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
  SUITE_CUDA_ERROR(cudaErrorInvalidValue,
                   cudaFuncSetAttribute(addKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most + 1));
  SUITE_CUDA(cudaFuncSetAttribute(addKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
  SUITE_CUDA(launch(1, 32, size_t(most)));
  suite::expectClose("the largest shared memory", y.download(), constant(1), 0);
}

SUITE_CASE(errorTexts) {
  suite::expect(std::string(cudaGetErrorName(cudaErrorInvalidValue)) == "cudaErrorInvalidValue", "name");
  suite::expect(std::string(cudaGetErrorString(cudaErrorInvalidValue)) == "invalid argument", "text");
  SUITE_CUDA_ERROR(cudaErrorInvalidDevice, cudaSetDevice(1000));
  cudaSetDevice(1000);
  suite::expect(cudaPeekAtLastError() == cudaErrorInvalidDevice, "peek keeps the error");
  suite::expect(cudaGetLastError() == cudaErrorInvalidDevice, "get returns the error");
  suite::expect(cudaGetLastError() == cudaSuccess, "and forgets it");
}
