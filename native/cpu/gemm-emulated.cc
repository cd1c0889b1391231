// The AMX kernels' logic with the scalar twin of the tiles, for machines without AMX: slow, for tests only.
#include "amx/multiply-tiles.h"

namespace neurite::cpu::NEURITE_ISA {

bool multiplyTiles(const Gemm& g, int parts);
bool multiplyTiles(const Gemm& g, int parts) { return multiplyTilesWith(g, parts); }

}  // namespace neurite::cpu::NEURITE_ISA
