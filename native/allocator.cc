// A caching allocator for one stream.
#include "allocator.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "check.h"

namespace neurite {

// Sizes are rounded up to 64 bytes, above 512 bytes to an eighth of a power of two, so that similar tensors share blocks and at most 1/8 is lost.
static size_t roundUp(size_t bytes) {
  if (bytes <= 512) return std::max<size_t>((bytes + 63) / 64 * 64, 64);
  const size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

static std::string readable(size_t bytes) {
  constexpr const char* units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 6; unit++) value /= 1024;
  return format(unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void Allocator::count(size_t bytes) {
  statistics_.bytes += bytes;
  statistics_.blocks++;
  statistics_.peak = std::max(statistics_.peak, statistics_.bytes);
}

Block* Allocator::fromCache(size_t rounded) {
  // A block up to an eighth larger serves too: below that the exact class is likely to be wanted again.
  for (auto it = cache_.lower_bound(rounded); it != cache_.end() && it->first <= rounded + rounded / 8; ++it)
    if (!it->second.empty()) {
      Block* block = it->second.back();
      it->second.pop_back();
      return block;
    }
  return nullptr;
}

Block* Allocator::fromDevice(size_t rounded) {
  if (rounded > limit_ || statistics_.pool > limit_ - rounded) return nullptr;
  void* data = device_.allocate(rounded);
  if (!data) return nullptr;
  statistics_.pool += rounded;
  statistics_.allocations++;
  return new Block{data, rounded, rounded, 0, nullptr};
}

Block* Allocator::allocate(size_t bytes, const std::function<void()>& finish) {
  const size_t rounded = roundUp(bytes);
  Cache idle;
  for (const bool last : {false, true}) {
    {
      std::lock_guard lock(mutex_);
      Block* block = fromCache(rounded);
      if (!block) block = fromDevice(rounded);
      if (block) {
        block->used = rounded;
        count(rounded);
        return block;
      }
      if (last || rounded > limit_) break;
      idle.swap(cache_);
    }
    finish();
    giveBack(idle);
  }
  const MemoryStatistics now = statistics();
  fail("OutOfMemoryError", "%s (%zu bytes) asked for on %s, where %s are in use by %zu tensors and the limit is %s",
       readable(bytes).c_str(), bytes, device_.info().name.c_str(), readable(now.bytes).c_str(), now.blocks,
       readable(limit_).c_str());
}

Block* Allocator::allocateUnused(size_t bytes, uint64_t finished) {
  const size_t rounded = roundUp(bytes);
  std::lock_guard lock(mutex_);
  // The first of a list has been free for the longest time.
  auto& cached = cache_[rounded];
  Block* block = nullptr;
  if (!cached.empty() && cached.front()->freedAt <= finished) {
    block = cached.front();
    cached.erase(cached.begin());
  } else {
    block = fromDevice(rounded);
  }
  if (!block) return nullptr;
  block->used = rounded;
  count(rounded);
  return block;
}

void Allocator::free(Block* block) {
  std::lock_guard lock(mutex_);
  statistics_.bytes -= block->used;
  statistics_.blocks--;
  cache_[block->bytes].push_back(block);
}

Allocator::Cache Allocator::takeCache() {
  std::lock_guard lock(mutex_);
  return std::exchange(cache_, {});
}

Allocator::Cache Allocator::retire(Block* block) {
  std::lock_guard lock(mutex_);
  statistics_.bytes -= block->used;
  statistics_.blocks--;
  return {{block->bytes, {block}}};
}

// Only blocks that were cached before `finish`: what was freed since may still be used by queued commands.
void Allocator::giveBack(Cache& blocks) {
  std::lock_guard lock(mutex_);
  for (auto& [size, list] : blocks)
    for (Block* block : list) {
      device_.free(block->data, block->bytes);
      statistics_.pool -= block->bytes;
      delete block;
    }
  blocks.clear();
}

MemoryStatistics Allocator::statistics() const {
  std::lock_guard lock(mutex_);
  return statistics_;
}

void Allocator::resetPeak() {
  std::lock_guard lock(mutex_);
  statistics_.peak = statistics_.bytes;
}

void Allocator::setLimit(size_t bytes) {
  std::lock_guard lock(mutex_);
  limit_ = bytes;
}

}  // namespace neurite
