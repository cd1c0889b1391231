// Elementwise ops of two operands with broadcasting, and where.
#include "index.h"
#include "kernels.h"
#include "map.cuh"

namespace neurite::cuda {
namespace {

// ---- Functions: C is the compute type, float or int32_t. Signed sums wrap, as on the CPU.

template <class C> GPU_DEVICE C wrap(uint32_t bits) { return static_cast<C>(static_cast<int32_t>(bits)); }

struct Add {
  GPU_DEVICE float operator()(float a, float b) const { return a + b; }
  GPU_DEVICE int32_t operator()(int32_t a, int32_t b) const { return wrap<int32_t>(uint32_t(a) + uint32_t(b)); }
};
struct Sub {
  GPU_DEVICE float operator()(float a, float b) const { return a - b; }
  GPU_DEVICE int32_t operator()(int32_t a, int32_t b) const { return wrap<int32_t>(uint32_t(a) - uint32_t(b)); }
};
struct Mul {
  GPU_DEVICE float operator()(float a, float b) const { return a * b; }
  GPU_DEVICE int32_t operator()(int32_t a, int32_t b) const { return wrap<int32_t>(uint32_t(a) * uint32_t(b)); }
};
struct Div {
  GPU_DEVICE float operator()(float a, float b) const { return a / b; }
};
struct FloorDivide {
  GPU_DEVICE float operator()(float a, float b) const { return floorf(a / b); }
  GPU_DEVICE int32_t operator()(int32_t a, int32_t b) const {
    if (b == 0) return 0;
    if (b == -1) return wrap<int32_t>(0u - uint32_t(a));  // INT_MIN / -1 overflows
    const int32_t quotient = a / b;
    return quotient - (a % b != 0 && (a < 0) != (b < 0));
  }
};
struct Mod {
  // fmodf is exact where a - floor(a / b) * b loses what the quotient rounds away.
  GPU_DEVICE float operator()(float a, float b) const {
    const float remainder = fmodf(a, b);
    return remainder != 0.0f && (remainder < 0.0f) != (b < 0.0f) ? remainder + b : remainder;
  }
  GPU_DEVICE int32_t operator()(int32_t a, int32_t b) const {
    if (b == 0 || b == -1) return 0;
    const int32_t remainder = a % b;
    return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
  }
};
struct Pow {
  GPU_DEVICE float operator()(float a, float b) const { return powf(a, b); }
  // By squaring, modulo 2^32. A negative exponent gives the reciprocal towards zero.
  GPU_DEVICE int32_t operator()(int32_t a, int32_t b) const {
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
    uint32_t result = 1;
    for (uint32_t factor = uint32_t(a), left = uint32_t(b); left != 0; left >>= 1, factor *= factor) {
      if (left & 1u) result *= factor;
    }
    return wrap<int32_t>(result);
  }
};
struct Maximum {
  GPU_DEVICE float operator()(float a, float b) const { return gpu::maxNan(a, b); }
  GPU_DEVICE int32_t operator()(int32_t a, int32_t b) const { return a > b ? a : b; }
};
struct Minimum {
  GPU_DEVICE float operator()(float a, float b) const { return gpu::minNan(a, b); }
  GPU_DEVICE int32_t operator()(int32_t a, int32_t b) const { return a < b ? a : b; }
};
struct Equal {
  template <class C> GPU_DEVICE bool operator()(C a, C b) const { return a == b; }
};
struct NotEqual {
  template <class C> GPU_DEVICE bool operator()(C a, C b) const { return a != b; }
};
struct Less {
  template <class C> GPU_DEVICE bool operator()(C a, C b) const { return a < b; }
};
struct LessEqual {
  template <class C> GPU_DEVICE bool operator()(C a, C b) const { return a <= b; }
};
struct LogicalAnd {
  GPU_DEVICE bool operator()(int32_t a, int32_t b) const { return a != 0 && b != 0; }
};
struct LogicalOr {
  GPU_DEVICE bool operator()(int32_t a, int32_t b) const { return a != 0 || b != 0; }
};
struct LogicalXor {
  GPU_DEVICE bool operator()(int32_t a, int32_t b) const { return (a != 0) != (b != 0); }
};

// ---- Kernels

// y[i] = f(a[...], b[...]), V elements of the innermost axis at a time: an operand has them in a row (vector) or has one for all.
// `at` counts vectors along the innermost axis and elements in strides. A null operand is the number `scalar`.
// `tail` elements after the last vector remain where the whole tensor is one axis.
template <int V, class Index, class F, class T, class Out>
__global__ void __launch_bounds__(kThreads)
    binaryKernel(F f, Strided<2, Index> at, Index vectors, int tail, bool aVector, bool bVector, Compute<T> scalar,
                 const T* __restrict__ a, const T* __restrict__ b, Out* __restrict__ y) {
  using C = Compute<T>;
  const Index thread = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  const auto read = [scalar](const T* p, bool vector, Index offset, C(&values)[V]) {
    if (p != nullptr && vector) {
      const gpu::Vec<T, V> loaded = gpu::loadVec<V>(p + offset);
#pragma unroll
      for (int k = 0; k < V; k++) values[k] = static_cast<C>(loaded[k]);
    } else {
      const C one = p != nullptr ? load(p + offset) : scalar;
#pragma unroll
      for (int k = 0; k < V; k++) values[k] = one;
    }
  };
  for (Index i = thread; i < vectors; i += Index{gridDim.x} * blockDim.x) {
    Index offsets[2] = {};
    at.add(i, offsets);
    C left[V], right[V];
    read(a, aVector, offsets[0], left);
    read(b, bVector, offsets[1], right);
    gpu::Vec<Out, V> result;
#pragma unroll
    for (int k = 0; k < V; k++) result[k] = static_cast<Out>(f(left[k], right[k]));
    gpu::storeVec(y + static_cast<size_t>(i) * V, result);
  }
  if (V > 1 && thread < static_cast<Index>(tail)) {
    const Index i = vectors * V + thread;
    const C left = a != nullptr ? load(a + (aVector ? i : 0)) : scalar;
    const C right = b != nullptr ? load(b + (bVector ? i : 0)) : scalar;
    y[i] = static_cast<Out>(f(left, right));
  }
}

// y[i] = condition[...] ? a[...] : b[...], on elements of 1, 2 or 4 bytes.
template <class Index, class T>
__global__ void __launch_bounds__(kThreads)
    whereKernel(Strided<3, Index> at, Index size, const uint8_t* __restrict__ condition, const T* __restrict__ a,
                const T* __restrict__ b, T* __restrict__ y) {
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += Index{gridDim.x} * blockDim.x) {
    Index offsets[3] = {};
    at.add(i, offsets);
    y[i] = condition[offsets[0]] != 0 ? a[offsets[1]] : b[offsets[2]];
  }
}

// ---- Launchers

template <class C> C numberAs(double value) {
  if constexpr (std::is_integral_v<C>)
    return toInt32(value);
  else
    return static_cast<C>(value);
}

template <class T, class Out, class F>
void launchBinary(const Call& call, F f, const Tensor& a, const Tensor& b, double scalar) {
  const Tensor& y = call.out[0];
  Axes<2> axes;
  for (int i = 0; i < y.rank; i++) axes.push(y.dims[i], {broadcastStride(a, y.rank, i), broadcastStride(b, y.rank, i)});
  if (axes.rank == 0) {  // one element
    axes.rank = 1;
    axes.dims[0] = 1;
  }
  constexpr int V = static_cast<int>(16 / (sizeof(T) > sizeof(Out) ? sizeof(T) : sizeof(Out)));
  const int last = axes.rank - 1;
  const bool aVector = axes.strides[0][last] == 1, bVector = axes.strides[1][last] == 1;
  bool vectors = axes.rank == 1 || axes.dims[last] % V == 0;
  const auto fits = [&](const Tensor& operand, int n, bool vector) {
    if (!operand.present() || !vector) return true;
    for (int i = 0; i < last; i++) {
      if (axes.strides[n][i] % V != 0) return false;
    }
    return aligned(operand.data, V * sizeof(T));
  };
  vectors = vectors && aligned(y.data, V * sizeof(Out)) && fits(a, 0, aVector) && fits(b, 1, bVector);
  const auto run = [&]<int Width, class Index>() {
    Axes<2> counted = axes;
    counted.dims[last] /= Width;
    for (auto& strides : counted.strides) strides[last] *= Width;
    const int64_t count = counted.size();
    const int tail = axes.rank == 1 ? static_cast<int>(axes.dims[0] % Width) : 0;
    launch(call, binaryKernel<Width, Index, F, T, Out>, gridFor(call, count > 0 ? count : tail), kThreads, 0, f,
           Strided<2, Index>(counted), static_cast<Index>(count), tail, aVector, bVector, numberAs<Compute<T>>(scalar),
           a.as<const T>(), b.as<const T>(), y.as<Out>());
  };
  const bool narrow = axes.reach() < int64_t{1} << 31;
  if (vectors && narrow) {
    run.template operator()<V, uint32_t>();
  } else if (narrow) {
    run.template operator()<1, uint32_t>();
  } else {
    run.template operator()<1, int64_t>();
  }
}

const Tensor& present(const Call& call) { return call.in[0].present() ? call.in[0] : call.in[1]; }

template <class A, class F> void arithmetic(const Call& call, F f) {
  withNumber(call, present(call).dtype,
             [&]<class T>() { launchBinary<T, T>(call, f, call.in[0], call.in[1], attributesOf<A>(call).scalar); });
}

// greater and greaterEqual are less and lessEqual with the operands exchanged.
template <class A, class F> void compare(const Call& call, F f, bool exchanged = false) {
  withAny(call, present(call).dtype, [&]<class T>() {
    launchBinary<T, uint8_t>(call, f, call.in[exchanged ? 1 : 0], call.in[exchanged ? 0 : 1],
                             attributesOf<A>(call).scalar);
  });
}

template <class A, class F> void logical(const Call& call, F f) {
  launchBinary<uint8_t, uint8_t>(call, f, call.in[0], call.in[1], attributesOf<A>(call).scalar);
}

}  // namespace

void add(const Call& call) { arithmetic<attributes::add>(call, Add{}); }
void sub(const Call& call) { arithmetic<attributes::sub>(call, Sub{}); }
void mul(const Call& call) { arithmetic<attributes::mul>(call, Mul{}); }
void floorDivide(const Call& call) { arithmetic<attributes::floorDivide>(call, FloorDivide{}); }
void mod(const Call& call) { arithmetic<attributes::mod>(call, Mod{}); }
void pow(const Call& call) { arithmetic<attributes::pow>(call, Pow{}); }
void maximum(const Call& call) { arithmetic<attributes::maximum>(call, Maximum{}); }
void minimum(const Call& call) { arithmetic<attributes::minimum>(call, Minimum{}); }

void div(const Call& call) {
  withFloat(call, present(call).dtype, [&]<class T>() {
    launchBinary<T, T>(call, Div{}, call.in[0], call.in[1], attributesOf<attributes::div>(call).scalar);
  });
}

void equal(const Call& call) { compare<attributes::equal>(call, Equal{}); }
void notEqual(const Call& call) { compare<attributes::notEqual>(call, NotEqual{}); }
void less(const Call& call) { compare<attributes::less>(call, Less{}); }
void lessEqual(const Call& call) { compare<attributes::lessEqual>(call, LessEqual{}); }
void greater(const Call& call) { compare<attributes::greater>(call, Less{}, true); }
void greaterEqual(const Call& call) { compare<attributes::greaterEqual>(call, LessEqual{}, true); }

void logicalAnd(const Call& call) { logical<attributes::logicalAnd>(call, LogicalAnd{}); }
void logicalOr(const Call& call) { logical<attributes::logicalOr>(call, LogicalOr{}); }
void logicalXor(const Call& call) { logical<attributes::logicalXor>(call, LogicalXor{}); }

void where(const Call& call) {
  const Tensor& y = call.out[0];
  Axes<3> axes;
  for (int i = 0; i < y.rank; i++) {
    axes.push(y.dims[i], {broadcastStride(call.in[0], y.rank, i), broadcastStride(call.in[1], y.rank, i),
                          broadcastStride(call.in[2], y.rank, i)});
  }
  const int64_t size = y.size();
  const auto run = [&]<class Index, class T>() {
    launch(call, whereKernel<Index, T>, gridFor(call, size), kThreads, 0, Strided<3, Index>(axes),
           static_cast<Index>(size), call.in[0].as<const uint8_t>(), call.in[1].as<const T>(), call.in[2].as<const T>(),
           y.as<T>());
  };
  withIndex(axes.reach(), [&]<class Index>() {
    switch (dtypeBytes(y.dtype)) {
      case 1:
        return run.template operator()<Index, uint8_t>();
      case 2:
        return run.template operator()<Index, uint16_t>();
      default:
        return run.template operator()<Index, uint32_t>();
    }
  });
}

}  // namespace neurite::cuda
