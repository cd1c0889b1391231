// Rows picked by indices: gather, batchIndices, oneHot, and scatterAdd, the gradient of gather.
//
// scatterAdd adds the updates of one row in the order of their indices, whatever the grid: a stable radix sort of (index, position)
// brings together what belongs to a row, and one thread per element of the result walks through its run.
#include "index.h"
#include "kernels.h"
#include "report.cuh"

namespace neurite::cuda {
namespace {

constexpr int kRadixBits = 4;
constexpr int kDigits = 1 << kRadixBits;
constexpr int kSortTile = 1024;  // pairs per block and pass
// Up to this many comparisons every thread looks at all indices itself, which costs less than to sort them.
constexpr int64_t kScanLimit = int64_t{1} << 22;

// x (outer, limit, inner), indices (count), y (outer, count, inner), in elements or words.
template <class Index> struct GatherShape {
  Index size;
  Divisor<Index> count, inner;
  int64_t limit;
};

// ---- Kernels

// The offset in x of element i of y.
template <class Index>
GPU_DEVICE int64_t gatherOffset(const GatherShape<Index>& shape, Index i, const int32_t* indices,
                                const Reporter& reporter) {
  const Index row = shape.inner.quotient(i);  // (outer, count)
  const Index outer = shape.count.quotient(row);
  const int64_t index = checkedIndex(indices[row - outer * shape.count.value], shape.limit, reporter);
  return (static_cast<int64_t>(outer) * shape.limit + index) * static_cast<int64_t>(shape.inner.value) +
         (i - row * shape.inner.value);
}

// Moves words of up to 16 bytes.
template <class Word, class Index>
__global__ void __launch_bounds__(kThreads)
    gatherKernel(GatherShape<Index> shape, Reporter reporter, const Word* __restrict__ x,
                 const int32_t* __restrict__ indices, Word* __restrict__ y) {
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < shape.size; i += Index{gridDim.x} * blockDim.x) {
    y[i] = x[gatherOffset(shape, i, indices, reporter)];
  }
}

// y = x * scale + offset, V elements at a time; the shape counts vectors.
template <int V, class Index, class In, class Out>
__global__ void __launch_bounds__(kThreads)
    gatherScaledKernel(GatherShape<Index> shape, float scale, float offset, Reporter reporter, const In* __restrict__ x,
                       const int32_t* __restrict__ indices, Out* __restrict__ y) {
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < shape.size; i += Index{gridDim.x} * blockDim.x) {
    const gpu::Vec<In, V> values = gpu::loadVec<V>(x + gatherOffset(shape, i, indices, reporter) * V);
    gpu::Vec<Out, V> result;
#pragma unroll
    for (int k = 0; k < V; k++) {
      result[k] = static_cast<Out>(static_cast<float>(static_cast<Compute<In>>(values[k])) * scale + offset);
    }
    gpu::storeVec(y + static_cast<int64_t>(i) * V, result);
  }
}

__global__ void __launch_bounds__(kThreads)
    batchIndicesKernel(int64_t size, int64_t total, const int32_t* __restrict__ order,
                       const int32_t* __restrict__ position, int32_t* __restrict__ y) {
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += int64_t{gridDim.x} * blockDim.x) {
    y[i] = order[clampedIndex(*position + i, total)];
  }
}

template <class Label, class T>
__global__ void __launch_bounds__(kThreads) oneHotKernel(int64_t size, int64_t depth, T onValue, T offValue,
                                                         const Label* __restrict__ indices, T* __restrict__ y) {
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += int64_t{gridDim.x} * blockDim.x) {
    const int64_t row = i / depth;
    y[i] = indices[row] == i - row * depth ? onValue : offValue;
  }
}

// y (outer, limit, inner): each element looks through all indices for its own row.
template <class T>
__global__ void __launch_bounds__(kThreads)
    scatterScanKernel(int64_t outer, int64_t limit, int64_t count, int64_t inner, Reporter reporter,
                      const int32_t* __restrict__ indices, const T* __restrict__ updates, T* __restrict__ y) {
  const int64_t size = outer * limit * inner;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += int64_t{gridDim.x} * blockDim.x) {
    const int64_t column = i % inner, row = i / inner % limit, o = i / inner / limit;
    const T* update = updates + o * count * inner + column;
    Compute<T> sum{};
    for (int64_t k = 0; k < count; k++) {
      if (checkedIndex(indices[k], limit, reporter) == row) sum += load(update + k * inner);
    }
    y[i] = static_cast<T>(sum);
  }
}

// Keys and positions before the first pass.
__global__ void __launch_bounds__(kThreads)
    sortBeginKernel(int64_t count, int64_t limit, Reporter reporter, const int32_t* __restrict__ indices,
                    uint32_t* __restrict__ keys, uint32_t* __restrict__ positions) {
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += int64_t{gridDim.x} * blockDim.x) {
    keys[i] = static_cast<uint32_t>(checkedIndex(indices[i], limit, reporter));
    positions[i] = static_cast<uint32_t>(i);
  }
}

// How often each digit occurs in each tile: histogram[digit][tile].
__global__ void __launch_bounds__(kThreads)
    sortCountKernel(int64_t count, int shift, const uint32_t* __restrict__ keys, uint32_t* __restrict__ histogram) {
  GPU_SHARED(unsigned, counts, [kDigits]);
  if (threadIdx.x < kDigits) counts[threadIdx.x] = 0;
  __syncthreads();
  const int64_t begin = int64_t{blockIdx.x} * kSortTile;
  for (int64_t i = begin + threadIdx.x; i < begin + kSortTile && i < count; i += kThreads) {
    gpu::atomicAdd(&counts[keys[i] >> shift & (kDigits - 1)], 1u);
  }
  __syncthreads();
  if (threadIdx.x < kDigits) histogram[threadIdx.x * gridDim.x + blockIdx.x] = counts[threadIdx.x];
}

// Exclusive prefix sum of n numbers, in place, by one block.
__global__ void __launch_bounds__(kThreads) sortScanKernel(int64_t n, uint32_t* values) {
  GPU_SHARED(uint32_t, warps, [kThreads / 32]);
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  uint32_t carry = 0;
  for (int64_t begin = 0; begin < n; begin += kThreads) {
    const int64_t i = begin + threadIdx.x;
    const uint32_t value = i < n ? values[i] : 0;
    uint32_t sum = value;  // inclusive, of the warp
    for (int delta = 1; delta < 32; delta *= 2) {
      const uint32_t other = gpu::shflUp(sum, delta);
      if (lane >= delta) sum += other;
    }
    if (lane == 31) warps[warp] = sum;
    __syncthreads();
    uint32_t before = carry;
    for (int w = 0; w < kThreads / 32; w++) {
      if (w < warp) before += warps[w];
      carry += warps[w];
    }
    if (i < n) values[i] = before + sum - value;
    __syncthreads();
  }
}

// Moves each pair to its place: places of the tile's digits, and in the tile the order that they have.
__global__ void __launch_bounds__(kThreads)
    sortMoveKernel(int64_t count, int shift, const uint32_t* __restrict__ offsets, const uint32_t* __restrict__ keys,
                   const uint32_t* __restrict__ positions, uint32_t* __restrict__ sortedKeys,
                   uint32_t* __restrict__ sortedPositions) {
  constexpr int kWarps = kThreads / 32;
  GPU_SHARED(uint32_t, next, [kDigits]);
  GPU_SHARED(uint32_t, inWarp, [kWarps][kDigits]);
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  if (threadIdx.x < kDigits) next[threadIdx.x] = offsets[threadIdx.x * gridDim.x + blockIdx.x];
  for (int64_t begin = int64_t{blockIdx.x} * kSortTile; begin < (int64_t{blockIdx.x} + 1) * kSortTile && begin < count;
       begin += kThreads) {
    const int64_t i = begin + threadIdx.x;
    const bool active = i < count;
    const uint32_t key = active ? keys[i] : 0;
    const uint32_t digit = active ? key >> shift & (kDigits - 1) : kDigits;
    // Lanes with the same digit, by one vote per bit; lanes beyond the end have a digit of their own.
    uint32_t same = ~0u;
#pragma unroll
    for (int bit = 0; bit <= kRadixBits; bit++) {
      const bool mine = digit >> bit & 1u;
      const uint32_t votes = gpu::ballot(mine);
      same &= mine ? votes : ~votes;
    }
    const uint32_t rank = static_cast<uint32_t>(__popc(same & ((1u << lane) - 1u)));
    for (unsigned d = lane; d < kDigits; d += 32) inWarp[warp][d] = 0;
    __syncwarp();
    if (active && rank == 0) inWarp[warp][digit] = static_cast<uint32_t>(__popc(same));
    __syncthreads();
    if (active) {
      uint32_t place = next[digit] + rank;
      for (unsigned w = 0; w < warp; w++) place += inWarp[w][digit];
      sortedKeys[place] = key;
      sortedPositions[place] = positions[i];
    }
    __syncthreads();
    if (threadIdx.x < kDigits) {
      for (int w = 0; w < kWarps; w++) next[threadIdx.x] += inWarp[w][threadIdx.x];
    }
    __syncthreads();
  }
}

// The first of `count` sorted keys that is not less than `key`.
GPU_DEVICE int64_t lowerBound(const uint32_t* keys, int64_t count, uint32_t key) {
  int64_t low = 0;
  for (int64_t length = count; length > 0;) {
    const int64_t half = length / 2;
    if (keys[low + half] < key) {
      low += half + 1;
      length -= half + 1;
    } else {
      length = half;
    }
  }
  return low;
}

// A warp per row of y (outer, limit, inner); lanes share the columns.
template <class T>
__global__ void __launch_bounds__(kThreads)
    scatterSortedKernel(int64_t outer, int64_t limit, int64_t count, int64_t inner, const uint32_t* __restrict__ keys,
                        const uint32_t* __restrict__ positions, const T* __restrict__ updates, T* __restrict__ y) {
  const int64_t warp = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / 32;
  if (warp >= outer * limit) return;
  const int64_t row = warp % limit, o = warp / limit;
  const int64_t begin = lowerBound(keys, count, static_cast<uint32_t>(row));
  const int64_t end = lowerBound(keys, count, static_cast<uint32_t>(row) + 1);
  for (int64_t column = threadIdx.x % 32; column < inner; column += 32) {
    const T* update = updates + o * count * inner + column;
    Compute<T> sum{};
#pragma unroll 4
    for (int64_t k = begin; k < end; k++) sum += load(update + int64_t{positions[k]} * inner);
    y[warp * inner + column] = static_cast<T>(sum);
  }
}

// ---- Launchers

template <class Index> GatherShape<Index> shapeOf(int64_t outer, int64_t count, int64_t limit, int64_t inner) {
  return {static_cast<Index>(outer * count * inner), Divisor<Index>(count), Divisor<Index>(inner), limit};
}

struct Sorted {
  const uint32_t *keys, *positions;
};

// Sorts (index, position) by index, stable, into scratch memory.
Sorted sortIndices(const Call& call, const int32_t* indices, int64_t count, int64_t limit) {
  const int64_t tiles = ceilDiv(count, kSortTile);
  auto* memory = static_cast<uint32_t*>(
      contextOf(call).scratch(static_cast<size_t>(4 * count + kDigits * tiles) * sizeof(uint32_t)));
  uint32_t* keys[2] = {memory, memory + count};
  uint32_t* positions[2] = {memory + 2 * count, memory + 3 * count};
  uint32_t* histogram = memory + 4 * count;
  launch(call, sortBeginKernel, gridFor(call, count), kThreads, 0, count, limit, reporterOf(call), indices, keys[0],
         positions[0]);
  int current = 0;
  for (int shift = 0; shift < 31 && (limit - 1) >> shift > 0; shift += kRadixBits) {
    launch(call, sortCountKernel, static_cast<unsigned>(tiles), kThreads, 0, count, shift, keys[current], histogram);
    launch(call, sortScanKernel, 1, kThreads, 0, kDigits * tiles, histogram);
    launch(call, sortMoveKernel, static_cast<unsigned>(tiles), kThreads, 0, count, shift, histogram, keys[current],
           positions[current], keys[1 - current], positions[1 - current]);
    current = 1 - current;
  }
  return {keys[current], positions[current]};
}

}  // namespace

void gather(const Call& call) {
  const auto& a = attributesOf<attributes::gather>(call);
  const Tensor &x = call.in[0], &indices = call.in[1], &y = call.out[0];
  const int64_t count = indices.size(), limit = x.dims[a.axis];
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < a.axis; i++) outer *= x.dims[i];
  for (int64_t i = a.axis + 1; i < x.rank; i++) inner *= x.dims[i];
  const Reporter reporter = reporterOf(call);
  if (x.dtype == y.dtype && a.scale == 1 && a.offset == 0) {
    const int64_t rowBytes = inner * static_cast<int64_t>(dtypeBytes(x.dtype));
    size_t bytes = 16;
    while (rowBytes % static_cast<int64_t>(bytes) != 0 || !aligned(x.data, bytes) || !aligned(y.data, bytes))
      bytes /= 2;
    const int64_t words = rowBytes / static_cast<int64_t>(bytes);
    withIndex(outer * count * words, [&]<class Index>() {
      withBytes(bytes, [&]<class Word>() {
        launch(call, gatherKernel<Word, Index>, gridFor(call, outer * count * words), kThreads, 0,
               shapeOf<Index>(outer, count, limit, words), reporter, x.as<const Word>(), indices.as<const int32_t>(),
               y.as<Word>());
      });
    });
    return;
  }
  const auto run = [&]<class In, class Out>() {
    constexpr int V = static_cast<int>(16 / (sizeof(In) > sizeof(Out) ? sizeof(In) : sizeof(Out)));
    const bool vectors = inner % V == 0 && aligned(x.data, V * sizeof(In)) && aligned(y.data, V * sizeof(Out));
    const int64_t row = vectors ? inner / V : inner;
    withIndex(outer * count * row, [&]<class Index>() {
      launch(call, vectors ? gatherScaledKernel<V, Index, In, Out> : gatherScaledKernel<1, Index, In, Out>,
             gridFor(call, outer * count * row), kThreads, 0, shapeOf<Index>(outer, count, limit, row),
             static_cast<float>(a.scale), static_cast<float>(a.offset), reporter, x.as<const In>(),
             indices.as<const int32_t>(), y.as<Out>());
    });
  };
  withFloat(call, y.dtype, [&]<class Out>() {
    if (x.dtype == y.dtype) return run.template operator()<Out, Out>();
    if (x.dtype == DType::uint8) return run.template operator()<uint8_t, Out>();
    if (x.dtype == DType::int32) return run.template operator()<int32_t, Out>();
    unsupported(call, x.dtype);
  });
}

void scatterAdd(const Call& call) {
  const int64_t axis = attributesOf<attributes::scatterAdd>(call).axis;
  const Tensor &indices = call.in[0], &updates = call.in[1], &y = call.out[0];
  const int64_t count = indices.size(), limit = y.dims[axis];
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < axis; i++) outer *= y.dims[i];
  for (int64_t i = axis + 1; i < y.rank; i++) inner *= y.dims[i];
  if (y.size() == 0) return;
  if (y.size() * count <= kScanLimit) {
    withNumber(call, y.dtype, [&]<class T>() {
      launch(call, scatterScanKernel<T>, gridFor(call, y.size()), kThreads, 0, outer, limit, count, inner,
             reporterOf(call), indices.as<const int32_t>(), updates.as<const T>(), y.as<T>());
    });
    return;
  }
  const Sorted sorted = sortIndices(call, indices.as<const int32_t>(), count, limit);
  withNumber(call, y.dtype, [&]<class T>() {
    launch(call, scatterSortedKernel<T>, static_cast<unsigned>(ceilDiv(outer * limit, kThreads / 32)), kThreads, 0,
           outer, limit, count, inner, sorted.keys, sorted.positions, updates.as<const T>(), y.as<T>());
  });
}

void batchIndices(const Call& call) {
  const Tensor &order = call.in[0], &y = call.out[0];
  launch(call, batchIndicesKernel, gridFor(call, y.size()), kThreads, 0, y.size(), order.size(),
         order.as<const int32_t>(), call.in[1].as<const int32_t>(), y.as<int32_t>());
}

void oneHot(const Call& call) {
  const auto& a = attributesOf<attributes::oneHot>(call);
  const Tensor &indices = call.in[0], &y = call.out[0];
  const auto run = [&]<class Label, class T>(T onValue, T offValue) {
    launch(call, oneHotKernel<Label, T>, gridFor(call, y.size()), kThreads, 0, y.size(), y.dims[y.rank - 1], onValue,
           offValue, indices.as<const Label>(), y.as<T>());
  };
  withAny(call, y.dtype, [&]<class T>() {
    T onValue, offValue;
    if constexpr (std::is_integral_v<T>) {
      onValue = static_cast<T>(toInt32(a.onValue));
      offValue = static_cast<T>(toInt32(a.offValue));
    } else {
      onValue = static_cast<T>(static_cast<float>(a.onValue));
      offValue = static_cast<T>(static_cast<float>(a.offValue));
    }
    if (indices.dtype == DType::uint8)
      run.template operator()<uint8_t, T>(onValue, offValue);
    else
      run.template operator()<int32_t, T>(onValue, offValue);
  });
}

}  // namespace neurite::cuda
