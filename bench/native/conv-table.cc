// Which CUDA kernel computes a product of a convolution: asks cuda/conv-table.h, as cuda/conv.cu does. A line in, a line out:
//   EVERY_PIXEL_ONCE GROUPS CHANNELS_PER_GROUP M N K BATCHES CAPABILITY MAY_ROUND
// Built by bench/kernel-table.mts.
#include "../../cuda/conv-table.h"

#include <cstdio>

using namespace neurite::cuda;

int main() {
  int once, capability, mayRound;
  long long groups, channels, m, n, k, batches;
  while (std::scanf("%d %lld %lld %lld %lld %lld %lld %d %d", &once, &groups, &channels, &m, &n, &k, &batches,
                    &capability, &mayRound) == 9) {
    const ConvKernel kernel = chooseConv(once != 0, groups, channels);
    if (kernel == ConvKernel::depthwise) {
      std::puts("depthwise");
      continue;
    }
    const bool matmul = kernel == ConvKernel::matmul;
    const MatmulChoice choice = matmul ? chooseMatmul(m, n, k, batches, capability, mayRound != 0)
                                       : chooseConvProduct(m, n, k, batches, capability, mayRound != 0);
    std::printf("%s, %s, tile %d, %d %s\n", matmul ? "matmul" : "gather",
                choice.kernel == MatmulKernel::tensorCore ? "tensor cores" : "multiply-adds", choice.tile,
                choice.slices, choice.slices == 1 ? "slice" : "slices");
  }
}
