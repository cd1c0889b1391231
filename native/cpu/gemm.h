// Matrix multiplication: C[M,N] = activation(op(A)[M,K] · op(B)[K,N] (+ C) + bias), for a batch of matrices.
#pragma once

#include <cstdint>

#include "../tensor.h"

namespace neurite::cpu {

// Matrices are row-major; ld is the distance between rows in elements. op is the transposition: with transposeA, A is
// stored as [K,M]. Operands are float32 or bfloat16, each on its own; sums are float32.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  int64_t batch = 1;  // batch strides in elements; 0 uses the same operand for every matrix of the batch
  const void* a = nullptr;
  int64_t lda = 0, batchStrideA = 0;
  bool transposeA = false;
  DType typeA = DType::float32;
  const void* b = nullptr;
  int64_t ldb = 0, batchStrideB = 0;
  bool transposeB = false;
  DType typeB = DType::float32;
  void* c = nullptr;
  int64_t ldc = 0, batchStrideC = 0;
  DType typeC = DType::float32;
  const float* bias = nullptr;  // [N] or null
  Activation activation = Activation::none;
  bool accumulate = false;  // adds to C's contents, before bias and activation
  Precision precision = Precision::highest;
};

}  // namespace neurite::cpu

namespace neurite::cpu::NEURITE_ISA {

// Every bit of the result depends on the shape and the operands only, not on the number of threads. NaN and infinity
// propagate. Must not be called from within a parallelFor.
void gemm(const Gemm& gemm);

}  // namespace neurite::cpu::NEURITE_ISA
