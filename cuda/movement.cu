// Ops that move elements and compute nothing: slice, pad, tile, broadcastTo, transpose, concat, and the gradients of slice and pad.
//
// slice, tile, broadcastTo and transpose are one copy along strided axes, in words as wide as the innermost axis allows; a
// transpose that changes the innermost axis goes through tiles in shared memory, so that reads and writes both are rows.
#include "index.h"
#include "kernels.h"

namespace neurite::cuda {
namespace {

constexpr int kTileSide = 32;
constexpr int kTileRows = kThreads / kTileSide;
constexpr int kConcatGroup = 64;  // inputs per launch: 64 * 40 bytes of parameters

// ---- Kernels

// y[i] = x[start + at(i)]. The sum wraps around where a stride is negative.
template <class Word, class Index>
__global__ void __launch_bounds__(kThreads)
    stridedCopyKernel(Strided<1, Index, Axes<1>::kMax> at, Index start, Index size, const Word* __restrict__ x,
                      Word* __restrict__ y) {
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += Index{gridDim.x} * blockDim.x) {
    Index offset[1] = {start};
    at.add(i, offset);
    y[i] = x[offset[0]];
  }
}

// Two axes that exchange their places: rows r with stride `in` in x and 1 in y, columns c with 1 in x and `out` in y. The other axes
// are the batch. A block moves one tile of 32 x 32 of one batch at a time.
template <class Word>
__global__ void __launch_bounds__(kThreads)
    transposeKernel(Strided<2, int64_t> batch, int64_t batches, int64_t rows, int64_t columns, int64_t in, int64_t out,
                    const Word* __restrict__ x, Word* __restrict__ y) {
  GPU_SHARED(Word, tile, [kTileSide][kTileSide + 1]);
  const int tx = static_cast<int>(threadIdx.x) % kTileSide, ty = static_cast<int>(threadIdx.x) / kTileSide;
  const int64_t tileColumns = ceilDiv(columns, kTileSide);
  const int64_t r0 = blockIdx.x / tileColumns * kTileSide, c0 = blockIdx.x % tileColumns * kTileSide;
  for (int64_t b = blockIdx.y; b < batches; b += gridDim.y) {
    int64_t base[2] = {};
    batch.add(b, base);
    for (int i = ty; i < kTileSide; i += kTileRows) {
      if (r0 + i < rows && c0 + tx < columns) tile[i][tx] = x[base[0] + (r0 + i) * in + c0 + tx];
    }
    __syncthreads();
    for (int i = ty; i < kTileSide; i += kTileRows) {
      if (c0 + i < columns && r0 + tx < rows) y[base[1] + (c0 + i) * out + r0 + tx] = tile[tx][i];
    }
    __syncthreads();
  }
}

// How an axis of y maps to an axis of x: i comes from (i - start) / stride; what that leaves outside of x depends on the mode.
template <class Index> struct Window {
  int rank = 0;
  Divisor<Index> out[kMaxRank], stride[kMaxRank];
  int64_t in[kMaxRank] = {}, start[kMaxRank] = {}, step[kMaxRank] = {};  // step: of x's elements
};

// y[i] = x at the place that the window says, or `value` where there is none.
template <class Word, class Index>
__global__ void __launch_bounds__(kThreads) windowKernel(Window<Index> window, PadMode mode, Word value, Index size,
                                                         const Word* __restrict__ x, Word* __restrict__ y) {
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += Index{gridDim.x} * blockDim.x) {
    Index rest = i;
    int64_t offset = 0;
    bool inside = true;
    for (int d = window.rank - 1; d >= 0; d--) {
      const Index quotient = window.out[d].quotient(rest);
      int64_t j = static_cast<int64_t>(rest - quotient * window.out[d].value) - window.start[d];
      rest = quotient;
      const int64_t n = window.in[d];
      if (mode == PadMode::constant) {
        const int64_t k = j < 0 ? 0 : static_cast<int64_t>(window.stride[d].quotient(static_cast<Index>(j)));
        inside = inside && j >= 0 && k < n && k * static_cast<int64_t>(window.stride[d].value) == j;
        j = k;
      } else if (mode == PadMode::edge) {
        j = j < 0 ? 0 : j < n ? j : n - 1;
      } else {
        j = j < 0 ? -j : j < n ? j : 2 * (n - 1) - j;
      }
      offset += j * window.step[d];
    }
    y[i] = inside ? x[offset] : value;
  }
}

// dx[i] = the sum of dy at all places that copied x[i]: per axis the place itself and, in mode edge, the padding next to it, in
// mode reflect, its mirror images.
template <class T>
__global__ void __launch_bounds__(kThreads)
    padGradKernel(Window<int64_t> window, PadMode mode, int64_t size, const T* __restrict__ dy, T* __restrict__ dx) {
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += int64_t{gridDim.x} * blockDim.x) {
    // Here `out` are dy's dims, `in` dx's. Per axis: places first, first + 1, ... (edge), or three candidates (reflect).
    int64_t first[kMaxRank], count[kMaxRank], place[kMaxRank][3], turn[kMaxRank];
    int64_t rest = i;
    for (int d = window.rank - 1; d >= 0; d--) {
      const int64_t n = window.in[d], m = window.out[d].value, before = window.start[d];
      const int64_t j = rest % n;
      rest /= n;
      turn[d] = 0;
      if (mode == PadMode::edge) {
        first[d] = j == 0 ? 0 : before + j;
        count[d] = (j == n - 1 ? m : before + j + 1) - first[d];
      } else {
        count[d] = 1;
        place[d][0] = before + j;
        if (j > 0 && j <= before) place[d][count[d]++] = before - j;
        if (j < n - 1 && before + 2 * (n - 1) - j < m) place[d][count[d]++] = before + 2 * (n - 1) - j;
      }
    }
    float sum = 0.0f;
    for (bool more = true; more;) {
      int64_t offset = 0;
      for (int d = 0; d < window.rank; d++) {
        offset += (mode == PadMode::edge ? first[d] + turn[d] : place[d][turn[d]]) * window.step[d];
      }
      sum += load(dy + offset);
      more = false;
      for (int d = window.rank - 1; d >= 0 && !more; d--) {
        more = ++turn[d] < count[d];
        if (!more) turn[d] = 0;
      }
    }
    dx[i] = static_cast<T>(sum);
  }
}

template <class Index> struct ConcatGroup {
  struct Input {
    const void* x;
    Divisor<Index> words;  // of a row of this input
    Index place;           // in a row of y
  } inputs[kConcatGroup];
};

// Row o of input blockIdx.y goes to y[o * pitch + place].
template <class Word, class Index>
__global__ void __launch_bounds__(kThreads)
    concatKernel(ConcatGroup<Index> group, Index rows, Index pitch, Word* __restrict__ y) {
  const auto& input = group.inputs[blockIdx.y];
  const Index size = rows * input.words.value;
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += Index{gridDim.x} * blockDim.x) {
    const Index row = input.words.quotient(i);
    y[row * pitch + input.place + (i - row * input.words.value)] = static_cast<const Word*>(input.x)[i];
  }
}

// ---- Launchers

// Copies along `axes` (of y; strides in x) starting at element `start` of x.
void copyStrided(const Call& call, Axes<1> axes, int64_t start) {
  const Tensor &x = call.in[0], &y = call.out[0];
  size_t bytes = dtypeBytes(y.dtype);
  // Twice the word as long as everything is even.
  const int last = axes.rank - 1;
  while (bytes < 16 && axes.rank > 0 && axes.strides[0][last] == 1 && axes.dims[last] % 2 == 0 &&
         aligned(x.data, 2 * bytes) && aligned(y.data, 2 * bytes)) {
    bool even = start % 2 == 0;
    for (int i = 0; i < last; i++) even = even && axes.strides[0][i] % 2 == 0;
    if (!even) break;
    for (int i = 0; i < last; i++) axes.strides[0][i] /= 2;
    axes.dims[last] /= 2;
    start /= 2;
    bytes *= 2;
  }
  const int64_t size = axes.size(), most = x.size() > size ? x.size() : size;
  withIndex(most, [&]<class Index>() {
    withBytes(bytes, [&]<class Word>() {
      launch(call, stridedCopyKernel<Word, Index>, gridFor(call, size), kThreads, 0,
             Strided<1, Index, Axes<1>::kMax>(axes), static_cast<Index>(start), static_cast<Index>(size),
             x.as<const Word>(), y.as<Word>());
    });
  });
}

// Strides of a tensor's axes, in elements.
struct Strides {
  int64_t of[kMaxRank];
  explicit Strides(const Tensor& x) {
    int64_t stride = 1;
    for (int i = x.rank - 1; i >= 0; i--) {
      of[i] = stride;
      stride *= x.dims[i];
    }
  }
};

// Windows of y over x, outermost axis first; an axis that both have whole joins the one before it where both are counted alike.
template <class Index>
Window<Index> windowOf(const Tensor& y, const Tensor& x, const Ints& starts, const Ints* strides, bool joins) {
  Window<Index> window;
  const Strides steps(x);
  for (int i = 0; i < y.rank; i++) {
    const int64_t stride = strides != nullptr ? (*strides)[i] : 1;
    const bool whole = y.dims[i] == x.dims[i] && starts[i] == 0 && stride == 1;
    const int last = window.rank - 1;
    if (joins && whole && last >= 0 && window.stride[last].value == 1) {
      window.out[last] = Divisor<Index>(static_cast<int64_t>(window.out[last].value) * y.dims[i]);
      window.in[last] *= x.dims[i];
      window.start[last] *= x.dims[i];
      window.step[last] = steps.of[i];
      continue;
    }
    const int d = window.rank++;
    window.out[d] = Divisor<Index>(y.dims[i]);
    window.stride[d] = Divisor<Index>(stride);
    window.in[d] = x.dims[i];
    window.start[d] = starts[i];
    window.step[d] = steps.of[i];
  }
  return window;
}

template <class Word> Word wordOf(DType dtype, double value) {
  switch (dtype) {
    case DType::float32:
      return static_cast<Word>(gpu::bitsOf(static_cast<float>(value)));
    case DType::bfloat16:
      return static_cast<Word>(gpu::bf16Bits(static_cast<float>(value)));
    case DType::boolean:
      return static_cast<Word>(value != 0);
    default:
      return static_cast<Word>(toInt32(value));
  }
}

void copyWindow(const Call& call, const Ints& starts, const Ints* strides, PadMode mode, double value) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const int64_t size = y.size();
  const auto run = [&]<class Word, class Index>() {
    launch(call, windowKernel<Word, Index>, gridFor(call, size), kThreads, 0,
           windowOf<Index>(y, x, starts, strides, mode == PadMode::constant), mode, wordOf<Word>(y.dtype, value),
           static_cast<Index>(size), x.as<const Word>(), y.as<Word>());
  };
  withIndex(size, [&]<class Index>() {
    switch (dtypeBytes(y.dtype)) {
      case 1:
        return run.template operator()<uint8_t, Index>();
      case 2:
        return run.template operator()<uint16_t, Index>();
      default:
        return run.template operator()<uint32_t, Index>();
    }
  });
}

void copySlice(const Call& call, const Ints& starts, const Ints* strides) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const Strides steps(x);
  Axes<1> axes;
  int64_t start = 0;
  for (int i = 0; i < y.rank; i++) {
    axes.push(y.dims[i], {steps.of[i] * (strides != nullptr ? (*strides)[i] : 1)});
    start += starts[i] * steps.of[i];
  }
  copyStrided(call, axes, start);
}

}  // namespace

void slice(const Call& call) {
  const auto& a = attributesOf<attributes::slice>(call);
  copySlice(call, a.starts, &a.strides);
}

void sliceGrad(const Call& call) {
  const auto& a = attributesOf<attributes::sliceGrad>(call);
  copyWindow(call, a.starts, &a.strides, PadMode::constant, 0);
}

void pad(const Call& call) {
  const auto& a = attributesOf<attributes::pad>(call);
  copyWindow(call, a.before, nullptr, a.mode, a.value);
}

void padGrad(const Call& call) {
  const auto& a = attributesOf<attributes::padGrad>(call);
  if (a.mode == PadMode::constant) return copySlice(call, a.before, nullptr);
  const Tensor &dy = call.in[0], &dx = call.out[0];
  Window<int64_t> window;
  window.rank = dx.rank;
  const Strides steps(dy);
  for (int i = 0; i < dx.rank; i++) {
    window.out[i] = Divisor<int64_t>(dy.dims[i]);
    window.in[i] = dx.dims[i];
    window.start[i] = a.before[i];
    window.step[i] = steps.of[i];
  }
  withFloat(call, dx.dtype, [&]<class T>() {
    launch(call, padGradKernel<T>, gridFor(call, dx.size()), kThreads, 0, window, a.mode, dx.size(), dy.as<const T>(),
           dx.as<T>());
  });
}

void tile(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const Strides steps(x);
  Axes<1> axes;
  for (int i = 0; i < y.rank; i++) {
    axes.push(x.dims[i] > 0 ? y.dims[i] / x.dims[i] : 0, {0});
    axes.push(x.dims[i], {steps.of[i]});
  }
  copyStrided(call, axes, 0);
}

void broadcastTo(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  Axes<1> axes;
  for (int i = 0; i < y.rank; i++) axes.push(y.dims[i], {broadcastStride(x, y.rank, i)});
  copyStrided(call, axes, 0);
}

void transpose(const Call& call) {
  const Ints& permutation = attributesOf<attributes::transpose>(call).permutation;
  const Tensor &x = call.in[0], &y = call.out[0];
  const Strides in(x), out(y);
  Axes<2> axes;  // of y: strides in x, strides in y
  for (int i = 0; i < y.rank; i++) axes.push(y.dims[i], {in.of[permutation[i]], out.of[i]});
  const int last = axes.rank - 1;
  int contiguous = -1;  // the axis of y that is innermost in x
  for (int i = 0; i < axes.rank; i++) {
    if (axes.strides[0][i] == 1) contiguous = i;
  }
  if (last < 0 || contiguous < 0 || contiguous == last || y.size() == 0) {
    Axes<1> copied;
    for (int i = 0; i <= last; i++) copied.push(axes.dims[i], {axes.strides[0][i]});
    return copyStrided(call, copied, 0);
  }
  Axes<2> batch;
  for (int i = 0; i < last; i++) {
    if (i != contiguous) batch.push(axes.dims[i], {axes.strides[0][i], axes.strides[1][i]});
  }
  const int64_t rows = axes.dims[last], columns = axes.dims[contiguous], batches = batch.size();
  const dim3 grid(static_cast<unsigned>(ceilDiv(rows, kTileSide) * ceilDiv(columns, kTileSide)),
                  static_cast<unsigned>(batches < 65535 ? batches : 65535));
  const auto run = [&]<class Word>() {
    launch(call, transposeKernel<Word>, grid, kThreads, 0, Strided<2, int64_t>(batch), batches, rows, columns,
           axes.strides[0][last], axes.strides[1][contiguous], x.as<const Word>(), y.as<Word>());
  };
  switch (dtypeBytes(y.dtype)) {
    case 1:
      return run.template operator()<uint8_t>();
    case 2:
      return run.template operator()<uint16_t>();
    default:
      return run.template operator()<uint32_t>();
  }
}

void concat(const Call& call) {
  const int64_t axis = attributesOf<attributes::concat>(call).axis;
  const Tensor& y = call.out[0];
  int64_t outer = 1, inner = static_cast<int64_t>(dtypeBytes(y.dtype));
  for (int64_t i = 0; i < axis; i++) outer *= y.dims[i];
  for (int64_t i = axis + 1; i < y.rank; i++) inner *= y.dims[i];
  size_t bytes = 16;
  for (; bytes > 1; bytes /= 2) {
    bool fits = aligned(y.data, bytes) && y.dims[axis] * inner % static_cast<int64_t>(bytes) == 0;
    for (int i = 0; i < call.inputs; i++) {
      fits =
          fits && aligned(call.in[i].data, bytes) && call.in[i].dims[axis] * inner % static_cast<int64_t>(bytes) == 0;
    }
    if (fits) break;
  }
  const int64_t width = static_cast<int64_t>(bytes), pitch = y.dims[axis] * inner / width;
  withIndex(outer * pitch, [&]<class Index>() {
    withBytes(bytes, [&]<class Word>() {
      int64_t place = 0;
      for (int from = 0; from < call.inputs; from += kConcatGroup) {
        ConcatGroup<Index> group;
        int64_t most = 0;
        int count = 0;
        for (; count < kConcatGroup && from + count < call.inputs; count++) {
          const Tensor& x = call.in[from + count];
          const int64_t words = x.dims[axis] * inner / width;
          group.inputs[count] = {x.data, Divisor<Index>(words), static_cast<Index>(place)};
          place += words;
          most = words > most ? words : most;
        }
        if (outer * most == 0) continue;
        launch(call, concatKernel<Word, Index>, dim3(gridFor(call, outer * most), static_cast<unsigned>(count)),
               kThreads, 0, group, static_cast<Index>(outer), static_cast<Index>(pitch), y.as<Word>());
      }
    });
  });
}

}  // namespace neurite::cuda
