// Convolutions on the AMX unit.
#include "../conv-units.h"
#include "conv-tiles.h"

namespace neurite::cpu::NEURITE_ISA {

bool convolveTiles(const Call& call, int parts, const float* bias) { return convolveWithTiles(call, parts, bias); }
bool convolveDataTiles(const Call& call, int parts, const float* bias) {
  return convolveDataWithTiles(call, parts, bias);
}
bool sumWindowTiles(const Call& call, int parts) { return sumWindowsWithTiles(call, parts); }

}  // namespace neurite::cpu::NEURITE_ISA
