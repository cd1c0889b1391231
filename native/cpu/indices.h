// Indices that come from tensors: checked, reported and clamped.
#pragma once
#include "../status.h"

namespace neurite::cpu::NEURITE_ISA {

// Element i of an int32 or uint8 tensor.
inline int64_t indexAt(const Tensor& indices, int64_t i) {
  return indices.dtype == DType::uint8 ? indices.as<const uint8_t>()[i] : indices.as<const int32_t>()[i];
}

inline int64_t clampedIndex(int64_t index, int64_t limit) { return index < 0 ? 0 : index >= limit ? limit - 1 : index; }

// The index where 0 <= index < limit, else the nearest that is, and a report.
inline int64_t checkedIndex(const Call& call, int64_t index, int64_t limit) {
  if (index >= 0 && index < limit) [[likely]]
    return index;
  reportIndex(call, index, limit);
  return clampedIndex(index, limit);
}

}  // namespace neurite::cpu::NEURITE_ISA
