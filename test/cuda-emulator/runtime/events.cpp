// Events: marks in streams, or points of a graph while capturing.
#include "device.h"

using namespace emulator;

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  auto event = std::make_shared<Event>();
  event->timing = (flags & cudaEventDisableTiming) == 0;
  *handle = reinterpret_cast<cudaEvent_t>(event.get());
  std::lock_guard lock(device().mutex);
  device().events[*handle] = std::move(event);
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* handle) { return cudaEventCreateWithFlags(handle, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  return finish(device().events.erase(handle) == 1 ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

cudaError_t cudaEventRecord(cudaEvent_t eventHandle, cudaStream_t streamHandle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  const std::shared_ptr<Event> event = device().find(eventHandle);
  const std::shared_ptr<Stream> stream = device().find(streamHandle);
  if (!event || !stream) return finish(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    event->capture = stream->capture;
    event->captureTail = stream->capture->tails[stream.get()];
    return finish(stream->capture->invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
  }
  event->capture = nullptr;
  event->time = std::make_shared<Clock::time_point>();
  const cudaError_t error = device().submit(stream, [time = event->time] { *time = Clock::now(); });
  event->recorded = Mark{stream, stream->submitted};
  return finish(error);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t streamHandle, cudaEvent_t eventHandle, unsigned) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  const std::shared_ptr<Event> event = device().find(eventHandle);
  const std::shared_ptr<Stream> stream = device().find(streamHandle);
  if (!event || !stream) return finish(cudaErrorInvalidResourceHandle);
  if (event->capture) {
    if (stream->capture && stream->capture != event->capture) return finish(cudaErrorStreamCaptureMerge);
    if (streamHandle == nullptr) return finish(cudaErrorStreamCaptureImplicit);
    stream->capture = event->capture;  // the stream joins the capture, if it did not before
    std::vector<size_t>& tail = stream->capture->tails[stream.get()];
    tail.insert(tail.end(), event->captureTail.begin(), event->captureTail.end());
    return cudaSuccess;
  }
  if (!event->recorded) return cudaSuccess;
  if (stream->capture) {
    stream->capture->invalid = true;
    return finish(cudaErrorStreamCaptureIsolation);
  }
  return finish(device().submit(stream, nullptr, event->recorded));
}

namespace {

// The event of a handle that may be waited for, or an error.
cudaError_t usable(cudaEvent_t handle, std::shared_ptr<Event>& event) {
  event = device().find(handle);
  if (!event) return cudaErrorInvalidResourceHandle;
  if (event->capture) {
    event->capture->invalid = true;
    return cudaErrorCapturedEvent;
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  std::shared_ptr<Event> event;
  if (const cudaError_t error = usable(handle, event); error != cudaSuccess) return finish(error);
  if (!event->recorded || Device::reached(*event->recorded)) return cudaSuccess;
  device().demand(*event->recorded);  // whoever polls must see progress
  return finish(cudaErrorNotReady);
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::unique_lock lock(device().mutex);
  std::shared_ptr<Event> event;
  if (const cudaError_t error = usable(handle, event); error != cudaSuccess) return finish(error);
  if (event->recorded) device().waitFor(lock, Mark(*event->recorded));
  return finish(device().error());
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t startHandle, cudaEvent_t endHandle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  std::shared_ptr<Event> start, end;
  if (const cudaError_t error = usable(startHandle, start); error != cudaSuccess) return finish(error);
  if (const cudaError_t error = usable(endHandle, end); error != cudaSuccess) return finish(error);
  if (!start->timing || !end->timing || !start->recorded || !end->recorded)
    return finish(cudaErrorInvalidResourceHandle);
  if (!Device::reached(*start->recorded) || !Device::reached(*end->recorded)) return finish(cudaErrorNotReady);
  *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
  return cudaSuccess;
}
