// What works on rows: how threads share them, log(sum(exp)), and softmax-like ops that reduce a row and then write it.
#pragma once
#include "tree.cuh"

namespace neurite::cuda {

// log(sum(exp(x))), the sum kept relative to the largest x so far.
struct LogSumExp {
  float largest = -INFINITY, sum = 0.0f;

  // Equal first: two infinities have no difference. A NaN ends in the sum. Commutative bit for bit.
  GPU_DEVICE static LogSumExp merge(const LogSumExp& a, const LogSumExp& b) {
    if (a.largest == b.largest) return {a.largest, a.sum + b.sum};
    const bool aHigher = a.largest > b.largest;
    const LogSumExp high = aHigher ? a : b, low = aHigher ? b : a;
    return {high.largest, high.sum + low.sum * expf(low.largest - high.largest)};
  }
  GPU_DEVICE void add(float x) { *this = merge(*this, {x, 1.0f}); }
  GPU_DEVICE float value() const { return largest + logf(sum); }
};
struct MergeLogSumExp {
  GPU_DEVICE LogSumExp operator()(const LogSumExp& a, const LogSumExp& b) const { return LogSumExp::merge(a, b); }
};

// Rows of `length` elements that lie `inner` apart: row r starts at (r / inner) * length * inner + r % inner.
struct Rows {
  int64_t count, length, inner;
  int group;  // threads per row: a power of two up to 32, or kThreads

  Rows(const Tensor& x, int axis) : count(1), length(x.dims[axis]), inner(1) {
    for (int i = 0; i < axis; i++) count *= x.dims[i];
    for (int i = axis + 1; i < x.rank; i++) inner *= x.dims[i];
    count *= inner;
    // Neighbouring threads read neighbouring addresses: along the row, or, with a thread per row, across rows.
    if (inner >= 32) {
      group = 1;
    } else if (length > 1024) {
      group = kThreads;
    } else {
      for (group = 1; group < 32 && group * 4 < length;) group *= 2;
    }
  }
  unsigned grid() const { return static_cast<unsigned>(ceilDiv(count, kThreads / group)); }

  // The row of this thread, at most count - 1, so that threads beyond the last row read the last and keep their block whole.
  GPU_DEVICE int64_t row() const {
    const int64_t r = int64_t{blockIdx.x} * (kThreads / group) + threadIdx.x / group;
    return r < count ? r : count - 1;
  }
  GPU_DEVICE bool active() const { return int64_t{blockIdx.x} * (kThreads / group) + threadIdx.x / group < count; }
  GPU_DEVICE int lane() const { return static_cast<int>(threadIdx.x) % group; }
  GPU_DEVICE int64_t start(int64_t row) const {
    return inner == 1 ? row * length : row / inner * length * inner + row % inner;
  }
};

// The merge of all threads of a row, for each of them. `merge` is commutative bit for bit.
template <class T, class Merge> GPU_DEVICE T reduceRow(const Rows& rows, T value, Merge merge) {
  if (rows.group == kThreads) return reduceBlock<kThreads>(value, merge);
  return reduceLanes(value, rows.group, merge);
}

}  // namespace neurite::cuda
