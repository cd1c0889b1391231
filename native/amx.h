// Whether matrix products and convolutions may use the tile unit of the CPU (AMX), and why not.
#pragma once
#include <string>

namespace neurite {

enum class TileUnit { none, emulated, amx };

// Decided at the first call: the CPU must have AMX with bfloat16 and AVX-512, and the kernel must grant its registers
// to this process. NEURITE_CPU=amx-emulated chooses the scalar twin; a lower set named there means none.
TileUnit tileUnit();
// Why tileUnit() is not amx, for `neurite info`; empty if it is.
const std::string& amxRefusal();
inline bool amxAvailable() { return tileUnit() == TileUnit::amx; }

}  // namespace neurite
