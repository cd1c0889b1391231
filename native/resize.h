// What an element of a resized axis is made of: places of the input and their weights, the same on both devices.
//
// Centres of elements lie at halves, as in keras.ops.image.resize and PyTorch (align_corners=False, antialias=False): place o of
// `out` lies at (o + 1/2) * in / out of the input's axis. nearest takes the place that this point is in; bilinear weighs the two
// centres around it by their nearness; bicubic four centres by Keys' kernel with a = -3/4, as PyTorch does. What lies beyond an end
// is the element at that end. Functions are static: each instruction set's kernels keep the copies that were compiled for it.
#pragma once
#include "host-device.h"
#include "tensor.h"

namespace neurite {

// How many places an element is made of, away from the ends.
NEURITE_HOST_DEVICE static constexpr int widthOf(Interpolation interpolation) {
  return interpolation == Interpolation::nearest ? 1 : interpolation == Interpolation::bilinear ? 2 : 4;
}

// Keys' kernel at distance d: up to 1, and from 1 to 2.
inline constexpr float kCubic = -0.75f;
NEURITE_HOST_DEVICE static constexpr float cubicNear(float d) {
  return ((kCubic + 2.0f) * d - (kCubic + 3.0f)) * d * d + 1.0f;
}
NEURITE_HOST_DEVICE static constexpr float cubicFar(float d) {
  return ((kCubic * d - 5.0f * kCubic) * d + 8.0f * kCubic) * d - 4.0f * kCubic;
}

// Neighbouring places and their weights, which sum to 1.
struct Taps {
  int64_t first = 0;
  int count = 0;
  float weights[4] = {};
};

// In whole numbers as far as it decides between places: both devices agree, and a point on a centre reads that element alone.
NEURITE_HOST_DEVICE static inline Taps tapsOf(Interpolation interpolation, int64_t in, int64_t out, int64_t o) {
  Taps taps;
  const int64_t unit = 2 * out, point = (2 * o + 1) * in;  // in units of 1 / unit
  if (interpolation == Interpolation::nearest) {
    taps.first = point / unit;
    taps.count = 1;
    taps.weights[0] = 1.0f;
    return taps;
  }
  const int64_t at = point - out;  // from the centre of the first element on: at least -out
  const int64_t low = at < 0 ? -1 : at / unit, rest = at - low * unit;
  if (rest == 0) {
    taps.first = low;
    taps.count = 1;
    taps.weights[0] = 1.0f;
    return taps;
  }
  const float t = static_cast<float>(rest) / static_cast<float>(unit), s = 1.0f - t;
  float weights[4] = {s, t};
  if (interpolation == Interpolation::bicubic) {
    weights[0] = cubicFar(t + 1.0f);
    weights[1] = cubicNear(t);
    weights[2] = cubicNear(s);
    weights[3] = cubicFar(s + 1.0f);
  }
  const int width = widthOf(interpolation);
  for (int k = 0; k < width; k++) {
    const int64_t place = low - width / 2 + 1 + k;
    const int64_t inside = place < 0 ? 0 : place < in ? place : in - 1;
    if (taps.count == 0) taps.first = inside;
    if (taps.first + taps.count == inside) taps.count++;
    taps.weights[taps.count - 1] += weights[k];
  }
  return taps;
}

}  // namespace neurite
