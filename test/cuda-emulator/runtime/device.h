// The emulated device: streams of operations, the thread that runs them, captures, memory, the sticky error.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "../engine/options.h"
#include "cuda-runtime.h"

namespace emulator {

struct Stream;
struct Capture;

// A place in a stream: reached when so many of its operations are complete.
struct Mark {
  std::shared_ptr<Stream> stream;
  uint64_t position = 0;
};

struct Operation {
  uint64_t number;  // order of submission over all streams
  std::function<void()> run;
  std::optional<Mark> after;  // an event that it waits for
};

struct Stream {
  bool blocking = true;  // in order with the default stream
  std::deque<Operation> queue;
  uint64_t submitted = 0, completed = 0, demanded = 0;
  std::shared_ptr<Capture> capture;
};

struct GraphNode {
  std::function<void()> run;
  std::vector<size_t> after;  // nodes that come first
};

// What a stream (and those that joined it) recorded between begin and end.
struct Capture {
  std::shared_ptr<Stream> origin;
  std::thread::id thread;
  cudaStreamCaptureMode mode;
  bool invalid = false;
  std::vector<GraphNode> nodes;
  std::map<Stream*, std::vector<size_t>> tails;  // what the next node of each stream comes after
};

using Clock = std::chrono::steady_clock;

struct Event {
  bool timing = true;
  std::optional<Mark> recorded;
  std::shared_ptr<Clock::time_point> time;
  std::shared_ptr<Capture> capture;  // recorded while capturing: not in `recorded` but in the graph
  std::vector<size_t> captureTail;
};

class Device {
 public:
  Device();

  std::mutex mutex;  // guards everything below

  std::unordered_map<cudaStream_t, std::shared_ptr<Stream>> streams;
  std::unordered_map<cudaEvent_t, std::shared_ptr<Event>> events;
  std::unordered_map<cudaGraph_t, std::shared_ptr<const std::vector<GraphNode>>> graphs;
  std::unordered_map<cudaGraphExec_t, std::shared_ptr<const std::vector<GraphNode>>> executables;
  std::unordered_map<const void*, int> dynamicSharedLimits;

  // The stream of a handle (null: the default stream), or null.
  std::shared_ptr<Stream> find(cudaStream_t handle) const;
  std::shared_ptr<Event> find(cudaEvent_t handle) const;

  // Adds work to a stream, or a node to the graph it is recording.
  cudaError_t submit(const std::shared_ptr<Stream>& stream, std::function<void()> run,
                     std::optional<Mark> after = std::nullopt);
  // Lets the device run up to a mark, without and with waiting for it.
  void demand(const Mark& mark);
  void waitFor(std::unique_lock<std::mutex>& lock, const Mark& mark);
  void waitForAll(std::unique_lock<std::mutex>& lock);
  static bool reached(const Mark& mark) { return mark.stream->completed >= mark.position; }

  // Calls that must not be made while this thread captures; invalidates what it captures.
  cudaError_t checkNotCapturing();
  bool anyCapture() const;

  void setError(cudaError_t error, const std::string& text);
  cudaError_t error() const { return error_; }
  void clearError() { error_ = cudaSuccess; }
  bool onDeviceThread() const { return std::this_thread::get_id() == threadId_; }

 private:
  void runThread();
  void runUntil(std::unique_lock<std::mutex>& lock, Stream& stream, uint64_t position);
  void runOlder(std::unique_lock<std::mutex>& lock, Stream& stream, uint64_t number);
  void runNext(std::unique_lock<std::mutex>& lock, Stream& stream);

  std::shared_ptr<Stream> defaultStream_ = std::make_shared<Stream>();
  std::condition_variable work_, progress_;
  std::thread::id threadId_;
  uint64_t nextNumber_ = 0;
  cudaError_t error_ = cudaSuccess;
  Random random_;
};

Device& device();

// Ends every function of the API: remembers the error for cudaGetLastError.
cudaError_t finish(cudaError_t error);
// Begins every function that the sticky error makes fail; host functions must not call the API at all.
cudaError_t checkUsable();
// Prints a text on stderr and remembers it.
void report(const std::string& text);
// finish(), after a line on stderr that says what was wrong with the call.
cudaError_t reject(cudaError_t error, const std::string& text);

// Whether [p, p + bytes) lies inside of one allocation.
bool isDeviceMemory(const void* p, size_t bytes);
bool isPinnedMemory(const void* p, size_t bytes);
void freeEverything();

}  // namespace emulator
