// C (M, N) = A (M, K) B (K, N) in shared-memory tiles, with bugs 1, 2, 3, 4 and 17.
#include "planted.h"
#include "suite.h"

namespace {

constexpr int kTile = 16;

// One element per thread, kTile of K at a time.
__global__ void __launch_bounds__(kTile* kTile)
    tiledGemmKernel(int M, int N, int K, const float* __restrict__ a, const float* __restrict__ b, float* c) {
  GPU_SHARED(float, aTile, [kTile][kTile]);
  GPU_SHARED(float, bTile, [kTile][kTile]);
  const int tx = threadIdx.x % kTile, ty = threadIdx.x / kTile;
  const int m = blockIdx.y * kTile + ty, n = blockIdx.x * kTile + tx;
  const int rows = planted::bug(2) ? M + 1 : M, columns = planted::bug(3) ? N + 1 : N;
  float sum = 0;
  for (int k0 = 0; k0 < K; k0 += kTile) {
    const bool extra = planted::bug(4) && ty == kTile - 1;  // one row behind the tile
    (&aTile[0][0])[(ty + extra) * kTile + tx] = m < rows && k0 + tx < K ? a[size_t(m) * K + k0 + tx] : 0.0f;
    bTile[ty][tx] = n < N && k0 + ty < K ? b[size_t(k0 + ty) * N + n] : 0.0f;
    if (!(planted::bug(1) && k0 == 0)) __syncthreads();
    for (int k = 0; k < kTile; k++) sum = fmaf(aTile[ty][k], bTile[k][tx], sum);
    if (!planted::bug(17)) __syncthreads();
  }
  if (m < M && n < columns) c[size_t(m) * N + n] = sum;
}

}  // namespace

SUITE_CASE(plantedGemm) {
  for (const auto& [M, N, K] : {std::array{17, 33, 37}, std::array{1, 1, 1}, std::array{16, 16, 16}}) {
    const std::vector<float> a = suite::uniform(size_t(M) * K, -1, 1), b = suite::uniform(size_t(K) * N, -1, 1);
    const suite::DeviceBuffer<float> da(a), db(b);
    const suite::DeviceBuffer<float> dc(size_t(M) * N);
    const dim3 grid((N + kTile - 1) / kTile, (M + kTile - 1) / kTile);
    SUITE_CUDA(gpu::launch(tiledGemmKernel, grid, kTile * kTile, 0, suite::stream(), M, N, K, da.data(), db.data(),
                           dc.data()));
    std::vector<double> reference(dc.size());
    for (int m = 0; m < M; m++)
      for (int n = 0; n < N; n++)
        for (int k = 0; k < K; k++) reference[size_t(m) * N + n] += double(a[size_t(m) * K + k]) * b[size_t(k) * N + n];
    suite::expectClose("gemm", dc.download(), reference, 1e-5);
  }
}
