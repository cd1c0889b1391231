// Streams and host functions.
#include "device.h"

using namespace emulator;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned flags) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  auto stream = std::make_shared<Stream>();
  stream->blocking = (flags & cudaStreamNonBlocking) == 0;
  *handle = reinterpret_cast<cudaStream_t>(stream.get());
  std::lock_guard lock(device().mutex);
  device().streams[*handle] = std::move(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* handle) { return cudaStreamCreateWithFlags(handle, cudaStreamDefault); }

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* handle, unsigned flags, int) {
  return cudaStreamCreateWithFlags(handle, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::unique_lock lock(device().mutex);
  const std::shared_ptr<Stream> stream = device().find(handle);
  if (!stream || handle == nullptr) return finish(cudaErrorInvalidResourceHandle);
  device().waitFor(lock, {stream, stream->submitted});
  device().streams.erase(handle);
  return finish(device().error());
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::unique_lock lock(device().mutex);
  const std::shared_ptr<Stream> stream = device().find(handle);
  if (!stream) return finish(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    stream->capture->invalid = true;
    return finish(cudaErrorStreamCaptureUnsupported);
  }
  device().waitFor(lock, {stream, stream->submitted});
  return finish(device().error());
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  const std::shared_ptr<Stream> stream = device().find(handle);
  if (!stream) return finish(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    stream->capture->invalid = true;
    return finish(cudaErrorStreamCaptureUnsupported);
  }
  const Mark mark{stream, stream->submitted};
  if (Device::reached(mark)) return cudaSuccess;
  device().demand(mark);  // whoever polls must see progress
  return finish(cudaErrorNotReady);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* userData) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  const std::shared_ptr<Stream> stream = device().find(handle);
  if (!stream) return finish(cudaErrorInvalidResourceHandle);
  const cudaError_t error = device().submit(stream, [function, userData] { function(userData); });
  if (error == cudaSuccess && !stream->capture) device().demand({stream, stream->submitted});  // nobody may be waiting
  return finish(error);
}

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::unique_lock lock(device().mutex);
  if (const cudaError_t error = device().checkNotCapturing(); error != cudaSuccess) return finish(error);
  if (device().anyCapture()) return finish(cudaErrorStreamCaptureUnsupported);
  device().waitForAll(lock);
  return finish(device().error());
}

cudaError_t cudaDeviceReset() {
  if (device().onDeviceThread()) return finish(cudaErrorNotPermitted);
  std::unique_lock lock(device().mutex);
  device().waitForAll(lock);
  device().streams.clear();
  device().events.clear();
  device().graphs.clear();
  device().executables.clear();
  device().dynamicSharedLimits.clear();
  device().clearError();
  lock.unlock();
  freeEverything();
  cudaGetLastError();
  return cudaSuccess;
}
