// The CPU as a device: memory from the system, kernels from the table of the instruction set.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>

#include "check.h"
#include "cpu-features.h"
#include "device.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace neurite {

namespace cpu {

namespace baseline {
extern const KernelTable table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const KernelTable table;
}
namespace avx512 {
extern const KernelTable table;
}
#endif

static std::mutex reportMutex;
static IndexReport reports[kReporters];
static int reporter;  // of the command that runs

void reportIndex(const Call& call, int64_t index, int64_t limit) {
  std::lock_guard lock(reportMutex);
  IndexReport& report = reports[reporter];
  if (!report.set) report = {1, static_cast<int32_t>(call.op), call.layer, index, limit};
}

namespace {

const KernelTable& kernels() {
#if defined(__x86_64__)
  if (instructionSet() == InstructionSet::avx512) return avx512::table;
  if (instructionSet() == InstructionSet::avx2) return avx2::table;
#endif
  return baseline::table;
}

// The number after `key:` in a /proc file, in KiB, as bytes; 0 if it is not there.
size_t procBytes(const char* path, const char* key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.rfind(key, 0) == 0) return std::strtoull(line.c_str() + std::strlen(key) + 1, nullptr, 10) * 1024;
  return 0;
}

size_t physicalMemory() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
}

// What there is, or the control group's limit if that is less.
size_t systemMemory() {
  size_t limit = physicalMemory();
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    size_t bytes = 0;
    if (std::ifstream(path) >> bytes && bytes > 0) limit = std::min(limit, bytes);
  }
  return limit;
}

// 90 % of the smaller of that and of what is available now plus what this process uses: a kernel that over-commits grants more and kills the
// process later.
size_t memoryLimit() {
  size_t limit = systemMemory();
  const size_t available = procBytes("/proc/meminfo", "MemAvailable");
  if (available) limit = std::min(limit, available + procBytes("/proc/self/status", "VmRSS"));
  return limit / 10 * 9;
}

class CpuDevice final : public Device {
 public:
  const DeviceInfo& info() const override { return info_; }

  void* allocate(size_t bytes) override {
    constexpr size_t kHuge = size_t{2} << 20;
    void* data =
        std::aligned_alloc(bytes >= kHuge ? kHuge : 64, bytes >= kHuge ? (bytes + kHuge - 1) / kHuge * kHuge : bytes);
#if defined(__linux__)
    if (data && bytes >= kHuge) madvise(data, bytes, MADV_HUGEPAGE);
#endif
    return data;
  }
  void free(void* data, size_t) override { std::free(data); }
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
  // Twice the memory there is, so that holes between blocks are never the reason for a failure. A system that does not over-commit refuses.
  AddressRange reserve() override {
    const size_t bytes = 2 * physicalMemory();
    void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) return {};
    madvise(data, bytes, MADV_HUGEPAGE);
    return {static_cast<char*>(data), bytes};
  }
  void release(const AddressRange& range) override {
    // Whole pages only: the rest of the first and of the last may be a neighbour's.
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto first = (reinterpret_cast<uintptr_t>(range.data) + page - 1) / page * page;
    const auto last = reinterpret_cast<uintptr_t>(range.data + range.bytes) / page * page;
    if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  }
#endif
  size_t defaultLimit() const override { return memoryLimit(); }
  bool hostAccessible() const override { return true; }

  void run(const Call& call, int by) override {
    reporter = by;
    kernels().kernels[static_cast<int>(call.op)](call);
  }
  void upload(void* target, const void* source, size_t bytes) override { std::memcpy(target, source, bytes); }
  IndexReport download(void* target, const void* source, size_t bytes, int by) override {
    if (bytes) std::memcpy(target, source, bytes);
    if (by == kNoReporter) return {};
    std::lock_guard lock(reportMutex);
    return std::exchange(reports[by], IndexReport{});
  }
  void copy(void* target, const void* source, size_t bytes) override { std::memcpy(target, source, bytes); }
  std::unique_ptr<Graph> record(const std::function<void()>&) override { return nullptr; }

 private:
  const DeviceInfo info_ = probe();
};

}  // namespace

DeviceInfo probe() {
  DeviceInfo info;
  info.name = "cpu";
  info.description = cpuName();
  info.memory = systemMemory();
  info.capability = instructionSetName(instructionSet());
  return info;
}

std::unique_ptr<Device> make() { return std::make_unique<CpuDevice>(); }

}  // namespace cpu
}  // namespace neurite
