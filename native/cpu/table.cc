// The table of this instruction set's kernels, in the order of ops.def. A kernel that is missing is a link error that
// names it.
#include "kernels.h"

namespace neurite::cpu::NEURITE_ISA {
extern const KernelTable table;
const KernelTable table = {{
#define OP(name, inputs, outputs, attrs) name,
#include "../ops.def"
#undef OP
}};
}  // namespace neurite::cpu::NEURITE_ISA
