// matmul with float32 multiply-adds.
#include "matmul-simt.cuh"

namespace neurite::cuda {

void launchSimtMatmul(const Call& call, const Matmul& matmul, bool bfloat16, const MatmulChoice& choice) {
  launchSimt(call, matmul, bfloat16, choice);
}

}  // namespace neurite::cuda
