// Device and pinned memory: every allocation has its exact size and is filled with NaN.
#include <cstdlib>
#include <cstring>

#include "../engine/sanitizers.h"
#include "device.h"

namespace emulator {
namespace {

constexpr size_t kAlignment = 256;  // what cudaMalloc promises
// Bytes behind an allocation that nobody may change; AddressSanitizer has its own, which it watches at once.
#ifdef EMULATOR_ASAN
constexpr size_t kGuardBytes = 0;
#else
constexpr size_t kGuardBytes = 64;
#endif
constexpr unsigned char kGuard = 0xa5;

struct Memory {
  std::mutex mutex;
  std::map<uintptr_t, size_t> deviceBlocks, pinnedBlocks;
  std::multimap<size_t, void*> cached;  // freed, by size
  size_t bytes = 0;                     // allocated on the device
};

Memory& memory() {
  static Memory* const instance = new Memory;
  return *instance;
}

void* allocate(size_t bytes) {
  EngineAccess quiet;
  void* p = nullptr;
  const size_t total = bytes + kGuardBytes;
  if (posix_memalign(&p, kAlignment, total > 0 ? total : 1) != 0) return nullptr;
  std::memset(p, 0xff, bytes);  // reads as NaN
  std::memset(static_cast<char*>(p) + bytes, kGuard, kGuardBytes);
  return p;
}

bool guardIntact(const void* p, size_t bytes) {
  const auto* guard = static_cast<const unsigned char*>(p) + bytes;
  for (size_t i = 0; i < kGuardBytes; i++)
    if (guard[i] != kGuard) return false;
  return true;
}

bool inside(const std::map<uintptr_t, size_t>& blocks, const void* p, size_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(p);
  std::lock_guard lock(memory().mutex);
  auto block = blocks.upper_bound(address);
  if (block == blocks.begin()) return false;
  --block;
  const size_t offset = address - block->first;
  return offset <= block->second && bytes <= block->second - offset;
}

// Takes a block out of the map; returns its size, or nothing if it is not the start of one.
std::optional<size_t> take(std::map<uintptr_t, size_t>& blocks, const void* p) {
  std::lock_guard lock(memory().mutex);
  const auto block = blocks.find(reinterpret_cast<uintptr_t>(p));
  if (block == blocks.end()) return std::nullopt;
  const size_t bytes = block->second;
  blocks.erase(block);
  return bytes;
}

// Allocating and freeing must not happen in a capture, and freeing waits for the device.
cudaError_t checkAllocation(bool frees) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return error;
  std::unique_lock lock(device().mutex);
  if (const cudaError_t error = device().checkNotCapturing(); error != cudaSuccess) return error;
  if (frees) device().waitForAll(lock);
  return device().error();
}

}  // namespace

bool isDeviceMemory(const void* p, size_t bytes) { return inside(memory().deviceBlocks, p, bytes); }
bool isPinnedMemory(const void* p, size_t bytes) { return inside(memory().pinnedBlocks, p, bytes); }

void freeEverything() {
  Memory& m = memory();
  std::lock_guard lock(m.mutex);
  for (const auto& [address, bytes] : m.deviceBlocks) std::free(reinterpret_cast<void*>(address));
  for (const auto& [address, bytes] : m.pinnedBlocks) std::free(reinterpret_cast<void*>(address));
  for (const auto& [bytes, p] : m.cached) std::free(p);
  m.deviceBlocks.clear();
  m.pinnedBlocks.clear();
  m.cached.clear();
  m.bytes = 0;
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaMalloc(void** p, size_t bytes) {
  *p = nullptr;
  if (const cudaError_t error = checkAllocation(false); error != cudaSuccess) return finish(error);
  if (bytes == 0) return cudaSuccess;
  Memory& m = memory();
  std::lock_guard lock(m.mutex);
  if (bytes > options().memoryBytes - m.bytes) return finish(cudaErrorMemoryAllocation);
  if (const auto found = m.cached.find(bytes); found != m.cached.end()) {
    *p = found->second;
    m.cached.erase(found);
  } else {
    *p = allocate(bytes);
    if (*p == nullptr) return finish(cudaErrorMemoryAllocation);
  }
  m.deviceBlocks[reinterpret_cast<uintptr_t>(*p)] = bytes;
  m.bytes += bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* p) {
  if (p == nullptr) return finish(checkUsable());
  if (const cudaError_t error = checkAllocation(true); error != cudaSuccess) return finish(error);
  Memory& m = memory();
  const std::optional<size_t> bytes = take(m.deviceBlocks, p);
  if (!bytes) return reject(cudaErrorInvalidValue, "cudaFree of a pointer that cudaMalloc did not give");
  {
    std::lock_guard lock(m.mutex);
    m.bytes -= *bytes;
    if (options().cachedAllocations) m.cached.emplace(*bytes, p);
  }
  if (!guardIntact(p, *bytes)) {
    device().setError(cudaErrorIllegalAddress,
                      "something wrote behind an allocation of " + std::to_string(*bytes) + " bytes");
    return finish(cudaErrorIllegalAddress);
  }
  if (!options().cachedAllocations) std::free(p);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) {
  *p = nullptr;
  if (const cudaError_t error = checkAllocation(false); error != cudaSuccess) return finish(error);
  if (bytes == 0) return cudaSuccess;
  *p = allocate(bytes);
  if (*p == nullptr) return finish(cudaErrorMemoryAllocation);
  std::lock_guard lock(memory().mutex);
  memory().pinnedBlocks[reinterpret_cast<uintptr_t>(*p)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* p) {
  if (p == nullptr) return finish(checkUsable());
  if (const cudaError_t error = checkAllocation(true); error != cudaSuccess) return finish(error);
  const std::optional<size_t> bytes = take(memory().pinnedBlocks, p);
  if (!bytes) return reject(cudaErrorInvalidValue, "cudaFreeHost of a pointer that cudaHostAlloc did not give");
  if (!guardIntact(p, *bytes)) {
    device().setError(cudaErrorIllegalAddress,
                      "something wrote behind a pinned allocation of " + std::to_string(*bytes) + " bytes");
    return finish(cudaErrorIllegalAddress);
  }
  std::free(p);
  return cudaSuccess;
}

cudaError_t cudaHostGetDevicePointer(void** devicePointer, void* host, unsigned) {
  if (!isPinnedMemory(host, 0)) return finish(cudaErrorInvalidValue);
  *devicePointer = host;
  return finish(checkUsable());
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  std::lock_guard lock(memory().mutex);
  *total = options().memoryBytes;
  *free = options().memoryBytes - memory().bytes;
  return finish(checkUsable());
}
