// Reductions over any axes, argmax and argmin, and the gradient of prod.
//
// A reducer is a State with identity, add(value, index), merge and finish. Adjacent reduced axes count as one; each group of them
// is one pass over a tensor (outer, R, inner), innermost group first, that writes results or, before the last pass, states:
//   row     inner = 1: a power-of-two group of lanes, or a block, per output; loads along the row
//   column  inner > 1: neighbouring threads read neighbouring columns, rows of the block meet in a tree
// Where outputs are too few to fill a GPU, R is cut into slices, a number that follows from the shape, and one more pass
// merges them. So sums are trees of fixed form: the same bits on every GPU.
#include "index.h"
#include "kernels.h"
#include "rows.cuh"

namespace neurite::cuda {
namespace {

// ---- Reducers over values of compute type C

template <class C> struct Sum {
  using State = C;
  GPU_DEVICE static State identity() { return C{0}; }
  GPU_DEVICE static State add(State s, C x, int64_t) { return merge(s, x); }
  GPU_DEVICE static State merge(State a, State b) {
    if constexpr (std::is_same_v<C, float>)
      return a + b;
    else
      return static_cast<C>(uint32_t(a) + uint32_t(b));
  }
  GPU_DEVICE static C finish(State s, int64_t) { return s; }
};

struct Mean : Sum<float> {
  GPU_DEVICE static float finish(float s, int64_t count) { return s / static_cast<float>(count); }
};

template <class C> struct Product {
  using State = C;
  GPU_DEVICE static State identity() { return C{1}; }
  GPU_DEVICE static State add(State s, C x, int64_t) { return merge(s, x); }
  GPU_DEVICE static State merge(State a, State b) {
    if constexpr (std::is_same_v<C, float>)
      return a * b;
    else
      return static_cast<C>(uint32_t(a) * uint32_t(b));
  }
  GPU_DEVICE static C finish(State s, int64_t) { return s; }
};

// The largest (Sign 1) or the smallest (Sign -1).
template <class C, int Sign> struct Extreme {
  using State = C;
  GPU_DEVICE static State identity() {
    if constexpr (std::is_same_v<C, float>)
      return Sign > 0 ? -INFINITY : INFINITY;
    else
      return Sign > 0 ? INT32_MIN : INT32_MAX;
  }
  GPU_DEVICE static State add(State s, C x, int64_t) { return merge(s, x); }
  GPU_DEVICE static State merge(State a, State b) {
    if constexpr (std::is_same_v<C, float>)
      return Sign > 0 ? gpu::maxNan(a, b) : gpu::minNan(a, b);
    else
      return (Sign > 0) == (a > b) ? a : b;
  }
  GPU_DEVICE static C finish(State s, int64_t) { return s; }
};

struct All {
  using State = int32_t;
  GPU_DEVICE static State identity() { return 1; }
  GPU_DEVICE static State add(State s, int32_t x, int64_t) { return merge(s, x != 0); }
  GPU_DEVICE static State merge(State a, State b) { return a & b; }
  GPU_DEVICE static int32_t finish(State s, int64_t) { return s; }
};
struct Any {
  using State = int32_t;
  GPU_DEVICE static State identity() { return 0; }
  GPU_DEVICE static State add(State s, int32_t x, int64_t) { return merge(s, x != 0); }
  GPU_DEVICE static State merge(State a, State b) { return a | b; }
  GPU_DEVICE static int32_t finish(State s, int64_t) { return s; }
};

// Index of the largest (Sign 1) or smallest, the first of equals; a NaN counts as the largest, for argmin as the smallest.
template <class C, int Sign> struct ArgExtreme {
  struct State {
    C value;
    int32_t index;
  };
  GPU_DEVICE static State identity() { return {Extreme<C, Sign>::identity(), INT32_MAX}; }
  GPU_DEVICE static State add(State s, C x, int64_t index) { return merge(s, {x, static_cast<int32_t>(index)}); }
  GPU_DEVICE static State merge(State a, State b) {
    const bool aNan = a.value != a.value, bNan = b.value != b.value;
    if (aNan || bNan) return aNan && (!bNan || a.index < b.index) ? a : b;
    if (a.value == b.value) return a.index < b.index ? a : b;
    return (Sign > 0) == (a.value > b.value) ? a : b;
  }
  GPU_DEVICE static int32_t finish(State s, int64_t) { return s.index; }
};

struct LogSumExpOf {
  using State = LogSumExp;
  GPU_DEVICE static State identity() { return LogSumExp{}; }
  GPU_DEVICE static State add(State s, float x, int64_t) { return merge(s, {x, 1.0f}); }
  GPU_DEVICE static State merge(const State& a, const State& b) { return LogSumExp::merge(a, b); }
  GPU_DEVICE static float finish(const State& s, int64_t) { return s.value(); }
};

// Mean and sum of squared distances from it (Welford 1962; merged as by Chan, Golub and LeVeque 1979), of distances from the first
// value that a thread meets: so values far from zero keep their digits, as in two passes.
struct Variance {
  struct State {
    float count, origin, mean, squares;  // mean: less the origin
  };
  GPU_DEVICE static State identity() { return {0.0f, 0.0f, 0.0f, 0.0f}; }
  GPU_DEVICE static State add(State s, float x, int64_t) {
    if (s.count == 0.0f) return {1.0f, x, x - x, x - x};  // NaN for an infinity
    const float count = s.count + 1.0f;
    const float place = x - s.origin, distance = place - s.mean;
    const float mean = s.mean + distance / count;
    return {count, s.origin, mean, fmaf(distance, place - mean, s.squares)};
  }
  GPU_DEVICE static State merge(State a, State b) {
    if (a.count == 0.0f) return b;
    if (b.count == 0.0f) return a;
    const float count = a.count + b.count;
    const float distance = (b.origin - a.origin) + (b.mean - a.mean);
    return {count, a.origin, a.mean + distance * (b.count / count),
            a.squares + b.squares + distance * distance * (a.count * b.count / count)};
  }
  GPU_DEVICE static float finish(State s, int64_t) { return s.squares / s.count; }
};

template <class R> struct Merge {
  GPU_DEVICE typename R::State operator()(const typename R::State& a, const typename R::State& b) const {
    return R::merge(a, b);
  }
};

// One pass: (outer, length, inner) to (outer, slices, inner). All slices but the last have `slice` elements.
struct Pass {
  int64_t outer, length, inner, slices, slice;
  GPU_HOST_DEVICE int64_t outputs() const { return outer * slices * inner; }
};

// Where a pass writes: states while there is another pass, else results of `count` elements each.
template <class R, class Out> struct Target {
  typename R::State* states;
  Out* results;
  int64_t count;
  GPU_DEVICE void write(int64_t i, const typename R::State& s) const {
    if (states != nullptr)
      states[i] = s;
    else
      results[i] = static_cast<Out>(R::finish(s, count));
  }
};

// ---- Kernels

// Rows of `length` in slices: `group` lanes (a power of two up to 32), or the whole block where group is kThreads, per slice.
template <class R, class T, class Out, int V>
__global__ void __launch_bounds__(kThreads)
    rowReduceKernel(Pass pass, int group, const T* __restrict__ x, Target<R, Out> target) {
  const int64_t perBlock = kThreads / group;
  const int lane = static_cast<int>(threadIdx.x) % group;
  const int64_t output = int64_t{blockIdx.x} * perBlock + threadIdx.x / group;
  const bool active = output < pass.outputs();
  const int64_t row = output / pass.slices;
  const int64_t begin = output % pass.slices * pass.slice;
  const int64_t end = active ? (begin + pass.slice < pass.length ? begin + pass.slice : pass.length) : begin;
  const T* p = x + row * pass.length;
  typename R::State state = R::identity();
  for (int64_t i = begin + lane * V; i < end; i += int64_t{group} * V) {
    const gpu::Vec<T, V> values = gpu::loadVec<V>(p + i);
#pragma unroll
    for (int k = 0; k < V; k++) state = R::add(state, static_cast<Compute<T>>(values[k]), i + k);
  }
  if (group == kThreads) {
    state = reduceBlock<kThreads>(state, Merge<R>{});
  } else {
    state = reduceLanes(state, group, Merge<R>{});
  }
  if (active && lane == 0) target.write(output, state);
}

// Blocks of `width` columns (a power of two) and kThreads / width rows; one block per slice and group of columns. x holds values, or
// the states of the pass before.
template <class R, class T, class Out, bool States>
__global__ void __launch_bounds__(kThreads)
    columnReduceKernel(Pass pass, int width, int64_t columnBlocks, const T* __restrict__ x, Target<R, Out> target) {
  using State = typename R::State;
  GPU_SHARED(State, states, [kThreads]);
  const int rows = kThreads / width;
  const int column = static_cast<int>(threadIdx.x) % width, y = static_cast<int>(threadIdx.x) / width;
  const int64_t part = int64_t{blockIdx.x} / columnBlocks;  // (outer, slices)
  const int64_t c = int64_t{blockIdx.x} % columnBlocks * width + column;
  const int64_t begin = part % pass.slices * pass.slice;
  const int64_t end = begin + pass.slice < pass.length ? begin + pass.slice : pass.length;
  State state = R::identity();
  if (c < pass.inner) {
    const T* p = x + part / pass.slices * pass.length * pass.inner + c;
#pragma unroll 4
    for (int64_t r = begin + y; r < end; r += rows) {
      if constexpr (States)
        state = R::merge(state, p[r * pass.inner]);
      else
        state = R::add(state, static_cast<Compute<T>>(p[r * pass.inner]), r);
    }
  }
  states[threadIdx.x] = state;
  for (int half = rows / 2; half > 0; half /= 2) {
    __syncthreads();
    if (y < half) states[threadIdx.x] = R::merge(states[threadIdx.x], states[threadIdx.x + half * width]);
  }
  if (y == 0 && c < pass.inner) target.write(part * pass.inner + c, states[threadIdx.x]);
}

// dx = dy times the product of all others of the same output. A block per output, a contiguous segment of the reduced elements
// per thread: from the right, `others` takes the product of what follows; from the left, what precedes is multiplied in.
template <class T>
__global__ void __launch_bounds__(kThreads)
    prodGradKernel(Strided<1, int64_t> kept, Strided<1, int64_t> reduced, int64_t length, const T* __restrict__ dy,
                   const T* __restrict__ x, float* __restrict__ others, T* __restrict__ dx) {
  GPU_SHARED(float, products, [kThreads]);
  int64_t base[1] = {};
  kept.add(blockIdx.x, base);
  const auto place = [&](int64_t i) {
    int64_t offset[1] = {base[0]};
    reduced.add(i, offset);
    return offset[0];
  };
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t segment = ceilDiv(length, kThreads);
  const int64_t begin = thread * segment < length ? thread * segment : length;
  const int64_t end = begin + segment < length ? begin + segment : length;
  float product = 1.0f;
  for (int64_t i = begin; i < end; i++) product *= load(x + place(i));
  products[thread] = product;
  __syncthreads();
  float before = load(dy + blockIdx.x), after = 1.0f;
  for (int i = 0; i < thread; i++) before *= products[i];
  for (int i = kThreads - 1; i > thread; i--) after *= products[i];
  for (int64_t i = end - 1; i >= begin; i--) {
    const int64_t p = place(i);
    others[p] = after;
    after *= load(x + p);
  }
  for (int64_t i = begin; i < end; i++) {
    const int64_t p = place(i);
    dx[p] = static_cast<T>(before * others[p]);
    before *= load(x + p);
  }
}

// ---- Launchers

// Blocks that keep any GPU busy: a pass with fewer outputs is cut into slices of at least kSliceElements per thread.
constexpr int64_t kFillBlocks = 1024;
constexpr int64_t kSliceElements = 16;

int powerOfTwo(int64_t n, int most) {
  int power = 1;
  while (power < n && power < most) power *= 2;
  return power;
}

bool isRow(const Pass& pass) { return pass.inner == 1; }
// A warp reads neighbouring columns; where the rows are few, so does more of the block.
int columnWidth(const Pass& pass) {
  const int rows = powerOfTwo(pass.slice, 8);
  return powerOfTwo(pass.inner, kThreads / rows);
}
int rowGroup(const Pass& pass) { return pass.slice > 1024 ? kThreads : powerOfTwo(ceilDiv(pass.length, 4), 32); }
int64_t rowBlocks(const Pass& pass) { return ceilDiv(pass.outputs(), kThreads / rowGroup(pass)); }

int64_t sliceFor(const Pass& pass) {
  const int64_t rows = isRow(pass) ? kThreads : kThreads / columnWidth(pass);
  const int64_t blocks = pass.outer * (isRow(pass) ? 1 : ceilDiv(pass.inner, columnWidth(pass)));
  const int64_t wanted = ceilDiv(kFillBlocks, blocks > 0 ? blocks : 1);
  const int64_t most = pass.length / (rows * kSliceElements);
  const int64_t slices = wanted < most ? wanted : most;
  return slices <= 1 ? pass.length : ceilDiv(ceilDiv(pass.length, slices), 16) * 16;  // whole vectors
}

struct Plan {
  static constexpr int kMax = 2 * kMaxRank;
  Pass passes[kMax];
  int count = 0;
};

Plan planOf(const Tensor& x, const bool (&isReduced)[kMaxRank]) {
  struct Group {
    int64_t size;
    bool reduced;
  } groups[kMaxRank];
  int n = 0;
  for (int i = 0; i < x.rank; i++) {
    if (x.dims[i] == 1) continue;
    if (n > 0 && groups[n - 1].reduced == isReduced[i])
      groups[n - 1].size *= x.dims[i];
    else
      groups[n++] = {x.dims[i], isReduced[i]};
  }
  Plan plan;
  int64_t inner = 1;
  for (int i = n - 1; i >= 0; i--) {
    if (!groups[i].reduced) {
      inner *= groups[i].size;
      continue;
    }
    Pass pass{1, groups[i].size, inner, 1, groups[i].size};
    for (int k = 0; k < i; k++) pass.outer *= groups[k].size;
    pass.slice = sliceFor(pass);
    if (pass.length > 0) pass.slices = ceilDiv(pass.length, pass.slice);
    plan.passes[plan.count++] = pass;
    if (pass.slices > 1) plan.passes[plan.count++] = {pass.outer, pass.slices, inner, 1, pass.slices};
  }
  if (plan.count == 0) plan.passes[plan.count++] = {x.size(), 1, 1, 1, 1};
  return plan;
}

template <class R, class In, class Out> void reduce(const Call& call, const bool (&isReduced)[kMaxRank]) {
  using State = typename R::State;
  const Tensor &x = call.in[0], &y = call.out[0];
  const Plan plan = planOf(x, isReduced);
  int64_t most = 0;
  for (int i = 0; i + 1 < plan.count; i++) most = plan.passes[i].outputs() > most ? plan.passes[i].outputs() : most;
  State* states[2] = {nullptr, nullptr};
  if (most > 0) {
    states[0] = static_cast<State*>(contextOf(call).scratch(2 * static_cast<size_t>(most) * sizeof(State)));
    states[1] = states[0] + most;
  }
  const int64_t count = y.size() > 0 ? x.size() / y.size() : 0;
  for (int i = 0; i < plan.count; i++) {
    const Pass& pass = plan.passes[i];
    const Target<R, Out> target{i + 1 < plan.count ? states[i % 2] : nullptr, y.as<Out>(), count};
    const int width = columnWidth(pass);
    const int64_t columnBlocks = ceilDiv(pass.inner, width);
    const auto grid =
        static_cast<unsigned>(i == 0 && isRow(pass) ? rowBlocks(pass) : pass.outer * pass.slices * columnBlocks);
    if (i > 0) {
      launch(call, columnReduceKernel<R, State, Out, true>, grid, kThreads, 0, pass, width, columnBlocks,
             static_cast<const State*>(states[(i - 1) % 2]), target);
    } else if (isRow(pass)) {
      constexpr int V = gpu::kVecWidth<In>;
      const bool vectors = pass.length % V == 0 && aligned(x.data, 16);
      launch(call, vectors ? rowReduceKernel<R, In, Out, V> : rowReduceKernel<R, In, Out, 1>, grid, kThreads, 0, pass,
             rowGroup(pass), x.as<const In>(), target);
    } else {
      launch(call, columnReduceKernel<R, In, Out, false>, grid, kThreads, 0, pass, width, columnBlocks,
             x.as<const In>(), target);
    }
  }
}

template <class R, class In, class Out> void overAxes(const Call& call, const Ints& axes) {
  bool isReduced[kMaxRank] = {};
  for (int i = 0; i < axes.count; i++) isReduced[axes[i]] = true;
  reduce<R, In, Out>(call, isReduced);
}

template <int Sign> void argExtreme(const Call& call, int64_t axis) {
  bool isReduced[kMaxRank] = {};
  isReduced[axis] = true;
  withNumber(call, call.in[0].dtype,
             [&]<class T>() { reduce<ArgExtreme<Compute<T>, Sign>, T, int32_t>(call, isReduced); });
}

template <class A> const Ints& axesOf(const Call& call) { return attributesOf<A>(call).axes; }

}  // namespace

void sum(const Call& call) {
  withFloatOrInt(call, call.in[0].dtype,
                 [&]<class T>() { overAxes<Sum<Compute<T>>, T, T>(call, axesOf<attributes::sum>(call)); });
}
void mean(const Call& call) {
  withFloat(call, call.in[0].dtype, [&]<class T>() { overAxes<Mean, T, T>(call, axesOf<attributes::mean>(call)); });
}
void prod(const Call& call) {
  withFloatOrInt(call, call.in[0].dtype,
                 [&]<class T>() { overAxes<Product<Compute<T>>, T, T>(call, axesOf<attributes::prod>(call)); });
}
void max(const Call& call) {
  withNumber(call, call.in[0].dtype,
             [&]<class T>() { overAxes<Extreme<Compute<T>, 1>, T, T>(call, axesOf<attributes::max>(call)); });
}
void min(const Call& call) {
  withNumber(call, call.in[0].dtype,
             [&]<class T>() { overAxes<Extreme<Compute<T>, -1>, T, T>(call, axesOf<attributes::min>(call)); });
}
void all(const Call& call) { overAxes<All, uint8_t, uint8_t>(call, axesOf<attributes::all>(call)); }
void any(const Call& call) { overAxes<Any, uint8_t, uint8_t>(call, axesOf<attributes::any>(call)); }
void argmax(const Call& call) { argExtreme<1>(call, attributesOf<attributes::argmax>(call).axis); }
void argmin(const Call& call) { argExtreme<-1>(call, attributesOf<attributes::argmin>(call).axis); }
void logSumExp(const Call& call) {
  withFloat(call, call.in[0].dtype,
            [&]<class T>() { overAxes<LogSumExpOf, T, T>(call, axesOf<attributes::logSumExp>(call)); });
}
void variance(const Call& call) {
  withFloat(call, call.in[0].dtype,
            [&]<class T>() { overAxes<Variance, T, T>(call, axesOf<attributes::variance>(call)); });
}

void prodGrad(const Call& call) {
  const Tensor &dy = call.in[0], &x = call.in[1], &dx = call.out[0];
  const Ints& axes = axesOf<attributes::prodGrad>(call);
  bool isReduced[kMaxRank] = {};
  for (int i = 0; i < axes.count; i++) isReduced[axes[i]] = true;
  Axes<1> kept, reduced;
  int64_t stride = x.size();
  for (int i = 0; i < x.rank; i++) {
    if (x.dims[i] > 0) stride /= x.dims[i];
    (isReduced[i] ? reduced : kept).push(x.dims[i], {stride});
  }
  auto* others = static_cast<float*>(contextOf(call).scratch(static_cast<size_t>(x.size()) * sizeof(float)));
  withFloat(call, x.dtype, [&]<class T>() {
    launch(call, prodGradKernel<T>, static_cast<unsigned>(kept.size()), kThreads, 0, Strided<1, int64_t>(kept),
           Strided<1, int64_t>(reduced), reduced.size(), dy.as<const T>(), x.as<const T>(), others, dx.as<T>());
  });
}

}  // namespace neurite::cuda
