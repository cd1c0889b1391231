// Matrix multiplication with dot products of bfloat16 pairs (vdpbf16ps): the blocks and tiles of float32, at two k a
// step.
//
// A lane's word holds the values of k (low half) and k + 1. Operands of bfloat16 are such words as they lie along k;
// float32 is rounded to nearest even. Products are exact, sums float32; the instruction flushes denormals whatever the
// mode of the thread.
#include "../gemm-blocks.h"
#include "pair-product.h"

namespace neurite::cpu::NEURITE_ISA {

void multiplyPairs(const Gemm& g);
void multiplyPairs(const Gemm& g) { multiplyBlocks<PairProduct>(g); }

}  // namespace neurite::cpu::NEURITE_ISA
