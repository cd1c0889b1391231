// conv with maxima of windows, one kernel after the other: the third output holds what lies between them.
#pragma once
#include "ops.h"

namespace neurite {

inline void convThenPool(const Call& call, Kernel conv, Kernel maxPool) {
  attributes::conv convolution = attributesOf<attributes::conv>(call);
  attributes::maxPool pooling{convolution.window, convolution.poolStrides, convolution.poolBefore};
  convolution.window.count = 0;
  Call first = call, second = call;
  first.outputs = 1, first.out = call.out + 2, first.attributes = &convolution;
  second.op = Op::maxPool, second.inputs = 1, second.in = call.out + 2;
  second.outputs = 2, second.attributes = &pooling, second.kept = nullptr;
  conv(first);
  maxPool(second);
}

}  // namespace neurite
