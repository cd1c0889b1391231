// A caching allocator for one stream.
#include "allocator.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "check.h"

namespace neurite {

// Large enough to be worth a search for the best place.
constexpr size_t kLarge = size_t{1} << 20;
// Between large blocks, so that arrays of the same size do not begin at the same place in their pages: a load then seems to wait for a store with
// the same low address bits.
constexpr size_t kStagger = 9 * 64;
constexpr uint64_t kAnyTime = UINT64_MAX;

// To 64 bytes; above 512 bytes, where blocks are reused whole, to an eighth of a power of two, so that similar tensors share them and at most 1/8 is lost.
size_t Allocator::roundUp(size_t bytes) const {
  if (bytes <= 512 || isLarge(bytes)) return std::max<size_t>((bytes + 63) / 64 * 64, 64);
  const size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

bool Allocator::isLarge(size_t bytes) const { return bytes >= kLarge && joins(); }

static std::string readable(size_t bytes) {
  constexpr const char* units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 6; unit++) value /= 1024;
  return format(unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

size_t Allocator::room() const { return limit_ > statistics_.pool ? limit_ - statistics_.pool : 0; }

bool Allocator::allows(size_t rounded, size_t replaced) const {
  return rounded <= limit_ && statistics_.bytes - replaced <= limit_ - rounded;
}

Block* Allocator::use(Block* block, size_t rounded) {
  block->used = rounded;
  statistics_.bytes += rounded;
  statistics_.blocks++;
  statistics_.peak = std::max(statistics_.peak, statistics_.bytes);
  return block;
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
  if (rounded > room()) return nullptr;
  void* data = device_.allocate(rounded);
  if (!data) return nullptr;
  statistics_.pool += rounded;
  statistics_.allocations++;
  return new Block{data, rounded, rounded, 0, nullptr};
}

Block* Allocator::made(const Extents::Taken& taken) {
  if (!taken.data) return nullptr;
  if (taken.fresh) statistics_.allocations++;
  statistics_.pool += taken.fresh;
  return new Block{taken.data, taken.bytes, taken.bytes, 0, nullptr};
}

Block* Allocator::find(size_t rounded, uint64_t finished) {
  if (!allows(rounded)) return nullptr;
  if (isLarge(rounded)) return made(extents_.take(rounded + kStagger, finished, room()));
  Block* block = nullptr;
  if (finished == kAnyTime) {
    block = fromCache(rounded);
  } else if (auto& cached = cache_[rounded]; !cached.empty() && cached.front()->freedAt <= finished) {
    // The first of a list has been free for the longest time.
    block = cached.front();
    cached.erase(cached.begin());
  }
  return block ? block : fromDevice(rounded);
}

Block* Allocator::allocate(size_t bytes, const std::function<void()>& finish) {
  const size_t rounded = roundUp(bytes);
  for (const bool last : {false, true}) {
    {
      std::lock_guard lock(mutex_);
      if (Block* block = find(rounded, kAnyTime)) return use(block, rounded);
    }
    if (last || rounded > limit_) break;
    Idle idle = takeIdle();
    finish();
    giveBack(idle);
  }
  const MemoryStatistics now = statistics();
  fail("OutOfMemoryError", "%s (%zu bytes) asked for on %s, where %s are in use by %zu tensors and the limit is %s",
       readable(bytes).c_str(), bytes, device_.info().name.c_str(), readable(now.bytes).c_str(), now.blocks,
       readable(limit_).c_str());
}

Block* Allocator::allocateUnused(size_t bytes) {
  const size_t rounded = roundUp(bytes);
  std::lock_guard lock(mutex_);
  Block* block = find(rounded, finished_.load());
  return block ? use(block, rounded) : nullptr;
}

Block* Allocator::replace(Block* old, size_t bytes, const std::function<void()>& finish) {
  const size_t rounded = roundUp(bytes);
  if (isLarge(rounded) && isLarge(old->used)) {
    std::lock_guard lock(mutex_);
    const bool allowed = allows(rounded, old->used);
    if (Block* block =
            allowed ? made(extents_.replace(old->data, old->freedAt, rounded + kStagger, room())) : nullptr) {
      forget(old);
      return use(block, rounded);
    }
  }
  Block* block = allocate(bytes, finish);
  free(old);
  return block;
}

// What is no longer in use: a large block is an extent again, and its header goes once no command can look at it.
void Allocator::forget(Block* block) {
  statistics_.bytes -= block->used;
  statistics_.blocks--;
  if (!isLarge(block->used)) {
    cache_[block->bytes].push_back(block);
    return;
  }
  headers_.push_back(block);
  const uint64_t finished = finished_.load();
  for (; !headers_.empty() && headers_.front()->freedAt <= finished; headers_.pop_front()) delete headers_.front();
}

void Allocator::free(Block* block) {
  std::lock_guard lock(mutex_);
  if (isLarge(block->used)) extents_.put(block->data, block->freedAt);
  forget(block);
}

Allocator::Idle Allocator::takeIdle() {
  std::lock_guard lock(mutex_);
  return {std::exchange(cache_, {}), extents_.takeIdle()};
}

// Only what was cached before `finish`: what was freed since may still be used by queued commands.
void Allocator::giveBack(Idle& idle) {
  for (const AddressRange& range : idle.ranges) device_.release(range);
  std::lock_guard lock(mutex_);
  for (auto& [size, list] : idle.blocks)
    for (Block* block : list) {
      device_.free(block->data, block->bytes);
      statistics_.pool -= block->bytes;
      delete block;
    }
  for (const AddressRange& range : idle.ranges) statistics_.pool -= range.bytes;
  extents_.putReturned(idle.ranges);
  idle = {};
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
