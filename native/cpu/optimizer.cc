// Optimizers: sgd, adam and rmsprop over all variables in one call, each array read and written once.
//
// With clipped gradient g, learning rate lr, t = iterations + 1, after w -= w * weightDecay * lr:
//   sgd      w -= lr g; with momentum m = momentum m - lr g, w += m, or with nesterov w += momentum m - lr g
//   adam     m += (1 - beta1) (g - m), v += (1 - beta2) (g^2 - v),
//            w -= lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon); amsgrad takes vMax = max(vMax, v) for v
//   rmsprop  v += (1 - rho) (g^2 - v), step = lr g / sqrt(v + epsilon); centered takes v - mean^2 for v,
//            mean += (1 - rho) (g - mean); w -= step, or with momentum m = momentum m + step, w -= m
#include <cmath>

#include "../thread-pool.h"
#include "elementwise.h"
#include "kernels.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

constexpr int kFixedInputs = 3;   // learningRate, iterations, squaredNorms
constexpr int64_t kPiece = 8192;  // weights that one chunk updates
constexpr int64_t kAheadOfUse =
    512;  // weights between asking for the arrays and their use: a root and a quotient fill the CPU's window
constexpr int kMostSlots = 3;

// One variable's arrays from some weight on.
struct Place {
  float* w;
  const void* g;
  DType gType;
  float* slot[kMostSlots];
  int64_t n;
};

// What all variables share.
struct Step {
  float learningRate, decay;  // decay: weightDecay * learningRate
  Clip clip;
  float limit;
  const float* squaredNorms;
};

// The factor that brings a gradient's norm down to the limit; NaN and Inf stay visible as NaN.
float clipFactor(double squaredNorm, float limit) {
  const double norm = std::sqrt(squaredNorm);
  return static_cast<float>(limit / (norm > limit ? norm : limit) + (norm - norm));
}

// Calls update(place, factor) for every piece of every variable.
template <class F> void eachPiece(const Call& call, int slots, const Step& step, F&& update) {
  const int group = 2 + slots, variables = (call.inputs - kFixedInputs) / group;
  // pieces[v] is the number of pieces before variable v.
  auto* pieces = static_cast<int64_t*>(scratch(static_cast<size_t>(variables + 1) * sizeof(int64_t)));
  int64_t weights = 0;
  pieces[0] = 0;
  for (int v = 0; v < variables; ++v) {
    const int64_t size = call.in[kFixedInputs + v * group].size();
    pieces[v + 1] = pieces[v] + ceilDivide(size, kPiece);
    weights += size;
  }
  float globalFactor = 1;
  if (step.clip == Clip::globalNorm) {
    double total = 0;
    for (int v = 0; v < variables; ++v) total += static_cast<double>(step.squaredNorms[v]);
    globalFactor = clipFactor(total, step.limit);
  }
  const auto run = [&](int64_t piece) {
    int low = 0, high = variables;  // pieces[low] <= piece < pieces[high]
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (pieces[middle] <= piece ? low : high) = middle;
    }
    const Tensor* tensors = call.in + kFixedInputs + low * group;
    const int64_t begin = (piece - pieces[low]) * kPiece;
    Place place{};
    place.n = smaller(kPiece, tensors[0].size() - begin);
    place.w = tensors[0].as<float>() + begin;
    place.gType = tensors[1].dtype;
    place.g = tensors[1].as<const char>() + begin * static_cast<int64_t>(dtypeBytes(place.gType));
    for (int s = 0; s < slots; ++s) place.slot[s] = tensors[2 + s].as<float>() + begin;
    update(place, step.clip == Clip::norm ? clipFactor(static_cast<double>(step.squaredNorms[low]), step.limit)
                                          : globalFactor);
  };
  const int64_t count = pieces[variables];
  if (weights * kMedium <= kInlineWork) {
    for (int64_t piece = 0; piece < count; ++piece) run(piece);
  } else {
    parallelFor(count, run);
  }
}

template <class A> Step stepOf(const Call& call, const A& a) {
  const float learningRate = call.in[0].as<const float>()[0];
  return {learningRate, static_cast<float>(a.weightDecay * static_cast<double>(learningRate)), a.clip,
          static_cast<float>(a.clipLimit), call.in[2].as<const float>()};
}

// The loop over a piece: f(g, w, slots) returns the new w and updates the slots, all vectors.
template <int slots, class F>
NEURITE_INLINE void updatePiece(const Place& place, const Step& step, float factor, F&& f) {
  const F32 scale = broadcast(factor), limit = broadcast(step.limit), decay = broadcast(step.decay);
  const bool clipsValues = step.clip == Clip::value, scales = step.clip == Clip::norm || step.clip == Clip::globalNorm;
  const bool wide = place.gType == DType::float32;
  const int64_t gBytes = static_cast<int64_t>(dtypeBytes(place.gType));
  const auto at = [&](int64_t i, int64_t left) __attribute__((always_inline)) {
    prefetch(place.w + i + kAheadOfUse);
    prefetch(static_cast<const char*>(place.g) + (i + kAheadOfUse) * gBytes);
    NEURITE_UNROLL
    for (int k = 0; k < slots; ++k) prefetch(place.slot[k] + i + kAheadOfUse);
    F32 g = wide ? loadPartial(static_cast<const float*>(place.g) + i, left)
                 : loadBfloat16Partial(static_cast<const uint16_t*>(place.g) + i, left);
    if (scales) g = g * scale;
    if (clipsValues) g = secondIfUnorderedMin(limit, secondIfUnorderedMax(-limit, g));
    F32 w = loadPartial(place.w + i, left);
    w -= w * decay;
    F32 s[slots + 1];
    NEURITE_UNROLL
    for (int k = 0; k < slots; ++k) s[k] = loadPartial(place.slot[k] + i, left);
    w = f(g, w, s);
    storePartial(place.w + i, w, left);
    NEURITE_UNROLL
    for (int k = 0; k < slots; ++k) storePartial(place.slot[k] + i, s[k], left);
  };
  int64_t i = 0;
  for (; i + kLanes <= place.n; i += kLanes) at(i, kLanes);
  if (i < place.n) at(i, place.n - i);
}

#define UPDATE [&](F32 g, F32 w, [[maybe_unused]] F32 * s) __attribute__((always_inline))

}  // namespace

void sgd(const Call& call) {
  const auto& a = attributesOf<attributes::sgd>(call);
  const Step step = stepOf(call, a);
  const F32 rate = broadcast(step.learningRate), momentum = broadcast(static_cast<float>(a.momentum));
  if (a.momentum <= 0) {
    return eachPiece(call, 0, step, [&](const Place& place, float factor) {
      updatePiece<0>(
          place, step, factor, UPDATE { return w - rate * g; });
    });
  }
  eachPiece(call, 1, step, [&](const Place& place, float factor) {
    updatePiece<1>(
        place, step, factor, UPDATE {
          s[0] = momentum * s[0] - rate * g;
          return a.nesterov ? w + (momentum * s[0] - rate * g) : w + s[0];
        });
  });
}

void adam(const Call& call) {
  const auto& a = attributesOf<attributes::adam>(call);
  const Step step = stepOf(call, a);
  const double t = static_cast<double>(call.in[1].as<const int32_t>()[0]) + 1;
  const double corrected =
      static_cast<double>(step.learningRate) * std::sqrt(1 - std::pow(a.beta2, t)) / (1 - std::pow(a.beta1, t));
  const F32 alpha = broadcast(static_cast<float>(corrected)), epsilon = broadcast(static_cast<float>(a.epsilon));
  const F32 rest1 = broadcast(static_cast<float>(1 - a.beta1)), rest2 = broadcast(static_cast<float>(1 - a.beta2));
  if (!a.amsgrad) {
    return eachPiece(call, 2, step, [&](const Place& place, float factor) {
      updatePiece<2>(
          place, step, factor, UPDATE {
            s[0] = fma(g - s[0], rest1, s[0]);
            s[1] = fma(g * g - s[1], rest2, s[1]);
            return w - alpha * s[0] / (sqrt(s[1]) + epsilon);
          });
    });
  }
  eachPiece(call, 3, step, [&](const Place& place, float factor) {
    updatePiece<3>(
        place, step, factor, UPDATE {
          s[0] = fma(g - s[0], rest1, s[0]);
          s[1] = fma(g * g - s[1], rest2, s[1]);
          s[2] = maximum(s[2], s[1]);
          return w - alpha * s[0] / (sqrt(s[2]) + epsilon);
        });
  });
}

void rmsprop(const Call& call) {
  const auto& a = attributesOf<attributes::rmsprop>(call);
  const Step step = stepOf(call, a);
  const F32 rate = broadcast(step.learningRate), epsilon = broadcast(static_cast<float>(a.epsilon));
  const F32 rest = broadcast(static_cast<float>(1 - a.rho)), momentum = broadcast(static_cast<float>(a.momentum));
  const bool moves = a.momentum > 0;
  const int slots = 1 + (a.centered ? 1 : 0) + (moves ? 1 : 0);
  const auto run = [&]<int count, bool centered>() {
    eachPiece(call, slots, step, [&](const Place& place, float factor) {
      updatePiece<count>(
          place, step, factor, UPDATE {
            s[0] = fma(g * g - s[0], rest, s[0]);
            F32 spread = s[0];
            if constexpr (centered) {
              s[1] = fma(g - s[1], rest, s[1]);
              spread = negFma(s[1], s[1], spread);
            }
            const F32 change = rate * g / sqrt(spread + epsilon);
            if constexpr (count == 1 + centered) return w - change;
            s[count - 1] = fma(momentum, s[count - 1], change);
            return w - s[count - 1];
          });
    });
  };
  if (a.centered)
    moves ? run.template operator()<3, true>() : run.template operator()<2, true>();
  else
    moves ? run.template operator()<2, false>() : run.template operator()<1, false>();
}

}  // namespace neurite::cpu::NEURITE_ISA
