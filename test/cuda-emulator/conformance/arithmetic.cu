// Functions of <math.h> under their plain C names, and integer intrinsics.
#include "suite.h"

namespace {

constexpr int kFunctions = 20;

// out (kFunctions, n)
__global__ void __launch_bounds__(64) functionsKernel(int n, const float* x, float* out) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  if (i >= n) return;
  const float v = x[i], p = fabsf(v) + 0.01f;
  const float results[kFunctions] = {
      expf(v),  logf(p),         log1pf(p),     expm1f(v),      sqrtf(p),       rsqrtf(p), powf(p, 1.5f),
      sinf(v),  cosf(v),         tanhf(v),      erff(v),        floorf(v),      ceilf(v),  rintf(v),
      fabsf(v), copysignf(p, v), fmaf(v, v, p), fminf(v, 0.5f), fmaxf(v, 0.5f), v / p,
  };
  for (int f = 0; f < kFunctions; f++) out[f * n + i] = results[f];
}

// out (10, n)
__global__ void __launch_bounds__(64) integersKernel(int n, const unsigned* x, unsigned* out) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  if (i >= n) return;
  const unsigned v = x[i], w = x[n - 1 - i];
  out[i] = __umulhi(v, w);
  out[n + i] = unsigned(__popc(v));
  out[2 * n + i] = unsigned(__clz(int(v)));
  out[3 * n + i] = unsigned(__ffs(int(v)));
  out[4 * n + i] = __brev(v);
  out[5 * n + i] = min(v, w);
  out[6 * n + i] = max(v, w);
  out[7 * n + i] = unsigned(min(int(v), int(w)));
  out[8 * n + i] = unsigned(__umul64hi(static_cast<unsigned long long>(v) << 32 | w, w));
  out[9 * n + i] = __float_as_uint(__uint_as_float(v));
}

}  // namespace

SUITE_CASE(functions) {
  const std::vector<float> x = suite::uniform(200, -4, 4);
  const int n = int(x.size());
  const suite::DeviceBuffer<float> dx(x), out(kFunctions * x.size());
  SUITE_CUDA(gpu::launch(functionsKernel, (n + 63) / 64, 64, 0, suite::stream(), n, dx.data(), out.data()));
  std::vector<double> expected(kFunctions * x.size());
  for (int i = 0; i < n; i++) {
    const double v = x[i], p = std::fabs(x[i]) + 0.01f;
    const double results[kFunctions] = {
        std::exp(v),         std::log(p),      std::log1p(p),     std::expm1(v),     std::sqrt(p),
        1 / std::sqrt(p),    std::pow(p, 1.5), std::sin(v),       std::cos(v),       std::tanh(v),
        std::erf(v),         std::floor(v),    std::ceil(v),      std::rint(v),      std::fabs(v),
        std::copysign(p, v), v * v + p,        std::fmin(v, 0.5), std::fmax(v, 0.5), v / p,
    };
    for (int f = 0; f < kFunctions; f++) expected[size_t(f) * n + i] = results[f];
  }
  suite::expectClose("functions", out.download(), expected, 1e-6);
}

SUITE_CASE(integers) {
  std::vector<uint32_t> x = suite::randomBits(200);
  x[0] = 0;
  x[1] = 1;
  x[2] = 0xffffffffu;
  x[3] = 0x80000000u;
  const int n = int(x.size());
  const suite::DeviceBuffer<uint32_t> dx(x), out(10 * x.size());
  SUITE_CUDA(gpu::launch(integersKernel, (n + 63) / 64, 64, 0, suite::stream(), n, dx.data(), out.data()));
  std::vector<uint32_t> expected(10 * x.size());
  for (int i = 0; i < n; i++) {
    const uint32_t v = x[i], w = x[n - 1 - i];
    uint32_t ones = 0, leading = 32, first = 0, reversed = 0;
    for (uint32_t b = 0; b < 32; b++) {
      if ((v >> b & 1) == 0) continue;
      ones++;
      leading = 31 - b;
      if (first == 0) first = b + 1;
      reversed |= 1u << (31 - b);
    }
    // (v 2^32 + w) w / 2^64, from two products of 32 bits
    const uint64_t high = uint64_t(v) * w + (uint64_t(w) * w >> 32);
    const uint32_t all[10] = {uint32_t(uint64_t(v) * w >> 32),
                              ones,
                              leading,
                              first,
                              reversed,
                              v < w ? v : w,
                              v < w ? w : v,
                              uint32_t(int(v) < int(w) ? int(v) : int(w)),
                              uint32_t(high >> 32),
                              v};
    for (int f = 0; f < 10; f++) expected[size_t(f) * n + i] = all[f];
  }
  suite::expectSameBits("integers", out.download(), expected);
}
