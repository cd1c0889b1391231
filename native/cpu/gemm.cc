// The entry of matrix multiplication: picks the kernel by shape, types and precision.
#include "gemm.h"

#include "gemm-blocks.h"
#include "gemv.h"

namespace neurite::cpu::NEURITE_ISA {

void gemm(const Gemm& gemm) {
  Gemm g = gemm;
  if (g.m == 0 || g.n == 0 || g.batch == 0) return;
  // A batch that shares B and lies densely in A and C is one tall matrix.
  if (g.batch > 1 && g.batchStrideB == 0 && !g.transposeA && g.batchStrideA == g.m * g.lda &&
      g.batchStrideC == g.m * g.ldc) {
    g.m *= g.batch;
    g.batch = 1;
  }
  if (g.m == 1 || g.n == 1) return multiplyVector(g);
  multiplyBlocks<FloatProduct>(g);
}

}  // namespace neurite::cpu::NEURITE_ISA
