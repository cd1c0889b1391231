// The device thread and the order in which it runs the operations of all streams.
#include "device.h"

#include <dlfcn.h>

#include <algorithm>

#include "watchdog.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace emulator {
namespace {

constexpr size_t kLongestQueue = 1024;  // as a GPU's: whoever submits more makes the device work

// Kernels are compiled with -ftz=true for a GPU: denormal inputs and results are zero.
void flushDenormals() {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040u);  // flush to zero, denormals are zero
#elif defined(__aarch64__)
  uint64_t control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  asm volatile("msr fpcr, %0" ::"r"(control | 1ull << 24));
#endif
}

// The device thread runs for as long as the process, so its code must not be unloaded with a worker thread of Node.
void keepLoaded() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&keepLoaded), &info) != 0 && info.dli_fname != nullptr)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

}  // namespace

Device& device() {
  static Device* const instance = new Device;  // never destroyed: its thread outlives main()
  return *instance;
}

Device::Device() : random_(options().seed) {
  keepLoaded();
  std::thread thread([this] { runThread(); });
  threadId_ = thread.get_id();
  thread.detach();
  startWatchdog();
}

std::shared_ptr<Stream> Device::find(cudaStream_t handle) const {
  if (handle == nullptr) return defaultStream_;
  const auto found = streams.find(handle);
  return found == streams.end() ? nullptr : found->second;
}

std::shared_ptr<Event> Device::find(cudaEvent_t handle) const {
  const auto found = events.find(handle);
  return found == events.end() ? nullptr : found->second;
}

cudaError_t Device::submit(const std::shared_ptr<Stream>& stream, std::function<void()> run,
                           std::optional<Mark> after) {
  if (stream->capture) {
    Capture& capture = *stream->capture;
    if (capture.invalid) return cudaErrorStreamCaptureInvalidated;
    std::vector<size_t>& tail = capture.tails[stream.get()];
    capture.nodes.push_back({std::move(run), tail});
    tail = {capture.nodes.size() - 1};
    return cudaSuccess;
  }
  if (stream->blocking) {
    for (const auto& [handle, other] : streams) {
      if (!other->capture || !other->blocking || stream != defaultStream_) continue;
      other->capture->invalid = true;
      return cudaErrorStreamCaptureImplicit;
    }
  }
  stream->queue.push_back({nextNumber_++, std::move(run), std::move(after)});
  stream->submitted++;
  const Timing timing = options().timing;
  if (timing == Timing::Early || (timing == Timing::Random && random_.below(2) == 0))
    demand({stream, stream->submitted});
  if (stream->queue.size() > kLongestQueue) demand({stream, stream->submitted - kLongestQueue / 2});
  return cudaSuccess;
}

void Device::demand(const Mark& mark) {
  if (mark.stream->demanded >= mark.position) return;
  mark.stream->demanded = mark.position;
  work_.notify_one();
}

void Device::waitFor(std::unique_lock<std::mutex>& lock, const Mark& mark) {
  demand(mark);
  progress_.wait(lock, [&] { return reached(mark); });
}

void Device::waitForAll(std::unique_lock<std::mutex>& lock) {
  std::vector<Mark> marks{{defaultStream_, defaultStream_->submitted}};
  for (const auto& [handle, stream] : streams) marks.push_back({stream, stream->submitted});
  for (const Mark& mark : marks) waitFor(lock, mark);
}

void Device::runThread() {
  flushDenormals();
  std::unique_lock lock(mutex);
  for (;;) {
    std::vector<std::shared_ptr<Stream>> wanted;
    if (defaultStream_->demanded > defaultStream_->completed) wanted.push_back(defaultStream_);
    for (const auto& [handle, stream] : streams)
      if (stream->demanded > stream->completed) wanted.push_back(stream);
    if (wanted.empty()) {
      work_.wait(lock);
      continue;
    }
    const std::shared_ptr<Stream> stream = wanted[random_.below(unsigned(wanted.size()))];
    runUntil(lock, *stream, stream->completed + 1);
  }
}

void Device::runUntil(std::unique_lock<std::mutex>& lock, Stream& stream, uint64_t position) {
  while (stream.completed < position) runNext(lock, stream);
}

void Device::runOlder(std::unique_lock<std::mutex>& lock, Stream& stream, uint64_t number) {
  while (!stream.queue.empty() && stream.queue.front().number < number) runNext(lock, stream);
}

void Device::runNext(std::unique_lock<std::mutex>& lock, Stream& stream) {
  Operation operation = std::move(stream.queue.front());
  stream.queue.pop_front();
  if (operation.after) runUntil(lock, *operation.after->stream, operation.after->position);
  if (&stream == defaultStream_.get()) {
    std::vector<std::shared_ptr<Stream>> others;
    for (const auto& [handle, other] : streams)
      if (other->blocking) others.push_back(other);
    for (const auto& other : others) runOlder(lock, *other, operation.number);
  } else if (stream.blocking) {
    runOlder(lock, *defaultStream_, operation.number);
  }
  if (operation.run && error_ == cudaSuccess) {
    lock.unlock();
    operation.run();
    operation.run = nullptr;  // what it holds is released without the lock
    lock.lock();
  }
  stream.completed++;
  progress_.notify_all();
}

cudaError_t Device::checkNotCapturing() {
  bool capturing = false;
  for (const auto& [handle, stream] : streams) {
    if (!stream->capture) continue;
    const Capture& capture = *stream->capture;
    const bool affected =
        capture.mode == cudaStreamCaptureModeGlobal ||
        (capture.mode == cudaStreamCaptureModeThreadLocal && capture.thread == std::this_thread::get_id());
    if (!affected) continue;
    stream->capture->invalid = true;
    capturing = true;
  }
  return capturing ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

bool Device::anyCapture() const {
  return std::any_of(streams.begin(), streams.end(),
                     [](const auto& entry) { return entry.second->capture != nullptr; });
}

void Device::setError(cudaError_t error, const std::string& text) {
  report(text);
  std::lock_guard lock(mutex);
  if (error_ == cudaSuccess) error_ = error;
}

}  // namespace emulator
