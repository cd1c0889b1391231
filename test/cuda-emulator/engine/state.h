// The threads, warps and blocks of the launch that runs, and the scheduler that switches between them.
#pragma once
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../device/language.h"
#include "engine.h"
#include "fiber.h"
#include "options.h"

namespace emulator {

struct Block;
struct Warp;

struct BackgroundCopy {
  void* shared;
  const void* global;
  unsigned bytes, validBytes;
  unsigned group;  // landed by a wait once this group is committed
};

enum class ThreadState : uint8_t { Fresh, Running, Waiting, Exited };

struct Thread {
  uint3 index;
  unsigned linear;
  unsigned lane;
  Block* block;
  Warp* warp;
  ThreadState state = ThreadState::Fresh;
  Fiber* fiber = nullptr;
  const char* waitsIn = "";  // while it waits: for what, and where
  Location waitsAt;
  void* argument = nullptr;  // of the collective it waits in
  std::vector<BackgroundCopy> copies;
  unsigned group = 0;  // number of committed groups of copies
};

// Lanes of a warp on their way to one collective.
struct Meeting {
  unsigned mask = 0;
  unsigned arrived = 0;  // 0: free
  const char* what = "";
  Execute execute = nullptr;
  Location at;
  unsigned number = 0;
};

struct Warp {
  Thread* threads = nullptr;  // of lane 0
  unsigned existing = 0;      // lanes that the block has
  unsigned exited = 0;
  std::array<Meeting, 32> meetings;
  unsigned meetingsSoFar = 0;
  char sync[64] = {};  // one after the other, so that a fast lane's next __syncwarp is a different one
};

struct Barrier {
  unsigned arrived = 0;
  unsigned expected = 0;
  unsigned phase = 0;
  const char* what = "";
  Location at;
  std::vector<Thread*> waiting;
  char sync[2] = {};  // alternate by phase
};

// Shared memory of one block. Every variable is filled with NaN, the gaps between are poisoned.
class Arena {
 public:
  Arena();
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void reset(size_t dynamicBytes);
  void* variable(const void* key, size_t bytes, size_t alignment);
  unsigned char* dynamic() const;
  bool contains(const void* p, size_t bytes) const;

 private:
  struct Variable {
    const void* key;
    char* address;
  };
  char* memory_ = nullptr;
  size_t used_ = 0;
  size_t staticBytes_ = 0;
  std::vector<Variable> variables_;
};

struct Block {
  uint3 index;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::array<Barrier, 16> barriers;
  unsigned exited = 0;
  std::unique_ptr<Arena> arena;
};

struct Launch {
  std::string kernel;  // its name, or where it was launched
  dim3 grid, block;
  size_t dynamicSharedBytes;
  bool cooperative;
  std::function<void()> body;  // the kernel with its arguments
};

class Scheduler {
 public:
  // Runs all blocks; returns the error text, empty if there was none.
  std::string run(const Launch& launch);

  Thread* current() { return current_; }
  const Launch& launch() const { return *launch_; }
  Block& block() { return *current_->block; }
  Random& random() { return random_; }
  bool inKernel() const { return current_ != nullptr; }

  void ready(Thread* thread);
  // The current thread waits until somebody makes it ready.
  void wait(const char* what, const Location& at);
  // After the current thread completed what others wait for: random schedules may let those go first.
  void maybeYield(const char* what, const Location& at);

  // Ends the launch with the error text that the current thread has set.
  void setError(std::string error) { error_ = std::move(error); }
  [[noreturn]] void abandonThread();
  std::string where() const;
  Barrier& gridBarrier() { return gridBarrier_; }
  size_t threadsInGrid() const;

  // For the watchdog, which looks on from another OS thread.
  std::atomic<uint64_t> switches{0};
  std::atomic<bool> running{false};
  std::atomic<bool> interrupted{false};
  void* launchSync() { return &launchSync_; }
  void* fenceSync() { return &fenceSync_; }

 private:
  friend void threadMain();
  void runResident(size_t first, size_t count);
  void prepare(Block& block, size_t index);
  Thread* pop();
  void makeCurrent(Thread* thread);
  void dispatch(Fiber& from, Thread* next);
  Thread* exitThread();
  std::string deadlock() const;
  Fiber* newFiber();
  void discardFibers();

  const Launch* launch_ = nullptr;
  Fiber* home_ = nullptr;
  Thread* current_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  std::vector<std::unique_ptr<Block>> blocks_, usedBlocks_;
  size_t resident_ = 0;
  size_t exited_ = 0;
  std::vector<Thread*> ready_;
  size_t readyHead_ = 0;
  Random random_;
  uint64_t launches_ = 0;
  std::string error_;
  Barrier gridBarrier_;
  char launchSync_ = 0, fenceSync_ = 0;
};

Scheduler& scheduler();

// The current thread; an error if the caller is no kernel.
Thread& currentThread(const char* what);

// Called as a thread of a block ends: lanes that wait for it go on without it.
void leaveWarp(Thread& thread);
void leaveBarriers(Thread& thread);
void landAllCopies(Thread& thread);
bool sameSite(const Location& a, const Location& b);
// file:line, in memory that a thread may abandon when it fails.
struct Site {
  char text[240];
  const char* c_str() const { return text; }
};
Site siteOf(const Location& at);
std::string indexText(uint3 index);

}  // namespace emulator
