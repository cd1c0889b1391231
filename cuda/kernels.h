// Prototypes of the CUDA launchers, from ops.def: one function per op, same name.
#pragma once
#include "../native/ops.h"

namespace neurite::cuda {
#define OP(name, inputs, outputs, attrs) void name(const Call& call);
#include "../native/ops.def"
#undef OP
}  // namespace neurite::cuda
