// matmul: the op around gemm(), which broadcasts batches, and merges them with the rows where it can.
#include "gemm-epilogue.h"
#include "gemm.h"
#include "kernels.h"

namespace neurite::cpu::NEURITE_ISA {

void matmul(const Call& call) {
  const auto& attributes = attributesOf<attributes::matmul>(call);
  const Tensor &a = call.in[0], &b = call.in[1], &c = call.out[0];
  if (c.size() == 0) return;
  const Bias bias(call.in[2]);
  Gemm g;
  g.m = c.dims[c.rank - 2];
  g.n = c.dims[c.rank - 1];
  g.k = a.dims[attributes.transposeA ? a.rank - 2 : a.rank - 1];
  g.transposeA = attributes.transposeA;
  g.transposeB = attributes.transposeB;
  g.typeA = a.dtype;
  g.typeB = b.dtype;
  g.typeC = c.dtype;
  g.lda = a.dims[a.rank - 1];
  g.ldb = b.dims[b.rank - 1];
  g.ldc = g.n;
  g.bias = bias.values();
  g.activation = attributes.activation;
  g.precision = attributes.precision;

  // Batch dims of the output, joined where both operands walk through them, or stay, alike. Strides in matrices.
  const int64_t matrixA = g.m * g.k, matrixB = g.k * g.n, matrixC = g.m * g.n;
  int rank = 0;
  int64_t dims[kMaxRank], stepsA[kMaxRank], stepsB[kMaxRank];
  int64_t nextA = a.size() / larger(matrixA, 1), nextB = b.size() / larger(matrixB, 1);
  if (g.k == 0) nextA = nextB = 1;
  for (int d = 0; d < c.rank - 2; ++d) {
    const auto own = [&](const Tensor& x) {
      const int j = d - (c.rank - x.rank);
      return j < 0 ? int64_t{1} : x.dims[j];
    };
    nextA /= own(a);
    nextB /= own(b);
    if (c.dims[d] == 1) continue;
    const int64_t stepA = own(a) == 1 ? 0 : nextA, stepB = own(b) == 1 ? 0 : nextB;
    if (rank > 0 && (stepsA[rank - 1] == 0) == (stepA == 0) && (stepsB[rank - 1] == 0) == (stepB == 0)) {
      dims[rank - 1] *= c.dims[d];
      stepsA[rank - 1] = stepA;
      stepsB[rank - 1] = stepB;
    } else {
      dims[rank] = c.dims[d];
      stepsA[rank] = stepA;
      stepsB[rank++] = stepB;
    }
  }
  // One b for all of a's matrices: they are the rows of one tall matrix.
  if (rank > 0 && stepsB[rank - 1] == 0 && stepsA[rank - 1] != 0 && !g.transposeA) {
    g.m *= dims[--rank];
  } else if (rank > 0) {
    g.batch = dims[--rank];
    g.batchStrideA = stepsA[rank] * matrixA;
    g.batchStrideB = stepsB[rank] * matrixB;
    g.batchStrideC = matrixC;
  }
  const int64_t perCall = g.m * g.n * g.batch;
  const auto offset = [](const Tensor& x, int64_t element) {
    return x.as<char>() + element * static_cast<int64_t>(dtypeBytes(x.dtype));
  };
  int64_t calls = 1;
  for (int d = 0; d < rank; ++d) calls *= dims[d];
  for (int64_t i = 0; i < calls; ++i) {
    int64_t rest = i, placeA = 0, placeB = 0;
    for (int d = rank - 1; d >= 0; --d) {
      placeA += rest % dims[d] * stepsA[d];
      placeB += rest % dims[d] * stepsB[d];
      rest /= dims[d];
    }
    g.a = offset(a, placeA * matrixA);
    g.b = offset(b, placeB * matrixB);
    g.c = offset(c, i * perCall);
    gemm(g);
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
