// What the tests of CPU kernels draw and convert: the same numbers in every run.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

namespace neurite::test {

inline uint32_t randomState = 1;
inline uint32_t randomBits() {
  randomState = randomState * 1664525u + 1013904223u;
  return randomState >> 8;
}
inline double uniform() { return randomBits() / 16777216.0; }

inline float fromBfloat16(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value;
  memcpy(&value, &wide, 4);
  return value;
}
inline uint16_t toBfloat16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Operands of products: centred values, whose sums cancel; positive ones; exponents over 2^+-40; one value that is far from all others; values too
// small to be split in parts, large enough that hardly a product is flushed to zero.
enum class Data { centred, positive, wideExponents, outlier, tiny };
inline double draw(Data data) {
  switch (data) {
    case Data::positive:
      return uniform() + 0.01;
    case Data::wideExponents:
      return (uniform() - 0.5) * std::exp2(static_cast<double>(randomBits() % 81) - 40.0);
    case Data::outlier:
      return randomBits() % 1000 == 0 ? 1000.3 : uniform() - 0.5;
    case Data::tiny:
      return (uniform() - 0.5) * std::exp2(-52.0);
    case Data::centred:
      break;
  }
  return uniform() - 0.5;
}

}  // namespace neurite::test
