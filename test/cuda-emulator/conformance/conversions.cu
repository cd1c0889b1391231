// Conversions of gpu.h on special and random bit patterns, against references written apart.
#include <algorithm>

#include "suite.h"

namespace {

constexpr int kThreads = 128;

std::vector<uint32_t> patterns() {
  std::vector<uint32_t> bits = {
      0x00000000, 0x80000000, 0x3f800000, 0xbf800000,              // 0, 1
      0x7f800000, 0xff800000, 0x7fffffff, 0xffffffff,              // infinities, NaN with all bits
      0x7f800001, 0xff800001, 0x7fc00000, 0xffc00000,              // signalling and quiet NaN
      0x7f7fffff, 0xff7fffff, 0x7f7f7fff, 0x7f7f8000, 0x7f7f8001,  // FLT_MAX, and where bf16 becomes infinite
      0x7f7fefff, 0x7f7ff000,                                      // where TF32 becomes infinite
      0x00800000, 0x007fffff, 0x00000001, 0x807fffff, 0x00007fff, 0x00008000, 0x00018000,  // around the denormals
      0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff,                                      // bf16 ties
      0x3f801000, 0x3f803000, 0x3f800fff, 0x3f801001,                                      // TF32 ties
      0x4f000000, 0xcf000000, 0x4effffff, 0x4f800000, 0x4f7fffff,  // around the limits of int and unsigned
  };
  const std::vector<uint32_t> random = suite::randomBits(2000);
  bits.insert(bits.end(), random.begin(), random.end());
  for (const float value : suite::uniform(500, -100, 100)) bits.push_back(gpu::bitsOf(value));
  return bits;
}

bool isNan(uint32_t bits) { return (bits & 0x7fffffffu) > 0x7f800000u; }
bool isDenormal(uint32_t bits) { return (bits & 0x7f800000u) == 0 && (bits & 0x7fffffu) != 0; }

// The multiple of 2^drop in the lowest bits that is nearest; a tie goes to the even one or away from zero.
uint32_t rounded(uint32_t bits, int drop, bool tiesToEven) {
  const uint64_t unit = uint64_t(1) << drop, below = bits / unit * unit, rest = bits - below;
  if (rest > unit / 2 || (rest == unit / 2 && (!tiesToEven || below / unit % 2 == 1))) return uint32_t(below + unit);
  return uint32_t(below);
}

__global__ void __launch_bounds__(kThreads)
    convertKernel(int n, const uint32_t* x, uint32_t* toBf16, uint32_t* packed, uint32_t* tf32, uint32_t* roundTrip,
                  int* ints, unsigned* uints) {
  const int i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= n) return;
  const float value = gpu::floatOf(x[i]);
  const gpu::bf16 half(value);
  toBf16[i] = half.bits;
  packed[i] = gpu::packBf16(value, gpu::floatOf(x[n - 1 - i]));
  tf32[i] = gpu::toTf32(value);
  roundTrip[i] = gpu::bitsOf(float(gpu::bf16::fromBits(uint16_t(x[i] >> 16))));
  ints[i] = gpu::toInt(value);
  uints[i] = gpu::toUint(value);
}

__global__ void __launch_bounds__(kThreads)
    extremesKernel(int n, const uint32_t* x, const uint32_t* y, uint32_t* largest, uint32_t* smallest) {
  const int i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= n) return;
  largest[i] = gpu::bitsOf(gpu::maxNan(gpu::floatOf(x[i]), gpu::floatOf(y[i])));
  smallest[i] = gpu::bitsOf(gpu::minNan(gpu::floatOf(x[i]), gpu::floatOf(y[i])));
}

}  // namespace

SUITE_CASE(conversions) {
  const std::vector<uint32_t> x = patterns();
  const int n = int(x.size());
  const suite::DeviceBuffer<uint32_t> dx(x), toBf16(x.size()), packed(x.size()), tf32(x.size()), roundTrip(x.size());
  const suite::DeviceBuffer<int> ints(x.size());
  const suite::DeviceBuffer<unsigned> uints(x.size());
  SUITE_CUDA(gpu::launch(convertKernel, (n + kThreads - 1) / kThreads, kThreads, 0, suite::stream(), n, dx.data(),
                         toBf16.data(), packed.data(), tf32.data(), roundTrip.data(), ints.data(), uints.data()));
  std::vector<uint32_t> wantBf16, wantPacked, wantTf32, wantRoundTrip, wantInts, wantUints, gotInts;
  for (const uint32_t bits : x) {
    wantBf16.push_back(isNan(bits) ? 0x7fff : rounded(bits, 16, true) >> 16);
    const bool infinite = (bits & 0x7fffffffu) == 0x7f800000u;
    wantTf32.push_back(isNan(bits) ? 0x7fffffffu : infinite ? bits : rounded(bits, 13, false));
    wantRoundTrip.push_back(bits & 0xffff0000u);
    const double value = gpu::floatOf(bits);
    wantInts.push_back(isNan(bits) ? 0 : uint32_t(int32_t(std::clamp(value, -2147483648.0, 2147483647.0))));
    wantUints.push_back(isNan(bits) ? 0 : uint32_t(std::clamp(value, 0.0, 4294967295.0)));
  }
  for (size_t i = 0; i < x.size(); i++) wantPacked.push_back(wantBf16[i] | wantBf16[x.size() - 1 - i] << 16);
  for (const int value : ints.download()) gotInts.push_back(uint32_t(value));
  suite::expectSameBits("bf16", toBf16.download(), wantBf16);
  suite::expectSameBits("packBf16", packed.download(), wantPacked);
  suite::expectSameBits("toTf32", tf32.download(), wantTf32);
  suite::expectSameBits("float of bf16", roundTrip.download(), wantRoundTrip);
  suite::expectSameBits("toInt", gotInts, wantInts);
  suite::expectSameBits("toUint", uints.download(), wantUints);
}

SUITE_CASE(conversionsOnTheHost) {
  for (const uint32_t bits : patterns()) {
    const bool infinite = (bits & 0x7fffffffu) == 0x7f800000u;
    suite::expectSameBits(
        "on the host", {gpu::bf16Bits(gpu::floatOf(bits)), gpu::toTf32(gpu::floatOf(bits))},
        {isNan(bits) ? 0x7fff : rounded(bits, 16, true) >> 16, isNan(bits) ? 0x7fffffffu
                                                               : infinite  ? bits
                                                                           : rounded(bits, 13, false)});
  }
}

SUITE_CASE(extremesKeepNan) {
  std::vector<uint32_t> x = patterns(), y = patterns();
  std::reverse(y.begin(), y.end());
  const int n = int(x.size());
  const suite::DeviceBuffer<uint32_t> dx(x), dy(y), largest(x.size()), smallest(x.size());
  SUITE_CUDA(gpu::launch(extremesKernel, (n + kThreads - 1) / kThreads, kThreads, 0, suite::stream(), n, dx.data(),
                         dy.data(), largest.data(), smallest.data()));
  const std::vector<uint32_t> gotLargest = largest.download(), gotSmallest = smallest.download();
  std::vector<double> wantLargest, wantSmallest, largestValues, smallestValues;
  for (size_t i = 0; i < x.size(); i++) {
    const bool nan = isNan(x[i]) || isNan(y[i]);
    const double a = isDenormal(x[i]) ? 0 : gpu::floatOf(x[i]), b = isDenormal(y[i]) ? 0 : gpu::floatOf(y[i]);
    wantLargest.push_back(nan ? NAN : std::max(a, b));
    wantSmallest.push_back(nan ? NAN : std::min(a, b));
    largestValues.push_back(gpu::floatOf(gotLargest[i]));
    smallestValues.push_back(gpu::floatOf(gotSmallest[i]));
  }
  suite::expectClose("maxNan", largestValues, wantLargest, 0);
  suite::expectClose("minNan", smallestValues, wantSmallest, 0);
}
