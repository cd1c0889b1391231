#include "extents.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "check.h"

namespace neurite {

Extents::Extents(AddressRange range) {
  if (range.bytes) extents_.emplace(range.data, Extent{range.bytes, true, false, 0});
}

// Neighbours that nobody uses become one, so that their number stays that of what is in use.
void Extents::joinIdle(uint64_t finished) {
  const auto idle = [&](const Extent& extent) { return extent.free && extent.freedAt <= finished; };
  for (auto it = extents_.begin(); it != extents_.end();) {
    const auto next = std::next(it);
    if (next == extents_.end()) return;
    if (idle(it->second) && idle(next->second) && it->second.resident == next->second.resident) {
      it->second.bytes += next->second.bytes;
      it->second.freedAt = std::max(it->second.freedAt, next->second.freedAt);
      extents_.erase(next);
    } else {
      it = next;
    }
  }
}

// A place is a run of free neighbours, used from its beginning.
Extents::Found Extents::find(size_t bytes, uint64_t finished, size_t room) {
  Found best{extents_.end(), SIZE_MAX};
  size_t bestTotal = SIZE_MAX;
  for (auto it = extents_.begin(); it != extents_.end();) {
    const Place first = it;
    size_t total = 0, fresh = 0;
    for (; it != extents_.end() && it->second.free && it->second.freedAt <= finished; ++it) {
      if (total < bytes && !it->second.resident) fresh += std::min(it->second.bytes, bytes - total);
      total += it->second.bytes;
    }
    if (total >= bytes && fresh <= room && (fresh < best.fresh || (fresh == best.fresh && total < bestTotal))) {
      best = {first, fresh};
      bestTotal = total;
    }
    if (it == first) ++it;
  }
  return best;
}

Extents::Taken Extents::cut(const Found& found, size_t bytes) {
  char* const data = found.first->first;
  size_t left = bytes;
  for (auto it = found.first; left > 0;) {
    const auto [at, extent] = *it;
    it = extents_.erase(it);
    const size_t used = std::min(left, extent.bytes);
    if (used < extent.bytes)
      extents_.emplace(at + used, Extent{extent.bytes - used, true, extent.resident, extent.freedAt});
    left -= used;
  }
  extents_.emplace(data, Extent{bytes, false, true, 0});
  return {data, bytes, found.fresh};
}

Extents::Taken Extents::take(size_t bytes, uint64_t finished, size_t room) {
  joinIdle(finished);
  const Found found = find(bytes, finished, room);
  return found.first == extents_.end() ? Taken{} : cut(found, bytes);
}

Extents::Taken Extents::replace(void* old, uint64_t freedAt, size_t bytes, size_t room) {
  put(old, freedAt);
  const Found found = find(bytes, UINT64_MAX, room);
  if (found.first != extents_.end()) return cut(found, bytes);
  extents_.at(static_cast<char*>(old)).free = false;
  return {};
}

void Extents::put(void* data, uint64_t freedAt) {
  Extent& extent = extents_.at(static_cast<char*>(data));
  NEURITE_CHECK(!extent.free);
  extent.free = true;
  extent.freedAt = freedAt;
}

std::vector<AddressRange> Extents::takeIdle() {
  std::vector<AddressRange> ranges;
  for (auto& [data, extent] : extents_)
    if (extent.free && extent.resident) {
      extent.free = false;
      ranges.push_back({data, extent.bytes});
    }
  return ranges;
}

void Extents::putReturned(const std::vector<AddressRange>& ranges) {
  for (const AddressRange& range : ranges) {
    Extent& extent = extents_.at(range.data);
    extent.free = true;
    extent.resident = false;
  }
}

}  // namespace neurite
