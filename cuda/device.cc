// A CUDA GPU as a device: memory, pinned staging, kernels and graphs, all on one stream.
#include "../native/device.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "../native/check.h"
#include "context.h"
#include "gpu.h"
#include "kernels.h"

namespace neurite::cuda {

extern const KernelTable table;

namespace {

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess)
    neurite::fail("DeviceError", "%s: %s (%s)", what, cudaGetErrorString(status), cudaGetErrorName(status));
}
#define CHECK(call) check(call, #call)

// Memory that a kernel may ask for while it is launched. Shared with the graphs that have its address.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : bytes_(bytes) {
    if (cudaMalloc(&data_, bytes) != cudaSuccess) {
      (void)cudaGetLastError();
      neurite::fail("OutOfMemoryError", "%zu bytes of scratch memory are not there", bytes);
    }
  }
  ~Scratch() { (void)cudaFree(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

// The context of the launchers, with the memory behind Context::scratch.
struct OwnedContext : Context {
  std::shared_ptr<Scratch> memory;
};

// Two pinned buffers: one is filled by the host while the other is on its way.
class Staging {
 public:
  static constexpr size_t kBytes = size_t{4} << 20;

  Staging() {
    for (Buffer& buffer : buffers_) {
      CHECK(cudaMallocHost(&buffer.data, kBytes));
      CHECK(cudaEventCreateWithFlags(&buffer.done, cudaEventDisableTiming));
    }
  }

  void upload(void* target, const void* source, size_t bytes, cudaStream_t stream) {
    for (size_t at = 0; at < bytes; at += kBytes) {
      Buffer& buffer = next();
      const size_t part = std::min(kBytes, bytes - at);
      CHECK(cudaEventSynchronize(buffer.done));
      std::memcpy(buffer.data, static_cast<const char*>(source) + at, part);
      CHECK(cudaMemcpyAsync(static_cast<char*>(target) + at, buffer.data, part, cudaMemcpyHostToDevice, stream));
      CHECK(cudaEventRecord(buffer.done, stream));
    }
  }

  void download(void* target, const void* source, size_t bytes, cudaStream_t stream) {
    Buffer* waiting = nullptr;  // on its way, with its place in the target
    char* waitingTarget = nullptr;
    size_t waitingBytes = 0;
    auto arrive = [&] {
      if (!waiting) return;
      CHECK(cudaEventSynchronize(waiting->done));
      std::memcpy(waitingTarget, waiting->data, waitingBytes);
    };
    for (size_t at = 0; at < bytes; at += kBytes) {
      Buffer& buffer = next();
      const size_t part = std::min(kBytes, bytes - at);
      CHECK(cudaEventSynchronize(buffer.done));
      CHECK(cudaMemcpyAsync(buffer.data, static_cast<const char*>(source) + at, part, cudaMemcpyDeviceToHost, stream));
      CHECK(cudaEventRecord(buffer.done, stream));
      arrive();
      waiting = &buffer;
      waitingTarget = static_cast<char*>(target) + at;
      waitingBytes = part;
    }
    arrive();
  }

 private:
  struct Buffer {
    void* data = nullptr;
    cudaEvent_t done = nullptr;
  };
  Buffer& next() { return buffers_[turn_++ % 2]; }

  Buffer buffers_[2];
  unsigned turn_ = 0;
};

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int ordinal) : ordinal_(ordinal), info_(probe()[static_cast<size_t>(ordinal)]) {
    attach();
    cudaDeviceProp properties;
    CHECK(cudaGetDeviceProperties(&properties, ordinal));
    CHECK(cudaStreamCreateWithFlags(&context_.stream, cudaStreamNonBlocking));
    context_.capability = properties.major * 10 + properties.minor;
    context_.multiprocessors = properties.multiProcessorCount;
    context_.sharedMemoryPerBlock = properties.sharedMemPerBlockOptin;
    CHECK(cudaMalloc(reinterpret_cast<void**>(&reports_), kReporters * sizeof(IndexReport)));
    CHECK(cudaMemsetAsync(reports_, 0, kReporters * sizeof(IndexReport), context_.stream));
    CHECK(cudaMallocHost(reinterpret_cast<void**>(&arrivedReport_), sizeof(IndexReport)));
    *arrivedReport_ = IndexReport{};
  }

  const DeviceInfo& info() const override { return info_; }
  bool hostAccessible() const override { return false; }
  bool hasGraphs() const override { return true; }
  void attach() override { CHECK(cudaSetDevice(ordinal_)); }

  void* allocate(size_t bytes) override {
    attach();
    void* data = nullptr;
    if (cudaMalloc(&data, bytes) == cudaSuccess) return data;
    (void)cudaGetLastError();
    return nullptr;
  }
  void free(void* data, size_t) override {
    attach();
    (void)cudaFree(data);
  }
  size_t defaultLimit() const override {
    size_t available = 0, total = 0;
    CHECK(cudaMemGetInfo(&available, &total));
    return available / 10 * 9;
  }

  void run(const Call& call, int reporter) override {
    Call here = call;
    context_.report = reports_ + reporter;
    here.stream = static_cast<Context*>(&context_);
    table.kernels[static_cast<int>(call.op)](here);
  }

  void upload(void* target, const void* source, size_t bytes) override {
    staging_.upload(target, source, bytes, context_.stream);
  }
  // The report travels in front of the data, so it has arrived when they have.
  IndexReport download(void* target, const void* source, size_t bytes, int reporter) override {
    IndexReport* report = reporter == kNoReporter ? nullptr : reports_ + reporter;
    if (report)
      CHECK(cudaMemcpyAsync(arrivedReport_, report, sizeof(IndexReport), cudaMemcpyDeviceToHost, context_.stream));
    staging_.download(target, source, bytes, context_.stream);
    if (bytes == 0) CHECK(cudaStreamSynchronize(context_.stream));
    if (!report) return {};
    if (arrivedReport_->set) CHECK(cudaMemsetAsync(report, 0, sizeof(IndexReport), context_.stream));
    return *arrivedReport_;
  }
  void copy(void* target, const void* source, size_t bytes) override {
    CHECK(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToDevice, context_.stream));
  }

  std::unique_ptr<Graph> record(const std::function<void()>& launch) override {
    cudaGraph_t graph = nullptr;
    CHECK(cudaStreamBeginCapture(context_.stream, cudaStreamCaptureModeThreadLocal));
    try {
      launch();
    } catch (...) {
      (void)cudaStreamEndCapture(context_.stream, &graph);
      if (graph) (void)cudaGraphDestroy(graph);
      (void)cudaGetLastError();
      throw;
    }
    CHECK(cudaStreamEndCapture(context_.stream, &graph));
    cudaGraphExec_t executable = nullptr;
    const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
    (void)cudaGraphDestroy(graph);
    check(status, "cudaGraphInstantiate");
    return std::make_unique<CudaGraph>(executable, context_.stream, context_.memory);
  }

 private:
  class CudaGraph final : public Graph {
   public:
    CudaGraph(cudaGraphExec_t executable, cudaStream_t stream, std::shared_ptr<Scratch> scratch)
        : executable_(executable), stream_(stream), scratch_(std::move(scratch)) {}
    ~CudaGraph() override { (void)cudaGraphExecDestroy(executable_); }
    void launch() override { CHECK(cudaGraphLaunch(executable_, stream_)); }

   private:
    cudaGraphExec_t executable_;
    cudaStream_t stream_;
    std::shared_ptr<Scratch> scratch_;  // whose address the graph has
  };

  const int ordinal_;
  const DeviceInfo info_;
  OwnedContext context_{};
  Staging staging_;
  IndexReport* reports_ = nullptr;        // device memory, kReporters of them
  IndexReport* arrivedReport_ = nullptr;  // pinned: what the last download has met
};

// What went wrong, in words that say what to do.
std::string reasonOf(cudaError_t status) {
  int driver = 0, runtime = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  switch (status) {
    case cudaErrorInsufficientDriver:
      if (driver == 0) return "no NVIDIA driver is installed";
      return neurite::format(
          "the NVIDIA driver serves CUDA %d.%d, older than the %d.%d that this build needs: update the driver",
          driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    case cudaErrorNoDevice:
      return "the NVIDIA driver finds no GPU (CUDA_VISIBLE_DEVICES may hide it)";
    default:
      return std::string("CUDA: ") + cudaGetErrorString(status);
  }
}

}  // namespace

void* Context::scratch(size_t bytes) {
  auto& owned = static_cast<OwnedContext&>(*this);
  if (!owned.memory || owned.memory->bytes() < bytes)
    owned.memory = std::make_shared<Scratch>((bytes + bytes / 4 + 255) / 256 * 256);
  return owned.memory->data();
}

std::vector<DeviceInfo> probe() {
  auto unusable = [](std::string reason) {
    DeviceInfo info;
    info.name = "cuda";
    info.cuda = true;
    info.usable = false;
    info.description = "NVIDIA GPU";
    info.reason = std::move(reason);
    return std::vector<DeviceInfo>{info};
  };
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    (void)cudaGetLastError();
    return unusable(reasonOf(status));
  }
  if (count == 0) return unusable(reasonOf(cudaErrorNoDevice));
  std::vector<DeviceInfo> infos;
  for (int ordinal = 0; ordinal < count; ordinal++) {
    cudaDeviceProp properties;
    CHECK(cudaGetDeviceProperties(&properties, ordinal));
    DeviceInfo info;
    info.name = ordinal ? "cuda:" + std::to_string(ordinal) : "cuda";
    info.cuda = true;
    info.description = properties.name;
    info.memory = properties.totalGlobalMem;
    info.capability = neurite::format("%d.%d", properties.major, properties.minor);
    if (properties.major * 10 + properties.minor < 75) {
      info.usable = false;
      info.reason = "compute capability " + info.capability + " is older than 7.5 (Turing)";
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

std::unique_ptr<Device> make(int ordinal) { return std::make_unique<CudaDevice>(ordinal); }

}  // namespace neurite::cuda
