// Convolutions whose groups are single channels, and their gradients: rows of results by walks
// (conv-depthwise-walk.h). Where a channel makes several features, the rows that are walked are float32 in scratch
// memory: the channels spread over their features, or the features' results, which are added up to channels.
#include "conv-depthwise-walk.h"

#include "../thread-pool.h"
#include "conv-filter-product.h"
#include "conv-finish.h"
#include "conv-phases.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// Results of a row that are made by the same walk: every `step`-th from `begin` on. Tap t of them is tap first + t *
// tapStep of the kernel's row and meets a place tapColumns behind that of the tap before.
struct Series {
  int64_t begin, step, count;
  int64_t column, columnStep;  // of the source, for tap 0
  int64_t first, tapStep, taps, tapColumns;
  int64_t stride;  // columns that a step of the walk meets

  // How many taps registers hold at a time, of so many: single ones, where results see nothing in common.
  int64_t width(int64_t of) const {
    if (stride == 1 && columnStep != tapColumns) return smaller(1, of);
    return of >= kWidest ? kWidest : smaller(3, of);
  }
  Steps steps(int64_t tap, int64_t columns, int64_t pixel) const {
    return {count, column + tap * tapColumns, columnStep, columns, pixel, columns * pixel};
  }
};

// A correlation of rows of `source` with the kernel's, or with the flipped kernel's, where it is the data gradient.
struct Rows {
  const ConvShape& s;
  bool flipped;
  const int64_t *sourceSize, *size;

  Rows(const ConvShape& shape, bool gradient)
      : s(shape), flipped(gradient), sourceSize(gradient ? s.out : s.in), size(gradient ? s.in : s.out) {}

  // The place that a result sees through a tap, or -1.
  int64_t seen(int axis, int64_t result, int64_t tap) const {
    const int64_t offset = tap * s.dilation[axis] - s.before[axis];
    int64_t place = result * s.stride[axis] + offset;
    if (flipped) {
      if ((result - offset) % s.stride[axis] != 0) return -1;
      place = (result - offset) / s.stride[axis];
    }
    return place >= 0 && place < sourceSize[axis] ? place : -1;
  }

  // Calls f(source row, tap of the first two axes) for what row number `row` of the results sees, in the source's
  // order.
  template <class F> void forSeen(int64_t row, F&& f) const {
    const int64_t h = row % size[1], d = row / size[1] % size[0], image = row / size[1] / size[0];
    for (int64_t i = 0; i < s.taps[0]; ++i) {
      const int64_t depth = flipped ? s.taps[0] - 1 - i : i, plane = seen(0, d, depth);
      for (int64_t k = 0; plane >= 0 && k < s.taps[1]; ++k) {
        const int64_t height = flipped ? s.taps[1] - 1 - k : k, at = seen(1, h, height);
        if (at >= 0) f((image * sourceSize[0] + plane) * sourceSize[1] + at, depth * s.taps[1] + height);
      }
    }
  }

  // Calls f(Series) for what the walks along a row make.
  template <class F> void forSeries(F&& f) const {
    const int64_t stride = s.stride[2], dilation = s.dilation[2], taps = s.taps[2];
    if (!flipped && stride > 1) {
      const bool adjacent = stride == 2 && (dilation == 1 || taps == 1);
      return f(Series{0, 1, size[2], -s.before[2], stride, 0, 1, taps, adjacent ? 1 : dilation, adjacent ? 2 : 1});
    }
    for (int64_t i = 0; i < stride; ++i) {
      int64_t begin = 0, count = size[2], first = 0, tapStep = 1, some = taps, distance = dilation,
              before = s.before[2];
      if (flipped) {
        const Phase phase(s, 2, i);
        begin = phase.begin, count = phase.count, first = phase.last, tapStep = -phase.step, some = phase.taps;
        distance = phase.dilation, before = phase.before;
      }
      if (some <= 1) distance = 1;
      for (int64_t q = 0; q < smaller(distance, count); ++q)
        f(Series{begin + q * stride, distance * stride, ceilDivide(count - q, distance), q - before, distance, first,
                 tapStep, some, distance, 1});
    }
  }

  int64_t rows() const { return s.batch * size[0] * size[1]; }
  // How many rows of results from this one on, before `end`, are made together: those of an image that see all rows
  // of the kernel, each one row further down.
  int64_t together(int64_t row, int64_t end) const {
    const int64_t h = row % size[1], taps = s.taps[1], last = h + kMostResults - 1;
    const bool whole = s.taps[0] == 1 && s.stride[1] == 1 && s.stride[2] == 1 && s.dilation[1] == 1 &&
                       row + kMostResults <= end && last < size[1];
    const auto inside = [&](int64_t result, int64_t tap) { return seen(1, result, tap) >= 0; };
    const bool seesAll = whole && inside(h, 0) && inside(h, taps - 1) && inside(last, 0) && inside(last, taps - 1) &&
                         seen(0, row / size[1] % size[0], 0) >= 0;
    return seesAll ? kMostResults : 1;
  }
};

// A row of the source, and the tap of the first two axes that meets it.
struct Seen {
  const void* row;
  int64_t tap;
};

// Rows of the kernel that are seen, from the first of those, and taps of each.
struct Part {
  int64_t row, rows, tap, width;
  bool first, last;
};

// A row of pixels as float32, each channel `multiplier` times.
template <class T> void spread(const T* x, int64_t pixels, int64_t channels, int64_t multiplier, float* to) {
  const int64_t features = channels * multiplier;
  int64_t channel = 0, number = 0;  // of the next feature: its channel, and which of its features that is
  eachVector(
      features, EACH_VECTOR {
        const int64_t first = channel;
        int32_t from[kLanes];
        for (int32_t& lane : from) {
          lane = static_cast<int32_t>(channel - first);
          if (++number == multiplier) number = 0, ++channel;
        }
        const I32 lanes = load(from);
        for (int64_t p = 0; p < pixels; ++p) {
          const F32 values = loadFloats(x + p * channels + first, channels - first);
          storeUpTo(to + p * features + i, permute(values, lanes), left);
        }
      });
}

// n sums of `multiplier` neighbours each, in place.
void fold(float* x, int64_t n, int64_t multiplier) {
  for (; multiplier % 2 == 0; multiplier /= 2) {
    eachVector(
        n * multiplier / 2, EACH_VECTOR {
          const F32 low = loadPartial(x + 2 * i, 2 * left), high = loadPartial(x + 2 * i + kLanes, 2 * left - kLanes);
          storeUpTo(x + i, addNeighbours(low, high), left);
        });
  }
  for (int64_t i = 0; multiplier > 1 && i < n; ++i) {
    float sum = x[i * multiplier];
    for (int64_t k = 1; k < multiplier; ++k) sum += x[i * multiplier + k];
    x[i] = sum;
  }
}

// What a few rows of results see, and memory for that and for them; of one thread.
class View {
 public:
  const Seen* seen = nullptr;
  int64_t kernelRows = 0;  // that meet the source; each further row of results meets one more of its rows
  float *sums, *results;

  // `wide`: rows are made float32, with all features. `staged`: there is memory for rows of results.
  View(const Rows& rows, const Tensor& source, bool wide, bool staged) : rows_(rows), source_(source), wide_(wide) {
    const int64_t most = rows.s.taps[0] * rows.s.taps[1] + kMostResults - 1, features = rows.s.features;
    const int64_t seenFloats = roundUp(most * static_cast<int64_t>(sizeof(Seen)), 64) / 4;
    const int64_t sumFloats = kMostResults * rows.size[2] * kLanes;
    const int64_t wideFloats = wide ? roundUp(most * rows.sourceSize[2] * features, kLanes) : 0;
    const int64_t resultFloats = staged ? kMostResults * rows.size[2] * features : 0;
    const int64_t floats = seenFloats + sumFloats + wideFloats + resultFloats;
    auto* memory = static_cast<float*>(threadScratch(static_cast<size_t>(floats) * 4));
    seen_ = reinterpret_cast<Seen*>(memory);
    seen = seen_;
    sums = memory + seenFloats;
    wideRows_ = sums + sumFloats;
    results = wideRows_ + wideFloats;
  }

  // Of `count` rows of results from `row` on.
  template <class T> void look(int64_t row, int64_t count) {
    int64_t n = 0;
    const auto add = [&](int64_t at, int64_t tap) { addRow<T>(n++, at, tap); };
    rows_.forSeen(row, add);
    kernelRows = n;
    for (int64_t r = 1; r < count; ++r) {
      int64_t last = 0;
      rows_.forSeen(row + r, [&](int64_t at, int64_t) { last = at; });
      add(last, 0);
    }
  }

  // Calls f(Part) for what of the kernel is held in registers at a time: once for nothing where nothing is seen.
  template <class F> void forParts(const Series& of, F&& f) const {
    if (kernelRows == 0 || of.taps == 0) return f(Part{0, 0, 0, 0, true, true});
    for (int64_t row = 0; row < kernelRows; row += kMostRows) {
      for (int64_t tap = 0, width = 0; tap < of.taps; tap += width) {
        width = of.width(of.taps - tap);
        const bool last = row + kMostRows >= kernelRows && tap + width == of.taps;
        f(Part{row, smaller(kMostRows, kernelRows - row), tap, width, row == 0 && tap == 0, last});
      }
    }
  }

 private:
  template <class T> void addRow(int64_t i, int64_t at, int64_t tap) {
    const int64_t channels = rows_.flipped ? rows_.s.features : rows_.s.channels, pixels = rows_.sourceSize[2];
    const T* row = source_.as<const T>() + at * pixels * channels;
    float* wide = wideRows_ + i * pixels * rows_.s.features;
    if (wide_) spread(row, pixels, channels, rows_.s.features / channels, wide);
    seen_[i] = {wide_ ? static_cast<const void*>(wide) : row, tap};
  }

  const Rows& rows_;
  const Tensor& source_;
  bool wide_;
  Seen* seen_;
  float* wideRows_;
};

// The taps as float32, in scratch memory if they are not.
const float* floatTaps(const Tensor& w) {
  if (w.dtype == DType::float32) return w.as<const float>();
  float* taps = static_cast<float*>(scratch(static_cast<size_t>(w.size()) * 4));
  const auto* values = w.as<const uint16_t>();
  eachVector(
      w.size(), EACH_VECTOR { storeUpTo(taps + i, loadFloats(values + i, left), left); });
  return taps;
}

// y of conv, or dx of convDataGrad.
class Correlator {
 public:
  Correlator(const Call& call, const ConvShape& s, bool gradient, Activation activation, const float* bias)
      : s_(s),
        rows_(s, gradient),
        source_(call.in[0]),
        out_(call.out[0]),
        taps_(floatTaps(call.in[1])),
        bias_(bias),
        finish_(call, s, activation),
        activation_(finish_.storedWith()),
        wide_(s.features != s.channels),
        apart_(wide_ && (gradient || out_.dtype != DType::float32)) {}

  void run() {
    const int64_t pixels = rows_.size[2], channels = outChannels();
    const Split parts = split(rows_.rows(), pixels * s_.features * s_.tapCount(), kMostResults);
    const bool once = !apart_ && !finish_.wantsMoments() && !finish_.adds();
    // Stores past the caches are of whole lines: vectors of 64 bytes, or rows that were made in the cache.
    stream_ = once && kLanes == 16 && streams(out_, channels);
    const bool staged = once && !stream_ && streams(out_);
    if (finish_.wantsMoments()) finish_.begin(parts.chunks);
    parallelFor(parts.chunks, [&](int64_t chunk) {
      const int64_t first = parts.begin(chunk), end = parts.end(chunk), all = (end - first) * pixels;
      View view(rows_, source_, wide_, apart_ || staged);
      withFloat(out_.dtype, [&]<class T>(T) {
        for (int64_t row = first, count = 1; row < end; row += count) {
          count = rows_.together(row, end);
          view.look<T>(row, count);
          T *y = out_.as<T>() + row * pixels * channels, *rows = reinterpret_cast<T*>(view.results);
          if (apart_) {
            makeRows(view, count, view.results);
            storeWide(view.results, count * pixels, y);
          } else {
            makeRows(view, count, staged ? rows : y);
            if (staged) streamCopy(y, rows, count * pixels * channels * static_cast<int64_t>(sizeof(T)));
          }
        }
      });
      if (finish_.adds()) finish_.add(first * pixels * channels, all, channels, channels);
      if (finish_.wantsMoments()) finish_.takeMoments(chunk, first * pixels, all, 0, channels);
      if (stream_ || staged) streamFence();
    });
    finish_.end();
  }

 private:
  int64_t outChannels() const { return rows_.flipped ? s_.channels : s_.features; }

  // `count` rows from y on; without bias and activation if those come apart.
  template <class T> void makeRows(const View& view, int64_t count, T* y) const {
    const int64_t features = s_.features, row = rows_.size[2] * features;
    const bool walksActivate = apart_ || activation_ == Activation::none || activation_ == Activation::relu;
    rows_.forSeries([&](const Series& of) {
      CorrelateWalk walk{};
      walk.tapPitch = of.tapStep * features;
      walk.sumsPitch = of.count * kLanes;
      walk.resultPitch = of.step * features;
      walk.least = !apart_ && activation_ == Activation::relu ? 0.0f : -__builtin_inff();
      walk.stream = stream_;
      const bool onePart = view.kernelRows <= kMostRows && of.width(of.taps) == of.taps;
      const int64_t together = onePart && walksActivate ? features : kLanes;
      for (int64_t f = 0; f < features; f += together) {
        walk.features = smaller(together, features - f);
        walk.bias = bias_ && !apart_ ? bias_ + f : nullptr;
        T* results = y + of.begin * features + f;
        for (int64_t r = 0; r < count; ++r) walk.results[r] = results + r * row;
        view.forParts(of, [&](const Part& part) {
          walk.steps = of.steps(part.tap, part.rows > 0 ? rows_.sourceSize[2] : 0, features);
          walk.from = part.first ? nullptr : view.sums;
          walk.to = part.last && walksActivate ? nullptr : view.sums;
          const Seen* seen = view.seen + part.row;
          const int64_t sources = part.rows + count - 1;
          for (int64_t i = 0; i < sources; ++i) walk.sources[i] = static_cast<const T*>(seen[i].row) + f;
          for (int64_t i = 0; i < part.rows; ++i)
            walk.weights[i] = taps_ + (seen[i].tap * s_.taps[2] + of.first + part.tap * of.tapStep) * features + f;
          if (part.rows == 0) {
            // A walk through an image without columns.
            walk.sources[0] = source_.data;
            walk.weights[0] = taps_ + f;
          }
          WalkKernels<CorrelateWalk>::of<T>(count, of.stride, larger(1, part.rows), larger(1, part.width))(walk);
        });
        for (int64_t r = 0; !walksActivate && r < count; ++r) {
          const float* sums = view.sums + r * walk.sumsPitch;
          T* to = results + r * row;
          for (int64_t i = 0; i < of.count; ++i, sums += kLanes, to += walk.resultPitch)
            storeFloats(to, activate(activation_, load(sums)), walk.features, false);
        }
      }
    });
  }

  // Pixels of float32 features, as they are or added up to channels.
  template <class T> void storeWide(float* x, int64_t pixels, T* y) const {
    const int64_t channels = outChannels();
    if (rows_.flipped) fold(x, pixels * channels, s_.features / channels);
    for (int64_t p = 0; p < pixels; ++p) {
      eachVector(
          channels, EACH_VECTOR {
            F32 value = loadUpTo(x + p * channels + i, left);
            if (bias_) value += loadUpTo(bias_ + i, left);
            storeFloats(y + p * channels + i, activate(activation_, value), left, false);
          });
    }
  }

  const ConvShape& s_;
  const Rows rows_;
  const Tensor &source_, &out_;
  const float *taps_, *bias_;
  Finish finish_;
  Activation activation_;
  // Rows of the source have as many features as the kernel; results are float32 and finished afterwards.
  bool wide_, apart_, stream_ = false;
};

// Adds to sums (taps x features) what `count` rows of dy say.
template <class T> void addToSums(const Rows& rows, const View& view, int64_t count, const T* dy, float* sums) {
  const int64_t features = rows.s.features, dyRow = rows.size[2] * features;
  rows.forSeries([&](const Series& of) {
    SumWalk walk{};
    walk.tapPitch = of.tapStep * features;
    walk.dyPitch = of.step * features;
    walk.dyRowPitch = dyRow;
    walk.features = features;
    for (int64_t r = 0; r < count; ++r) walk.dy[r] = dy + r * dyRow + of.begin * features;
    view.forParts(of, [&](const Part& part) {
      if (part.rows == 0) return;
      walk.steps = of.steps(part.tap, rows.sourceSize[2], features);
      const Seen* seen = view.seen + part.row;
      for (int64_t i = 0; i < part.rows + count - 1; ++i) walk.sources[i] = seen[i].row;
      for (int64_t i = 0; i < part.rows; ++i)
        walk.sums[i] = sums + (seen[i].tap * rows.s.taps[2] + of.first + part.tap * of.tapStep) * features;
      WalkKernels<SumWalk>::of<T>(count, of.stride, part.rows, part.width)(walk);
    });
  });
}

}  // namespace

void convolveChannels(const Call& call, const ConvShape& s, Activation activation, const float* bias) {
  Correlator(call, s, false, activation, bias).run();
}

void convolveChannelsData(const Call& call, const ConvShape& s, Activation activation, const float* bias) {
  Correlator(call, s, true, activation, bias).run();
}

void sumChannels(const Tensor& x, const Tensor& dy, const Tensor& dw, const ConvShape& s) {
  const Rows rows(s, false);
  const int64_t all = rows.rows(), pixels = rows.size[2], size = dw.size();
  const bool wide = s.features != s.channels;
  const int64_t sums =
      smaller(smaller(kLeastChunks, all), ceilDivide(all * pixels * s.features * s.tapCount(), kInlineWork / 2));
  float* partials = static_cast<float*>(scratch(static_cast<size_t>(sums * size) * 4));
  parallelFor(sums, [&](int64_t sum) {
    const int64_t end = all * (sum + 1) / sums;
    View view(rows, x, wide, wide);
    float* result = partials + sum * size;
    memset(result, 0, static_cast<size_t>(size) * 4);
    withFloat(x.dtype, [&]<class T>(T) {
      for (int64_t row = all * sum / sums, count = 1; row < end; row += count) {
        count = rows.together(row, end);
        view.look<T>(row, count);
        const T* gradient = dy.as<const T>() + row * pixels * s.features;
        if (!wide) {
          addToSums(rows, view, count, gradient, result);
        } else {
          spread(gradient, count * pixels, s.features, 1, view.results);
          addToSums(rows, view, count, view.results, result);
        }
      }
    });
  });
  addPartials(partials, sums, dw);
}

}  // namespace neurite::cpu::NEURITE_ISA
