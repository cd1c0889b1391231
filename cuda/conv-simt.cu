// Convolutions with float32 multiply-adds.
#include "conv.h"
#include "matmul-simt.cuh"

namespace neurite::cuda {

void launchSimtConv(const Call& call, const ConvForward& conv, bool bfloat16, const MatmulChoice& choice) {
  launchSimt(call, conv, bfloat16, choice);
}
void launchSimtConv(const Call& call, const ConvDataGrad& conv, bool bfloat16, const MatmulChoice& choice) {
  launchSimt(call, conv, bfloat16, choice);
}
void launchSimtConv(const Call& call, const ConvFilterGrad& conv, bool bfloat16, const MatmulChoice& choice) {
  launchSimt(call, conv, bfloat16, choice);
}

}  // namespace neurite::cuda
