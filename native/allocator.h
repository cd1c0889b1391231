// A caching allocator for one stream. Freeing is stream-ordered: a block can be handed out again at once, since whatever uses it next is enqueued
// behind everything that used it before.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "check.h"
#include "device.h"

namespace neurite {

// A piece of device memory. The header lives as long as the memory.
struct Block {
  void* data = nullptr;
  size_t bytes = 0;
  size_t used = 0;  // of those, what was asked for, rounded up to the allocator's granularity
  // How many commands the stream had been given when the block was last freed: once these have run, nobody uses it.
  uint64_t freedAt = 0;
  // Set when the command that should have written the block failed, cleared when a later one writes it. Touched in stream order only.
  std::shared_ptr<const Failure> failure;
};

struct MemoryStatistics {
  size_t bytes = 0;        // in use
  size_t pool = 0;         // held from the device, in use or cached
  size_t peak = 0;         // largest `bytes` since resetPeak
  size_t blocks = 0;       // in use
  size_t allocations = 0;  // calls to the device's allocator so far
};

class Allocator {
 public:
  explicit Allocator(Device& device) : device_(device), limit_(device.defaultLimit()) {}

  // Throws an OutOfMemoryError that says what was asked for, what is in use and what the limit is. `finish` is called, without the lock, before cached
  // blocks are given back to the system: it waits until no command uses them.
  Block* allocate(size_t bytes, const std::function<void()>& finish);
  // A block that no command uses which comes after the first `finished` ones; null if there is none and the limit allows no more.
  Block* allocateUnused(size_t bytes, uint64_t finished);
  void free(Block* block);
  using Cache = std::map<size_t, std::vector<Block*>>;  // by exact size
  // The cached blocks, to be given back to the system when no command uses them any more.
  Cache takeCache();
  // The same for a block in use, which is then not counted as such any more.
  Cache retire(Block* block);
  void giveBack(Cache& blocks);
  MemoryStatistics statistics() const;
  void resetPeak();
  void setLimit(size_t bytes);

 private:
  Block* fromCache(size_t rounded);
  Block* fromDevice(size_t rounded);
  void count(size_t bytes);

  Device& device_;
  mutable std::mutex mutex_;
  Cache cache_;
  MemoryStatistics statistics_;
  size_t limit_;
};

}  // namespace neurite
