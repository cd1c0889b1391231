// Shared memory: an arena per block, filled with NaN, with gaps that AddressSanitizer watches.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sanitizers.h"
#include "state.h"

namespace emulator {
namespace {

constexpr size_t kArenaBytes = 512 << 10;
constexpr size_t kFirst = 1024;  // offset of dynamic shared memory, aligned as the widest use of it asks
constexpr size_t kGap = 128;     // between variables
constexpr size_t kStaticLimit = 48 << 10;

}  // namespace

Arena::Arena() {
  void* mapping =
      mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    std::perror("emulator: no memory for shared memory");
    std::abort();
  }
  memory_ = static_cast<char*>(mapping);
}

Arena::~Arena() {
  unpoison(memory_, kArenaBytes);
  munmap(memory_, kArenaBytes);
}

void Arena::reset(size_t dynamicBytes) {
  unpoison(memory_, kArenaBytes);
  std::memset(memory_ + kFirst, 0xff, dynamicBytes);
  poison(memory_, kArenaBytes);
  unpoison(memory_ + kFirst, dynamicBytes);
  used_ = kFirst + dynamicBytes;
  staticBytes_ = 0;
  variables_.clear();
}

void* Arena::variable(const void* key, size_t bytes, size_t alignment) {
  for (const Variable& variable : variables_)
    if (variable.key == key) return variable.address;
  EngineAccess quiet;
  if (alignment < 16) alignment = 16;
  staticBytes_ += bytes;
  if (staticBytes_ > kStaticLimit) fail(Location::current(), "more than 48 KiB of static shared memory");
  char* const address = memory_ + (used_ + kGap + alignment - 1) / alignment * alignment;
  used_ = size_t(address - memory_) + bytes;
  unpoison(address, bytes);
  std::memset(address, 0xff, bytes);
  variables_.push_back({key, address});
  return address;
}

unsigned char* Arena::dynamic() const { return reinterpret_cast<unsigned char*>(memory_ + kFirst); }

bool Arena::contains(const void* p, size_t bytes) const {
  const auto* address = static_cast<const char*>(p);
  return address >= memory_ + kFirst && address + bytes <= memory_ + used_;
}

void* sharedVariable(const void* key, size_t bytes, size_t alignment) {
  return currentThread("GPU_SHARED").block->arena->variable(key, bytes, alignment);
}

unsigned char* dynamicShared() { return currentThread("GPU_DYN_SHARED").block->arena->dynamic(); }

}  // namespace emulator
