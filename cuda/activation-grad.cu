// Gradients of the elementwise functions: dx from dy and x, or from dy and y = f(x), in one pass.
#include "activations.cuh"
#include "kernels.h"
#include "map.cuh"

namespace neurite::cuda {
namespace {

template <Activation A> struct FromOutput {
  GPU_DEVICE float operator()(float dy, float y) const { return ActivationOf<A>::gradient(dy, y); }
};

struct LeakyReluGrad {
  float slope;
  GPU_DEVICE float operator()(float dy, float x) const { return x != x ? x : x < 0.0f ? slope * dy : dy; }
};
struct EluGrad {
  float alpha;
  GPU_DEVICE float operator()(float dy, float x) const { return x > 0.0f ? dy : dy * alpha * expf(x); }
};
struct SeluGrad {
  GPU_DEVICE float operator()(float dy, float x) const {
    return dy * (x > 0.0f ? kSeluScale : kSeluScale * kSeluAlpha * expf(x));
  }
};
struct GeluErfGrad {
  GPU_DEVICE float operator()(float dy, float x) const {
    const float z = bounded(x, 20.0f);
    return dy * (normalCdf(z) + z * normalPdf(z));
  }
};
// With t = tanh(u), u = k (x + 0.044715 x^3): (1 + t) / 2 + x (1 - t^2) u' / 2.
struct GeluApproximateGrad {
  GPU_DEVICE float operator()(float dy, float x) const {
    const float z = bounded(x, 20.0f);
    const float t = geluTanh(z);
    const float slope = 0.79788456080286536f * (1.0f + 3.0f * 0.044715f * z * z);
    return dy * (0.5f * (1.0f + t) + 0.5f * z * (1.0f - t * t) * slope);
  }
};
struct SiluGrad {
  GPU_DEVICE float operator()(float dy, float x) const {
    const float z = bounded(x, 200.0f);
    const float s = sigmoidOf(z);
    return dy * (s * (1.0f + z * (1.0f - s)));
  }
};
struct SoftplusGrad {
  GPU_DEVICE float operator()(float dy, float x) const { return dy * sigmoidOf(x); }
};
struct SoftsignGrad {
  GPU_DEVICE float operator()(float dy, float x) const {
    const float d = 1.0f + fabsf(x);
    return dy / (d * d);
  }
};
struct HardSigmoidGrad {
  GPU_DEVICE float operator()(float dy, float x) const {
    return x != x ? x : x > -3.0f && x < 3.0f ? dy * (1.0f / 6.0f) : 0.0f;
  }
};
struct ErfGrad {
  GPU_DEVICE float operator()(float dy, float x) const { return dy * 1.1283791670955126f * expf(-x * x); }
};
struct ClipGrad {
  float low, high;
  GPU_DEVICE float operator()(float dy, float x) const { return x != x ? x : low <= x && x <= high ? dy : 0.0f; }
};

template <class F> void gradient(const Call& call, F f) {
  withFloat(call, call.in[0].dtype, [&]<class T>() { map<T, T, T>(call, f, call.out[0], call.in[0], call.in[1]); });
}

}  // namespace

void tanhGrad(const Call& call) { gradient(call, FromOutput<Activation::tanh>{}); }
void sigmoidGrad(const Call& call) { gradient(call, FromOutput<Activation::sigmoid>{}); }
void reluGrad(const Call& call) { gradient(call, FromOutput<Activation::relu>{}); }
void leakyReluGrad(const Call& call) {
  gradient(call, LeakyReluGrad{static_cast<float>(attributesOf<attributes::leakyReluGrad>(call).negativeSlope)});
}
void eluGrad(const Call& call) {
  gradient(call, EluGrad{static_cast<float>(attributesOf<attributes::eluGrad>(call).alpha)});
}
void seluGrad(const Call& call) { gradient(call, SeluGrad{}); }
void geluGrad(const Call& call) {
  if (attributesOf<attributes::geluGrad>(call).approximate) return gradient(call, GeluApproximateGrad{});
  gradient(call, GeluErfGrad{});
}
void siluGrad(const Call& call) { gradient(call, SiluGrad{}); }
void softplusGrad(const Call& call) { gradient(call, SoftplusGrad{}); }
void softsignGrad(const Call& call) { gradient(call, SoftsignGrad{}); }
void hardSigmoidGrad(const Call& call) { gradient(call, HardSigmoidGrad{}); }
void erfGrad(const Call& call) { gradient(call, ErfGrad{}); }
void clipGrad(const Call& call) {
  const auto& [low, high] = attributesOf<attributes::clipGrad>(call);
  gradient(call, ClipGrad{static_cast<float>(low), static_cast<float>(high)});
}

}  // namespace neurite::cuda
