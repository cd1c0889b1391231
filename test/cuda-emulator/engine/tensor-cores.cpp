// ldmatrix and mma.sync: fragments in and out as the PTX ISA lays them out, with g = lane / 4 and t = lane % 4.
#include "gpu.h"

#include <bit>
#include <cmath>

#include "state.h"

namespace emulator {
namespace {

struct MatrixLoad {
  uint32_t* r;
  const MatrixRow* row;
  bool transposed;
};

void executeMatrixLoad(void* const* lanes, unsigned active, const Location& at) {
  if (active != 0xffffffffu) fail(at, "ldmatrix needs all 32 lanes (lanes %08x take part)", active);
  for (int lane = 0; lane < 32; lane++) {
    const auto* own = static_cast<const MatrixLoad*>(lanes[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int j = 0; j < 4; j++) {
      const auto element = [&](int row, int column) {
        return uint32_t(static_cast<const MatrixLoad*>(lanes[8 * j + row])->row->v[column]);
      };
      own->r[j] = own->transposed ? element(2 * t, g) | element(2 * t + 1, g) << 16
                                  : element(g, 2 * t) | element(g, 2 * t + 1) << 16;
    }
  }
}

struct Mma {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
  const float* c;
};

float ofBf16(uint32_t bits) { return std::bit_cast<float>(bits << 16); }
float ofTf32(uint32_t bits) { return std::bit_cast<float>(bits & 0xffffe000u); }

float truncated(double value) {
  const float nearest = float(value);
  if (std::isinf(nearest) || std::isnan(nearest) || std::fabs(double(nearest)) <= std::fabs(value)) return nearest;
  return std::nextafterf(nearest, 0.0f);
}

// One sum of products on top of c. Products of bf16 or TF32 are exact in double. Rounding to nearest: after each
// product. Truncating: hardware adds a few products at once and cuts off what does not fit.
template <int K> float accumulate(float c, const float* a, const float* b, int strideB) {
  if (!options().truncatingMma) {
    for (int k = 0; k < K; k++) c = float(double(c) + double(a[k]) * double(b[k * strideB]));
    return c;
  }
  constexpr int kAtOnce = K / 2;
  for (int first = 0; first < K; first += kAtOnce) {
    double sum = c;
    for (int k = first; k < first + kAtOnce; k++) sum += double(a[k]) * double(b[k * strideB]);
    c = truncated(sum);
  }
  return c;
}

template <int K> void multiply(const float (&a)[16][K], const float (&b)[K][8], void* const* lanes) {
  for (int lane = 0; lane < 32; lane++) {
    const auto* own = static_cast<const Mma*>(lanes[lane]);
    for (int r = 0; r < 4; r++) {
      const int row = lane / 4 + 8 * (r / 2), column = 2 * (lane % 4) + r % 2;
      own->d[r] = accumulate<K>(own->c[r], a[row], &b[0][column], 8);
    }
  }
}

void executeMmaBf16(void* const* lanes, unsigned active, const Location& at) {
  if (active != 0xffffffffu) fail(at, "mma needs all 32 lanes (lanes %08x take part)", active);
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; lane++) {
    const auto* own = static_cast<const Mma*>(lanes[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int half = 0; half < 2; half++) {
      for (int r = 0; r < 4; r++)
        a[g + 8 * (r % 2)][2 * t + half + 8 * (r / 2)] = ofBf16(own->a[r] >> 16 * half & 0xffffu);
      for (int r = 0; r < 2; r++) b[2 * t + half + 8 * r][g] = ofBf16(own->b[r] >> 16 * half & 0xffffu);
    }
  }
  multiply<16>(a, b, lanes);
}

void executeMmaTf32(void* const* lanes, unsigned active, const Location& at) {
  if (active != 0xffffffffu) fail(at, "mma needs all 32 lanes (lanes %08x take part)", active);
  float a[16][8], b[8][8];
  for (int lane = 0; lane < 32; lane++) {
    const auto* own = static_cast<const Mma*>(lanes[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int r = 0; r < 4; r++) a[g + 8 * (r % 2)][t + 4 * (r / 2)] = ofTf32(own->a[r]);
    for (int r = 0; r < 2; r++) b[t + 4 * r][g] = ofTf32(own->b[r]);
  }
  multiply<8>(a, b, lanes);
}

}  // namespace

void exchangeMatrixRows(uint32_t* r, MatrixRow row, bool transposed, const Location& at) {
  MatrixLoad load{r, &row, transposed};
  collective(0xffffffffu, transposed ? "ldmatrixX4Trans" : "ldmatrixX4", &load, executeMatrixLoad, at);
}

void mmaBf16(float* d, const uint32_t* a, const uint32_t* b, const float* c, const Location& at) {
  requireComputeCapability(80, "mmaBf16M16n8k16", at);
  Mma mma{d, a, b, c};
  collective(0xffffffffu, "mmaBf16M16n8k16", &mma, executeMmaBf16, at);
}

void mmaTf32(float* d, const uint32_t* a, const uint32_t* b, const float* c, const Location& at) {
  requireComputeCapability(80, "mmaTf32M16n8k8", at);
  Mma mma{d, a, b, c};
  collective(0xffffffffu, "mmaTf32M16n8k8", &mma, executeMmaTf32, at);
}

}  // namespace emulator
