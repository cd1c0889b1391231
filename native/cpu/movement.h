// Copies that other kernels need too.
#pragma once
#include "../tensor.h"

namespace neurite::cpu::NEURITE_ISA {

void copyBytes(void* to, const void* from, int64_t bytes);

// to = x with its axes permuted: axis i of `to` is axis permutation[i] of x. Elements keep their dtype.
void permute(const Tensor& x, const int64_t* permutation, void* to);

}  // namespace neurite::cpu::NEURITE_ISA
