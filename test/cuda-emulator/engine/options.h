// How the emulator behaves, from environment variables that are read once.
//
//   EMU_SCHED=fifo|lifo|random   which thread runs next; lifo also runs the last block first
//   EMU_SEED=1                   for random schedules and random asynchrony
//   EMU_ASYNC=late|early|random  when background copies land and when streams run
//   EMU_ALLOC=exact|cached       exact: every allocation is new memory, filled with NaN; cached: freed memory comes back
//   EMU_MMA=rn|rz                tensor cores round each sum to nearest, or truncate as hardware does
//   EMU_DEVICE=90                compute capability: 75, 80, 86, 89, 90, 100 or 120
//   EMU_MEMORY_MB=8192           what cudaMalloc can give in all
//   EMU_WATCHDOG=30              seconds that a thread may run without meeting another one; 0 for no limit
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

enum class Order { Fifo, Lifo, Random };
enum class Timing { Late, Early, Random };

// What cudaDeviceProp and the launch checks need to know of an architecture.
struct DeviceClass {
  int computeCapability;        // 10 * major + minor
  int sharedPerBlockOptin;      // bytes
  int sharedPerMultiprocessor;  // bytes
  int threadsPerMultiprocessor;
  int multiprocessors;  // fewer than in reality, so that small tests need several waves
};

struct Options {
  Order order;
  uint64_t seed;
  Timing timing;
  bool cachedAllocations;
  bool truncatingMma;
  DeviceClass device;
  size_t memoryBytes;
  unsigned watchdogSeconds;
};

const Options& options();

// A small generator that is good enough to shuffle threads: xorshift64.
class Random {
 public:
  explicit Random(uint64_t seed = 1) : state_(seed * 0x9e3779b97f4a7c15u | 1) {}
  unsigned below(unsigned n) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return unsigned(state_ >> 20) % n;
  }

 private:
  uint64_t state_;
};

}  // namespace emulator
