// A device as the runtime sees it: raw memory, copies, kernels and graphs. Implemented by cpu-device.cc and cuda/device.cc.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "extents.h"
#include "ops.h"
#include "status.h"

namespace neurite {

// A recorded sequence of launches that the device replays by itself (a CUDA graph).
class Graph {
 public:
  virtual ~Graph() = default;
  virtual void launch() = 0;
};

struct DeviceInfo {
  std::string name;  // cpu, cuda, cuda:1, …
  bool cuda = false;
  bool usable = true;
  std::string reason;  // why not, if not usable
  std::string description;
  size_t memory = 0;  // bytes
  std::string capability;
};

// Index reports are kept apart by whose work met the index: a number below this.
inline constexpr int kReporters = 64;
inline constexpr int kNoReporter = -1;  // to leave the reports where they are

// Everything but `allocate` and `free` is called by whoever executes the stream's commands, one thread at a time, after attach().
class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;

  // Null if the system refuses. Any thread.
  virtual void* allocate(size_t bytes) = 0;
  virtual void free(void* data, size_t bytes) = 0;
  // Addresses that the allocator may cut into large blocks as it likes; their memory comes from the system when it is first touched. Empty if the device has
  // only allocate(). Asked for once.
  virtual AddressRange reserve() { return {}; }
  // Gives the memory of a part of the range back to the system; the addresses stay reserved. Any thread.
  virtual void release(const AddressRange&) {}
  // Bytes that may be allocated unless the user sets another limit.
  virtual size_t defaultLimit() const = 0;
  // True if the calling thread may write to fresh or unused memory directly.
  virtual bool hostAccessible() const = 0;

  // Makes the calling thread fit to execute commands.
  virtual void attach() {}
  // Index reports of its kernels are `reporter`'s.
  virtual void run(const Call& call, int reporter) = 0;
  // In stream order; `source` is read before the function returns.
  virtual void upload(void* target, const void* source, size_t bytes) = 0;
  // Waits for everything before it. Gives the first index report of `reporter` since the last download for it.
  virtual IndexReport download(void* target, const void* source, size_t bytes, int reporter) = 0;
  virtual void copy(void* target, const void* source, size_t bytes) = 0;
  // Records what `launch` launches as a graph; null if the device has none.
  virtual std::unique_ptr<Graph> record(const std::function<void()>& launch) = 0;
  virtual bool hasGraphs() const { return false; }
};

// The process's devices, probed once: the CPU first, then GPUs, usable or not.
const std::vector<DeviceInfo>& deviceInfos();
std::unique_ptr<Device> makeDevice(int index);

namespace cpu {
DeviceInfo probe();
std::unique_ptr<Device> make();
}  // namespace cpu

namespace cuda {
// At least one entry; without a usable driver or GPU it says why. cuda/device.cc, or cuda-absent.cc in a build without CUDA.
std::vector<DeviceInfo> probe();
std::unique_ptr<Device> make(int ordinal);
}  // namespace cuda

}  // namespace neurite
