// matmul: prepares the product, lets the table choose a kernel, and adds up slices of k where there are several.
#include "kernels.h"
#include "matmul-epilogue.cuh"

namespace neurite::cuda {
namespace {

// C = activation(sum of the slices, in order, + bias).
__global__ void __launch_bounds__(kThreads) sumSlicesKernel(Output output) {
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < output.size;
       i += int64_t{gridDim.x} * blockDim.x) {
    float sum = output.partial[i];
    for (int32_t s = 1; s < output.slices; s++) sum += output.partial[s * output.size + i];
    const float value = finished(output, i, static_cast<int32_t>(i % output.width), sum);
    if (output.bfloat16)
      static_cast<bf16*>(output.c)[i] = static_cast<bf16>(value);
    else
      static_cast<float*>(output.c)[i] = value;
  }
}

}  // namespace

int32_t vectorOf(const Tensor& x, int64_t stride) {
  const size_t bytes = dtypeBytes(x.dtype);
  auto elements = static_cast<int32_t>(16 / bytes);
  while (stride % elements != 0 || !aligned(x.data, static_cast<size_t>(elements) * bytes)) elements /= 2;
  return elements;
}

void* setSlices(const Call& call, Gemm& gemm, const MatmulChoice& choice, size_t bytes) {
  gemm.slices = choice.slices;
  gemm.sliceK = choice.sliceK;
  const int64_t sums = choice.slices > 1 ? gemm.size * choice.slices : 0;
  const auto sumBytes = static_cast<size_t>(ceilDiv(sums * static_cast<int64_t>(sizeof(float)), 16) * 16);
  if (sumBytes + bytes == 0) return nullptr;
  auto* memory = static_cast<char*>(contextOf(call).scratch(sumBytes + bytes));
  if (sums > 0) gemm.partial = reinterpret_cast<float*>(memory);
  return memory + sumBytes;
}

void sumSlices(const Call& call, const Output& output) {
  if (output.slices > 1) launch(call, sumSlicesKernel, gridFor(call, output.size), kThreads, 0, output);
}

void runMatmul(const Call& call, Matmul& matmul, bool bfloat16, const MatmulChoice& choice) {
  setSlices(call, matmul, choice);
  // Blocks of one launch differ in blockIdx.y by batch, of which there can be 65,535.
  if (matmul.batches > 65535) fail("more than 65,535 matrices in one product");
  if (choice.kernel == MatmulKernel::tensorCore)
    launchTensorCoreMatmul(call, matmul, bfloat16, choice);
  else
    launchSimtMatmul(call, matmul, bfloat16, choice);
  sumSlices(call, matmul);
}

void matmul(const Call& call) {
  const auto& attributes = attributesOf<attributes::matmul>(call);
  const Tensor &a = call.in[0], &b = call.in[1], &bias = call.in[2], &c = call.out[0];
  Matmul gemm{};
  int64_t m = c.dims[c.rank - 2], batches = 1;
  const int64_t n = c.dims[c.rank - 1], k = a.dims[a.rank - (attributes.transposeA ? 2 : 1)];
  // Strides of a's and b's batch axes: those of broadcasting, with a matrix as the unit.
  Tensor aBatch = a, bBatch = b;
  aBatch.rank -= 2;
  bBatch.rank -= 2;
  Axes<2> axes;
  for (int i = 0; i < c.rank - 2; i++) {
    axes.push(c.dims[i],
              {broadcastStride(aBatch, c.rank - 2, i) * m * k, broadcastStride(bBatch, c.rank - 2, i) * k * n});
    batches *= c.dims[i];
  }
  // One b for all batches of an a that lies in rows: the batches are more rows.
  if (batches > 1 && axes.rank == 1 && axes.strides[1][0] == 0 && axes.strides[0][0] == m * k &&
      !attributes.transposeA) {
    m *= batches;
    batches = 1;
    axes = {};
  }
  gemm.m = dimension(m);
  gemm.n = dimension(n);
  gemm.k = dimension(k);
  gemm.batches = dimension(batches);
  gemm.a = a.data;
  gemm.b = b.data;
  gemm.transposeA = attributes.transposeA;
  gemm.transposeB = attributes.transposeB;
  gemm.aStride = attributes.transposeA ? m : k;
  gemm.bStride = attributes.transposeB ? k : n;
  gemm.aVector = vectorOf(a, gemm.aStride);
  gemm.bVector = vectorOf(b, gemm.bStride);
  gemm.batch = Strided<2, int64_t>(axes);
  gemm.c = c.data;
  gemm.bias = bias.data;
  gemm.size = c.size();
  gemm.width = gemm.n;
  gemm.bfloat16 = c.dtype == DType::bfloat16;
  gemm.biasBfloat16 = bias.dtype == DType::bfloat16;
  gemm.activation = attributes.activation;

  if (gemm.size == 0) return;
  const bool bfloat16 = a.dtype == DType::bfloat16;
  const bool mayRound = bfloat16 || attributes.precision != Precision::highest;
  runMatmul(call, gemm, bfloat16, chooseMatmul(m, n, k, batches, contextOf(call).capability, mayRound));
}

}  // namespace neurite::cuda
