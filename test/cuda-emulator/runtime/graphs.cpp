// Stream capture and graphs.
#include <algorithm>
#include <set>

#include "device.h"

using namespace emulator;

namespace {

// Whether every node is the end of `tail` or comes before it: work of streams that joined must be joined again.
bool allJoined(const std::vector<GraphNode>& nodes, std::vector<size_t> tail) {
  std::set<size_t> seen;
  while (!tail.empty()) {
    const size_t node = tail.back();
    tail.pop_back();
    if (!seen.insert(node).second) continue;
    tail.insert(tail.end(), nodes[node].after.begin(), nodes[node].after.end());
  }
  return seen.size() == nodes.size();
}

bool failed() {
  std::lock_guard lock(device().mutex);
  return device().error() != cudaSuccess;
}

// Runs the nodes as they were recorded, or in any other order that their dependencies allow.
void runGraph(const std::vector<GraphNode>& nodes, Random& random) {
  if (options().order != Order::Random) {
    for (const GraphNode& node : nodes) {
      if (failed()) return;
      node.run();
    }
    return;
  }
  std::vector<bool> done(nodes.size());
  for (size_t remaining = nodes.size(); remaining > 0; remaining--) {
    std::vector<size_t> ready;
    for (size_t i = 0; i < nodes.size(); i++)
      if (!done[i] && std::all_of(nodes[i].after.begin(), nodes[i].after.end(), [&](size_t j) { return done[j]; }))
        ready.push_back(i);
    const size_t chosen = ready[random.below(unsigned(ready.size()))];
    if (failed()) return;
    nodes[chosen].run();
    done[chosen] = true;
  }
}

}  // namespace

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  const std::shared_ptr<Stream> stream = device().find(handle);
  if (!stream) return finish(cudaErrorInvalidResourceHandle);
  if (handle == nullptr) return finish(cudaErrorStreamCaptureUnsupported);
  if (stream->capture) return finish(cudaErrorIllegalState);
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream;
  stream->capture->thread = std::this_thread::get_id();
  stream->capture->mode = mode;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  *graph = nullptr;
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  const std::shared_ptr<Stream> stream = device().find(handle);
  if (!stream) return finish(cudaErrorInvalidResourceHandle);
  const std::shared_ptr<Capture> capture = stream->capture;
  if (!capture) return finish(cudaErrorIllegalState);
  if (capture->origin != stream) {
    capture->invalid = true;
    return finish(cudaErrorStreamCaptureUnmatched);
  }
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id())
    return finish(cudaErrorStreamCaptureWrongThread);
  const bool joined = allJoined(capture->nodes, capture->tails[stream.get()]);
  for (const auto& [other, joiner] : device().streams)
    if (joiner->capture == capture) joiner->capture = nullptr;
  for (const auto& [other, event] : device().events)
    if (event->capture == capture) event->capture = nullptr;
  capture->origin = nullptr;
  if (capture->invalid) return finish(cudaErrorStreamCaptureInvalidated);
  if (!joined) return finish(cudaErrorStreamCaptureUnjoined);
  auto nodes = std::make_shared<const std::vector<GraphNode>>(std::move(capture->nodes));
  *graph = reinterpret_cast<cudaGraph_t>(const_cast<std::vector<GraphNode>*>(nodes.get()));
  device().graphs[*graph] = std::move(nodes);
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  const std::shared_ptr<Stream> stream = device().find(handle);
  if (!stream) return finish(cudaErrorInvalidResourceHandle);
  *status = !stream->capture           ? cudaStreamCaptureStatusNone
            : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                       : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t handle, cudaGraphNode_t* nodes, size_t* count) {
  std::lock_guard lock(device().mutex);
  const auto found = device().graphs.find(handle);
  if (found == device().graphs.end() || nodes != nullptr) return finish(cudaErrorInvalidValue);
  *count = found->second->size();
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t handle) {
  std::lock_guard lock(device().mutex);
  return finish(device().graphs.erase(handle) == 1 ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* handle, cudaGraph_t graph, unsigned long long) {
  *handle = nullptr;
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  const auto found = device().graphs.find(graph);
  if (found == device().graphs.end()) return finish(cudaErrorInvalidValue);
  auto nodes = std::make_shared<const std::vector<GraphNode>>(*found->second);
  *handle = reinterpret_cast<cudaGraphExec_t>(const_cast<std::vector<GraphNode>*>(nodes.get()));
  device().executables[*handle] = std::move(nodes);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t streamHandle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  const auto found = device().executables.find(handle);
  const std::shared_ptr<Stream> stream = device().find(streamHandle);
  if (found == device().executables.end()) return finish(cudaErrorInvalidValue);
  if (!stream) return finish(cudaErrorInvalidResourceHandle);
  Random random(options().seed + stream->submitted);
  return finish(device().submit(stream, [nodes = found->second, random]() mutable { runGraph(*nodes, random); }));
}

cudaError_t cudaGraphUpload(cudaGraphExec_t handle, cudaStream_t streamHandle) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  std::lock_guard lock(device().mutex);
  if (!device().executables.contains(handle)) return finish(cudaErrorInvalidValue);
  return finish(device().find(streamHandle) ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t handle) {
  std::lock_guard lock(device().mutex);
  return finish(device().executables.erase(handle) == 1 ? cudaSuccess : cudaErrorInvalidValue);
}
