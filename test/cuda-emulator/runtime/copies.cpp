// cudaMemcpy and cudaMemset, with the rules of pinned and pageable host memory.
#include <cstring>

#include "device.h"

using namespace emulator;

namespace {

const char* nameOf(cudaMemcpyKind kind) {
  static constexpr const char* kNames[] = {"HostToHost", "HostToDevice", "DeviceToHost", "DeviceToDevice", "Default"};
  return unsigned(kind) < 5 ? kNames[kind] : "an unknown kind";
}

// Whether device memory is exactly where the kind of the copy says; Default finds out by itself.
bool fits(const void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const bool toDevice = isDeviceMemory(to, bytes), fromDevice = isDeviceMemory(from, bytes);
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !toDevice && !fromDevice;
    case cudaMemcpyHostToDevice:
      return toDevice && !fromDevice;
    case cudaMemcpyDeviceToHost:
      return !toDevice && fromDevice;
    case cudaMemcpyDeviceToDevice:
      return toDevice && fromDevice;
    case cudaMemcpyDefault:
      return true;
  }
  return false;
}

// Queues the copy. `wait` says whether the call returns only once it is done.
cudaError_t copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t handle, bool wait) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  if (bytes > 0 && !fits(to, from, bytes, kind))
    return reject(cudaErrorInvalidValue, std::string("cudaMemcpy ") + nameOf(kind) + " of " + std::to_string(bytes) +
                                             " bytes: a pointer is of the wrong kind, or the range leaves its memory");
  const bool pageableFrom = !isDeviceMemory(from, bytes) && !isPinnedMemory(from, bytes);
  const bool pageableTo = !isDeviceMemory(to, bytes) && !isPinnedMemory(to, bytes);
  std::unique_lock lock(device().mutex);
  const std::shared_ptr<Stream> stream = device().find(handle);
  if (!stream) return finish(cudaErrorInvalidResourceHandle);
  if (wait) {
    if (const cudaError_t error = device().checkNotCapturing(); error != cudaSuccess) return finish(error);
  }
  if (stream->capture && (pageableFrom || pageableTo)) {
    stream->capture->invalid = true;
    lock.unlock();
    return reject(cudaErrorStreamCaptureUnsupported, "a captured copy must not use pageable host memory");
  }
  std::function<void()> run;
  if (pageableFrom && !pageableTo) {
    // As on a GPU: pageable memory is copied to a staging buffer before the call returns.
    const auto* first = static_cast<const unsigned char*>(from);
    run = [to, staged = std::vector<unsigned char>(first, first + bytes)] {
      std::memcpy(to, staged.data(), staged.size());
    };
  } else {
    run = [to, from, bytes] { std::memmove(to, from, bytes); };
  }
  if (const cudaError_t error = device().submit(stream, std::move(run)); error != cudaSuccess) return finish(error);
  if (wait || pageableTo) device().waitFor(lock, {stream, stream->submitted});
  return finish(device().error());
}

cudaError_t set(void* p, int value, size_t bytes, cudaStream_t handle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  if (bytes > 0 && !isDeviceMemory(p, bytes))
    return reject(cudaErrorInvalidValue, "cudaMemset of " + std::to_string(bytes) +
                                             " bytes that are not all in one"
                                             " device allocation");
  std::lock_guard lock(device().mutex);
  const std::shared_ptr<Stream> stream = device().find(handle);
  if (!stream) return finish(cudaErrorInvalidResourceHandle);
  return finish(device().submit(stream, [p, value, bytes] {
    if (bytes > 0) std::memset(p, value, bytes);
  }));
}

}  // namespace

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return copy(to, from, bytes, kind, nullptr, true);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy(to, from, bytes, kind, stream, false);
}

cudaError_t cudaMemset(void* p, int value, size_t bytes) { return set(p, value, bytes, nullptr); }

cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  return set(p, value, bytes, stream);
}
