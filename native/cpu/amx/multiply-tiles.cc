// Matrix multiplication on the AMX unit, or on the scalar twin of its tiles.
#include "multiply-tiles.h"

namespace neurite::cpu::NEURITE_ISA {

bool multiplyTiles(const Gemm& g, int parts);
bool multiplyTiles(const Gemm& g, int parts) { return multiplyTilesWith(g, parts); }

}  // namespace neurite::cpu::NEURITE_ISA
