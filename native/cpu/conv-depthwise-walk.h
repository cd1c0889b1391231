// Walks along rows of images whose channels are their own groups: lanes are features, and one vector of them is walked at a time.
//
// The taps of up to kMostRows rows of the kernel stay in registers. A step loads one pixel of each row that they meet, once, and adds it
// to all results that see it: those wait in registers until their last pixel has passed. So a result of 3x3 taps costs three loads
// and nine multiply-adds, and of two rows of results at a time two loads. Pixels beyond the image are left out: the steps where there may be some,
// at both ends, are made apart from the others. The filter gradient walks in the same way, with sums for taps and dy for results.
#pragma once
#include <array>

#include "floats.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr int kMostRows = 3, kWidest = 3;                     // of the kernel, taps of such a row
inline constexpr int kMostResults = kVectorRegisters == 32 ? 2 : 1;  // rows of results, which share what they load
inline constexpr int kMostSources = kMostRows + kMostResults - 1;

// Step j of a walk meets column + j * columnStep of the source, and the next one where a step is of two columns. Result i sees what its taps meet
// at steps from i on.
struct Steps {
  int64_t count;  // of results
  int64_t column, columnStep, columns;
  int64_t pixel;     // elements from one column to the next
  int64_t rowPitch;  // from one row of the source to the next, which will be wanted soon
};

// Steps at which all that is met lies inside the image.
struct InnerSteps {
  int64_t begin, end;
  // The first and the end of those at which results are what is wanted; how many columns are met.
  InnerSteps(const Steps& s, int64_t first, int64_t last, int64_t seen) {
    const int64_t inside = s.column >= 0 ? 0 : ceilDivide(-s.column, s.columnStep), room = s.columns - seen - s.column;
    begin = smaller(last, larger(first, inside));
    end = larger(begin, smaller(last, room < 0 ? 0 : room / s.columnStep + 1));
  }
};

// What makes rows of results, or a part of their sums. Pointers are to the first of `lanes` features.
struct CorrelateWalk {
  Steps steps;
  const void*
      sources[kMostSources];  // rows, from column 0 on; source i + r meets row i of the kernel for row r of the results
  const float* weights[kMostRows];
  int64_t tapPitch;  // from one tap of a row to the next
  int64_t lanes;
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
template <class T, int results, int stride, int rows, int width> void correlateWalk(const CorrelateWalk& given) {
  const CorrelateWalk p = given;  // which no store can change
  constexpr int kSources = rows + results - 1, kWaiting = (width + stride - 1) / stride;
  constexpr int kSeen = width < stride ? width : stride;
  constexpr int kNew =
      kSources < stride * results ? kSources : stride * results;  // rows that the walk below this one adds
  const auto walk = [&](int64_t lanes) __attribute__((always_inline)) {
    const Steps& steps = p.steps;
    const int64_t pitch = steps.columnStep * steps.pixel, last = steps.count + kWaiting - 1;
    const T* source[kSources];
    F32 weights[rows * width], sums[results][kWaiting];
    unrolled<kSources>(EACH { source[v] = static_cast<const T*>(p.sources[v]) + steps.column * steps.pixel; });
    unrolled<rows * width>(EACH { weights[v] = loadUpTo(p.weights[v / width] + v % width * p.tapPitch, lanes); });
    const F32 bias = p.bias ? loadUpTo(p.bias, lanes) : zeros(), least = broadcast(p.least);

    const auto step = [&]<bool inner>(int64_t j, std::bool_constant<inner>) __attribute__((always_inline)) {
      unrolled<results>(EACH {
        const bool begun = p.from && (inner || j < steps.count);
        sums[v][0] = begun ? load(p.from + v * p.sumsPitch + j * kLanes) : bias;
      });
      unrolled<kSources>([&](int i) __attribute__((always_inline)) {
        unrolled<kSeen>([&](int at) __attribute__((always_inline)) {
          const int64_t column = steps.column + j * steps.columnStep + at;
          if (!inner && (column < 0 || column >= steps.columns)) return;
          const T* x = source[i] + j * pitch + at * steps.pixel;
          if (inner && i >= kSources - kNew) prefetch(x + kNew * steps.rowPitch);
          const F32 value = loadFloats(x, lanes);
          unrolled<results>([&](int r) __attribute__((always_inline)) {
            if (i - r < 0 || i - r >= rows) return;
            unrolled<width>(EACH {
              if (v % stride != at) return;
              sums[r][v / stride] = fma(value, weights[(i - r) * width + v], sums[r][v / stride]);
            });
          });
        });
      });
      const int64_t done = j - (kWaiting - 1);
      if (inner || (done >= 0 && done < steps.count)) {
        unrolled<results>(EACH {
          const F32 sum = sums[v][kWaiting - 1];
          if (p.to)
            store(p.to + v * p.sumsPitch + done * kLanes, sum);
          else
            storeFloats(static_cast<T*>(p.results[v]) + done * p.resultPitch, secondIfUnorderedMax(least, sum), lanes,
                        p.stream);
        });
      }
      unrolled<results>([&](int r) __attribute__((always_inline)) {
        unrolled<kWaiting - 1>(EACH { sums[r][kWaiting - 1 - v] = sums[r][kWaiting - 2 - v]; });
      });
    };
    unrolled<results * kWaiting>(EACH { sums[v / kWaiting][v % kWaiting] = bias; });
    const InnerSteps inner(steps, kWaiting - 1, last, kSeen);
    for (int64_t j = 0; j < inner.begin; ++j) step(j, std::false_type());
    // The last steps begin no results.
    const int64_t full = p.from ? larger(inner.begin, smaller(inner.end, steps.count)) : inner.end;
    for (int64_t j = inner.begin; j < full; ++j) step(j, std::true_type());
    for (int64_t j = full; j < last; ++j) step(j, std::false_type());
  };
  if (p.lanes >= kLanes)
    walk(int64_t{kLanes});
  else
    walk(p.lanes);
}

// What adds to sums by tap: the products of x and dy of some rows of dy.
struct SumWalk {
  Steps steps;  // dy's pixels are its results
  const void* sources[kMostSources];
  const void* dy[kMostResults];
  int64_t dyPitch, dyRowPitch;
  float* sums[kMostRows];
  int64_t tapPitch;
  int64_t lanes;
};

template <class T, int results, int stride, int rows, int width> void sumWalk(const SumWalk& given) {
  const SumWalk p = given;
  constexpr int kSources = rows + results - 1, kWaiting = (width + stride - 1) / stride;
  constexpr int kSeen = width < stride ? width : stride;
  constexpr int kNew = kSources < stride * results ? kSources : stride * results;
  const auto walk = [&](int64_t lanes) __attribute__((always_inline)) {
    const Steps& steps = p.steps;
    const int64_t pitch = steps.columnStep * steps.pixel, last = steps.count + kWaiting - 1;
    const T *source[kSources], *dy[results];
    F32 sums[rows * width], gradient[results][kWaiting] = {};
    unrolled<kSources>(EACH { source[v] = static_cast<const T*>(p.sources[v]) + steps.column * steps.pixel; });
    unrolled<results>(EACH { dy[v] = static_cast<const T*>(p.dy[v]); });
    unrolled<rows * width>(EACH { sums[v] = loadUpTo(p.sums[v / width] + v % width * p.tapPitch, lanes); });

    const auto step = [&]<bool inner>(int64_t j, std::bool_constant<inner>) __attribute__((always_inline)) {
      if (inner || j < steps.count) {
        unrolled<results>(EACH {
          const T* from = dy[v] + j * p.dyPitch;
          if (inner) prefetch(from + results * p.dyRowPitch);
          gradient[v][0] = loadFloats(from, lanes);
        });
      }
      unrolled<kSources>([&](int i) __attribute__((always_inline)) {
        unrolled<kSeen>([&](int at) __attribute__((always_inline)) {
          const int64_t column = steps.column + j * steps.columnStep + at;
          if (!inner && (column < 0 || column >= steps.columns)) return;
          const T* x = source[i] + j * pitch + at * steps.pixel;
          if (inner && i >= kSources - kNew) prefetch(x + kNew * steps.rowPitch);
          const F32 value = loadFloats(x, lanes);
          unrolled<results>([&](int r) __attribute__((always_inline)) {
            if (i - r < 0 || i - r >= rows) return;
            unrolled<width>(EACH {
              if (v % stride != at) return;
              const int64_t pixel = j - v / stride;
              if (!inner && (pixel < 0 || pixel >= steps.count)) return;
              F32& sum = sums[(i - r) * width + v];
              sum = fma(value, gradient[r][v / stride], sum);
            });
          });
        });
      });
      unrolled<results>([&](int r) __attribute__((always_inline)) {
        unrolled<kWaiting - 1>(EACH { gradient[r][kWaiting - 1 - v] = gradient[r][kWaiting - 2 - v]; });
      });
    };
    const InnerSteps inner(steps, kWaiting - 1, steps.count, kSeen);
    for (int64_t j = 0; j < inner.begin; ++j) step(j, std::false_type());
    for (int64_t j = inner.begin; j < inner.end; ++j) step(j, std::true_type());
    for (int64_t j = inner.end; j < last; ++j) step(j, std::false_type());
    unrolled<rows * width>(EACH { storeUpTo(p.sums[v / width] + v % width * p.tapPitch, sums[v], lanes); });
  };
  if (p.lanes >= kLanes)
    walk(int64_t{kLanes});
  else
    walk(p.lanes);
}

// The kernels by rows of results, columns of a step, rows and width of the part of the kernel. Steps of two columns have one row of results, and
// one row of the kernel has nothing that two of them could share.
template <class Walk> struct WalkKernels {
  using Kernel = void (*)(const Walk&);
  static constexpr int kKernels = kMostResults * 2 * kMostRows * kWidest;

  template <class T> static Kernel of(int64_t results, int64_t stride, int64_t rows, int64_t width) {
    static constexpr auto kAll = all<T>(std::make_index_sequence<kKernels>());
    return kAll[static_cast<size_t>((((results - 1) * 2 + stride - 1) * kMostRows + rows - 1) * kWidest + width - 1)];
  }

 private:
  template <class T, size_t... i> static constexpr std::array<Kernel, kKernels> all(std::index_sequence<i...>) {
    return {one<T, i / kWidest / kMostRows / 2 + 1, i / kWidest / kMostRows % 2 + 1, i / kWidest % kMostRows + 1,
                i % kWidest + 1>()...};
  }
  template <class T, int results, int stride, int rows, int width> static constexpr Kernel one() {
    if constexpr (results > 1 && (stride > 1 || rows == 1))
      return nullptr;
    else if constexpr (std::is_same_v<Walk, SumWalk>)
      return sumWalk<T, results, stride, rows, width>;
    else
      return correlateWalk<T, results, stride, rows, width>;
  }
};

}  // namespace neurite::cpu::NEURITE_ISA
