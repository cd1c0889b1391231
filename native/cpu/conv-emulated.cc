// The logic of convolutions on the AMX unit with the scalar twin of the tiles, for machines without AMX: slow, for tests only.
#include "amx/conv-tiles.h"
#include "conv-units.h"

namespace neurite::cpu::NEURITE_ISA {

bool convolveTiles(const Call& call, int parts, const float* bias) { return convolveWithTiles(call, parts, bias); }
bool convolveDataTiles(const Call& call, int parts, const float* bias) {
  return convolveDataWithTiles(call, parts, bias);
}
bool sumWindowTiles(const Call& call, int parts) { return sumWindowsWithTiles(call, parts); }

}  // namespace neurite::cpu::NEURITE_ISA
