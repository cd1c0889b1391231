// gather, scatterAdd, batchIndices and oneHot: rows picked by indices.
#include <cstring>

#include "../thread-pool.h"
#include "elementwise.h"
#include "indices.h"
#include "kernels.h"
#include "movement.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

NEURITE_INLINE F32 scaled(F32 x, float scale, float offset) { return x * broadcast(scale) + broadcast(offset); }

// n elements of x, in their compute type, to y: x * scale + offset as float32.
void scaleFloats(const float* x, float* y, int64_t n, float scale, float offset) {
  for (int64_t i = 0; i < n; i += kLanes) storePartial(y + i, scaled(loadPartial(x + i, n - i), scale, offset), n - i);
}
void scaleInts(const int32_t* x, float* y, int64_t n, float scale, float offset) {
  for (int64_t i = 0; i < n; i += kLanes)
    storePartial(y + i, scaled(toFloat(loadPartial(x + i, n - i)), scale, offset), n - i);
}

// One run of n elements with conversion.
struct ScaledRun {
  DType from, to;
  float scale, offset;
  void operator()(const char* x, char* y, int64_t n) const {
    const Convert widen = kWiden[static_cast<int>(from)], narrow = kNarrow[static_cast<int>(to)];
    alignas(64) float wide[kBlock], result[kBlock];
    for (int64_t i = 0; i < n; i += kBlock) {
      const int64_t count = smaller(kBlock, n - i);
      const void* in = x + i * static_cast<int64_t>(dtypeBytes(from));
      char* out = y + i * static_cast<int64_t>(dtypeBytes(to));
      if (widen) {
        widen(in, wide, count);
        in = wide;
      }
      float* floats = narrow ? result : reinterpret_cast<float*>(out);
      if (isFloat(from))
        scaleFloats(static_cast<const float*>(in), floats, count, scale, offset);
      else
        scaleInts(static_cast<const int32_t*>(in), floats, count, scale, offset);
      if (narrow) narrow(result, out, count);
    }
  }
};

constexpr int64_t kPrefetchBytes = 4096;  // how much lies between asking for rows and copying them

// y (outer, count, inner) from x (outer, limit, inner).
struct RowsByIndex {
  int64_t outer = 1, count, limit, inner = 1;
  RowsByIndex(const Tensor& x, int64_t axis, const Tensor& indices) : count(indices.size()), limit(x.dims[axis]) {
    for (int64_t d = 0; d < axis; ++d) outer *= x.dims[d];
    for (int64_t d = axis + 1; d < x.rank; ++d) inner *= x.dims[d];
  }
};

// Rows of one element: y (outer, count) from x (outer, limit), by checked indices.
template <class T> void gatherElements(const RowsByIndex& shape, const int32_t* index, const T* x, T* y) {
  const Split parts = split(shape.outer * shape.count, 1, kBlock);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk);) {
      const int64_t outer = i / shape.count, k = i % shape.count, n = smaller(shape.count - k, parts.end(chunk) - i);
      const T* from = x + outer * shape.limit;
      for (int64_t j = 0; j < n; ++j) y[i + j] = from[index[k + j]];
      i += n;
    }
  });
}

}  // namespace

void gather(const Call& call) {
  const auto& a = attributesOf<attributes::gather>(call);
  const Tensor &x = call.in[0], &indices = call.in[1], &y = call.out[0];
  const RowsByIndex shape(x, a.axis, indices);
  const int64_t inner = shape.inner;
  if (y.size() == 0 || shape.limit == 0) return;
  const int64_t fromBytes = static_cast<int64_t>(dtypeBytes(x.dtype)),
                toBytes = static_cast<int64_t>(dtypeBytes(y.dtype));
  const bool plain = x.dtype == y.dtype && a.scale == 1 && a.offset == 0;
  if (inner == 1 && plain) {
    int32_t* index = static_cast<int32_t*>(scratch(static_cast<size_t>(shape.count) * 4));
    for (int64_t k = 0; k < shape.count; ++k)
      index[k] = static_cast<int32_t>(checkedIndex(call, indexAt(indices, k), shape.limit));
    if (fromBytes == 4) return gatherElements(shape, index, x.as<uint32_t>(), y.as<uint32_t>());
    if (fromBytes == 2) return gatherElements(shape, index, x.as<uint16_t>(), y.as<uint16_t>());
    return gatherElements(shape, index, x.as<uint8_t>(), y.as<uint8_t>());
  }
  const ScaledRun convert{x.dtype, y.dtype, static_cast<float>(a.scale), static_cast<float>(a.offset)};
  const int64_t rowBytes = inner * fromBytes;
  const bool stream = plain && streams(y) && rowBytes >= kStreamRun;
  // Rows that come next are asked for early: no CPU guesses where they lie.
  const int64_t ahead = ceilDivide(kPrefetchBytes, rowBytes),
                asked = rowBytes < 64 ? 0 : smaller(rowBytes, kPrefetchBytes);
  const Split rows = split(shape.outer * shape.count, inner + 4);
  parallelFor(rows.chunks, [&](int64_t chunk) {
    int64_t outer = rows.begin(chunk) / shape.count, k = rows.begin(chunk) % shape.count;
    for (int64_t i = rows.begin(chunk); i < rows.end(chunk); ++i) {
      const char* const matrix = x.as<const char>() + outer * shape.limit * rowBytes;
      const int64_t index = checkedIndex(call, indexAt(indices, k), shape.limit);
      if (asked > 0 && k + ahead < shape.count) {
        prefetchRun(matrix + clampedIndex(indexAt(indices, k + ahead), shape.limit) * rowBytes, asked);
      }
      const char* from = matrix + index * rowBytes;
      char* to = y.as<char>() + i * inner * toBytes;
      if (!plain)
        convert(from, to, inner);
      else if (stream)
        streamCopy(to, from, rowBytes);
      else
        memcpy(to, from, static_cast<size_t>(rowBytes));
      if (++k == shape.count) k = 0, ++outer;
    }
    if (stream) streamFence();
  });
}

// In the order of the indices, whatever the threads: a chunk owns columns of every row of the result, or, where rows
// are short, a range of rows, and walks through all indices. bfloat16 sums are float32 until the end.
void scatterAdd(const Call& call) {
  const int64_t axis = attributesOf<attributes::scatterAdd>(call).axis;
  const Tensor &indices = call.in[0], &updates = call.in[1], &y = call.out[0];
  const RowsByIndex shape(y, axis, indices);
  const int64_t size = y.size(), inner = shape.inner;
  if (size == 0) return;
  const Convert widen = kWiden[static_cast<int>(y.dtype)], narrow = kNarrow[static_cast<int>(y.dtype)];
  char* sums = narrow ? static_cast<char*>(scratch(static_cast<size_t>(size) * 4)) : y.as<char>();
  const bool isInt = !isFloat(y.dtype);
  constexpr int64_t kColumns = 256;
  const int64_t panels = ceilDivide(inner, kColumns), work = shape.outer * (shape.count + shape.limit) * inner;
  // Ranges of rows: each costs another look at the indices, so only where the work is worth it.
  const int64_t ranges = panels * shape.outer >= 8 || work < 4 * kInlineWork ? 1 : smaller(8, shape.limit);
  const int64_t range = ceilDivide(shape.limit, ranges);
  const Split parts = split(shape.outer * panels * ranges, larger(1, work / (shape.outer * panels * ranges)));
  const int64_t bytes = static_cast<int64_t>(dtypeBytes(y.dtype));
  parallelFor(parts.chunks, [&](int64_t chunk) {
    alignas(64) float buffer[kColumns];
    for (int64_t part = parts.begin(chunk); part < parts.end(chunk); ++part) {
      const int64_t column = part % panels * kColumns, width = smaller(kColumns, inner - column);
      const int64_t first = part / panels % ranges * range, last = smaller(shape.limit, first + range);
      const int64_t outer = part / (panels * ranges);
      char* const base = sums + (outer * shape.limit * inner + column) * 4;
      for (int64_t r = first; r < last; ++r) memset(base + r * inner * 4, 0, static_cast<size_t>(width) * 4);
      for (int64_t k = 0; k < shape.count; ++k) {
        const int64_t raw = indexAt(indices, k), index = clampedIndex(raw, shape.limit);
        if (index < first || index >= last) continue;
        if (raw != index) checkedIndex(call, raw, shape.limit);
        const char* from = updates.as<const char>() + ((outer * shape.count + k) * inner + column) * bytes;
        if (widen) {
          widen(from, buffer, width);
          from = reinterpret_cast<const char*>(buffer);
        }
        char* to = base + index * inner * 4;
        if (isInt) {
          uint32_t* sum = reinterpret_cast<uint32_t*>(to);
          for (int64_t i = 0; i < width; ++i) sum[i] += reinterpret_cast<const uint32_t*>(from)[i];
        } else {
          float* sum = reinterpret_cast<float*>(to);
          const float* add = reinterpret_cast<const float*>(from);
          int64_t i = 0;
          for (; i + kLanes <= width; i += kLanes) store(sum + i, load(sum + i) + load(add + i));
          for (; i < width; ++i) sum[i] += add[i];
        }
      }
    }
  });
  if (!narrow) return;
  const Split blocks = split(size, 1, kBlock);
  parallelFor(blocks.chunks, [&](int64_t chunk) {
    const int64_t begin = blocks.begin(chunk);
    narrow(sums + begin * 4, y.as<char>() + begin * bytes, blocks.end(chunk) - begin);
  });
}

void batchIndices(const Call& call) {
  const Tensor &order = call.in[0], &y = call.out[0];
  const int64_t size = order.size(), position = call.in[1].as<const int32_t>()[0];
  for (int64_t i = 0; i < y.size(); ++i)
    y.as<int32_t>()[i] = order.as<const int32_t>()[clampedIndex(position + i, size)];
}

void oneHot(const Call& call) {
  const auto& a = attributesOf<attributes::oneHot>(call);
  const Tensor &indices = call.in[0], &y = call.out[0];
  const int64_t depth = y.dims[y.rank - 1], count = indices.size(), bytes = static_cast<int64_t>(dtypeBytes(y.dtype));
  if (y.size() == 0) return;
  // The two values as the output stores them.
  const Convert narrow = kNarrow[static_cast<int>(y.dtype)];
  const auto stored = [&](double value, char* to) {
    const float number = static_cast<float>(value);
    const int32_t whole = saturate(value);
    const void* wide = isFloat(y.dtype) ? static_cast<const void*>(&number) : &whole;
    if (narrow)
      narrow(wide, to, 1);
    else
      memcpy(to, wide, 4);
  };
  alignas(4) char on[4], off[4];
  stored(a.onValue, on);
  stored(a.offValue, off);
  const auto run = [&]<class T>(T) {
    T onValue, offValue;
    memcpy(&onValue, on, sizeof(T));
    memcpy(&offValue, off, sizeof(T));
    const Split rows = split(count, depth + 2);
    parallelFor(rows.chunks, [&](int64_t chunk) {
      for (int64_t i = rows.begin(chunk); i < rows.end(chunk); ++i) {
        T* row = y.as<T>() + i * depth;
        for (int64_t k = 0; k < depth; ++k) row[k] = offValue;
        const int64_t index = indexAt(indices, i);
        if (index >= 0 && index < depth) row[index] = onValue;
      }
    });
  };
  if (bytes == 4)
    run(uint32_t{});
  else if (bytes == 2)
    run(uint16_t{});
  else
    run(uint8_t{});
}

}  // namespace neurite::cpu::NEURITE_ISA
