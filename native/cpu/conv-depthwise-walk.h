// Walks along rows of images whose channels are their own groups: lanes are features, and one vector of them is
// walked at a time.
//
// The taps of up to kMostRows rows of the kernel stay in registers. A step loads one pixel of each row that they
// meet, once, and adds it to all results that see it: those wait in registers until their last pixel has passed. So a
// result of 3x3 taps costs three loads and nine multiply-adds, and of two rows of results at a time two loads. Pixels
// beyond the image are left out: the steps where there may be some, at both ends, are made apart from the others. The
// filter gradient walks in the same way, with sums for taps and dy for results.
#pragma once
#include <array>

#include "floats.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr int kMostRows = 3;                                  // of the kernel
inline constexpr int kWidest = kVectorRegisters == 32 ? 5 : 3;       // taps of such a row: 1, 2, 3 or kWidest
inline constexpr int kMostResults = kVectorRegisters == 32 ? 2 : 1;  // rows of results, which share what they load
inline constexpr int kMostSources = kMostRows + kMostResults - 1;

// Step j of a walk meets column + j * columnStep of the source, and the next one where a step is of two columns.
// Result i sees what its taps meet at steps from i on.
struct Steps {
  int64_t count;  // of results
  int64_t column, columnStep, columns;
  int64_t pixel;     // elements from one column to the next
  int64_t rowPitch;  // from one row of the source to the next, which will be wanted soon
};

// n / d for n >= 0, of which most d are 1.
inline int64_t divideSteps(int64_t n, int64_t d) { return d == 1 ? n : n / d; }

// Steps at which all that is met lies inside the image.
struct InnerSteps {
  int64_t begin, end;
  // The first and the end of those at which results are what is wanted; how many columns are met.
  InnerSteps(const Steps& s, int64_t first, int64_t last, int64_t seen) {
    const int64_t inside = s.column >= 0 ? 0 : divideSteps(s.columnStep - 1 - s.column, s.columnStep);
    const int64_t room = s.columns - seen - s.column;
    begin = smaller(last, larger(first, inside));
    end = larger(begin, smaller(last, room < 0 ? 0 : divideSteps(room, s.columnStep) + 1));
  }
};

// What a walk of a part of the kernel is made of.
template <int results, int stride, int rows, int width> struct WalkForm {
  static constexpr int kSources = rows + results - 1, kWaiting = (width + stride - 1) / stride;
  static constexpr int kSeen = width < stride ? width : stride;
  // Rows that the walk below this one adds.
  static constexpr int kNew = kSources < stride * results ? kSources : stride * results;

  // Step j: f(r, tap, at, value) for what results r see of it through tap number `tap` of the part, which is number `at` of its
  // row. `inner`: all is inside of the image.
  template <bool inner, class T, class F>
  static NEURITE_INLINE void step(const Steps& s, const T* const (&source)[kSources], int64_t j, int64_t lanes, F&& f) {
    unrolled<kSources>([&](int i) __attribute__((always_inline)) {
      unrolled<kSeen>([&](int first) __attribute__((always_inline)) {
        const int64_t column = s.column + j * s.columnStep + first;
        if (!inner && (column < 0 || column >= s.columns)) return;
        const T* x = source[i] + j * s.columnStep * s.pixel + first * s.pixel;
        if (inner && i >= kSources - kNew) prefetch(x + kNew * s.rowPitch);
        const F32 value = loadFloats(x, lanes);
        unrolled<results>([&](int r) __attribute__((always_inline)) {
          if (i - r < 0 || i - r >= rows) return;
          unrolled<width>(EACH {
            if (v % stride == first) f(r, (i - r) * width + v, v, value);
          });
        });
      });
    });
  }
};

// What makes rows of results, a vector of features after the other; or a part of the sums of one vector. Pointers are to
// the first feature.
struct CorrelateWalk {
  Steps steps;
  const void* sources[kMostSources];  // rows, from column 0 on: number i + r meets row i of the kernel for results r
  const float* weights[kMostRows];
  int64_t tapPitch;  // from one tap of a row to the next
  int64_t features;
  const float* bias;  // what sums begin with, or null
  const float* from;  // sums so far, a vector for each result, instead of the bias; or null
  float* to;          // where they go, or null: results are stored
  int64_t sumsPitch;  // of a row of sums
  float least;        // results that are less become this
  void* results[kMostResults];
  int64_t resultPitch;
  bool stream;  // past the caches
};

// T: what sources and results are stored as.
template <class T, int results, int stride, int rows, int width> void correlateWalk(const CorrelateWalk& p) {
  using Form = WalkForm<results, stride, rows, width>;
  constexpr int kSources = Form::kSources, kWaiting = Form::kWaiting;
  const Steps steps = p.steps;
  const int64_t last = steps.count + kWaiting - 1;
  const InnerSteps inside(steps, kWaiting - 1, last, Form::kSeen);
  // The last steps begin no results.
  const int64_t begin = inside.begin, end = p.from ? smaller(inside.end, steps.count) : inside.end;
  const auto walk = [&](int64_t f, int64_t lanes) __attribute__((always_inline)) {
    // Copies, which no store can change.
    const float* const from = p.from;
    float* const to = p.to;
    const int64_t sumsPitch = p.sumsPitch, resultPitch = p.resultPitch;
    const bool stream = p.stream;
    const T* source[kSources];
    T* result[results];
    F32 weights[rows * width], sums[results][kWaiting];
    unrolled<results>(EACH { result[v] = static_cast<T*>(p.results[v]) + f; });
    unrolled<kSources>(EACH { source[v] = static_cast<const T*>(p.sources[v]) + steps.column * steps.pixel + f; });
    unrolled<rows * width>(EACH { weights[v] = loadUpTo(p.weights[v / width] + v % width * p.tapPitch + f, lanes); });
    const F32 bias = p.bias ? loadUpTo(p.bias + f, lanes) : zeros(), least = broadcast(p.least);

    const auto step = [&]<bool inner>(int64_t j, std::bool_constant<inner>) __attribute__((always_inline)) {
      unrolled<results>(EACH {
        const bool begun = from && (inner || j < steps.count);
        sums[v][0] = begun ? load(from + v * sumsPitch + j * kLanes) : bias;
      });
      Form::template step<inner>(
          steps, source, j, lanes, [&](int r, int tap, int at, F32 value) __attribute__((always_inline)) {
            sums[r][at / stride] = fma(value, weights[tap], sums[r][at / stride]);
          });
      const int64_t done = j - (kWaiting - 1);
      if (inner || (done >= 0 && done < steps.count)) {
        unrolled<results>(EACH {
          const F32 sum = sums[v][kWaiting - 1];
          if (to)
            store(to + v * sumsPitch + done * kLanes, sum);
          else
            storeFloats(result[v] + done * resultPitch, secondIfUnorderedMax(least, sum), lanes, stream);
        });
      }
      unrolled<results>([&](int r) __attribute__((always_inline)) {
        unrolled<kWaiting - 1>(EACH { sums[r][kWaiting - 1 - v] = sums[r][kWaiting - 2 - v]; });
      });
    };
    unrolled<results * kWaiting>(EACH { sums[v / kWaiting][v % kWaiting] = bias; });
    for (int64_t j = 0; j < last;) {
      if (j < begin || j >= end) step(j++, std::false_type());
      for (; j >= begin && j < end; ++j) step(j, std::true_type());
    }
  };
  eachVector(
      p.features, EACH_VECTOR { walk(i, left); });
}

// What adds to sums by tap: the products of x and dy of some rows of dy.
struct SumWalk {
  Steps steps;  // dy's pixels are its results
  const void* sources[kMostSources];
  const void* dy[kMostResults];
  int64_t dyPitch, dyRowPitch;
  float* sums[kMostRows];
  int64_t tapPitch;
  int64_t features;
};

template <class T, int results, int stride, int rows, int width> void sumWalk(const SumWalk& p) {
  using Form = WalkForm<results, stride, rows, width>;
  constexpr int kSources = Form::kSources, kWaiting = Form::kWaiting;
  const Steps steps = p.steps;
  const int64_t last = steps.count + kWaiting - 1;
  const InnerSteps inside(steps, kWaiting - 1, steps.count, Form::kSeen);
  const auto walk = [&](int64_t f, int64_t lanes) __attribute__((always_inline)) {
    const int64_t dyPitch = p.dyPitch, dyAhead = results * p.dyRowPitch;
    const T *source[kSources], *dy[results];
    F32 sums[rows * width], gradient[results][kWaiting] = {};
    unrolled<kSources>(EACH { source[v] = static_cast<const T*>(p.sources[v]) + steps.column * steps.pixel + f; });
    unrolled<results>(EACH { dy[v] = static_cast<const T*>(p.dy[v]) + f; });
    unrolled<rows * width>(EACH { sums[v] = loadUpTo(p.sums[v / width] + v % width * p.tapPitch + f, lanes); });

    const auto step = [&]<bool inner>(int64_t j, std::bool_constant<inner>) __attribute__((always_inline)) {
      if (inner || j < steps.count) {
        unrolled<results>(EACH {
          const T* from = dy[v] + j * dyPitch;
          if (inner) prefetch(from + dyAhead);
          gradient[v][0] = loadFloats(from, lanes);
        });
      }
      Form::template step<inner>(
          steps, source, j, lanes, [&](int r, int tap, int at, F32 value) __attribute__((always_inline)) {
            const int64_t pixel = j - at / stride;
            if (inner || (pixel >= 0 && pixel < steps.count))
              sums[tap] = fma(value, gradient[r][at / stride], sums[tap]);
          });
      unrolled<results>([&](int r) __attribute__((always_inline)) {
        unrolled<kWaiting - 1>(EACH { gradient[r][kWaiting - 1 - v] = gradient[r][kWaiting - 2 - v]; });
      });
    };
    for (int64_t j = 0; j < last;) {
      if (j < inside.begin || j >= inside.end) step(j++, std::false_type());
      for (; j >= inside.begin && j < inside.end; ++j) step(j, std::true_type());
    }
    unrolled<rows * width>(EACH { storeUpTo(p.sums[v / width] + v % width * p.tapPitch + f, sums[v], lanes); });
  };
  eachVector(
      p.features, EACH_VECTOR { walk(i, left); });
}

// The kernels by rows of results, columns of a step, rows and width of the part of the kernel. Steps of two columns
// have one row of results.
template <class Walk> struct WalkKernels {
  using Kernel = void (*)(const Walk&);
  static constexpr int kWidths = kWidest > 3 ? 4 : 3, kKernels = kMostResults * 2 * kMostRows * kWidths;

  template <class T> static Kernel of(int64_t results, int64_t stride, int64_t rows, int64_t width) {
    static constexpr auto kAll = all<T>(std::make_index_sequence<kKernels>());
    const int64_t i = ((results - 1) * 2 + stride - 1) * kMostRows + rows - 1;
    return kAll[static_cast<size_t>(i * kWidths + smaller(width, kWidths) - 1)];
  }

 private:
  template <class T, size_t... i> static constexpr std::array<Kernel, kKernels> all(std::index_sequence<i...>) {
    return {one < T, i / kWidths / kMostRows / 2 + 1, i / kWidths / kMostRows % 2 + 1, i / kWidths % kMostRows + 1,
            i % kWidths < 3 ? i % kWidths + 1 : kWidest > ()...};
  }
  template <class T, int results, int stride, int rows, int width> static constexpr Kernel one() {
    if constexpr (results > 1 && stride > 1)
      return nullptr;
    else if constexpr (std::is_same_v<Walk, SumWalk>)
      return sumWalk<T, results, stride, rows, width>;
    else
      return correlateWalk<T, results, stride, rows, width>;
  }
};

}  // namespace neurite::cpu::NEURITE_ISA
