// Which unit of a CPU with AMX convolves a shape: asks native/cpu/conv-tile-table.h, as native/cpu/conv.cc does. A line in, a line out:
//   DIRECTION (0 forward, 1 data gradient, 2 filter gradient) AXES BATCH CHANNELS FEATURES GROUPS KERNEL STRIDE PADDING SIZE...
// with, for the precisions highest, high and medium (and bfloat16), the number of products on tiles, or 0 for multiply-adds.
// Built by bench/kernel-table.mts.
#ifndef NEURITE_ISA
#define NEURITE_ISA table
#endif
#include "../../native/cpu/conv-tile-table.h"

#include <cstdio>

using namespace neurite;
namespace isa = neurite::cpu::NEURITE_ISA;

int main() {
  int direction, axes;
  long batch, channels, features, groups, kernel, stride, padding;
  while (std::scanf("%d %d %ld %ld %ld %ld %ld %ld %ld", &direction, &axes, &batch, &channels, &features, &groups,
                    &kernel, &stride, &padding) == 9) {
    Tensor x, w, y;
    x.rank = y.rank = w.rank = axes + 2;
    attributes::conv a;
    a.groups = groups;
    for (int i = 0; i < axes; ++i) {
      long size = 0;
      if (std::scanf("%ld", &size) != 1) return 1;
      x.dims[i + 1] = size, w.dims[i] = kernel, y.dims[i + 1] = (size + 2 * padding - kernel) / stride + 1;
      a.strides.values[i] = stride, a.dilation.values[i] = 1, a.before.values[i] = padding;
    }
    x.dims[0] = y.dims[0] = batch;
    x.dims[axes + 1] = channels, y.dims[axes + 1] = features;
    w.dims[axes] = channels / groups, w.dims[axes + 1] = features;
    const isa::ConvShape s(x, w, y, a);
    for (int parts = 3; parts >= 1; --parts) {
      const bool tiles = direction == 0   ? isa::tilesConvolveFaster(x, s, parts)
                         : direction == 1 ? isa::tilesConvolveDataFaster(y, s, parts)
                                          : isa::tilesSumFaster(x, s, parts);
      std::printf("%ld%c",
                  s.pointwise() || s.depthwise() ? -1
                  : tiles                        ? isa::productsOf(parts)
                                                 : 0,
                  parts > 1 ? ' ' : '\n');
    }
  }
}
