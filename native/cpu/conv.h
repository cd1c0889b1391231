// Convolution as its kernels see it: three spatial axes (leading ones of size 1 where there are fewer), channels last.
#pragma once
#include "../ops.h"
#include "conv-strip.h"

namespace neurite::cpu::NEURITE_ISA {

// y[b, o, f] = sum over k, c of x[b, o * stride + k * dilation - before, c] * w[k, c, f]. Feature f is of group
// f / (features / groups) and sees that group's channels.
struct ConvShape {
  int64_t batch, channels, features, groups;
  int64_t in[3], out[3], taps[3], stride[3], dilation[3], before[3];
  bool pools =
      false;  // y has the maxima of what lies next to each other in `window`; out counts what they are taken of
  int64_t window[3] = {1, 1, 1};

  template <class Attributes>
  ConvShape(const Tensor& x, const Tensor& w, const Tensor& y, const Attributes& attributes) {
    const int axes = x.rank - 2, missing = 3 - axes;
    batch = x.dims[0];
    channels = x.dims[axes + 1];
    features = y.dims[axes + 1];
    groups = attributes.groups;
    for (int i = 0; i < 3; ++i) {
      const int axis = i - missing;
      const bool there = axis >= 0;
      in[i] = there ? x.dims[axis + 1] : 1;
      if constexpr (requires { attributes.window; }) {
        pools = attributes.window.count > 0;
        if (there && pools) window[i] = attributes.window[axis];
      }
      out[i] = there ? y.dims[axis + 1] * window[i] : 1;
      taps[i] = there ? w.dims[axis] : 1;
      stride[i] = there ? attributes.strides[axis] : 1;
      dilation[i] = there ? attributes.dilation[axis] : 1;
      before[i] = there ? attributes.before[axis] : 0;
    }
  }

  int64_t groupChannels() const { return channels / groups; }
  int64_t groupFeatures() const { return features / groups; }
  int64_t tapCount() const { return taps[0] * taps[1] * taps[2]; }
  int64_t inPixels() const { return in[0] * in[1] * in[2]; }
  int64_t outPixels() const { return out[0] * out[1] * out[2]; }
  // Each pixel of y is made of the pixel of x at the same place: a matrix product of pixels.
  bool pointwise() const {
    bool result = groups == 1;
    for (int i = 0; i < 3; ++i) result = result && taps[i] == 1 && stride[i] == 1 && before[i] == 0 && in[i] == out[i];
    return result;
  }
  // Each channel makes features of its own.
  bool depthwise() const { return groups == channels && groups > 1; }
  // The windows over x.
  Windows windows(const Tensor& x) const {
    Windows w{x.data, x.dtype, {}, channels, 0, groupChannels(), batch, {}, {}, {}, {}, {}};
    for (int i = 0; i < 3; ++i) {
      w.size[i] = in[i], w.count[i] = out[i], w.taps[i] = taps[i];
      w.stride[i] = stride[i], w.dilation[i] = dilation[i], w.before[i] = before[i];
      w.multiple[i] = window[i];
    }
    return w;
  }
};

// Depthwise convolution and its gradients, in conv-depthwise.cc.
void convolveChannels(const Call& call, const ConvShape& s, Activation activation, const float* bias);
void convolveChannelsData(const Call& call, const ConvShape& s, Activation activation, const float* bias);
void sumChannels(const Tensor& x, const Tensor& dy, const Tensor& dw, const ConvShape& s);

}  // namespace neurite::cpu::NEURITE_ISA
