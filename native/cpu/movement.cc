// concat, slice, pad, tile, broadcastTo and their gradients: elements change places. Transposition is in transpose.cc.
#include "movement.h"

#include <cstring>

#include "../thread-pool.h"
#include "elementwise.h"
#include "kernels.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// One axis of a copy: which source index an output index reads. Where an axis reads nothing, the output is a fill
// value.
struct Axis {
  enum Kind : uint8_t {
    whole,    // i
    repeat,   // 0
    tile,     // i mod in
    slice,    // start + i * stride
    window,   // i - start where that is in [0, in), else nothing: constant padding
    spread,   // (i - start) / stride where that is whole and in [0, in), else nothing: the gradient of a slice
    edge,     // i - start, clamped
    reflect,  // i - start, mirrored at both ends without repeating them
  };
  Kind kind = whole;
  int64_t out = 1, in = 1, start = 0, stride = 1;
};

// Output indices from some i on: they read source, source + step, … `count` times, or nothing if source is negative.
struct Segment {
  int64_t source, step, count;
};

Segment segmentAt(const Axis& axis, int64_t i) {
  const int64_t rest = axis.out - i;
  switch (axis.kind) {
    case Axis::whole:
      return {i, 1, rest};
    case Axis::repeat:
      return {0, 0, rest};
    case Axis::tile: {
      const int64_t source = i % axis.in;
      return {source, 1, smaller(rest, axis.in - source)};
    }
    case Axis::slice:
      return {axis.start + i * axis.stride, axis.stride, rest};
    case Axis::spread: {
      const int64_t j = i - axis.start;
      if (j < 0) return {-1, 0, smaller(rest, -j)};
      if (j / axis.stride >= axis.in) return {-1, 0, rest};
      if (j % axis.stride == 0) return {j / axis.stride, 1, 1};
      return {-1, 0, smaller(rest, axis.stride - j % axis.stride)};
    }
    default: {
      const int64_t j = i - axis.start;
      if (j >= 0 && j < axis.in) return {j, 1, smaller(rest, axis.in - j)};
      const int64_t count = j < 0 ? smaller(rest, -j) : rest;
      if (axis.kind == Axis::window) return {-1, 0, count};
      if (axis.kind == Axis::edge) return {j < 0 ? 0 : axis.in - 1, 0, count};
      return {j < 0 ? -j : 2 * (axis.in - 1) - j, -1, count};
    }
  }
}

// A copy of up to kMaxRank axes. Axes of size 1 vanish, and neighbours join where one axis can say the same.
struct Copy {
  int rank = 0;
  Axis axes[kMaxRank];
  int64_t strides[kMaxRank];  // of the source, filled in by finish()

  void append(Axis axis) {
    if (axis.kind == Axis::slice && axis.stride == 1 && axis.out == axis.in) axis.kind = Axis::whole;
    if (axis.kind != Axis::whole && axis.kind != Axis::repeat && axis.kind != Axis::slice && axis.out == axis.in)
      axis.kind = Axis::whole;
    if (axis.out == 1 && axis.in == 1 && axis.kind != Axis::window && axis.kind != Axis::spread) return;
    if (axis.kind == Axis::tile && axis.in == 1) axis.kind = Axis::repeat;
    if (axis.kind == Axis::whole && axis.out == 1) return;
    if (rank > 0) {
      Axis& last = axes[rank - 1];
      if (axis.kind == Axis::repeat && last.kind == Axis::repeat) {
        last.out *= axis.out;
        return;
      }
      const bool scales = last.kind == Axis::whole || last.kind == Axis::tile || last.kind == Axis::window ||
                          (last.kind == Axis::slice && last.stride == 1);
      if (axis.kind == Axis::whole && scales) {
        last.out *= axis.out;
        last.in *= axis.out;
        last.start *= axis.out;
        return;
      }
    }
    axes[rank++] = axis;
  }

  // Strides are in elements of as many words as this returns: those of a last axis that is copied whole.
  int64_t finish() {
    int64_t unit = 1;
    if (rank > 1 && axes[rank - 1].kind == Axis::whole) unit = axes[--rank].out;
    if (rank == 0) axes[rank++] = Axis{};
    int64_t stride = 1;
    for (int d = rank - 1; d >= 0; --d) {
      strides[d] = stride;
      stride *= axes[d].in;
    }
    return unit;
  }
};

// n bytes; with `stream` past the caches, where there are enough.
NEURITE_INLINE void copyRun(void* to, const void* from, int64_t bytes, bool stream) {
  if (stream && bytes >= kStreamRun)
    streamCopy(to, from, bytes);
  else
    memcpy(to, from, static_cast<size_t>(bytes));
}

// n times the same value, likewise.
template <class T> void fillRun(T* to, T value, int64_t n, bool stream) {
  int64_t i = 0;
  if (stream && n * static_cast<int64_t>(sizeof(T)) >= kStreamRun) {
    for (; reinterpret_cast<uintptr_t>(to + i) % 64 != 0; ++i) to[i] = value;
    constexpr int64_t kPerVector = kLanes * 4 / static_cast<int64_t>(sizeof(T));
    alignas(64) T values[kPerVector];
    for (T& v : values) v = value;
    const F32 pattern = load(reinterpret_cast<const float*>(values));
    for (; i + kPerVector <= n; i += kPerVector) storeStream(reinterpret_cast<float*>(to + i), pattern);
  }
  for (; i < n; ++i) to[i] = value;
}

// to[k] = from[k * step] for elements of `unit` words; kUnit is that number, or 0 where it is not known.
template <int64_t kUnit, class T>
void copyUnits(T* to, const T* from, int64_t n, int64_t step, int64_t unit, bool stream = false) {
  const int64_t words = kUnit > 0 ? kUnit : unit;
  if (kUnit == 0 && words >= 16) {
    for (int64_t k = 0; k < n; ++k)
      copyRun(to + k * words, from + k * step * words, words * static_cast<int64_t>(sizeof(T)), stream);
    return;
  }
  for (int64_t k = 0; k < n; ++k)
    for (int64_t w = 0; w < words; ++w) to[k * words + w] = from[k * step * words + w];
}

// Elements from begin to end, of `unit` words each.
template <class T>
void runCopy(const Copy& copy, int64_t unit, const T* from, T* to, T value, bool stream, int64_t begin, int64_t end) {
  const int inner = copy.rank - 1;
  int64_t place[kMaxRank], source[kMaxRank];  // source: offset of the axes up to this one, or -1
  int64_t rest = begin;
  for (int d = inner; d >= 0; --d) {
    place[d] = rest % copy.axes[d].out;
    rest /= copy.axes[d].out;
  }
  const auto settle = [&](int from) {
    for (int d = from; d < inner; ++d) {
      const int64_t before = d == 0 ? 0 : source[d - 1], index = segmentAt(copy.axes[d], place[d]).source;
      source[d] = before < 0 || index < 0 ? -1 : before + index * copy.strides[d];
    }
  };
  settle(0);
  for (int64_t i = begin; i < end;) {
    const int64_t row = inner == 0 ? 0 : source[inner - 1];
    const int64_t limit = end - i;
    Segment segment =
        row < 0 ? Segment{-1, 0, copy.axes[inner].out - place[inner]} : segmentAt(copy.axes[inner], place[inner]);
    const int64_t n = smaller(segment.count, limit), words = n * unit;
    T* y = to + i * unit;
    if (segment.source < 0) {
      fillRun(y, value, words, stream);
    } else {
      const T* x = from + (row + segment.source) * unit;
      if (segment.step == 1 && words >= 16)
        copyRun(y, x, words * static_cast<int64_t>(sizeof(T)), stream);
      else if (unit == 1 && segment.step == 0)
        fillRun(y, *x, words, stream);
      else if (unit == 1)
        copyUnits<1>(y, x, n, segment.step, unit);
      else if (unit == 2)
        copyUnits<2>(y, x, n, segment.step, unit);
      else if (unit == 3)
        copyUnits<3>(y, x, n, segment.step, unit);
      else if (unit == 4)
        copyUnits<4>(y, x, n, segment.step, unit);
      else
        copyUnits<0>(y, x, n, segment.step, unit, stream);
    }
    i += n;
    place[inner] += n;
    if (place[inner] == copy.axes[inner].out) {
      place[inner] = 0;
      int d = inner - 1;
      for (; d >= 0; --d) {
        if (++place[d] < copy.axes[d].out) break;
        place[d] = 0;
      }
      settle(d < 0 ? 0 : d);
    }
  }
}

template <class T> void runCopy(const Copy& copy, int64_t unit, const Tensor& x, const Tensor& y, const void* value) {
  T fill;
  memcpy(&fill, value, sizeof fill);
  const Split parts = split(y.size() / unit, kMedium * unit, ceilDivide(kBlock, unit));
  const bool stream = streams(y);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    runCopy(copy, unit, x.as<const T>(), y.as<T>(), fill, stream, parts.begin(chunk), parts.end(chunk));
    if (stream) streamFence();
  });
}

void runCopy(Copy& copy, const Call& call, double value = 0) {
  const Tensor& y = call.out[0];
  if (y.size() == 0) return;
  const int64_t unit = copy.finish();
  // The fill value as the dtype stores it.
  const float number = static_cast<float>(value);
  const int32_t whole = saturate(value);
  alignas(4) char stored[4];
  memcpy(stored, &number, 4);
  if (!isFloat(y.dtype)) memcpy(stored, &whole, 4);
  if (const Convert narrow = kNarrow[static_cast<int>(y.dtype)]) {
    alignas(4) char wide[4];
    memcpy(wide, stored, 4);
    narrow(wide, stored, 1);
  }
  switch (dtypeBytes(y.dtype)) {
    case 4:
      return runCopy<uint32_t>(copy, unit, call.in[0], y, stored);
    case 2:
      return runCopy<uint16_t>(copy, unit, call.in[0], y, stored);
    default:
      return runCopy<uint8_t>(copy, unit, call.in[0], y, stored);
  }
}

// One axis of the gradient of edge and reflect padding: row i of dx (O, n, I) is the sum of the rows of dy (O, m, I)
// that were copies of it.
void foldPadding(const float* dy, float* dx, int64_t outer, int64_t m, int64_t n, int64_t inner, int64_t before,
                 PadMode mode) {
  const Split rows = split(outer * n, inner);
  parallelFor(rows.chunks, [&](int64_t chunk) {
    for (int64_t row = rows.begin(chunk); row < rows.end(chunk); ++row) {
      const int64_t o = row / n, i = row % n;
      float* to = dx + row * inner;
      const auto addRow = [&](int64_t j) {
        const float* from = dy + (o * m + j) * inner;
        int64_t k = 0;
        for (; k + kLanes <= inner; k += kLanes) store(to + k, load(to + k) + load(from + k));
        for (; k < inner; ++k) to[k] += from[k];
      };
      memcpy(to, dy + (o * m + before + i) * inner, static_cast<size_t>(inner) * 4);
      if (mode == PadMode::edge) {
        if (i == 0)
          for (int64_t j = 0; j < before; ++j) addRow(j);
        if (i == n - 1)
          for (int64_t j = before + n; j < m; ++j) addRow(j);
      } else {
        if (i > 0 && i <= before) addRow(before - i);
        const int64_t mirrored = before + 2 * (n - 1) - i;
        if (i < n - 1 && mirrored < m) addRow(mirrored);
      }
    }
  });
}

}  // namespace

void slice(const Call& call) {
  const auto& a = attributesOf<attributes::slice>(call);
  const Tensor &x = call.in[0], &y = call.out[0];
  Copy copy;
  for (int d = 0; d < x.rank; ++d) copy.append({Axis::slice, y.dims[d], x.dims[d], a.starts[d], a.strides[d]});
  runCopy(copy, call);
}

void sliceGrad(const Call& call) {
  const auto& a = attributesOf<attributes::sliceGrad>(call);
  const Tensor &dy = call.in[0], &dx = call.out[0];
  Copy copy;
  for (int d = 0; d < dx.rank; ++d) {
    copy.append({a.strides[d] == 1 ? Axis::window : Axis::spread, dx.dims[d], dy.dims[d], a.starts[d], a.strides[d]});
  }
  runCopy(copy, call);
}

void pad(const Call& call) {
  const auto& a = attributesOf<attributes::pad>(call);
  const Tensor &x = call.in[0], &y = call.out[0];
  const Axis::Kind kind = a.mode == PadMode::constant ? Axis::window
                          : a.mode == PadMode::edge   ? Axis::edge
                                                      : Axis::reflect;
  Copy copy;
  for (int d = 0; d < x.rank; ++d) copy.append({kind, y.dims[d], x.dims[d], a.before[d], 1});
  runCopy(copy, call, a.value);
}

void padGrad(const Call& call) {
  const auto& a = attributesOf<attributes::padGrad>(call);
  const Tensor &dy = call.in[0], &dx = call.out[0];
  if (a.mode == PadMode::constant) {
    Copy copy;
    for (int d = 0; d < dx.rank; ++d) copy.append({Axis::slice, dx.dims[d], dy.dims[d], a.before[d], 1});
    return runCopy(copy, call);
  }
  // One padded axis after the other, in float32; the first pass reads dy or its widened copy, the last one writes dx
  // or a copy to narrow.
  const int64_t size = dy.size();
  const bool wide = dy.dtype == DType::float32;
  float* buffers[2];
  buffers[0] = static_cast<float*>(scratch(static_cast<size_t>(size) * 8));
  buffers[1] = buffers[0] + size;
  const float* from = dy.as<const float>();
  int current = 0;
  if (!wide) {
    kWiden[static_cast<int>(dy.dtype)](dy.data, buffers[0], size);
    from = buffers[0];
    current = 1;
  }
  int64_t outer = 1, inner = size;
  for (int d = 0; d < dx.rank; ++d) {
    inner /= dy.dims[d];
    if (dx.dims[d] != dy.dims[d]) {
      foldPadding(from, buffers[current], outer, dy.dims[d], dx.dims[d], inner, a.before[d], a.mode);
      from = buffers[current];
      current ^= 1;
    }
    outer *= dx.dims[d];
  }
  if (wide)
    copyBytes(dx.data, from, dx.size() * 4);
  else
    kNarrow[static_cast<int>(dx.dtype)](from, dx.data, dx.size());
}

void tile(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  Copy copy;
  for (int d = 0; d < x.rank; ++d) copy.append({Axis::tile, y.dims[d], x.dims[d], 0, 1});
  runCopy(copy, call);
}

void broadcastTo(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  Copy copy;
  for (int d = 0; d < y.rank; ++d) {
    const int j = d - (y.rank - x.rank);
    const int64_t dim = j < 0 ? 1 : x.dims[j];
    copy.append({dim == y.dims[d] ? Axis::whole : Axis::repeat, y.dims[d], dim, 0, 1});
  }
  runCopy(copy, call);
}

void concat(const Call& call) {
  const int64_t axis = attributesOf<attributes::concat>(call).axis;
  const Tensor& y = call.out[0];
  int64_t outer = 1, inner = static_cast<int64_t>(dtypeBytes(y.dtype));
  for (int64_t d = 0; d < axis; ++d) outer *= y.dims[d];
  for (int64_t d = axis + 1; d < y.rank; ++d) inner *= y.dims[d];
  const int64_t pitch = y.dims[axis] * inner;
  if (outer == 1) {
    char* to = y.as<char>();
    for (int k = 0; k < call.inputs; ++k) {
      const int64_t bytes = call.in[k].dims[axis] * inner;
      copyBytes(to, call.in[k].data, bytes);
      to += bytes;
    }
    return;
  }
  const Split rows = split(outer, larger(1, pitch / 4));
  const bool stream = streams(y);
  parallelFor(rows.chunks, [&](int64_t chunk) {
    int64_t place = 0;
    for (int k = 0; k < call.inputs; ++k) {
      const int64_t bytes = call.in[k].dims[axis] * inner;
      for (int64_t o = rows.begin(chunk); o < rows.end(chunk); ++o)
        copyRun(y.as<char>() + o * pitch + place, call.in[k].as<const char>() + o * bytes, bytes, stream);
      place += bytes;
    }
    if (stream) streamFence();
  });
}

}  // namespace neurite::cpu::NEURITE_ISA
