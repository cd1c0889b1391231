// A caching allocator for one stream. Freeing is stream-ordered: a block can be handed out again at once, since whatever uses it next is enqueued
// behind everything that used it before. Small blocks, and all of a device without a range of addresses, are cached by size; large ones are cut from that
// range.
#pragma once
#include <atomic>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "check.h"
#include "device.h"
#include "extents.h"

namespace neurite {

// A piece of device memory. The header lives at least as long as commands that use it.
struct Block {
  void* data = nullptr;
  size_t bytes = 0;
  size_t used = 0;  // of those, what was asked for, rounded up to the allocator's granularity
  // How many commands the stream had been given when the block was last freed: once these have run, nobody uses it.
  uint64_t freedAt = 0;
  // Set when the command that should have written the block failed, cleared when a later one writes it. Touched in stream order only.
  std::shared_ptr<const Failure> failure;
  uint64_t version = 0;  // how many times it was written in place; touched in stream order only
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
  // `finished`: how many of the stream's commands have run.
  Allocator(Device& device, const std::atomic<uint64_t>& finished)
      : device_(device), finished_(finished), extents_(device.reserve()), limit_(device.defaultLimit()) {}

  // Throws an OutOfMemoryError that says what was asked for, what is in use and what the limit is. `finish` is called, without the lock, before cached
  // blocks are given back to the system: it waits until no command uses them.
  Block* allocate(size_t bytes, const std::function<void()>& finish);
  // A block that no command uses which has not run yet; null if there is none and the limit allows no more.
  Block* allocateUnused(size_t bytes);
  // allocate() and then free(old), but the new block may lie where the old one was.
  Block* replace(Block* old, size_t bytes, const std::function<void()>& finish);
  void free(Block* block);
  // Whether free neighbours serve together.
  bool joins() const { return !extents_.empty(); }
  // What is cached, to be given back to the system when no command uses it any more.
  struct Idle {
    std::map<size_t, std::vector<Block*>> blocks;  // by exact size
    std::vector<AddressRange> ranges;
  };
  Idle takeIdle();
  void giveBack(Idle& idle);
  MemoryStatistics statistics() const;
  void resetPeak();
  // Neither what is held from the device nor what is in use grows beyond it; what is cached is the caller's to give back.
  void setLimit(size_t bytes);

 private:
  size_t roundUp(size_t bytes) const;
  bool isLarge(size_t bytes) const;
  // What may still be asked of the device.
  size_t room() const;
  // Whether so much more may be in use, once `replaced` bytes no longer are.
  bool allows(size_t rounded, size_t replaced = 0) const;
  Block* find(size_t rounded, uint64_t finished);
  Block* fromCache(size_t rounded);
  Block* fromDevice(size_t rounded);
  Block* made(const Extents::Taken& taken);
  Block* use(Block* block, size_t rounded);
  void forget(Block* block);

  Device& device_;
  const std::atomic<uint64_t>& finished_;
  mutable std::mutex mutex_;
  std::map<size_t, std::vector<Block*>> cache_;  // by exact size
  Extents extents_;
  std::deque<Block*> headers_;  // of extents that were freed, for the commands that still use them
  MemoryStatistics statistics_;
  size_t limit_;
};

}  // namespace neurite
