// The ordered stream of a device.
#include "stream.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <new>
#include <utility>

#include "check.h"
#include "cpu-features.h"

namespace neurite {

using Clock = std::chrono::steady_clock;
// How long the stream's thread looks for the next command before it sleeps.
constexpr auto kSpin = std::chrono::microseconds(200);
constexpr size_t kKeptArena = size_t{1} << 20;

namespace {
std::mutex reportersMutex;
int reporterUsers[kReporters];

int takeReporter() {
  std::lock_guard lock(reportersMutex);
  int* const fewest = std::min_element(std::begin(reporterUsers), std::end(reporterUsers));
  ++*fewest;
  return static_cast<int>(fewest - reporterUsers);
}
}  // namespace

Owner::Owner() : reporter(takeReporter()) {}

Owner::~Owner() {
  std::lock_guard lock(reportersMutex);
  reporterUsers[reporter]--;
}

int Owner::beginRun() {
  std::lock_guard lock(mutex_);
  failures_.emplace(++runs_, nullptr);
  return runs_;
}

void Owner::endRun(int run) {
  std::lock_guard lock(mutex_);
  failures_.erase(run);
}

void Owner::report(int run, std::shared_ptr<const Failure> failure) {
  std::lock_guard lock(mutex_);
  const auto entry = failures_.find(run);
  if (entry != failures_.end() && !entry->second) entry->second = std::move(failure);
}

std::shared_ptr<const Failure> Owner::takeFailure(int run) {
  std::lock_guard lock(mutex_);
  const auto entry = failures_.find(run);
  return entry == failures_.end() ? nullptr : std::exchange(entry->second, nullptr);
}

Stream& Stream::of(int device) {
  static std::mutex mutex;
  static std::vector<Stream*> streams(deviceInfos().size());
  std::lock_guard lock(mutex);
  NEURITE_CHECK(device >= 0 && device < static_cast<int>(streams.size()));
  Stream*& stream = streams[static_cast<size_t>(device)];
  if (!stream) stream = new Stream(makeDevice(device));
  return *stream;
}

Stream::Stream(std::unique_ptr<Device> device) : device_(std::move(device)), allocator_(*device_, finished_) {
  thread_ = std::thread([this] { loop(); });
  thread_.detach();
}

Block* Stream::allocate(size_t bytes) {
  return allocator_.allocate(bytes, [this] { finish(); });
}

Block* Stream::allocateUnused(size_t bytes) { return allocator_.allocateUnused(bytes); }

void Stream::free(Block* block) {
  block->freedAt = tail_.load();
  allocator_.free(block);
}

void Stream::submit(std::unique_ptr<Command> command) {
  if (outstanding_.load() >= kOutstanding || staged_.load() >= kStagedBytes)
    for (uint32_t now; (now = outstanding_.load()) > kOutstanding / 2 || staged_.load() > kStagedBytes / 2;)
      outstanding_.wait(now);
  {
    std::lock_guard lock(producers_);
    staged_.fetch_add(command->stagedBytes, std::memory_order_relaxed);
    outstanding_.fetch_add(1);
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    // Each environment stops at kOutstanding, but many of them may have passed that check at once.
    for (unsigned round = 0; tail - head_.load(std::memory_order_acquire) >= kRing;) relax(round);
    ring_[tail % kRing] = command.release();
    tail_.store(tail + 1);
  }
  if (asleep_.load()) {
    { std::lock_guard lock(sleepMutex_); }
    sleep_.notify_one();
  }
}

void Stream::submitOrRun(std::unique_ptr<Command> command) {
  if (!tryRun([&] { command->run(*this); })) submit(std::move(command));
}

namespace {
// Of commands that no environment's end may drop.
Owner& nobody() {
  static Owner* const owner = new Owner;
  return *owner;
}

struct Fence final : Command {
  // Shared, since the waiter may be gone before the notification returns.
  using Flag = std::shared_ptr<std::atomic<uint32_t>>;
  Fence(Flag done, int forgottenReporter)
      : Command({&nobody(), 0}), done_(std::move(done)), forgottenReporter_(forgottenReporter) {}
  void run(Stream& stream) override {
    try {
      stream.device().download(nullptr, nullptr, 0, forgottenReporter_);
    } catch (...) {
      // What cannot be waited for is not running any more; whoever depends on it is told by a read.
    }
    done_->store(1);
    done_->notify_one();
  }
  Flag done_;
  const int forgottenReporter_;
};

// Gives cached blocks back to the system once nothing that was submitted before can use them.
struct GiveBack final : Command {
  explicit GiveBack(Allocator::Idle idle) : Command({&nobody(), 0}), idle_(std::move(idle)) {}
  void run(Stream& stream) override {
    try {
      stream.device().download(nullptr, nullptr, 0, kNoReporter);
    } catch (...) {
      // As for a fence.
    }
    stream.allocator().giveBack(idle_);
  }
  Allocator::Idle idle_;
};
}  // namespace

void Stream::setMemoryLimit(size_t bytes) {
  allocator_.setLimit(bytes);
  if (allocator_.statistics().pool > bytes) submit(std::make_unique<GiveBack>(allocator_.takeIdle()));
}

void Stream::setArena(size_t bytes) {
  if (!arena) {
    arena = allocate(bytes);
  } else if (bytes) {
    arena->freedAt = tail_.load();
    arena = allocator_.replace(arena, bytes, [this] { finish(); });
  } else {
    free(std::exchange(arena, nullptr));
  }
  // Where blocks do not join, neither the old arena nor what eager runs left serves anybody.
  if (!allocator_.joins()) submit(std::make_unique<GiveBack>(allocator_.takeIdle()));
}

void Stream::growArena(size_t bytes) {
  std::lock_guard lock(arenaMutex);
  if (!arena || arena->used < bytes) setArena(bytes);
  arenaSizes_.insert(bytes);
}

void Stream::shrinkArena(size_t bytes) {
  std::lock_guard lock(arenaMutex);
  arenaSizes_.erase(arenaSizes_.find(bytes));
  const size_t needed = arenaSizes_.empty() ? 0 : *arenaSizes_.rbegin();
  // What is kept is not worth asking the system for again.
  if (!arena || arena->used <= kKeptArena || needed > arena->used / 2) return;
  try {
    setArena(needed);
  } catch (...) {
    // There is no room for a smaller one beside it.
  }
}

void Stream::finish() { finish(kNoReporter); }
void Stream::finish(const Owner& last) { finish(last.reporter); }

void Stream::finish(int forgottenReporter) {
  const auto done = std::make_shared<std::atomic<uint32_t>>(0);
  submitOrRun(std::make_unique<Fence>(done, forgottenReporter));
  done->wait(0);
}

Command* Stream::pop() {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  if (head == tail_.load(std::memory_order_acquire)) return nullptr;
  Command* command = ring_[head % kRing];
  head_.store(head + 1, std::memory_order_release);
  return command;
}

void Stream::execute(std::unique_ptr<Command> command) {
  if (command->origin().owner->cancelled.load(std::memory_order_relaxed))
    command->drop();
  else
    command->run(*this);
  staged_.fetch_sub(command->stagedBytes, std::memory_order_relaxed);
  command.reset();
  finished_.fetch_add(1);
  outstanding_.fetch_sub(1);
  outstanding_.notify_all();
}

void Stream::drain() {
  while (Command* command = pop()) execute(std::unique_ptr<Command>(command));
}

void Stream::loop() {
  const FlushDenormals flush;
  device_->attach();
  auto idleSince = Clock::now();
  for (unsigned round = 0;;) {
    if (head_.load() != tail_.load() && !executing_.exchange(true)) {
      drain();
      executing_.store(false);
      idleSince = Clock::now();
    }
    relax(round);
    if (round % 128 == 0 && Clock::now() - idleSince > kSpin) {
      std::unique_lock lock(sleepMutex_);
      asleep_.store(true);
      sleep_.wait(lock, [this] { return head_.load() != tail_.load(); });
      asleep_.store(false);
      idleSince = Clock::now();
    }
  }
}

}  // namespace neurite
