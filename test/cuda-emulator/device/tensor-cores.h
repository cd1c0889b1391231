// ldmatrix and mma.sync; the layouts of fragments are written down in cuda/gpu-ptx.h and in tensor-cores.cpp.
#pragma once
#include "../engine/engine.h"
#include "gpu-types.h"

namespace emulator {
void mmaBf16(float* d, const uint32_t* a, const uint32_t* b, const float* c, const Location& at);
void mmaTf32(float* d, const uint32_t* a, const uint32_t* b, const float* c, const Location& at);

// The lane reads its own row here, in code that the sanitizers see.
struct alignas(16) MatrixRow {
  uint16_t v[8];
};
void exchangeMatrixRows(uint32_t* r, MatrixRow row, bool transposed, const Location& at);

inline void loadMatrixRows(uint32_t* r, const void* row, bool transposed, const Location& at) {
  requireShared(row, 16, "row of ldmatrix", at);
  requireAligned(row, 16, "row of ldmatrix", at);
  exchangeMatrixRows(r, *static_cast<const MatrixRow*>(row), transposed, at);
}
}  // namespace emulator

namespace gpu {

inline void ldmatrixX4(uint32_t (&r)[4], const void* row, EMULATOR_AT) { emulator::loadMatrixRows(r, row, false, at); }
inline void ldmatrixX4Trans(uint32_t (&r)[4], const void* row, EMULATOR_AT) {
  emulator::loadMatrixRows(r, row, true, at);
}
inline void mmaBf16M16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4],
                            EMULATOR_AT) {
  emulator::mmaBf16(d, a, b, c, at);
}
inline void mmaTf32M16n8k8(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4],
                           EMULATOR_AT) {
  emulator::mmaTf32(d, a, b, c, at);
}

}  // namespace gpu
