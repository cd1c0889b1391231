// The table of CUDA kernels, in the order of ops.def. A kernel that is missing is a link error that names it.
#include "kernels.h"

namespace neurite::cuda {
extern const KernelTable table;
const KernelTable table = {{
#define OP(name, inputs, outputs, attrs) name,
#include "../native/ops.def"
#undef OP
}};
}  // namespace neurite::cuda
