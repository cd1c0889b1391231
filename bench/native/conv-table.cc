// Which CUDA kernel computes a product of a convolution: asks cuda/conv-table.h, as cuda/conv.cu does. The argument is the compute capability, 80
// for example. A line in, a line out:
//   DIRECTION (0 forward, 1 data gradient, 2 filter gradient) AXES BATCH CHANNELS FEATURES GROUPS KERNEL STRIDE PADDING SIZE...
// with what runs, between tabs, for float32 in precision highest, for float32 where rounding is allowed, and for bfloat16.
// Built by bench/kernel-table.mts.
#include "../../cuda/conv-table.h"

#include <cstdio>
#include <cstdlib>

using namespace neurite::cuda;

namespace {

void print(const ConvShape& shape, ConvProduct product, int capability, bool mayRound, int64_t elementBytes) {
  const ConvChoice choice = chooseConv(shape, product, capability, mayRound, elementBytes);
  if (choice.kernel == ConvKernel::depthwise) {
    std::printf("depthwise");
    return;
  }
  const auto& [kernel, tile, slices, sliceK] = choice.product;
  std::printf("%s, %s, tile %d, %d %s", choice.kernel == ConvKernel::matmul ? "matmul" : "gather",
              kernel == MatmulKernel::tensorCore ? "tensor cores" : "multiply-adds", tile, slices,
              slices == 1 ? "slice" : "slices");
  if (choice.channels != shape.groupChannels())
    std::printf(", channels padded to %lld", static_cast<long long>(choice.channels));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  const int capability = std::atoi(argv[1]);
  int direction, axes, kernel, stride, padding;
  long long batch, channels, features, groups;
  while (std::scanf("%d %d %lld %lld %lld %lld %d %d %d", &direction, &axes, &batch, &channels, &features, &groups,
                    &kernel, &stride, &padding) == 9) {
    ConvShape shape{batch, channels, features, groups, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {}};
    for (int i = 3 - axes; i < 3; i++) {
      if (std::scanf("%d", &shape.input[i]) != 1) return 1;
      shape.output[i] = (shape.input[i] + 2 * padding - kernel) / stride + 1;
      shape.kernel[i] = kernel, shape.stride[i] = stride, shape.before[i] = padding;
    }
    const ConvProduct product = direction == 0   ? ConvProduct::forward
                                : direction == 1 ? ConvProduct::dataGrad
                                                 : ConvProduct::filterGrad;
    print(shape, product, capability, false, 4);
    std::putchar('\t');
    print(shape, product, capability, true, 4);
    std::putchar('\t');
    print(shape, product, capability, true, 2);
    std::putchar('\n');
  }
}
