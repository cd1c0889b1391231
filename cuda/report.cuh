// How kernels report an index that is out of range: clamp it, and claim the device's one report.
#pragma once
#include "context.h"

namespace neurite::cuda {

// What a kernel reports to, and as whom.
struct Reporter {
  IndexReport* report;
  int32_t op, layer;
};

inline Reporter reporterOf(const Call& call) {
  return {contextOf(call).report, static_cast<int32_t>(call.op), call.layer};
}

// index if 0 <= index < limit; else the nearest that is, after the first such index has been reported.
GPU_DEVICE int64_t checkedIndex(int64_t index, int64_t limit, const Reporter& reporter) {
  if (index >= 0 && index < limit) return index;
  IndexReport* report = reporter.report;
  if (gpu::atomicCas(&report->set, 0, 1) == 0) {
    report->op = reporter.op;
    report->layer = reporter.layer;
    report->index = index;
    report->limit = limit;
  }
  return index < 0 ? 0 : limit - 1;
}

GPU_DEVICE int64_t clampedIndex(int64_t index, int64_t limit) {
  return index < 0 ? 0 : index < limit ? index : limit - 1;
}

}  // namespace neurite::cuda
