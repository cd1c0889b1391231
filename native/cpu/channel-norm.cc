// Normalisation by channel, for batch and group norm: statistics, forward, and backward in two passes; and moving averages.
//
// x is (outer, rows, C). Rows are cut into slices that depend on the shape; each slice is summed up in the first-level cache,
// and the slices meet in order. Where C is small, several rows form one line, so that vectors stay full.
#include <cstring>

#include "../pool.h"
#include "activation.h"
#include "floats.h"
#include "kernels.h"
#include "rows.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

constexpr int64_t kPanel = 512;         // columns at a time: what is summed up of them stays in the first-level cache
constexpr int64_t kSliceWork = 131072;  // elements of a slice whose sums are kept apart, more or less
constexpr int64_t kUnitWork = 16384;    // elements of a unit of work that keeps no sums
constexpr int64_t kFlush = 32;          // lines that meet in one accumulator

struct Channels {
  int64_t outer, rows, channels, groups;
  int64_t together;  // rows that form a line

  template <class A> Channels(const A& a, const Tensor& x) : outer(a.outer), groups(a.groups) {
    channels = x.dims[x.rank - 1];
    rows = x.size() / larger(1, outer * channels);
    together = larger(1, kPanel / larger(1, channels));
  }
  int64_t perGroup() const { return channels / groups; }
  // Of a statistic (outer, groups), that of a channel.
  int64_t group(int64_t o, int64_t c) const { return o * groups + c / perGroup(); }
  double count() const { return static_cast<double>(rows) * static_cast<double>(perGroup()); }
};

float inverseOf(float variance, double epsilon) {
  return 1.0f / __builtin_sqrtf(variance + static_cast<float>(epsilon));
}

// ---- Passes that sum up. `slice(o, begin, end, column, width, results)` sums rows [begin, end) of columns
// [column, column + width); results are `Sums` arrays of C, `pitch` apart.

struct Slices {
  int64_t rows, count, panels, panel;
  explicit Slices(const Channels& g)
      : rows(roundUp(larger(kFlush, kSliceWork / larger(1, g.channels)), g.together)),
        count(larger(1, ceilDivide(g.rows, rows))),
        panels(ceilDivide(g.channels, kPanel)),
        panel(smaller(g.channels, kPanel)) {}
  int64_t length(const Channels& g, int64_t s) const { return smaller(g.rows, (s + 1) * rows) - s * rows; }
};

template <class F> void overSlices(const Channels& g, const Slices& slices, F&& slice) {
  const Split parts = split(g.outer * slices.count * slices.panels, smaller(g.rows, slices.rows) * slices.panel * 2);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t column = i % slices.panels * kPanel, s = i / slices.panels % slices.count;
      const int64_t o = i / slices.panels / slices.count, begin = s * slices.rows;
      slice(o, s, begin, begin + slices.length(g, s), column, smaller(slices.panel, g.channels - column));
    }
  });
}

// Mean and sum of squared deviations of n values; merged as Chan, Golub and LeVeque (1979) do it.
struct Moments {
  float mean = 0, squares = 0, n = 0;
  void merge(float otherMean, float otherSquares, float otherN) {
    if (otherN == 0) return;
    const float total = n + otherN, delta = otherMean - mean, part = otherN / total;
    mean += delta * part;
    squares += otherSquares + delta * delta * n * part;
    n = total;
  }
};

// Lines of up to kPanel columns: each column's deviations from its first value are summed up over kFlush lines at a time.
class ColumnMoments {
 public:
  template <class T> void addLines(const T* x, int64_t lines, int64_t pitch, int64_t width) {
    for (int64_t begin = 0; begin < lines; begin += kFlush) {
      const int64_t end = smaller(lines, begin + kFlush);
      eachVector(
          width, EACH_VECTOR {
            store(shift_ + i, loadFloats(x + begin * pitch + i, left));
            store(sum_ + i, zeros());
            store(square_ + i, zeros());
          });
      for (int64_t line = begin + 1; line < end; ++line) {
        const T* at = x + line * pitch;
        eachVector(
            width, EACH_VECTOR {
              const F32 d = loadFloats(at + i, left) - load(shift_ + i);
              store(sum_ + i, load(sum_ + i) + d);
              store(square_ + i, fma(d, d, load(square_ + i)));
            });
      }
      const float n = static_cast<float>(end - begin), part = n / (n + n_);
      const F32 inverse = broadcast(1.0f / n), parts = broadcast(part), weight = broadcast(n_ * part);
      eachVector(
          width, EACH_VECTOR {
            const F32 sum = load(sum_ + i), mean = load(mean_ + i);
            const F32 squares = maximum(load(square_ + i) - sum * sum * inverse, zeros());
            const F32 delta = load(shift_ + i) + sum * inverse - mean;
            store(mean_ + i, fma(delta, parts, mean));
            store(squares_ + i, load(squares_ + i) + squares + delta * delta * weight);
            (void)left;
          });
      n_ += n;
    }
  }
  Moments column(int64_t i) const { return {mean_[i], squares_[i], n_}; }

 private:
  alignas(64) float shift_[kPanel], sum_[kPanel], square_[kPanel], mean_[kPanel] = {}, squares_[kPanel] = {};
  float n_ = 0;
};

template <class T>
void momentsOfSlice(const Channels& g, const T* x, int64_t rows, int64_t width, float* mean, float* squares) {
  ColumnMoments moments;
  const int64_t together = g.together, lines = rows / together;
  moments.addLines(x, lines, together * g.channels, together * width);
  ColumnMoments rest;
  const int64_t left = rows % together;
  if (left > 0) rest.addLines(x + lines * together * g.channels, 1, 0, left * width);
  for (int64_t c = 0; c < width; ++c) {
    Moments m;
    for (int64_t k = 0; k < together && lines > 0; ++k) {
      const Moments other = moments.column(k * width + c);
      m.merge(other.mean, other.squares, other.n);
    }
    for (int64_t k = 0; k < left; ++k) {
      const Moments other = rest.column(k * width + c);
      m.merge(other.mean, other.squares, other.n);
    }
    mean[c] = m.mean;
    squares[c] = m.squares;
  }
}

// sum dz and sum dz (x - mean) of lines of up to kPanel columns, dz written if there is a y. `mean` holds a value per column.
class ColumnSums {
 public:
  template <class T>
  void addLine(const T* dy, const T* y, const T* x, T* dz, const float* mean, int64_t width, bool stream) {
    eachVector(
        width, EACH_VECTOR {
          F32 d = loadFloats(dy + i, left);
          if (y) {
            d = reluGrad(d, loadFloats(y + i, left));
            storeFloats(dz + i, d, left, stream);
          }
          const F32 deviation = loadFloats(x + i, left) - load(mean + i);
          store(near_[0] + i, load(near_[0] + i) + d);
          store(near_[1] + i, fma(d, deviation, load(near_[1] + i)));
        });
    if (++lines_ % kFlush == 0) flush();
  }
  void flush() {
    for (int k = 0; k < 2; ++k) {
      for (int64_t i = 0; i < kPanel; i += kLanes) {
        store(far_[k] + i, load(far_[k] + i) + load(near_[k] + i));
        store(near_[k] + i, zeros());
      }
    }
  }
  float sum(int k, int64_t column) const { return far_[k][column]; }

 private:
  alignas(64) float near_[2][kPanel] = {}, far_[2][kPanel] = {};
  int64_t lines_ = 0;
};

// ---- Passes that do not: `line(T*, offset, parameters, n, stream)` for lines of whole rows. Parameters are `Count` arrays (outer, C),
// `pitch` apart, which are repeated for the rows of a line.

template <int Count, class F> void overLines(const Channels& g, const Tensor& y, const float* parameters, F&& line) {
  const int64_t C = g.channels, pitch = g.outer * C;
  const int64_t unit = roundUp(larger(1, kUnitWork / larger(1, C)), g.together), units = ceilDivide(g.rows, unit);
  const bool stream = streams(y, C);
  const Split parts = split(g.outer * units, smaller(unit, g.rows) * C * 2);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    alignas(64) float repeated[Count][kPanel];
    const float* pointers[Count];
    int64_t last = -1;
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t o = i / units, begin = i % units * unit, end = smaller(g.rows, begin + unit);
      if (o != last) {
        for (int k = 0; k < Count; ++k) {
          const float* own = parameters + k * pitch + o * C;
          pointers[k] = own;
          if (g.together == 1) continue;
          for (int64_t t = 0; t < smaller(g.together, end - begin); ++t)
            memcpy(repeated[k] + t * C, own, static_cast<size_t>(C) * 4);
          pointers[k] = repeated[k];
        }
        last = o;
      }
      for (int64_t r = begin; r < end; r += g.together)
        line((o * g.rows + r) * C, pointers, smaller(g.together, end - r) * C, stream);
    }
    if (stream) streamFence();
  });
}

template <class T, bool withResidual, bool relued>
void normalize(const Channels& g, const Call& call, const float* parameters) {
  const T *x = call.in[0].as<const T>(), *residual = call.in[5].as<const T>();
  T* y = call.out[0].as<T>();
  overLines<3>(g, call.out[0], parameters, [&](int64_t at, const float* const* p, int64_t n, bool stream) {
    const float *mean = p[0], *scale = p[1], *shift = p[2];
    eachVector(
        n, EACH_VECTOR {
          F32 v = fma(loadFloats(x + at + i, left) - loadUpTo(mean + i, left), loadUpTo(scale + i, left),
                      loadUpTo(shift + i, left));
          if constexpr (withResidual) v += loadFloats(residual + at + i, left);
          if constexpr (relued) v = relu(v);
          storeFloats(y + at + i, v, left, stream);
        });
  });
}

}  // namespace

void channelMoments(const Call& call) {
  const Tensor& x = call.in[0];
  const Channels g(attributesOf<attributes::channelMoments>(call), x);
  const Slices slices(g);
  const int64_t C = g.channels, partial = g.outer * slices.count * C;
  float *means = static_cast<float*>(scratch(static_cast<size_t>(2 * partial) * 4)), *squares = means + partial;
  withFloat(x.dtype, [&]<class T>(T) {
    overSlices(g, slices, [&](int64_t o, int64_t s, int64_t begin, int64_t end, int64_t column, int64_t width) {
      const int64_t to = (o * slices.count + s) * C + column;
      momentsOfSlice(g, x.as<const T>() + (o * g.rows + begin) * C + column, end - begin, width, means + to,
                     squares + to);
    });
  });
  const Split parts = split(g.outer * g.groups, slices.count * g.perGroup() * kMedium);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t o = i / g.groups, first = i % g.groups * g.perGroup();
      Moments m;
      for (int64_t s = 0; s < slices.count; ++s) {
        const auto n = static_cast<float>(slices.length(g, s));
        for (int64_t c = first; c < first + g.perGroup(); ++c) {
          const int64_t at = (o * slices.count + s) * C + c;
          m.merge(means[at], squares[at], n);
        }
      }
      call.out[0].as<float>()[i] = m.mean;
      call.out[1].as<float>()[i] = m.n > 0 ? m.squares / m.n : 0.0f;
    }
  });
}

void channelNorm(const Call& call) {
  const auto& a = attributesOf<attributes::channelNorm>(call);
  const Channels g(a, call.in[0]);
  const float *mean = call.in[1].as<const float>(), *variance = call.in[2].as<const float>();
  const float *gamma = call.in[3].as<const float>(), *beta = call.in[4].as<const float>();
  const int64_t C = g.channels, pitch = g.outer * C;
  float* p = static_cast<float*>(scratch(static_cast<size_t>(3 * pitch) * 4));
  for (int64_t i = 0; i < pitch; ++i) {
    const int64_t c = i % C, group = g.group(i / C, c);
    p[i] = mean[group];
    p[pitch + i] = inverseOf(variance[group], a.epsilon) * (gamma ? gamma[c] : 1.0f);
    p[2 * pitch + i] = beta ? beta[c] : 0.0f;
  }
  withFloat(call.in[0].dtype, [&]<class T>(T) {
    if (call.in[5].present())
      a.relu ? normalize<T, true, true>(g, call, p) : normalize<T, true, false>(g, call, p);
    else
      a.relu ? normalize<T, false, true>(g, call, p) : normalize<T, false, false>(g, call, p);
  });
}

void channelNormSums(const Call& call) {
  const auto& a = attributesOf<attributes::channelNormSums>(call);
  const Tensor &dy = call.in[0], &y = call.in[1], &x = call.in[2], &dz = call.out[0];
  const float *mean = call.in[3].as<const float>(), *variance = call.in[4].as<const float>();
  const Channels g(a, x);
  const Slices slices(g);
  const int64_t C = g.channels, partial = g.outer * slices.count * C;
  float* partials = static_cast<float*>(scratch(static_cast<size_t>(2 * partial) * 4));
  const bool stream = streams(dz, C);
  withFloat(x.dtype, [&]<class T>(T) {
    overSlices(g, slices, [&](int64_t o, int64_t s, int64_t begin, int64_t end, int64_t column, int64_t width) {
      alignas(64) float means[kPanel];
      for (int64_t t = 0; t < g.together; ++t) {
        for (int64_t c = 0; c < width; ++c) means[t * width + c] = mean[g.group(o, column + c)];
      }
      ColumnSums sums;
      for (int64_t r = begin; r < end; r += g.together) {
        const int64_t at = (o * g.rows + r) * C + column, n = smaller(g.together, end - r) * width;
        sums.addLine(dy.as<const T>() + at, y.present() ? y.as<const T>() + at : nullptr, x.as<const T>() + at,
                     y.present() ? dz.as<T>() + at : nullptr, means, n, stream);
      }
      sums.flush();
      for (int k = 0; k < 2; ++k) {
        for (int64_t c = 0; c < width; ++c) {
          float total = 0;
          for (int64_t t = 0; t < g.together; ++t) total += sums.sum(k, t * width + c);
          partials[k * partial + (o * slices.count + s) * C + column + c] = total;
        }
      }
      if (stream) streamFence();
    });
  });
  const Split parts = split(g.outer * C, slices.count * 2);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t o = i / C, c = i % C;
      float total[2] = {};
      for (int k = 0; k < 2; ++k) {
        for (int64_t s = 0; s < slices.count; ++s) total[k] += partials[k * partial + (o * slices.count + s) * C + c];
      }
      call.out[1].as<float>()[i] = total[0];
      call.out[2].as<float>()[i] = total[1] * inverseOf(variance[g.group(o, c)], a.epsilon);
    }
  });
}

// dx = inverse * (gamma dz - mean of gamma dz - xhat * mean of gamma dz xhat), the means over rows and channels of a group.
void channelNormGrad(const Call& call) {
  const auto& a = attributesOf<attributes::channelNormGrad>(call);
  const Tensor &dz = call.in[0], &x = call.in[1], &dx = call.out[0];
  const float *mean = call.in[2].as<const float>(), *variance = call.in[3].as<const float>();
  const float* gamma = call.in[4].as<const float>();
  const float *sums = call.in[5].as<const float>(), *productSums = call.in[6].as<const float>();
  const Channels g(a, x);
  const int64_t C = g.channels, pitch = g.outer * C;
  float* p = static_cast<float*>(scratch(static_cast<size_t>(4 * pitch) * 4));
  for (int64_t i = 0; i < g.outer * g.groups; ++i) {
    const int64_t o = i / g.groups, first = o * C + i % g.groups * g.perGroup();
    const float inverse = inverseOf(variance[i], a.epsilon);
    double sum = 0, products = 0;
    for (int64_t j = first; sums && j < first + g.perGroup(); ++j) {
      const double factor = gamma ? static_cast<double>(gamma[j - o * C]) : 1.0;
      sum += factor * static_cast<double>(sums[j]);
      products += factor * static_cast<double>(productSums[j]);
    }
    for (int64_t j = first; j < first + g.perGroup(); ++j) {
      p[j] = mean[i];
      p[pitch + j] = inverse * (gamma ? gamma[j - o * C] : 1.0f);
      p[2 * pitch + j] = -inverse * inverse * static_cast<float>(products / g.count());
      p[3 * pitch + j] = -inverse * static_cast<float>(sum / g.count());
    }
  }
  withFloat(x.dtype, [&]<class T>(T) {
    const T *in = dz.as<const T>(), *values = x.as<const T>();
    T* out = dx.as<T>();
    overLines<4>(g, dx, p, [&](int64_t at, const float* const* q, int64_t n, bool stream) {
      eachVector(
          n, EACH_VECTOR {
            const F32 deviation = loadFloats(values + at + i, left) - loadUpTo(q[0] + i, left);
            const F32 rest = fma(deviation, loadUpTo(q[2] + i, left), loadUpTo(q[3] + i, left));
            storeFloats(out + at + i, fma(loadFloats(in + at + i, left), loadUpTo(q[1] + i, left), rest), left, stream);
          });
    });
  });
}

void movingAverage(const Call& call) {
  const auto momentum = static_cast<float>(attributesOf<attributes::movingAverage>(call).momentum);
  for (int k = 0; k < 2; ++k) {
    float* target = call.in[k].as<float>();
    const float* value = call.in[k + 2].as<const float>();
    const F32 kept = broadcast(momentum), added = broadcast(1.0f - momentum);
    eachVector(
        call.in[k].size(), EACH_VECTOR {
          storeUpTo(target + i, fma(loadUpTo(target + i, left), kept, loadUpTo(value + i, left) * added), left);
        });
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
