// Convolutions on tensor cores.
#include "conv.h"
#include "matmul-tensor-core.cuh"

namespace neurite::cuda {
namespace {

template <class Conv> void launchConv(const Call& call, const Conv& conv, bool bfloat16, const MatmulChoice& choice) {
  const auto withTile = [&]<class T>() {
    if (choice.tile == 128)
      launchTensorCore<T, 128, !Conv::transposeA, Conv::transposeB>(call, conv);
    else
      launchTensorCore<T, 64, !Conv::transposeA, Conv::transposeB>(call, conv);
  };
  if (bfloat16)
    withTile.template operator()<bf16>();
  else
    withTile.template operator()<float>();
}

}  // namespace

void launchTensorCoreConv(const Call& call, const ConvForward& conv, bool bfloat16, const MatmulChoice& choice) {
  launchConv(call, conv, bfloat16, choice);
}
void launchTensorCoreConv(const Call& call, const ConvDataGrad& conv, bool bfloat16, const MatmulChoice& choice) {
  launchConv(call, conv, bfloat16, choice);
}
void launchTensorCoreConv(const Call& call, const ConvFilterGrad& conv, bool bfloat16, const MatmulChoice& choice) {
  launchConv(call, conv, bfloat16, choice);
}

}  // namespace neurite::cuda
