// The ordered stream of a device: commands go in from JavaScript threads and run one after the other on the stream's own thread.
#pragma once
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "allocator.h"
#include "cpu-features.h"
#include "device.h"

namespace neurite {

// On whose behalf commands run: one JavaScript environment. Outlives its commands.
struct Owner {
  Owner();
  ~Owner();
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  // Set when the environment ends: commands that have not started are dropped.
  std::atomic<bool> cancelled{false};
  // As whom kernels report indices. Owners share one only if there are more than kReporters.
  const int reporter;

  // The first failure that nobody has been told of, kept for each run from its beginning to its end; what fails later has no listener. Run 0 is all
  // other work.
  int beginRun();
  void endRun(int run);
  void report(int run, std::shared_ptr<const Failure> failure);
  std::shared_ptr<const Failure> takeFailure(int run);

 private:
  std::mutex mutex_;
  std::map<int, std::shared_ptr<const Failure>> failures_{{0, nullptr}};
  int runs_ = 0;
};

// Where a command comes from: an owner and which of its runs.
struct Origin {
  Owner* owner;
  int run;

  void report(std::shared_ptr<const Failure> failure) const { owner->report(run, std::move(failure)); }
};

class Stream;

class Command {
 public:
  explicit Command(const Origin& origin) : origin_(origin) {}
  virtual ~Command() = default;
  virtual void run(Stream& stream) = 0;
  // Called instead of run() when the owner is cancelled.
  virtual void drop() {}
  const Origin& origin() const { return origin_; }
  // Host bytes that the command holds until it has run.
  size_t stagedBytes = 0;

 private:
  const Origin origin_;
};

class Stream {
 public:
  // The stream of a device, made at first use and never destroyed.
  static Stream& of(int device);

  Device& device() { return *device_; }
  Allocator& allocator() { return allocator_; }
  Block* allocate(size_t bytes);
  // A block that no queued command uses, so that the caller may write to it at once if the device is accessible; null if there is none.
  Block* allocateUnused(size_t bytes);
  void free(Block* block);
  // What is cached beyond the new limit is given back once nothing that was submitted before can use it.
  void setMemoryLimit(size_t bytes);

  // At most kOutstanding commands or kStagedBytes of host data may wait; then the caller waits until half is done.
  void submit(std::unique_ptr<Command> command);
  // Nothing is queued and nothing runs.
  bool idle() const { return outstanding_.load(std::memory_order_acquire) == 0; }
  // Runs `work` on the calling thread if the stream is idle; false if it is not. For work that is done sooner than another thread is woken.
  template <class F> bool tryRun(F&& work) {
    if (!idle() || executing_.exchange(true)) return false;
    // Between the look and the exchange somebody may have submitted: keep the order.
    const bool first = head_.load() == tail_.load();
    if (first) {
      const FlushDenormals flush;
      device_->attach();
      work();
    }
    executing_.store(false);
    return first;
  }
  // Runs `command` on the calling thread if the stream is idle; otherwise submits it.
  void submitOrRun(std::unique_ptr<Command> command);
  // Waits until everything submitted before has run.
  void finish();
  // The same at the end of an owner, whose index reports nobody will read.
  void finish(const Owner& last);

  // Temporaries of all programs of this stream: programs never overlap, so one block sized for the largest serves all. Hold the mutex from reading the
  // arena until the command that uses it is submitted.
  std::mutex arenaMutex;
  Block* arena = nullptr;
  // Makes room for a program: replays take the place of what eager runs left in the cache.
  void growArena(size_t bytes);
  // For each program that is no more, with the bytes that it grew the arena for: it shrinks to what the others need.
  void shrinkArena(size_t bytes);

 private:
  explicit Stream(std::unique_ptr<Device> device);
  void setArena(size_t bytes);
  void finish(int forgottenReporter);
  void loop();
  void drain();
  Command* pop();
  void execute(std::unique_ptr<Command> command);

  static constexpr uint32_t kOutstanding = 1024;
  static constexpr size_t kStagedBytes = size_t{64} << 20;
  static constexpr uint32_t kRing = 4096;

  std::unique_ptr<Device> device_;
  Allocator allocator_;
  std::mutex producers_;
  Command* ring_[kRing] = {};
  alignas(64) std::atomic<uint64_t> tail_{0};  // commands submitted; written by producers
  alignas(64) std::atomic<uint64_t> head_{0};  // commands taken; written by the executing thread
  std::atomic<uint64_t> finished_{0};          // commands that have run; written by the executing thread
  alignas(64) std::atomic<uint32_t> outstanding_{0};
  std::multiset<size_t> arenaSizes_;  // what each program needs
  std::atomic<size_t> staged_{0};
  std::atomic<bool> executing_{false};
  std::atomic<bool> asleep_{false};
  std::mutex sleepMutex_;
  std::condition_variable sleep_;
  std::thread thread_;
};

}  // namespace neurite
