// Correlation: the product that convolution and its data gradient are made of, with packed weights.
#pragma once
#include "conv-strip.h"

namespace neurite::cpu::NEURITE_ISA {

// Results of the windows, one row of `features` each: float32 or bfloat16. Places are elements.
struct Results {
  void* data;
  DType dtype;
  int64_t begin, imagePitch, pitch[3];
  int64_t at(int64_t image, int64_t d, int64_t h, int64_t w) const {
    return begin + image * imagePitch + d * pitch[0] + h * pitch[1] + w * pitch[2];
  }
  // Whether all windows lie one after the other.
  bool dense(const Windows& w) const {
    return pitch[1] == w.count[2] * pitch[2] && pitch[0] == w.count[1] * pitch[1] &&
           imagePitch == w.count[0] * pitch[0];
  }
};

// The packed weights of one group: panel p has its kPanelWidth features for each of the window's values, in order.
inline int64_t packedPanel(const Windows& w) { return w.values() * kPanelWidth; }

struct Correlation {
  Windows windows;           // `first` and the results' begin are those of group 0
  int64_t groups, features;  // of a group
  const float* packed;       // groups x panels x values x kPanelWidth
  const float* bias;         // all features, or null
  Activation activation;
  Results results;
};

void correlate(const Correlation& correlation);

}  // namespace neurite::cpu::NEURITE_ISA
