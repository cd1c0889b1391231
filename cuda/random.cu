// Random tensors and dropout: element i of a draw is lane i % 4 of Philox at counter + i / 4, whatever the grid.
//
// A thread makes the four elements of one counter and stores them at once. Normals are computed in float64 and rounded once, so
// that they equal the CPU's to the last bits; even at 1/64 of the float32 rate that keeps up with initialising weights.
#include "kernels.h"
#include "philox.cuh"

namespace neurite::cuda {
namespace {

// ---- Draws: four words to four elements

// low + u * range, the product rounded for itself as on the CPU: a float64 product of two float32 is exact, and not fused with the sum.
struct Uniform {
  float low, range;
  GPU_DEVICE void operator()(const uint32_t (&words)[4], float (&y)[4]) const {
#pragma unroll
    for (int k = 0; k < 4; k++) {
      y[k] = low + static_cast<float>(static_cast<double>(uniformOf(words[k])) * static_cast<double>(range));
    }
  }
};
struct UniformInt {
  int64_t low;
  uint64_t range;  // at most 2^32
  GPU_DEVICE void operator()(const uint32_t (&words)[4], int32_t (&y)[4]) const {
#pragma unroll
    for (int k = 0; k < 4; k++) y[k] = static_cast<int32_t>(low + static_cast<int64_t>(words[k] * range >> 32));
  }
};
// Box and Muller 1958.
struct Normal {
  double mean, stddev;
  GPU_DEVICE void operator()(const uint32_t (&words)[4], float (&y)[4]) const {
#pragma unroll
    for (int k = 0; k < 4; k += 2) {
      const double radius = ::sqrt(-2.0 * ::log(1.0 - static_cast<double>(uniformOf(words[k]))));
      const double angle = 6.283185307179586477 * static_cast<double>(uniformOf(words[k + 1]));
      y[k] = static_cast<float>(mean + stddev * (radius * ::cos(angle)));
      y[k + 1] = static_cast<float>(mean + stddev * (radius * ::sin(angle)));
    }
  }
};
// The inverse of the normal distribution function at p = 1/2 + (u - 1/2) * (Phi(2) - Phi(-2)): algorithm AS 241 (Wichura 1988), whose
// branch for far tails is never reached.
struct TruncatedNormal {
  double mean, stddev;
  GPU_DEVICE static double quantile(double q) {  // of p = 1/2 + q
    if (::fabs(q) <= 0.425) {
      const double r = 0.180625 - q * q;
      const double above = (((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r +
                                45921.953931549871457) *
                                   r +
                               13731.693765509461125) *
                                  r +
                              1971.5909503065514427) *
                                 r +
                             133.14166789178437745) *
                                r +
                            3.387132872796366608);
      const double below = (((((((5226.495278852854561 * r + 28729.085735721942674) * r + 39307.89580009271061) * r +
                                21213.794301586595867) *
                                   r +
                               5394.1960214247511077) *
                                  r +
                              687.1870074920579083) *
                                 r +
                             42.313330701600911252) *
                                r +
                            1.0);
      return q * above / below;
    }
    const double r = ::sqrt(-::log(0.5 - ::fabs(q))) - 1.6;
    const double above =
        (((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r +
             1.27045825245236838258) *
                r +
            3.64784832476320460504) *
               r +
           5.7694972214606914055) *
              r +
          4.6303378461565452959) *
             r +
         1.42343711074968357734);
    const double below =
        (((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r +
             0.14810397642748007459) *
                r +
            0.68976733498510000455) *
               r +
           1.6763848301838038494) *
              r +
          2.05319162663775882187) *
             r +
         1.0);
    return q < 0.0 ? -above / below : above / below;
  }
  GPU_DEVICE void operator()(const uint32_t (&words)[4], float (&y)[4]) const {
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const double u = (static_cast<double>(words[k] >> 8) + 0.5) * 0x1p-24;
      y[k] = static_cast<float>(mean + stddev * quantile((u - 0.5) * 0.95449973610364158560));
    }
  }
};
struct Bernoulli {
  int32_t limit;
  GPU_DEVICE void operator()(const uint32_t (&words)[4], float (&y)[4]) const {
#pragma unroll
    for (int k = 0; k < 4; k++) y[k] = mantissaOf(words[k]) < limit ? 1.0f : 0.0f;
  }
};

// ---- Kernels

template <class F, class C, class T>
__global__ void __launch_bounds__(kThreads)
    drawKernel(F f, const RandomState* __restrict__ state, int64_t size, T* __restrict__ y) {
  const RandomState from = *state;
  const bool vectors = reinterpret_cast<uintptr_t>(y) % (4 * sizeof(T)) == 0;
  for (int64_t quad = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; quad * 4 < size;
       quad += int64_t{gridDim.x} * blockDim.x) {
    const PhiloxWords words = from.words(quad);
    C values[4];
    f(words.word, values);
    gpu::Vec<T, 4> result;
#pragma unroll
    for (int k = 0; k < 4; k++) result[k] = static_cast<T>(values[k]);
    if (vectors && quad * 4 + 4 <= size) {
      gpu::storeVec(y + quad * 4, result);
    } else {
      for (int k = 0; k < 4 && quad * 4 + k < size; k++) y[quad * 4 + k] = result[k];
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    dropoutKernel(int32_t limit, float keep, const RandomState* __restrict__ state, int64_t size, bool vectors,
                  const T* __restrict__ x, T* __restrict__ y) {
  const RandomState from = *state;
  for (int64_t quad = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; quad * 4 < size;
       quad += int64_t{gridDim.x} * blockDim.x) {
    const PhiloxWords words = from.words(quad);
    if (vectors && quad * 4 + 4 <= size) {
      gpu::Vec<T, 4> values = gpu::loadVec<4>(x + quad * 4);
#pragma unroll
      for (int k = 0; k < 4; k++) {
        values[k] = static_cast<T>(mantissaOf(words.word[k]) < limit ? 0.0f : static_cast<float>(values[k]) / keep);
      }
      gpu::storeVec(y + quad * 4, values);
    } else {
      for (int k = 0; k < 4 && quad * 4 + k < size; k++) {
        y[quad * 4 + k] = static_cast<T>(mantissaOf(words.word[k]) < limit ? 0.0f : load(x + quad * 4 + k) / keep);
      }
    }
  }
}

// One thread: hands out the state and moves it on by `quads`.
__global__ void advanceRandomKernel(uint64_t quads, RandomState* state, RandomState* before) {
  if (threadIdx.x != 0) return;
  const RandomState now = *state;
  *before = now;
  const uint64_t counter = now.counter() + quads;
  state->counterLow = static_cast<uint32_t>(counter);
  state->counterHigh = static_cast<uint32_t>(counter >> 32);
}

// ---- Launchers

template <class C, class T, class F> void draw(const Call& call, F f) {
  const Tensor& y = call.out[0];
  launch(call, drawKernel<F, C, T>, gridFor(call, ceilDiv(y.size(), 4)), kThreads, 0, f,
         call.in[0].as<const RandomState>(), y.size(), y.as<T>());
}

}  // namespace

void advanceRandom(const Call& call) {
  const double count = attributesOf<attributes::advanceRandom>(call).count;
  const uint64_t quads = (static_cast<uint64_t>(count) + 3) / 4;
  launch(call, advanceRandomKernel, 1, 32, 0, quads, call.in[0].as<RandomState>(), call.out[0].as<RandomState>());
}

void randomUniform(const Call& call) {
  const auto& [low, high] = attributesOf<attributes::randomUniform>(call);
  if (call.out[0].dtype == DType::int32) {
    const int64_t from = static_cast<int64_t>(low);
    return draw<int32_t, int32_t>(call, UniformInt{from, static_cast<uint64_t>(static_cast<int64_t>(high) - from)});
  }
  const Uniform f{static_cast<float>(low), static_cast<float>(high - low)};
  withFloat(call, call.out[0].dtype, [&]<class T>() { draw<float, T>(call, f); });
}

void randomNormal(const Call& call) {
  const auto& [mean, stddev] = attributesOf<attributes::randomNormal>(call);
  const Normal f{mean, stddev};
  withFloat(call, call.out[0].dtype, [&]<class T>() { draw<float, T>(call, f); });
}

void truncatedNormal(const Call& call) {
  const auto& [mean, stddev] = attributesOf<attributes::truncatedNormal>(call);
  const TruncatedNormal f{mean, stddev};
  withFloat(call, call.out[0].dtype, [&]<class T>() { draw<float, T>(call, f); });
}

void bernoulli(const Call& call) {
  const Bernoulli f{threshold(attributesOf<attributes::bernoulli>(call).p)};
  withAny(call, call.out[0].dtype, [&]<class T>() { draw<float, T>(call, f); });
}

void dropout(const Call& call) {
  const double rate = attributesOf<attributes::dropout>(call).rate;
  const Tensor &x = call.in[0], &y = call.out[0];
  withFloat(call, x.dtype, [&]<class T>() {
    const bool vectors = aligned(x.data, 4 * sizeof(T)) && aligned(y.data, 4 * sizeof(T));
    launch(call, dropoutKernel<T>, gridFor(call, ceilDiv(y.size(), 4)), kThreads, 0, threshold(rate),
           static_cast<float>(1 - rate), call.in[1].as<const RandomState>(), y.size(), vectors, x.as<const T>(),
           y.as<T>());
  });
}

}  // namespace neurite::cuda
