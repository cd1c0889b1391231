// How a kernel reports data that it can only see while it runs, such as an index out of range.
#pragma once
#include <cstdint>

#include "ops.h"

namespace neurite {

// Written by kernels, read and cleared by the next host read of the environment whose work it was, which throws an ArgumentError. Device memory
// on CUDA. Only the first report is kept (claimed by `set`).
struct IndexReport {
  int32_t set = 0;
  int32_t op = 0;
  int32_t layer = 0;
  int64_t index = 0;
  int64_t limit = 0;
};

namespace cpu {
// Records that `call` met `index` where 0 <= index < limit was expected. Safe from any thread.
void reportIndex(const Call& call, int64_t index, int64_t limit);
}  // namespace cpu

}  // namespace neurite
