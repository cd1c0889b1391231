// Elementwise ops of one operand, cast, copy, assign and increment.
#include "activations.cuh"
#include "kernels.h"
#include "map.cuh"

namespace neurite::cuda {
namespace {

// ---- Functions of a float x, and of an int32_t x where the op takes integers

struct LogicalNot {
  GPU_DEVICE bool operator()(int32_t x) const { return x == 0; }
};
struct Neg {
  GPU_DEVICE float operator()(float x) const { return -x; }
  GPU_DEVICE int32_t operator()(int32_t x) const { return static_cast<int32_t>(0u - uint32_t(x)); }
};
struct Abs {
  GPU_DEVICE float operator()(float x) const { return fabsf(x); }
  GPU_DEVICE int32_t operator()(int32_t x) const { return x < 0 ? Neg{}(x) : x; }
};
struct Sign {
  GPU_DEVICE float operator()(float x) const { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }
  GPU_DEVICE int32_t operator()(int32_t x) const { return (x > 0) - (x < 0); }
};
struct Square {
  GPU_DEVICE float operator()(float x) const { return x * x; }
  GPU_DEVICE int32_t operator()(int32_t x) const { return static_cast<int32_t>(uint32_t(x) * uint32_t(x)); }
};
struct Clip {
  float low, high;
  int32_t lowInt, highInt;
  GPU_DEVICE float operator()(float x) const { return x < low ? low : x > high ? high : x; }
  GPU_DEVICE int32_t operator()(int32_t x) const { return x < lowInt ? lowInt : x > highInt ? highInt : x; }
};

#define FUNCTION(Name, expression)                                   \
  struct Name {                                                      \
    GPU_DEVICE auto operator()(float x) const { return expression; } \
  };
FUNCTION(Reciprocal, 1.0f / x)
FUNCTION(Exp, expf(x))
FUNCTION(Expm1, expm1f(x))
FUNCTION(Log, logf(x))
FUNCTION(Log1p, log1pf(x))
FUNCTION(Sqrt, sqrtf(x))
FUNCTION(Rsqrt, rsqrtf(x))
FUNCTION(Sin, sinf(x))
FUNCTION(Cos, cosf(x))
FUNCTION(Tan, tanf(x))
FUNCTION(Tanh, tanhf(x))
FUNCTION(Erf, erff(x))
FUNCTION(Floor, floorf(x))
FUNCTION(Ceil, ceilf(x))
FUNCTION(Round, rintf(x))
FUNCTION(Sigmoid, sigmoidOf(x))
FUNCTION(LogSigmoid, -softplusOf(-x))
FUNCTION(Softplus, softplusOf(x))
FUNCTION(Softsign, fabsf(x) == INFINITY ? copysignf(1.0f, x) : x / (1.0f + fabsf(x)))
FUNCTION(Relu, reluOf(x))
FUNCTION(Selu, kSeluScale*(x > 0.0f ? x : kSeluAlpha * expm1f(x)))
// Below the bounds the second factor is 0, and -infinity times 0 would be NaN.
FUNCTION(GeluErf, (x < -20.0f ? -20.0f : x) * normalCdf(x))
FUNCTION(GeluApproximate, 0.5f * (x < -20.0f ? -20.0f : x) * (1.0f + geluTanh(bounded(x, 20.0f))))
FUNCTION(Silu, (x < -200.0f ? -200.0f : x) * sigmoidOf(x))
FUNCTION(IsNan, x != x)
FUNCTION(IsInf, fabsf(x) == INFINITY)
FUNCTION(IsFinite, fabsf(x) < INFINITY)
#undef FUNCTION

struct LeakyRelu {
  float slope;
  GPU_DEVICE float operator()(float x) const { return x < 0.0f ? slope * x : x; }
};
struct Elu {
  float alpha;
  GPU_DEVICE float operator()(float x) const { return x > 0.0f ? x : alpha * expm1f(x); }
};
struct HardSigmoid {
  GPU_DEVICE float operator()(float x) const {
    const float y = x * (1.0f / 6.0f) + 0.5f;
    return y < 0.0f ? 0.0f : y > 1.0f ? 1.0f : y;
  }
};
struct Increment {
  float by;
  int32_t byInt;
  GPU_DEVICE float operator()(float x) const { return x + by; }
  GPU_DEVICE int32_t operator()(int32_t x) const { return static_cast<int32_t>(uint32_t(x) + uint32_t(byInt)); }
};

// cast: to integers towards zero, saturating, NaN gives 0; to bool, whether it is not zero; integers to narrower ones modulo 2^n.
struct Identity {
  template <class C> GPU_DEVICE C operator()(C x) const { return x; }
};
struct ToBool {
  template <class C> GPU_DEVICE bool operator()(C x) const { return x != C{0}; }
};
struct ToInt {
  GPU_DEVICE int32_t operator()(float x) const { return gpu::toInt(x); }
};
struct ToByte {
  GPU_DEVICE int32_t operator()(float x) const {
    const int32_t value = gpu::toInt(x);
    return value < 0 ? 0 : value > 255 ? 255 : value;
  }
};
struct ToFloat {
  template <class C> GPU_DEVICE float operator()(C x) const { return static_cast<float>(x); }
};

// Where one tensor is both read and written.
template <class F, class T> __global__ void __launch_bounds__(kThreads) inPlaceKernel(F f, int64_t size, T* x) {
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += int64_t{gridDim.x} * blockDim.x) {
    x[i] = f(x[i]);
  }
}

// ---- Launchers

template <class F> void floats(const Call& call, F f) {
  withFloat(call, call.in[0].dtype, [&]<class T>() { map<T, T>(call, f, call.out[0], call.in[0]); });
}
template <class F> void floatsAndInts(const Call& call, F f) {
  withFloatOrInt(call, call.in[0].dtype, [&]<class T>() { map<T, T>(call, f, call.out[0], call.in[0]); });
}
template <class F> void predicate(const Call& call, F f) {
  withFloat(call, call.in[0].dtype, [&]<class T>() { map<uint8_t, T>(call, f, call.out[0], call.in[0]); });
}

// Bytes as they are, 16 at a time where both are aligned.
void copyBytes(const Call& call, Tensor target, Tensor source) {
  const int64_t bytes = static_cast<int64_t>(source.bytes());
  target.rank = 1;
  const size_t width = bytes % 4 == 0 && aligned(source.data, 4) && aligned(target.data, 4) ? 4 : 1;
  target.dims[0] = bytes / static_cast<int64_t>(width);
  if (width == 4) {
    map<int32_t, int32_t>(call, Identity{}, target, source);
  } else {
    map<uint8_t, uint8_t>(call, Identity{}, target, source);
  }
}

}  // namespace

void logicalNot(const Call& call) { map<uint8_t, uint8_t>(call, LogicalNot{}, call.out[0], call.in[0]); }
void neg(const Call& call) { floatsAndInts(call, Neg{}); }
void abs(const Call& call) { floatsAndInts(call, Abs{}); }
void sign(const Call& call) { floatsAndInts(call, Sign{}); }
void square(const Call& call) { floatsAndInts(call, Square{}); }
void reciprocal(const Call& call) { floats(call, Reciprocal{}); }
void exp(const Call& call) { floats(call, Exp{}); }
void expm1(const Call& call) { floats(call, Expm1{}); }
void log(const Call& call) { floats(call, Log{}); }
void log1p(const Call& call) { floats(call, Log1p{}); }
void sqrt(const Call& call) { floats(call, Sqrt{}); }
void rsqrt(const Call& call) { floats(call, Rsqrt{}); }
void sin(const Call& call) { floats(call, Sin{}); }
void cos(const Call& call) { floats(call, Cos{}); }
void tan(const Call& call) { floats(call, Tan{}); }
void tanh(const Call& call) { floats(call, Tanh{}); }
void erf(const Call& call) { floats(call, Erf{}); }
void floor(const Call& call) { floats(call, Floor{}); }
void ceil(const Call& call) { floats(call, Ceil{}); }
void round(const Call& call) { floats(call, Round{}); }
void sigmoid(const Call& call) { floats(call, Sigmoid{}); }
void logSigmoid(const Call& call) { floats(call, LogSigmoid{}); }
void softplus(const Call& call) { floats(call, Softplus{}); }
void softsign(const Call& call) { floats(call, Softsign{}); }
void relu(const Call& call) { floats(call, Relu{}); }
void selu(const Call& call) { floats(call, Selu{}); }
void silu(const Call& call) { floats(call, Silu{}); }
void hardSigmoid(const Call& call) { floats(call, HardSigmoid{}); }
void isNan(const Call& call) { predicate(call, IsNan{}); }
void isInf(const Call& call) { predicate(call, IsInf{}); }
void isFinite(const Call& call) { predicate(call, IsFinite{}); }

void leakyRelu(const Call& call) {
  floats(call, LeakyRelu{static_cast<float>(attributesOf<attributes::leakyRelu>(call).negativeSlope)});
}
void elu(const Call& call) { floats(call, Elu{static_cast<float>(attributesOf<attributes::elu>(call).alpha)}); }
void gelu(const Call& call) {
  if (attributesOf<attributes::gelu>(call).approximate) return floats(call, GeluApproximate{});
  floats(call, GeluErf{});
}
void clip(const Call& call) {
  const auto& [low, high] = attributesOf<attributes::clip>(call);
  floatsAndInts(call, Clip{static_cast<float>(low), static_cast<float>(high), toInt32(low), toInt32(high)});
}

void cast(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  if (x.dtype == y.dtype) return copyBytes(call, y, x);
  withAny(call, x.dtype, [&]<class In>() {
    using C = Compute<In>;
    switch (y.dtype) {
      case DType::float32:
        return map<float, In>(call, ToFloat{}, y, x);
      case DType::bfloat16:
        return map<bf16, In>(call, ToFloat{}, y, x);
      case DType::boolean:
        return map<uint8_t, In>(call, ToBool{}, y, x);
      case DType::int32:
        if constexpr (std::is_same_v<C, float>)
          return map<int32_t, In>(call, ToInt{}, y, x);
        else
          return map<int32_t, In>(call, Identity{}, y, x);
      case DType::uint8:
        if constexpr (std::is_same_v<C, float>)
          return map<uint8_t, In>(call, ToByte{}, y, x);
        else
          return map<uint8_t, In>(call, Identity{}, y, x);
    }
  });
}

void copy(const Call& call) { copyBytes(call, call.out[0], call.in[0]); }
void assign(const Call& call) { copyBytes(call, call.in[0], call.in[1]); }

void increment(const Call& call) {
  const Tensor& target = call.in[0];
  const double by = attributesOf<attributes::increment>(call).by;
  const int64_t size = target.size();
  const Increment f{static_cast<float>(by), toInt32(by)};
  if (target.dtype == DType::int32) {
    launch(call, inPlaceKernel<Increment, int32_t>, gridFor(call, size), kThreads, 0, f, size, target.as<int32_t>());
  } else {
    launch(call, inPlaceKernel<Increment, float>, gridFor(call, size), kThreads, 0, f, size, target.as<float>());
  }
}

}  // namespace neurite::cuda
