// ldmatrix and mma: layouts exactly, with small integers; sums on random fragments against float64.
#include "suite.h"

namespace {

// Four 8 x 8 matrices in rows that lie in a scrambled order; out (32 lanes, 4 registers).
template <bool Transposed>
__global__ void __launch_bounds__(32) ldmatrixKernel(const uint16_t* matrices, uint32_t* out) {
  GPU_DYN_SHARED(shared);  // 512 bytes
  uint16_t* const rows = reinterpret_cast<uint16_t*>(shared);
  const int lane = threadIdx.x, place = (lane * 5 + 3) % 32;
  for (int i = 0; i < 8; i++) rows[place * 8 + i] = matrices[lane * 8 + i];
  __syncwarp();
  uint32_t r[4];
  if constexpr (Transposed) {
    gpu::ldmatrixX4Trans(r, rows + place * 8);
  } else {
    gpu::ldmatrixX4(r, rows + place * 8);
  }
  for (int j = 0; j < 4; j++) out[lane * 4 + j] = r[j];
}

// d = a b + c for a (16, K), b (K, 8), c and d (16, 8), given as plain row-major matrices.
template <int K>
__global__ void __launch_bounds__(32) mmaKernel(const float* a, const float* b, const float* c, float* d) {
  const int lane = threadIdx.x, g = lane / 4, t = lane % 4;
  uint32_t af[4], bf[2];
  float cf[4], df[4];
  for (int r = 0; r < 4; r++) cf[r] = c[(g + 8 * (r / 2)) * 8 + 2 * t + r % 2];
  if constexpr (K == 16) {
    for (int r = 0; r < 4; r++) {
      const float* const p = a + (g + 8 * (r % 2)) * K + 2 * t + 8 * (r / 2);
      af[r] = gpu::packBf16(p[0], p[1]);
    }
    for (int r = 0; r < 2; r++) bf[r] = gpu::packBf16(b[(2 * t + 8 * r) * 8 + g], b[(2 * t + 8 * r + 1) * 8 + g]);
    gpu::mmaBf16M16n8k16(df, af, bf, cf);
  } else {
    for (int r = 0; r < 4; r++) af[r] = gpu::toTf32(a[(g + 8 * (r % 2)) * K + t + 4 * (r / 2)]);
    for (int r = 0; r < 2; r++) bf[r] = gpu::toTf32(b[(t + 4 * r) * 8 + g]);
    gpu::mmaTf32M16n8k8(df, af, bf, cf);
  }
  for (int r = 0; r < 4; r++) d[(g + 8 * (r / 2)) * 8 + 2 * t + r % 2] = df[r];
}

template <int K>
void checkMma(std::vector<float> a, std::vector<float> b, const std::vector<float>& c, double tolerance) {
  const suite::DeviceBuffer<float> da(a), db(b), dc(c), dd(16 * 8);
  SUITE_CUDA(gpu::launch(mmaKernel<K>, 1, 32, 0, suite::stream(), da.data(), db.data(), dc.data(), dd.data()));
  const auto operand = [](float value) { return K == 16 ? float(gpu::bf16(value)) : gpu::floatOf(gpu::toTf32(value)); };
  std::vector<double> reference(16 * 8);
  for (int m = 0; m < 16; m++)
    for (int n = 0; n < 8; n++) {
      reference[m * 8 + n] = c[m * 8 + n];
      for (int k = 0; k < K; k++) reference[m * 8 + n] += double(operand(a[m * K + k])) * operand(b[k * 8 + n]);
    }
  suite::expectClose("mma, k = " + std::to_string(K), dd.download(), reference, tolerance);
}

std::vector<float> smallIntegers(size_t count) {
  std::vector<float> values;
  for (const uint32_t bits : suite::randomBits(count)) values.push_back(float(int(bits % 17) - 8));
  return values;
}

template <int K> void checkMmaOnAll() {
  for (int round = 0; round < 3; round++) {
    checkMma<K>(smallIntegers(16 * K), smallIntegers(K * 8), smallIntegers(16 * 8), 0);
    checkMma<K>(suite::uniform(16 * K, -1, 1), suite::uniform(K * 8, -1, 1), suite::uniform(16 * 8, -1, 1), 3e-6);
  }
  // Infinity and NaN reach exactly the outputs that they belong to.
  std::vector<float> a = smallIntegers(16 * K);
  a[3 * K + 2] = NAN;
  a[9 * K + 5] = INFINITY;
  std::vector<float> b = smallIntegers(K * 8);
  for (int n = 0; n < 8; n++) b[5 * 8 + n] = 2;
  checkMma<K>(a, b, smallIntegers(16 * 8), 0);
}

}  // namespace

SUITE_CASE(ldmatrix) {
  std::vector<uint16_t> matrices;
  for (const uint32_t bits : suite::randomBits(4 * 64)) matrices.push_back(uint16_t(bits));
  const suite::DeviceBuffer<uint16_t> dm(matrices);
  for (const bool transposed : {false, true}) {
    const suite::DeviceBuffer<uint32_t> out(128);
    SUITE_CUDA(gpu::launch(transposed ? ldmatrixKernel<true> : ldmatrixKernel<false>, 1, 32, 512, suite::stream(),
                           dm.data(), out.data()));
    std::vector<uint32_t> expected(128);
    for (int lane = 0; lane < 32; lane++)
      for (int j = 0; j < 4; j++) {
        const auto at = [&](int i, int k) {
          return uint32_t(transposed ? matrices[j * 64 + k * 8 + i] : matrices[j * 64 + i * 8 + k]);
        };
        expected[lane * 4 + j] = at(lane / 4, lane % 4 * 2) | at(lane / 4, lane % 4 * 2 + 1) << 16;
      }
    suite::expectSameBits(transposed ? "ldmatrix transposed" : "ldmatrix", out.download(), expected);
  }
}

SUITE_CASE(mmaBf16) {
  suite::requireComputeCapability(80);
  checkMmaOnAll<16>();
}

SUITE_CASE(mmaTf32) {
  suite::requireComputeCapability(80);
  checkMmaOnAll<8>();
}
