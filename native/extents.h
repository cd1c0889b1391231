// A range of addresses that large blocks are cut from. Free neighbours serve together, so that what eager runs leave behind holds a program's arena
// afterwards, and the other way round: memory that has been touched once is used again instead of being asked for anew.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace neurite {

struct AddressRange {
  char* data = nullptr;
  size_t bytes = 0;
};

class Extents {
 public:
  // What a call to take() found.
  struct Taken {
    char* data = nullptr;
    size_t bytes = 0;
    size_t fresh = 0;  // bytes of it that the system has to provide
  };

  explicit Extents(AddressRange range);
  bool empty() const { return extents_.empty(); }

  // Cuts `bytes` (a multiple of 64) out of the place that fits best: the smallest one that has been used before, else the one that needs least memory from the
  // system, at most `room`. Only where no command works that comes after the first `finished` ones. Null if there is none.
  Taken take(size_t bytes, uint64_t finished, size_t room);
  // The commands that use it are among the first `freedAt` ones.
  void put(void* data, uint64_t freedAt);
  // Both in one: the new place may overlap the old one. Null if there is none: then the old one is as it was.
  Taken replace(void* old, uint64_t freedAt, size_t bytes, size_t room);

  // Takes all that is free and has been used, to be given back to the system; then hands these addresses in again.
  std::vector<AddressRange> takeIdle();
  void putReturned(const std::vector<AddressRange>& ranges);

 private:
  struct Extent {
    size_t bytes;
    bool free;
    bool resident;  // has been used since the system gave it
    uint64_t freedAt;
  };
  using Place = std::map<char*, Extent>::iterator;
  struct Found {
    Place first;
    size_t fresh;
  };
  void joinIdle(uint64_t finished);
  Found find(size_t bytes, uint64_t finished, size_t room);
  Taken cut(const Found& found, size_t bytes);

  std::map<char*, Extent> extents_;  // without gaps
};

}  // namespace neurite
