// Optimizers, all variables in one launch, and the squared norms that clipping needs.
//
// Per element: read w, g and the slots, write w and the slots. Learning rate, step number and norms are read from device memory,
// so that a captured step needs nothing from the host.
#include <cmath>

#include "kernels.h"
#include "tree.cuh"
#include "variables.cuh"

namespace neurite::cuda {
namespace {

// ---- Updates. `rate` is what Rule::rateAt makes of the learning rate and t; s are the slots.

struct Sgd {
  static constexpr int kMaxSlots = 1;
  float momentum;
  bool nesterov;
  GPU_DEVICE float rateAt(float learningRate, float) const { return learningRate; }
  GPU_DEVICE void operator()(float& w, float g, float (&s)[kSlots], float rate) const {
    if (momentum > 0.0f) {
      s[0] = momentum * s[0] - rate * g;
      w += nesterov ? momentum * s[0] - rate * g : s[0];
    } else {
      w -= rate * g;
    }
  }
};

struct Adam {
  static constexpr int kMaxSlots = 3;
  float rest1, rest2;        // 1 - beta
  float logBeta1, logBeta2;  // natural
  float epsilon;
  bool amsgrad;
  // learningRate * sqrt(1 - beta2^t) / (1 - beta1^t); expm1 keeps the digits of 1 - beta^t while that is small.
  GPU_DEVICE float rateAt(float learningRate, float t) const {
    return learningRate * sqrtf(-expm1f(t * logBeta2)) / -expm1f(t * logBeta1);
  }
  GPU_DEVICE void operator()(float& w, float g, float (&s)[kSlots], float rate) const {
    s[0] += (g - s[0]) * rest1;
    s[1] += (g * g - s[1]) * rest2;
    if (amsgrad) s[2] = gpu::maxNan(s[2], s[1]);
    w -= rate * s[0] / (sqrtf(amsgrad ? s[2] : s[1]) + epsilon);
  }
};

// Slots: v, then mean if centered, then m if momentum > 0.
struct Rmsprop {
  static constexpr int kMaxSlots = 3;
  float rho, rest;  // rest: 1 - rho
  float momentum, epsilon;
  bool centered;
  GPU_DEVICE float rateAt(float learningRate, float) const { return learningRate; }
  GPU_DEVICE void operator()(float& w, float g, float (&s)[kSlots], float rate) const {
    s[0] = rho * s[0] + rest * g * g;
    float squares = s[0];
    if (centered) {
      s[1] = rho * s[1] + rest * g;
      squares -= s[1] * s[1];
    }
    const float step = rate * g / sqrtf(squares + epsilon);
    if (momentum > 0.0f) {
      float& m = centered ? s[2] : s[1];
      m = momentum * m + step;
      w -= m;
    } else {
      w -= step;
    }
  }
};

struct Clipping {
  Clip mode;
  float limit;
  int32_t norms;  // how many squared norms there are
};

// ---- Kernels

// A block per chunk of a variable.
template <class Rule>
__global__ void __launch_bounds__(kThreads)
    updateKernel(VariableTable table, Rule rule, int slots, float weightDecay, Clipping clipping,
                 const float* __restrict__ learningRate, const int32_t* __restrict__ iterations,
                 const float* __restrict__ squaredNorms) {
  const int number = table.find(blockIdx.x);
  const VariableTable::Variable& variable = table.variables[number];
  const int64_t begin = int64_t{blockIdx.x - table.firstBlock[number]} * kVariableChunk;
  const int64_t end = begin + kVariableChunk < variable.size ? begin + kVariableChunk : variable.size;

  const float rate = rule.rateAt(*learningRate, static_cast<float>(*iterations + 1));
  const float decay = weightDecay * *learningRate;
  float gradientScale = 1.0f;
  if (clipping.mode == Clip::norm || clipping.mode == Clip::globalNorm) {
    float squares = 0.0f;
    if (clipping.mode == Clip::norm) {
      squares = squaredNorms[table.first + number];
    } else {
      for (int i = static_cast<int>(threadIdx.x); i < clipping.norms; i += kThreads) squares += squaredNorms[i];
      squares = reduceBlock<kThreads>(squares, SumOf{});
    }
    gradientScale = clipping.limit / gpu::maxNan(sqrtf(squares), clipping.limit);
  }
  const auto update = [&](float& w, float g, float(&s)[kSlots]) {
    if (clipping.mode == Clip::value) {
      g = g < -clipping.limit ? -clipping.limit : g > clipping.limit ? clipping.limit : g;
    } else {
      g *= gradientScale;
    }
    w -= w * decay;
    rule(w, g, s, rate);
  };

  const int64_t vectorEnd = variable.vectors ? begin + (end - begin) / 4 * 4 : begin;
  for (int64_t i = begin + int64_t{threadIdx.x} * 4; i < vectorEnd; i += kThreads * 4) {
    gpu::Vec<float, 4> w = gpu::loadVec<4>(variable.w + i);
    const gpu::Vec<float, 4> g = loadGradients(variable, i);
    gpu::Vec<float, 4> slot[kSlots];
#pragma unroll
    for (int n = 0; n < Rule::kMaxSlots; n++) {
      if (n < slots) slot[n] = gpu::loadVec<4>(variable.slots[n] + i);
    }
#pragma unroll
    for (int k = 0; k < 4; k++) {
      float s[kSlots] = {};
#pragma unroll
      for (int n = 0; n < Rule::kMaxSlots; n++) {
        if (n < slots) s[n] = slot[n][k];
      }
      update(w[k], g[k], s);
#pragma unroll
      for (int n = 0; n < Rule::kMaxSlots; n++) slot[n][k] = s[n];
    }
    gpu::storeVec(variable.w + i, w);
#pragma unroll
    for (int n = 0; n < Rule::kMaxSlots; n++) {
      if (n < slots) gpu::storeVec(variable.slots[n] + i, slot[n]);
    }
  }
  for (int64_t i = vectorEnd + threadIdx.x; i < end; i += kThreads) {
    float w = variable.w[i];
    float s[kSlots] = {};
#pragma unroll
    for (int n = 0; n < Rule::kMaxSlots; n++) {
      if (n < slots) s[n] = variable.slots[n][i];
    }
    update(w, loadGradient(variable, i), s);
    variable.w[i] = w;
#pragma unroll
    for (int n = 0; n < Rule::kMaxSlots; n++) {
      if (n < slots) variable.slots[n][i] = s[n];
    }
  }
}

// partial[block] = the sum of squares of one chunk.
__global__ void __launch_bounds__(kThreads) squaresKernel(VariableTable table, float* __restrict__ partial) {
  const int number = table.find(blockIdx.x);
  const VariableTable::Variable& variable = table.variables[number];
  const int64_t begin = int64_t{blockIdx.x - table.firstBlock[number]} * kVariableChunk;
  const int64_t end = begin + kVariableChunk < variable.size ? begin + kVariableChunk : variable.size;
  float sum = 0.0f;
  const int64_t vectorEnd = variable.vectors ? begin + (end - begin) / 4 * 4 : begin;
  for (int64_t i = begin + int64_t{threadIdx.x} * 4; i < vectorEnd; i += kThreads * 4) {
    const gpu::Vec<float, 4> g = loadGradients(variable, i);
#pragma unroll
    for (int k = 0; k < 4; k++) sum += g[k] * g[k];
  }
  for (int64_t i = vectorEnd + threadIdx.x; i < end; i += kThreads) {
    const float g = loadGradient(variable, i);
    sum += g * g;
  }
  sum = reduceBlock<kThreads>(sum, SumOf{});
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// norms[first + v] = the sum of the chunks of variable v, a block each.
__global__ void __launch_bounds__(kThreads)
    sumSquaresKernel(VariableTable table, const float* __restrict__ partial, float* __restrict__ norms) {
  const int number = static_cast<int>(blockIdx.x);
  const uint32_t end = number + 1 < table.count ? table.firstBlock[number + 1] : table.blocks;
  float sum = 0.0f;
  for (uint32_t i = table.firstBlock[number] + threadIdx.x; i < end; i += kThreads) sum += partial[i];
  sum = reduceBlock<kThreads>(sum, SumOf{});
  if (threadIdx.x == 0) norms[table.first + number] = sum;
}

// ---- Launchers

// Calls f(table) for each group of variables, inputs from `from` on: (w, g, slots...) each.
template <class F> void forGroups(const Call& call, int from, int slots, F&& f) {
  const int each = 2 + slots;
  const int count = (call.inputs - from) / each;
  for (int first = 0; first < count; first += kVariables) {
    VariableTable table;
    table.first = first;
    for (int v = first; v < count && v < first + kVariables; v++) {
      const Tensor* tensors = call.in + from + v * each;
      const Tensor& g = tensors[1];
      VariableTable::Variable variable{};
      variable.w = tensors[0].as<float>();
      variable.g = g.data;
      variable.size = g.size();
      variable.bfloat16 = g.dtype == DType::bfloat16;
      variable.vectors = aligned(variable.w, 16) && aligned(g.data, 16);
      for (int n = 0; n < slots; n++) {
        variable.slots[n] = tensors[2 + n].as<float>();
        variable.vectors = variable.vectors && aligned(variable.slots[n], 16);
      }
      table.push(variable);
    }
    f(table);
  }
}

template <class Rule, class A> void update(const Call& call, const Rule& rule, int slots, const A& a) {
  const Clipping clipping{a.clip, static_cast<float>(a.clipLimit), static_cast<int32_t>(call.in[2].size())};
  forGroups(call, 3, slots, [&](const VariableTable& table) {
    launch(call, updateKernel<Rule>, table.blocks, kThreads, 0, table, rule, slots, static_cast<float>(a.weightDecay),
           clipping, call.in[0].as<const float>(), call.in[1].as<const int32_t>(), call.in[2].as<const float>());
  });
}

}  // namespace

void squaredNorms(const Call& call) {
  const Tensor& norms = call.out[0];
  int64_t blocks = 0;
  for (int i = 0; i < call.inputs; i++) blocks += ceilDiv(call.in[i].size(), kVariableChunk);
  auto* partial = static_cast<float*>(contextOf(call).scratch(static_cast<size_t>(blocks) * sizeof(float)));
  // Every gradient stands in the table as a variable without weights.
  for (int first = 0; first < call.inputs; first += kVariables) {
    VariableTable table;
    table.first = first;
    for (int v = first; v < call.inputs && v < first + kVariables; v++) {
      const Tensor& g = call.in[v];
      table.push({nullptr, g.data, {}, g.size(), g.dtype == DType::bfloat16, aligned(g.data, 16)});
    }
    launch(call, squaresKernel, table.blocks, kThreads, 0, table, partial);
    launch(call, sumSquaresKernel, static_cast<unsigned>(table.count), kThreads, 0, table, partial, norms.as<float>());
    partial += table.blocks;
  }
}

void sgd(const Call& call) {
  const auto& a = attributesOf<attributes::sgd>(call);
  update(call, Sgd{static_cast<float>(a.momentum), a.nesterov}, a.momentum > 0 ? 1 : 0, a);
}

void adam(const Call& call) {
  const auto& a = attributesOf<attributes::adam>(call);
  const Adam rule{static_cast<float>(1 - a.beta1),       static_cast<float>(1 - a.beta2),
                  static_cast<float>(std::log(a.beta1)), static_cast<float>(std::log(a.beta2)),
                  static_cast<float>(a.epsilon),         a.amsgrad};
  update(call, rule, a.amsgrad ? 3 : 2, a);
}

void rmsprop(const Call& call) {
  const auto& a = attributesOf<attributes::rmsprop>(call);
  const Rmsprop rule{static_cast<float>(a.rho), static_cast<float>(1 - a.rho), static_cast<float>(a.momentum),
                     static_cast<float>(a.epsilon), a.centered};
  update(call, rule, 1 + (a.centered ? 1 : 0) + (a.momentum > 0 ? 1 : 0), a);
}

}  // namespace neurite::cuda
