// Normalisation by channel, for batch and group norm: statistics, forward, and backward in two passes; and moving averages.
//
// x is (outer, rows, C). Rows are cut into slices that depend on the shape; each slice is summed up by itself, and the slices meet in
// order. Where C is small, several rows form one line, so that vectors stay full.
#include <cstring>

#include "../thread-pool.h"
#include "activation.h"
#include "kernels.h"
#include "moments.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

constexpr int64_t kSliceWork = 131072;  // elements of a slice whose sums are kept apart, more or less
constexpr int64_t kUnitWork = 16384;    // elements of a unit of work that keeps no sums

struct Channels {
  int64_t outer, rows, channels, groups;

  template <class A> Channels(const A& a, const Tensor& x) : outer(a.outer), groups(a.groups) {
    channels = x.dims[x.rank - 1];
    rows = x.size() / larger(1, outer * channels);
  }
  int64_t perGroup() const { return channels / groups; }
  // Of a statistic (outer, groups), that of a channel.
  int64_t group(int64_t o, int64_t c) const { return o * groups + c / perGroup(); }
  double count() const { return static_cast<double>(rows) * static_cast<double>(perGroup()); }
  // Of parameters by channel, how far apart they lie.
  int64_t pitch() const { return outer * channels; }
};

float inverseOf(float variance, double epsilon) {
  return 1.0f / __builtin_sqrtf(variance + static_cast<float>(epsilon));
}

// Mean, scale and shift (outer, C), `pitch` apart: normalised is fma(x - mean, scale, shift). The way back finds out with the same
// numbers where that is positive.
void affineParameters(const Channels& g, const Tensor& mean, const Tensor& variance, const Tensor& gamma,
                      const Tensor& beta, double epsilon, float* p) {
  const int64_t pitch = g.pitch();
  for (int64_t i = 0; i < pitch; ++i) {
    const int64_t c = i % g.channels, group = g.group(i / g.channels, c);
    p[i] = mean.as<const float>()[group];
    p[pitch + i] =
        inverseOf(variance.as<const float>()[group], epsilon) * (gamma.present() ? gamma.as<const float>()[c] : 1.0f);
    p[2 * pitch + i] = beta.present() ? beta.as<const float>()[c] : 0.0f;
  }
}

// ---- Passes that sum up. `slice(o, s, begin, end, column, width)` sums rows [begin, end), which are slice s, of columns
// [column, column + width).

struct Slices {
  int64_t rows, count, panels, panel;
  explicit Slices(const Channels& g)
      : rows(roundUp(larger(kFlush, kSliceWork / larger(1, g.channels)), kFlush)),
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

// Where relu let pass: everywhere, where y is positive, or where what is normalised again is.
enum class Passed { all, byY, byX };

// The operands of channelNormSums.
template <class T> struct Backward {
  const T *dy, *y, *x;
  T* dz;
  bool stream;
};

// Sums of dz and of dz (x - mean) of lines of up to kPanel columns. `parameters` are mean, scale and shift of each column.
class ColumnSums {
 public:
  float parameters[3][kPanel];

  template <Passed passed, class T>
  void addLines(const Backward<T>& b, int64_t first, int64_t lines, int64_t pitch, int64_t width) {
    for (int64_t begin = 0; begin < lines; begin += kFlush) {
      const int64_t end = smaller(lines, begin + kFlush);
      const auto tile = [&]<int vectors>(int64_t c, std::integral_constant<int, vectors>, int64_t left)
          __attribute__((always_inline)) {
        F32 p[3][vectors], sums[2][vectors] = {};
        for (int k = 0; k < 3; ++k)
          unrolled<vectors>(EACH { p[k][v] = loadUpTo(parameters[k] + c + v * kLanes, left); });
        for (int64_t line = begin; line < end; ++line) {
          unrolled<vectors>(EACH {
            const int64_t at = first + line * pitch + c + v * kLanes;
            const F32 deviation = loadFloats(b.x + at, left) - p[0][v];
            F32 d = loadFloats(b.dy + at, left);
            if constexpr (passed == Passed::byX) d = reluGrad(d, fma(deviation, p[1][v], p[2][v]));
            if constexpr (passed == Passed::byY) {
              d = reluGrad(d, loadFloats(b.y + at, left));
              storeFloats(b.dz + at, d, left, b.stream);
            }
            sums[0][v] += d;
            sums[1][v] = fma(d, deviation, sums[1][v]);
          });
        }
        for (int k = 0; k < 2; ++k) {
          unrolled<vectors>(EACH {
            float* to = sums_[k] + c + v * kLanes;
            storeUpTo(to, loadUpTo(to, left) + sums[k][v], left);
          });
        }
      };
      forChannels(width, tile);
    }
  }
  float sum(int k, int64_t column) const { return sums_[k][column]; }

 private:
  float sums_[2][kPanel] = {};
};

// ---- Passes that do not: `line(T*, offset, parameters, n, stream)` for lines of whole rows. Parameters are `Count` arrays (outer, C),
// `pitch` apart, which are repeated for the rows of a line.

template <int Count, class F> void overLines(const Channels& g, const Tensor& y, const float* parameters, F&& line) {
  const int64_t C = g.channels, pitch = g.pitch(), together = larger(1, kPanel / larger(1, C));
  const int64_t unit = roundUp(larger(1, kUnitWork / larger(1, C)), together), units = ceilDivide(g.rows, unit);
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
          if (together == 1) continue;
          for (int64_t t = 0; t < smaller(together, end - begin); ++t)
            memcpy(repeated[k] + t * C, own, static_cast<size_t>(C) * 4);
          pointers[k] = repeated[k];
        }
        last = o;
      }
      for (int64_t r = begin; r < end; r += together)
        line((o * g.rows + r) * C, pointers, smaller(together, end - r) * C, stream);
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

// dx = inverse * (gamma dz - mean of gamma dz - xhat * mean of gamma dz xhat). Parameters: mean, scale, shift, and what deviations and 1 are
// multiplied by. With constant statistics (not ofX) there are no means, and dx does not depend on an x that may be infinite.
template <class T, bool relued, bool ofX>
void normalizeGrad(const Channels& g, const Tensor& dy, const Tensor& x, const Tensor& dx, const float* parameters) {
  const T *in = dy.as<const T>(), *values = x.as<const T>();
  T* out = dx.as<T>();
  overLines<5>(g, dx, parameters, [&](int64_t at, const float* const* p, int64_t n, bool stream) {
    eachVector(
        n, EACH_VECTOR {
          const F32 deviation = loadFloats(values + at + i, left) - loadUpTo(p[0] + i, left);
          const F32 scale = loadUpTo(p[1] + i, left);
          F32 d = loadFloats(in + at + i, left);
          if constexpr (relued) d = reluGrad(d, fma(deviation, scale, loadUpTo(p[2] + i, left)));
          F32 rest = zeros();
          if constexpr (ofX) rest = fma(deviation, loadUpTo(p[3] + i, left), loadUpTo(p[4] + i, left));
          storeFloats(out + at + i, fma(d, scale, rest), left, stream);
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
      momentsOfRows(x.as<const T>() + (o * g.rows + begin) * C + column, end - begin, C, width, means + to,
                    squares + to);
    });
  });
  // Each outer index's slices meet in its first, channels of a group in the result.
  const Split parts = split(g.outer, slices.count * C * kMedium);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t o = parts.begin(chunk); o < parts.end(chunk); ++o) {
      float *mean = means + o * slices.count * C, *square = squares + o * slices.count * C;
      mergeParts(mean, square, slices.count, C, [&](int64_t s) { return slices.length(g, s); });
      for (int64_t i = 0; i < g.groups; ++i) {
        Moments all;
        for (int64_t c = i * g.perGroup(); c < (i + 1) * g.perGroup(); ++c)
          all.merge({broadcast(mean[c]), broadcast(square[c]), static_cast<float>(g.rows)});
        call.out[0].as<float>()[o * g.groups + i] = all.mean[0];
        call.out[1].as<float>()[o * g.groups + i] = all.n > 0 ? all.squares[0] / all.n : 0.0f;
      }
    }
  });
}

void channelNorm(const Call& call) {
  const auto& a = attributesOf<attributes::channelNorm>(call);
  const Channels g(a, call.in[0]);
  float* p = static_cast<float*>(scratch(static_cast<size_t>(3 * g.pitch()) * 4));
  affineParameters(g, call.in[1], call.in[2], call.in[3], call.in[4], a.epsilon, p);
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
  const Channels g(a, x);
  const Slices slices(g);
  const int64_t C = g.channels, partial = g.outer * slices.count * C, pitch = g.pitch();
  float* partials = static_cast<float*>(scratch(static_cast<size_t>(2 * partial + 3 * pitch) * 4));
  float* parameters = partials + 2 * partial;
  affineParameters(g, call.in[3], call.in[4], call.in[5], call.in[6], a.epsilon, parameters);
  const Passed passed = !a.relu ? Passed::all : y.present() ? Passed::byY : Passed::byX;
  withFloat(x.dtype, [&]<class T>(T) {
    const Backward<T> b{dy.as<const T>(), y.as<const T>(), x.as<const T>(), dz.as<T>(), streams(dz, C)};
    overSlices(g, slices, [&](int64_t o, int64_t s, int64_t begin, int64_t end, int64_t column, int64_t width) {
      const int64_t together = width == C ? rowsPerLine(C) : 1, lines = (end - begin) / together;
      const int64_t first = (o * g.rows + begin) * C + column, rest = (end - begin) % together;
      ColumnSums sums;
      for (int k = 0; k < 3; ++k) {
        const float* own = parameters + k * pitch + o * C + column;
        for (int64_t t = 0; t < together; ++t)
          memcpy(sums.parameters[k] + t * width, own, static_cast<size_t>(width) * 4);
      }
      const auto add = [&]<Passed by>() {
        sums.template addLines<by>(b, first, lines, together * C, together * width);
        sums.template addLines<by>(b, first + lines * together * C, rest > 0 ? 1 : 0, 0, rest * width);
      };
      if (passed == Passed::all)
        add.template operator()<Passed::all>();
      else if (passed == Passed::byY)
        add.template operator()<Passed::byY>();
      else
        add.template operator()<Passed::byX>();
      for (int k = 0; k < 2; ++k) {
        for (int64_t c = 0; c < width; ++c) {
          float total = 0;
          for (int64_t t = 0; t < together; ++t) total += sums.sum(k, t * width + c);
          partials[k * partial + (o * slices.count + s) * C + column + c] = total;
        }
      }
      if (b.stream) streamFence();
    });
  });
  const Split parts = split(pitch, slices.count * 2);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      const int64_t o = i / C, c = i % C;
      float total[2] = {};
      for (int k = 0; k < 2; ++k) {
        for (int64_t s = 0; s < slices.count; ++s) total[k] += partials[k * partial + (o * slices.count + s) * C + c];
      }
      call.out[1].as<float>()[i] = total[0];
      call.out[2].as<float>()[i] = total[1] * inverseOf(call.in[4].as<const float>()[g.group(o, c)], a.epsilon);
    }
  });
}

// The means are over rows and channels of a group.
void channelNormGrad(const Call& call) {
  const auto& a = attributesOf<attributes::channelNormGrad>(call);
  const Tensor &dy = call.in[0], &x = call.in[1], &dx = call.out[0];
  const float *variance = call.in[3].as<const float>(), *gamma = call.in[4].as<const float>();
  const float *sums = call.in[6].as<const float>(), *productSums = call.in[7].as<const float>();
  const Channels g(a, x);
  const int64_t C = g.channels, pitch = g.pitch();
  float* p = static_cast<float*>(scratch(static_cast<size_t>(5 * pitch) * 4));
  affineParameters(g, call.in[2], call.in[3], call.in[4], call.in[5], a.epsilon, p);
  for (int64_t i = 0; i < g.outer * g.groups; ++i) {
    const int64_t o = i / g.groups, first = o * C + i % g.groups * g.perGroup();
    const float inverse = inverseOf(variance[i], a.epsilon);
    double sum = 0, products = 0;
    for (int64_t j = first; sums != nullptr && j < first + g.perGroup(); ++j) {
      const double factor = gamma ? static_cast<double>(gamma[j - o * C]) : 1.0;
      sum += factor * static_cast<double>(sums[j]);
      products += factor * static_cast<double>(productSums[j]);
    }
    for (int64_t j = first; j < first + g.perGroup(); ++j) {
      p[3 * pitch + j] = -inverse * inverse * static_cast<float>(products / g.count());
      p[4 * pitch + j] = -inverse * static_cast<float>(sum / g.count());
    }
  }
  withFloat(x.dtype, [&]<class T>(T) {
    if (sums == nullptr)
      a.relu ? normalizeGrad<T, true, false>(g, dy, x, dx, p) : normalizeGrad<T, false, false>(g, dy, x, dx, p);
    else
      a.relu ? normalizeGrad<T, true, true>(g, dy, x, dx, p) : normalizeGrad<T, false, true>(g, dy, x, dx, p);
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
