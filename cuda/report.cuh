// How kernels report an index that is out of range: clamp it, and claim the device's one report.
#pragma once
#include "context.h"

namespace neurite::cuda {

// index if 0 <= index < limit; else the nearest that is, after the first such index has been written to `report`.
GPU_DEVICE int64_t checkedIndex(int64_t index, int64_t limit, Op op, IndexReport* report) {
  if (index >= 0 && index < limit) return index;
  if (gpu::atomicCas(&report->set, 0, 1) == 0) {
    report->op = static_cast<int32_t>(op);
    report->index = index;
    report->limit = limit;
  }
  return index < 0 ? 0 : limit - 1;
}

GPU_DEVICE int64_t clampedIndex(int64_t index, int64_t limit) {
  return index < 0 ? 0 : index < limit ? index : limit - 1;
}

}  // namespace neurite::cuda
