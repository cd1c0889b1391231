// What the emulated device says of itself.
#include <cstdio>

#include "device.h"

using namespace emulator;

namespace {

constexpr int kToolkitVersion = 13000;
constexpr int kStaticSharedBytes = 48 << 10;
constexpr int kMaxThreads = 1024;
constexpr int kRegisters = 65536;
constexpr int kL2Bytes = 4 << 20;

cudaError_t checkDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }

}  // namespace

cudaError_t cudaDriverGetVersion(int* version) {
  *version = kToolkitVersion;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kToolkitVersion;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) { return finish(checkDevice(device)); }

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (checkDevice(device) != cudaSuccess) return finish(cudaErrorInvalidDevice);
  const DeviceClass& d = options().device;
  *p = {};
  std::snprintf(p->name, sizeof p->name, "Emulated sm_%d", d.computeCapability);
  p->totalGlobalMem = options().memoryBytes;
  p->sharedMemPerBlock = kStaticSharedBytes;
  p->regsPerBlock = kRegisters;
  p->warpSize = 32;
  p->maxThreadsPerBlock = kMaxThreads;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = kMaxThreads;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 2147483647;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->totalConstMem = 64 << 10;
  p->major = d.computeCapability / 10;
  p->minor = d.computeCapability % 10;
  p->multiProcessorCount = d.multiprocessors;
  p->canMapHostMemory = 1;
  p->concurrentKernels = 1;
  p->asyncEngineCount = 2;
  p->unifiedAddressing = 1;
  p->memoryBusWidth = 256;
  p->l2CacheSize = kL2Bytes;
  p->maxThreadsPerMultiProcessor = d.threadsPerMultiprocessor;
  p->sharedMemPerMultiprocessor = size_t(d.sharedPerMultiprocessor);
  p->regsPerMultiprocessor = kRegisters;
  p->sharedMemPerBlockOptin = size_t(d.sharedPerBlockOptin);
  p->reservedSharedMemPerBlock = 1024;
  p->cooperativeLaunch = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (checkDevice(device) != cudaSuccess) return finish(cudaErrorInvalidDevice);
  const DeviceClass& d = options().device;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = kMaxThreads;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = kStaticSharedBytes;
      break;
    case cudaDevAttrWarpSize:
      *value = 32;
      break;
    case cudaDevAttrClockRate:
      *value = 1000000;
      break;  // kHz
    case cudaDevAttrMemoryClockRate:
      *value = 1000000;
      break;  // kHz
    case cudaDevAttrMultiProcessorCount:
      *value = d.multiprocessors;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = 256;
      break;
    case cudaDevAttrL2CacheSize:
      *value = kL2Bytes;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = d.threadsPerMultiprocessor;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = d.computeCapability / 10;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = d.computeCapability % 10;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = d.sharedPerMultiprocessor;
      break;
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      *value = kRegisters;
      break;
    case cudaDevAttrCooperativeLaunch:
      *value = 1;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = d.sharedPerBlockOptin;
      break;
    default:
      return finish(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || value > options().device.sharedPerBlockOptin)
    return reject(cudaErrorInvalidValue, "a kernel asks for " + std::to_string(value) + " bytes of shared memory, sm_" +
                                             std::to_string(options().device.computeCapability) + " has " +
                                             std::to_string(options().device.sharedPerBlockOptin));
  std::lock_guard lock(device().mutex);
  device().dynamicSharedLimits[kernel] = value;
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  if (const cudaError_t error = checkUsable(); error != cudaSuccess) return finish(error);
  *attributes = {};
  attributes->maxThreadsPerBlock = kMaxThreads;
  attributes->numRegs = 64;
  attributes->ptxVersion = attributes->binaryVersion = options().device.computeCapability;
  std::lock_guard lock(device().mutex);
  const auto limit = device().dynamicSharedLimits.find(kernel);
  attributes->maxDynamicSharedSizeBytes =
      limit != device().dynamicSharedLimits.end() ? limit->second : kStaticSharedBytes;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int blockThreads,
                                                          size_t dynamicSharedBytes) {
  if (blockThreads <= 0) return finish(cudaErrorInvalidValue);
  const DeviceClass& d = options().device;
  const int byThreads = d.threadsPerMultiprocessor / blockThreads;
  const int byShared = int(size_t(d.sharedPerMultiprocessor) / (dynamicSharedBytes + 1024));
  *blocks = byThreads < byShared ? byThreads : byShared;
  return cudaSuccess;
}
