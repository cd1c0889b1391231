// Prototypes of the CPU kernels of one instruction set, from ops.def. Every file of this folder is compiled once per set, with NEURITE_ISA its namespace.
#pragma once
#include "../ops.h"

namespace neurite::cpu::NEURITE_ISA {
#define OP(name, inputs, outputs, attrs) void name(const Call& call);
#include "../ops.def"
#undef OP
}  // namespace neurite::cpu::NEURITE_ISA
