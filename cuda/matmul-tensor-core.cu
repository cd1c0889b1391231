// matmul on tensor cores.
#include "matmul-tensor-core.cuh"

namespace neurite::cuda {

void launchTensorCoreMatmul(const Call& call, const Matmul& matmul, bool bfloat16, const MatmulChoice& choice) {
  const auto withLayout = [&]<class T, int Tile>() {
    if (matmul.transposeA) {
      if (matmul.transposeB)
        launchTensorCore<T, Tile, false, true>(call, matmul);
      else
        launchTensorCore<T, Tile, false, false>(call, matmul);
    } else {
      if (matmul.transposeB)
        launchTensorCore<T, Tile, true, true>(call, matmul);
      else
        launchTensorCore<T, Tile, true, false>(call, matmul);
    }
  };
  const auto withTile = [&]<class T>() {
    if (choice.tile == 128)
      withLayout.template operator()<T, 128>();
    else
      withLayout.template operator()<T, 64>();
  };
  if (bfloat16)
    withTile.template operator()<bf16>();
  else
    withTile.template operator()<float>();
}

}  // namespace neurite::cuda
