// The process-wide thread pool. One command runs at a time, so one parallelFor runs at a time; its caller works along.
#include "thread-pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "cpu-features.h"

namespace neurite {

namespace {

using Clock = std::chrono::steady_clock;
// How long an idle worker looks for work before it sleeps: longer than the gaps inside a training step, shorter than anybody notices.
constexpr auto kSpin = std::chrono::microseconds(200);

class Pool {
 public:
  explicit Pool(int threads) : ranges_(static_cast<size_t>(threads)) {
    for (int i = 1; i < threads; i++) workers_.emplace_back([this, i] { work(i); });
  }

  void run(int64_t chunks, void (*run)(void*, int64_t), void* argument) {
    if (workers_.empty()) {
      for (int64_t i = 0; i < chunks; i++) run(argument, i);
      return;
    }
    run_ = run;
    argument_ = argument;
    used_ = std::min(chunks, static_cast<int64_t>(ranges_.size()));
    for (int64_t i = 0; i < used_; i++) {
      Range& range = ranges_[static_cast<size_t>(i)];
      range.next.store(chunks * i / used_, std::memory_order_relaxed);
      range.end = chunks * (i + 1) / used_;
    }
    open_.store(true);
    generation_.fetch_add(1);
    if (asleep_.load() > 0) wake();
    drain(0);
    open_.store(false);
    // Every chunk has been claimed. Workers that enter after the close see open_ == false; those inside may still run one.
    for (unsigned round = 0; inside_.load() > 0;) relax(round);
  }

  void wake() {
    { std::lock_guard lock(mutex_); }
    sleep_.notify_all();
  }

 private:
  // Chunks that one thread begins with, and the others help with when their own are done: a command that runs again finds its part of the weights
  // in the caches of the same core.
  struct alignas(64) Range {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void drain(int64_t thread) {
    for (int64_t i = 0; i < used_; i++) {
      Range& range = ranges_[static_cast<size_t>((thread + i) % used_)];
      while (range.next.load(std::memory_order_relaxed) < range.end) {
        const int64_t chunk = range.next.fetch_add(1, std::memory_order_relaxed);
        if (chunk < range.end) run_(argument_, chunk);
      }
    }
  }

  void work(int thread) {
    const FlushDenormals flush;
    for (unsigned seen = 0;;) {
      auto idleSince = Clock::now();
      for (unsigned round = 0; generation_.load(std::memory_order_acquire) == seen;) {
        relax(round);
        if (round % 128 == 0 && Clock::now() - idleSince > kSpin) {
          std::unique_lock lock(mutex_);
          asleep_.fetch_add(1);
          sleep_.wait(lock, [&] { return generation_.load() != seen; });
          asleep_.fetch_sub(1);
        }
      }
      seen = generation_.load();
      inside_.fetch_add(1);
      if (open_.load()) drain(thread);
      inside_.fetch_sub(1);
    }
  }

  void (*run_)(void*, int64_t) = nullptr;
  void* argument_ = nullptr;
  int64_t used_ = 0;  // ranges, at least one chunk each
  std::vector<Range> ranges_;
  alignas(64) std::atomic<unsigned> generation_{0};
  alignas(64) std::atomic<int> inside_{0};
  std::atomic<bool> open_{false};
  std::atomic<int> asleep_{0};
  std::mutex mutex_;
  std::condition_variable sleep_;
  std::vector<std::thread> workers_;
};

// Made at first use and never destroyed: its threads may be asleep when the process ends.
Pool& pool() {
  static Pool* const pool = new Pool(threadCount());
  return *pool;
}

}  // namespace

void* Memory::reserve(size_t bytes) {
  if (bytes > bytes_) {
    std::free(data_);
    bytes_ = (bytes + bytes / 4 + 4095) / 4096 * 4096;
    data_ = std::aligned_alloc(4096, bytes_);
    if (!data_) {
      bytes_ = 0;
      fail("OutOfMemoryError", "%zu bytes of scratch memory are not there", bytes);
    }
  }
  return data_;
}

int threadCount() {
  static const int count = [] {
    const int cores = availableCores();
    const char* wanted = std::getenv("NEURITE_NUM_THREADS");
    if (!wanted || !*wanted) return cores;
    char* end = nullptr;
    const long number = std::strtol(wanted, &end, 10);
    if (*end || number < 1)
      fail("ArgumentError", "NEURITE_NUM_THREADS: expected a positive integer, received %s", wanted);
    return static_cast<int>(number < cores ? number : cores);
  }();
  return count;
}

void detail::parallelRun(int64_t chunks, void (*run)(void*, int64_t), void* argument) {
  pool().run(chunks, run, argument);
}

void* threadScratch(size_t bytes) {
  thread_local Memory scratch;
  return scratch.reserve(bytes);
}

void* scratch(size_t bytes) {
  static Memory* const scratch = new Memory;  // one command runs at a time
  return scratch->reserve(bytes);
}

}  // namespace neurite
