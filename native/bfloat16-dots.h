// Whether matrix products of bfloat16 may use the CPU's dot products of pairs (AVX512-BF16), and why not.
#pragma once
#include <string>

namespace neurite {

// Decided at the first call. By itself only on AMD: Zen 5 runs vdpbf16ps as often as a float32 multiply-add, for twice
// the products; Intel's runs half as often at best (88 against 176 GFLOP/s on a thread of a fifth-generation Xeon), so that float32 wins.
// NEURITE_CPU=avx512bf16 chooses it wherever it is there; any other set named there means no.
bool bfloat16Dots();
// Why not, for `neurite info`; empty if they are used.
const std::string& bfloat16DotsRefusal();

}  // namespace neurite
