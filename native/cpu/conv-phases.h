// The phases of a stride: the data gradient of a convolution as correlations of dy.
#pragma once
#include <numeric>

#include "conv.h"

namespace neurite::cpu::NEURITE_ISA {

// The taps of one phase along an axis, from the last to the first, as windows over dy: those that reach places i with
// (i + before) mod stride == phase.
struct Phase {
  int64_t begin = 0, count = 0;          // first place, number of places
  int64_t taps = 0, last = 0, step = 1;  // tap t of the phase is tap last - t * step of the kernel
  int64_t dilation = 1, before = 0;      // of the windows
  Phase(const ConvShape& s, int axis, int64_t phase) {
    const int64_t stride = s.stride[axis], dilated = s.dilation[axis];
    begin = ((phase - s.before[axis]) % stride + stride) % stride;
    count = begin < s.in[axis] ? ceilDivide(s.in[axis] - begin, stride) : 0;
    const int64_t common = std::gcd(stride, dilated);
    step = stride / common;
    dilation = dilated / common;
    for (int64_t k = 0; k < s.taps[axis]; ++k) {
      if (k * dilated % stride == phase) last = k, ++taps;
    }
    before = (last * dilated - begin - s.before[axis]) / stride;
  }
};

// The data gradient as correlations of dy, one for each phase of the stride: f(windows over all features, tapAt, begin, pitch), where
// tapAt(t) is the tap of the kernel that the windows' tap t is, begin the first place of dx in elements, pitch the distances of its places.
template <class F> void forPhases(const Tensor& dy, const ConvShape& s, F&& f) {
  const int64_t pixel = s.channels, row = s.in[2] * pixel, plane = s.in[1] * row;
  const int64_t phases = s.stride[0] * s.stride[1] * s.stride[2];
  for (int64_t i = 0; i < phases; ++i) {
    const Phase phase[3] = {
        {s, 0, i / s.stride[2] / s.stride[1]}, {s, 1, i / s.stride[2] % s.stride[1]}, {s, 2, i % s.stride[2]}};
    Windows w{dy.data, dy.dtype, {}, s.features, 0, s.groupFeatures(), s.batch, {}, {}, {}, {}, {}};
    for (int axis = 0; axis < 3; ++axis) {
      w.size[axis] = s.out[axis], w.count[axis] = phase[axis].count, w.taps[axis] = phase[axis].taps;
      w.stride[axis] = 1, w.dilation[axis] = phase[axis].dilation, w.before[axis] = phase[axis].before;
    }
    if (w.planes() * w.planeWindows() == 0) continue;
    const auto tapAt = [&](int64_t t) {
      const int64_t at[3] = {t / w.taps[2] / w.taps[1], t / w.taps[2] % w.taps[1], t % w.taps[2]};
      int64_t tap = 0;
      for (int axis = 0; axis < 3; ++axis) tap = tap * s.taps[axis] + phase[axis].last - at[axis] * phase[axis].step;
      return tap;
    };
    f(w, tapAt, phase[0].begin * plane + phase[1].begin * row + phase[2].begin * pixel,
      {s.stride[0] * plane, s.stride[1] * row, s.stride[2] * pixel});
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
