// Convolutions by units other than the set's vectors: kernels that take the op's call, with bias in float32, or null.
#pragma once
#include "../amx.h"
#include "../bfloat16-dots.h"
#include "../ops.h"

#if defined(__x86_64__) && defined(__AVX512F__)
namespace neurite::cpu::avx512bf16 {
void convolvePairs(const Call& call, const float* bias);
void convolveDataPairs(const Call& call, const float* bias);
void multiplyWindowPairs(const Call& call);
}  // namespace neurite::cpu::avx512bf16
namespace neurite::cpu::amx {
bool convolveTiles(const Call& call, int parts, const float* bias);
bool convolveDataTiles(const Call& call, int parts, const float* bias);
bool sumWindowTiles(const Call& call, int parts);
}  // namespace neurite::cpu::amx
#endif

// With `parts` of bfloat16 per float32. False where magnitudes call for true float32: the result is undefined then.
// The scalar twins of those of namespace amx.
namespace neurite::cpu::amx_twin {
bool convolveTiles(const Call& call, int parts, const float* bias);
bool convolveDataTiles(const Call& call, int parts, const float* bias);
bool sumWindowTiles(const Call& call, int parts);
}  // namespace neurite::cpu::amx_twin

namespace neurite::cpu::NEURITE_ISA {

#if defined(__x86_64__) && defined(__AVX512F__)
namespace unit = amx;
#else
namespace unit = amx_twin;  // never asked: AMX is an addition to AVX-512
#endif

// Whether tiles did the work: there are some, and they suit the shape (faster()) and the values.
template <class Kernel, class Faster, class... Arguments>
bool byTiles(Kernel kernel, Kernel twin, Faster&& faster, const Arguments&... arguments) {
  switch (tileUnit()) {
    case TileUnit::emulated:
      return twin(arguments...);
    case TileUnit::amx:
      return faster() && kernel(arguments...);
    default:
      return false;
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
