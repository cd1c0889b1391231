// From an element's number to where operands have it: broadcasting, transposing and slicing are all axes with strides.
#pragma once
#include "dtype.h"

namespace neurite::cuda {

// Axes that one kernel walks over, outermost first, and the stride (in elements) of each operand along each.
template <int N> struct Axes {
  static constexpr int kMax = 2 * kMaxRank;
  int rank = 0;
  int64_t dims[kMax] = {};
  int64_t strides[N][kMax] = {};

  // Appends an axis. Axes of size 1 vanish; one that continues the axis before it in every operand is merged into it.
  void push(int64_t dim, const int64_t (&stride)[N]) {
    if (dim == 1) return;
    bool merges = rank > 0;
    for (int n = 0; n < N; n++) merges = merges && strides[n][rank - 1] == stride[n] * dim;
    if (!merges) rank++;
    dims[rank - 1] = merges ? dims[rank - 1] * dim : dim;
    for (int n = 0; n < N; n++) strides[n][rank - 1] = stride[n];
  }

  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dims[i];
    return n;
  }

  // Largest offset that any operand is read or written at, plus 1, or the number of elements: what an index type must hold.
  int64_t reach() const {
    int64_t most = size();
    for (int n = 0; n < N; n++) {
      int64_t last = 1;
      for (int i = 0; i < rank; i++) last += (dims[i] - 1) * strides[n][i];
      if (last > most) most = last;
    }
    return most;
  }
};

// Stride of `operand` along axis `axis` of an output of rank `rank`, by NumPy's broadcasting.
inline int64_t broadcastStride(const Tensor& operand, int rank, int axis) {
  const int own = axis - (rank - operand.rank);
  if (own < 0 || operand.dims[own] == 1) return 0;
  int64_t stride = 1;
  for (int i = own + 1; i < operand.rank; i++) stride *= operand.dims[i];
  return stride;
}

// Division by a number that is known at launch; 0 is only ever the size of nothing. uint32_t: a multiplication, for dividends below 2^31 (Granlund and Montgomery 1994).
template <class Index> struct Divisor {
  Index value = 1;
  Divisor() = default;
  explicit Divisor(int64_t divisor) : value(static_cast<Index>(divisor)) {}
  GPU_DEVICE Index quotient(Index n) const { return n / value; }
};
template <> struct Divisor<uint32_t> {
  uint32_t value = 1, multiplier = 1, shift = 0;
  Divisor() = default;
  explicit Divisor(int64_t divisor) : value(static_cast<uint32_t>(divisor)) {
    if (value == 0) return;
    while ((uint64_t{1} << shift) < value) shift++;
    multiplier = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - value)) / value + 1);
  }
  GPU_DEVICE uint32_t quotient(uint32_t n) const { return (__umulhi(n, multiplier) + n) >> shift; }
};

// Axes as a kernel sees them.
template <int N, class Index, int Max = kMaxRank> struct Strided {
  int rank = 0;
  Divisor<Index> dims[Max];
  Index strides[N][Max] = {};

  Strided() = default;
  explicit Strided(const Axes<N>& axes) : rank(axes.rank) {
    for (int i = 0; i < rank; i++) {
      dims[i] = Divisor<Index>(axes.dims[i]);
      for (int n = 0; n < N; n++) strides[n][i] = static_cast<Index>(axes.strides[n][i]);
    }
  }

  // Adds to `offsets` where element i is in each operand.
  GPU_DEVICE void add(Index i, Index (&offsets)[N]) const {
    for (int d = rank - 1; d > 0; d--) {
      const Index quotient = dims[d].quotient(i);
      const Index remainder = i - quotient * dims[d].value;
#pragma unroll
      for (int n = 0; n < N; n++) offsets[n] += remainder * strides[n][d];
      i = quotient;
    }
    if (rank > 0) {
#pragma unroll
      for (int n = 0; n < N; n++) offsets[n] += i * strides[n][0];
    }
  }
};

// Calls f.template operator()<Index>(): uint32_t while every offset is below 2^31, else int64_t.
template <class F> void withIndex(int64_t reach, F&& f) {
  if (reach < int64_t{1} << 31) return f.template operator()<uint32_t>();
  f.template operator()<int64_t>();
}

}  // namespace neurite::cuda
