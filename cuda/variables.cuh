// Many variables in one launch: a table of them in the kernel's parameters, and blocks that find the variable they work on.
//
// A launch takes up to kVariables of them, whatever their sizes; more need another launch. 48 * 56 bytes and the first blocks fit
// well into the 4,096 bytes of parameters.
#pragma once
#include "dtype.h"

namespace neurite::cuda {

inline constexpr int kVariables = 48;
inline constexpr int kSlots = 3;
inline constexpr int64_t kVariableChunk = 4096;  // elements per block

struct VariableTable {
  struct Variable {
    float* w;
    const void* g;
    float* slots[kSlots];
    int64_t size;
    bool bfloat16;  // g
    bool vectors;   // everything is aligned for accesses of four elements
  } variables[kVariables];
  uint32_t firstBlock[kVariables];
  int32_t count = 0;
  int32_t first = 0;  // number of variables in earlier launches
  uint32_t blocks = 0;

  void push(Variable variable) {
    firstBlock[count] = blocks;
    blocks += static_cast<uint32_t>(ceilDiv(variable.size, kVariableChunk));
    variables[count++] = variable;
  }

  // The variable of a block: the last whose first block is not after it.
  GPU_DEVICE int find(uint32_t block) const {
    int low = 0;
    for (int high = count; high - low > 1;) {
      const int middle = (low + high) / 2;
      if (firstBlock[middle] <= block)
        low = middle;
      else
        high = middle;
    }
    return low;
  }
};

GPU_DEVICE float loadGradient(const VariableTable::Variable& variable, int64_t i) {
  return variable.bfloat16 ? load(static_cast<const bf16*>(variable.g) + i) : static_cast<const float*>(variable.g)[i];
}

GPU_DEVICE gpu::Vec<float, 4> loadGradients(const VariableTable::Variable& variable, int64_t i) {
  if (!variable.bfloat16) return gpu::loadVec<4>(static_cast<const float*>(variable.g) + i);
  const gpu::Vec<bf16, 4> values = gpu::loadVec<4>(static_cast<const bf16*>(variable.g) + i);
  gpu::Vec<float, 4> result;
#pragma unroll
  for (int k = 0; k < 4; k++) result[k] = values[k];
  return result;
}

}  // namespace neurite::cuda
