// C (M, N) = A (M, K) B (K, N) on tensor cores with a ring of cp.async stages, with bugs 5, 6, 7, 8, 18 and 26.
#include "planted.h"
#include "suite.h"

namespace {

constexpr int kRows = 32, kColumns = 32, kDepth = 16, kStages = 3, kThreads = 64;
constexpr int kAPitch = kDepth + 4, kBPitch = kColumns + 8;  // padded against bank conflicts
constexpr int kStageFloats = kRows * kAPitch + kDepth * kBPitch;

__device__ void fetchTile(float* stage, int M, int N, int K, const float* a, const float* b, int m0, int n0, int k0) {
  for (int i = threadIdx.x; i < kRows * kDepth; i += kThreads) {
    const int row = i / kDepth, k = i % kDepth;
    const bool inside = m0 + row < M && k0 + k < K;
    gpu::cpAsync<4>(stage + row * kAPitch + k, inside ? a + size_t(m0 + row) * K + k0 + k : a, inside ? 4 : 0);
  }
  for (int i = threadIdx.x; i < kDepth * kColumns; i += kThreads) {
    const int k = i / kColumns, column = i % kColumns;
    const bool inside = n0 + column < N && k0 + k < K;
    gpu::cpAsync<4>(stage + kRows * kAPitch + k * kBPitch + column, inside ? b + size_t(k0 + k) * N + n0 + column : b,
                    inside ? 4 : 0);
  }
}

// Two warps, each 16 rows and all columns of the tile.
__global__ void __launch_bounds__(kThreads)
    tf32GemmKernel(int M, int N, int K, const float* __restrict__ a, const float* __restrict__ b, float* c) {
  GPU_DYN_SHARED(shared);
  float* const ring = reinterpret_cast<float*>(shared);
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, warpRow = int(threadIdx.x) / 32 * 16;
  const int m0 = blockIdx.y * kRows, n0 = blockIdx.x * kColumns;
  const int tiles = (K + kDepth - 1) / kDepth;
  const int ringSize = planted::bug(5) ? kStages + 1 : kStages;
  float sum[kColumns / 8][4] = {};

  for (int s = 0; s < kStages - 1; s++) {
    if (s < tiles) fetchTile(ring + s * kStageFloats, M, N, K, a, b, m0, n0, s * kDepth);
    if (!planted::bug(26)) gpu::cpAsyncCommit();
  }
  for (int i = 0; i < tiles; i++) {
    if (planted::bug(7)) {
      gpu::cpAsyncWait<kStages - 1>();
    } else {
      gpu::cpAsyncWait<kStages - 2>();
    }
    if (!planted::bug(8)) __syncthreads();
    const int next = i + kStages - 1;
    if (next < tiles) fetchTile(ring + next % ringSize * kStageFloats, M, N, K, a, b, m0, n0, next * kDepth);
    gpu::cpAsyncCommit();
    const float* const aTile = ring + i % ringSize * kStageFloats + warpRow * kAPitch;
    const float* const bTile = ring + i % ringSize * kStageFloats + kRows * kAPitch;
    for (int k = 0; k < kDepth; k += 8) {
      uint32_t af[4], bf[2];
      for (int r = 0; r < 4; r++) af[r] = gpu::toTf32(aTile[(g + 8 * (r % 2)) * kAPitch + k + t + 4 * (r / 2)]);
      for (int n = 0; n < kColumns / 8; n++) {
        const int column = planted::bug(6) ? n * 8 + t : n * 8 + g;
        for (int r = 0; r < 2; r++) bf[r] = gpu::toTf32(bTile[(k + t + 4 * r) * kBPitch + column]);
        gpu::mmaTf32M16n8k8(sum[n], af, bf, sum[n]);
      }
    }
  }
  for (int n = 0; n < kColumns / 8; n++)
    for (int r = 0; r < 4; r++) {
      const int row = m0 + warpRow + g + 8 * (r / 2), column = n0 + n * 8 + 2 * t + r % 2;
      if (row < M && column < N) c[size_t(row) * N + column] = sum[n][r];
    }
}

constexpr int kBf16Depth = 16, kBf16Pitch = kBf16Depth + 8;

// C (16, 16) = A (16, K) B (16, K)^T in one warp, K a multiple of 16: operands through ldmatrix.
__global__ void __launch_bounds__(32)
    bf16GemmKernel(int K, const gpu::bf16* __restrict__ a, const gpu::bf16* __restrict__ b, float* c) {
  GPU_SHARED(gpu::bf16, aTile, [16 * kBf16Pitch]);
  GPU_SHARED(gpu::bf16, bTile, [16 * kBf16Pitch]);
  const int lane = threadIdx.x, g = lane / 4, t = lane % 4;
  float sum[2][4] = {};
  for (int k0 = 0; k0 < K; k0 += kBf16Depth) {
    for (int i = lane; i < 16 * kBf16Depth; i += 32) {
      aTile[i / kBf16Depth * kBf16Pitch + i % kBf16Depth] = a[size_t(i / kBf16Depth) * K + k0 + i % kBf16Depth];
      bTile[i / kBf16Depth * kBf16Pitch + i % kBf16Depth] = b[size_t(i / kBf16Depth) * K + k0 + i % kBf16Depth];
    }
    __syncwarp();
    uint32_t af[4], bf[4];
    const int row = planted::bug(18) ? lane / 2 : lane % 16;
    gpu::ldmatrixX4(af, aTile + row * kBf16Pitch + lane / 16 * 8);
    gpu::ldmatrixX4(bf, bTile + (lane % 8 + lane / 16 * 8) * kBf16Pitch + lane / 8 % 2 * 8);
    const uint32_t left[2] = {bf[0], bf[1]}, right[2] = {bf[2], bf[3]};
    gpu::mmaBf16M16n8k16(sum[0], af, left, sum[0]);
    gpu::mmaBf16M16n8k16(sum[1], af, right, sum[1]);
    __syncwarp();
  }
  for (int n = 0; n < 2; n++)
    for (int r = 0; r < 4; r++) c[(g + 8 * (r / 2)) * 16 + n * 8 + 2 * t + r % 2] = sum[n][r];
}

}  // namespace

SUITE_CASE(plantedTf32Gemm) {
  suite::requireComputeCapability(80);
  SUITE_CUDA(cudaFuncSetAttribute(tf32GemmKernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  kStages * kStageFloats * int(sizeof(float))));
  for (const auto& [M, N, K] : {std::array{33, 31, 100}, std::array{5, 3, 7}, std::array{32, 32, 64}}) {
    const std::vector<float> a = suite::uniform(size_t(M) * K, -1, 1), b = suite::uniform(size_t(K) * N, -1, 1);
    const suite::DeviceBuffer<float> da(a), db(b);
    const suite::DeviceBuffer<float> dc(size_t(M) * N);
    const dim3 grid((N + kColumns - 1) / kColumns, (M + kRows - 1) / kRows);
    SUITE_CUDA(gpu::launch(tf32GemmKernel, grid, kThreads, kStages * kStageFloats * sizeof(float), suite::stream(), M,
                           N, K, da.data(), db.data(), dc.data()));
    std::vector<double> reference(dc.size());
    for (int m = 0; m < M; m++)
      for (int n = 0; n < N; n++)
        for (int k = 0; k < K; k++) reference[size_t(m) * N + n] += double(a[size_t(m) * K + k]) * b[size_t(k) * N + n];
    suite::expectRelativeError("tf32 gemm", dc.download(), reference, 6e-4);
  }
}

SUITE_CASE(plantedBf16Gemm) {
  suite::requireComputeCapability(80);
  constexpr int kK = 48;
  std::vector<gpu::bf16> a, b;
  for (const float value : suite::uniform(16 * kK, -1, 1)) a.push_back(gpu::bf16(value));
  for (const float value : suite::uniform(16 * kK, -1, 1)) b.push_back(gpu::bf16(value));
  const suite::DeviceBuffer<gpu::bf16> da(a), db(b);
  const suite::DeviceBuffer<float> dc(16 * 16);
  SUITE_CUDA(gpu::launch(bf16GemmKernel, 1, 32, 0, suite::stream(), kK, da.data(), db.data(), dc.data()));
  std::vector<double> reference(dc.size());
  for (int m = 0; m < 16; m++)
    for (int n = 0; n < 16; n++)
      for (int k = 0; k < kK; k++) reference[m * 16 + n] += double(a[m * kK + k]) * double(b[n * kK + k]);
  suite::expectRelativeError("bf16 gemm", dc.download(), reference, 1e-6);
}
