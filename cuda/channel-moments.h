// Statistics by channel, for whoever makes what is normalised.
#pragma once
#include "context.h"

namespace neurite::cuda {

// Mean and population variance (outer, groups) of x (outer, rows, C), each group that of neighbouring channels.
void takeMoments(const Call& call, const Tensor& x, int64_t outer, int64_t groups, float* mean, float* variance);

}  // namespace neurite::cuda
