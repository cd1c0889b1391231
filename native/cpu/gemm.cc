// The entry of matrix multiplication: picks the kernel by shape, types and precision.
#include "gemm.h"

#include "../amx.h"
#include "../bfloat16-dots.h"
#include "gemm-blocks.h"
#include "gemm-table.h"
#include "gemv.h"

#if defined(__x86_64__) && defined(__AVX512F__)
namespace neurite::cpu::amx {
bool multiplyTiles(const Gemm& g, int parts);
}
namespace neurite::cpu::avx512bf16 {
void multiplyPairs(const Gemm& g);
}
#endif

namespace neurite::cpu::amx_twin {
bool multiplyTiles(const Gemm& g, int parts);
}

namespace neurite::cpu::NEURITE_ISA {

namespace {

// True if tiles did the work: there are some, and they suit the shape and the values.
bool multipliedByTiles(const Gemm& g) {
  const int parts = partsOf(g);
  switch (tileUnit()) {
    case TileUnit::emulated:
      return amx_twin::multiplyTiles(g, parts);
#if defined(__x86_64__) && defined(__AVX512F__)
    case TileUnit::amx:
      return tilesAreFaster(g, parts) && amx::multiplyTiles(g, parts);
#endif
    default:
      return false;
  }
}

}  // namespace

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
  if (multipliedByTiles(g)) return;
#if defined(__x86_64__) && defined(__AVX512F__)
  if (bfloat16Dots() && partsOf(g) == 1) return avx512bf16::multiplyPairs(g);
#endif
  multiplyBlocks<FloatProduct>(g);
}

}  // namespace neurite::cpu::NEURITE_ISA
