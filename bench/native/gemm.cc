// Speed of matrix multiplication: own kernels beside the libraries that are installed, in one run.
//
// Usage: gemm [part of a shape's name]. For each shape GFLOP/s (2 M N K a call, the best of interleaved rounds), the
// share of the multiply-add peak measured just before, the rate with bfloat16 operands and result (NEURITE_CPU chooses
// the unit: avx512, avx512bf16, amx), and the ratio to the best library. Own times include bias and
// ReLU, which the libraries leave out. Libraries are found at run time: libopenblas.so.0, libmkl_rt.so.3 (or .2),
// libdnnl.so.
#include <dlfcn.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "../../native/cpu/gemm.h"
#include "../../native/cpu/simd.h"
#include "../../native/thread-pool.h"

using namespace neurite;
using namespace neurite::cpu;
namespace isa = neurite::cpu::NEURITE_ISA;

namespace {

struct Shape {
  const char* name;
  int64_t m, n, k;
  bool transposeA, transposeB;
};
const Shape kShapes[] = {
    {"512^3", 512, 512, 512, false, false},
    {"1024^3", 1024, 1024, 1024, false, false},
    {"2048^3", 2048, 2048, 2048, false, false},
    {"W1 fwd 128x512x784", 128, 512, 784, false, false},
    {"W1 fwd 128x512x512", 128, 512, 512, false, false},
    {"W1 fwd 128x10x512", 128, 10, 512, false, false},
    {"W1 dW 784x512x128 TN", 784, 512, 128, true, false},
    {"W1 dW 512x512x128 TN", 512, 512, 128, true, false},
    {"W1 dW 512x10x128 TN", 512, 10, 128, true, false},
    {"W1 dX 128x512x512 NT", 128, 512, 512, false, true},
    {"W1 dX 128x512x10 NT", 128, 512, 10, false, true},
    {"LSTM 64x512x160", 64, 512, 160, false, false},
    {"LSTM dW 160x512x64 TN", 160, 512, 64, true, false},
    {"wide 64x4096x4096", 64, 4096, 4096, false, false},
    {"wide dX 64x4096x4096 NT", 64, 4096, 4096, false, true},
    {"wide dW 4096x4096x64 TN", 4096, 4096, 64, true, false},
    {"8 rows 8x4096x4096", 8, 4096, 4096, false, false},
    {"1 row 1x4096x4096", 1, 4096, 4096, false, false},
    {"1 row 1x4096x4096 NT", 1, 4096, 4096, false, true},
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Multiply-adds on registers alone, all threads at once: the ceiling.
double peakGflops() {
  constexpr int kChains = 12, kSteps = 400000;
  const int64_t threads = threadCount();
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    const double start = now();
    parallelFor(threads, [&](int64_t) {
      isa::F32 acc[kChains];
      const isa::F32 x = isa::broadcast(0.999f), y = isa::broadcast(0.001f);
      NEURITE_UNROLL
      for (int i = 0; i < kChains; ++i) acc[i] = isa::broadcast(0.1f * static_cast<float>(i));
      for (int step = 0; step < kSteps; ++step) {
        NEURITE_UNROLL
        for (int i = 0; i < kChains; ++i) acc[i] = isa::fma(acc[i], x, y);
      }
      float sum = 0;
      NEURITE_UNROLL
      for (int i = 0; i < kChains; ++i) sum += acc[i][0];
      volatile float kept = sum;
      (void)kept;
    });
    const double flops = 2.0 * kChains * kSteps * isa::kLanes * static_cast<double>(threads);
    best = std::max(best, flops / (now() - start) / 1e9);
  }
  return best;
}

using CblasSgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*,
                            int);
using DnnlSgemm = int (*)(char, char, int64_t, int64_t, int64_t, float, const float*, int64_t, const float*, int64_t,
                          float, float*, int64_t);

struct Library {
  std::string name;
  CblasSgemm cblas = nullptr;
  DnnlSgemm dnnl = nullptr;
  void multiply(const Shape& s, const float* a, const float* b, float* c) const {
    const int64_t lda = s.transposeA ? s.m : s.k, ldb = s.transposeB ? s.k : s.n;
    if (cblas) {
      cblas(101, s.transposeA ? 112 : 111, s.transposeB ? 112 : 111, int(s.m), int(s.n), int(s.k), 1.0f, a, int(lda), b,
            int(ldb), 0.0f, c, int(s.n));
    } else {
      dnnl(s.transposeA ? 'T' : 'N', s.transposeB ? 'T' : 'N', s.m, s.n, s.k, 1.0f, a, lda, b, ldb, 0.0f, c, s.n);
    }
  }
};

std::vector<Library> findLibraries() {
  std::vector<Library> found;
  const struct {
    const char *name, *files[3], *symbol;
  } candidates[] = {{"OpenBLAS", {"libopenblas.so.0"}, "cblas_sgemm"},
                    {"MKL", {"libmkl_rt.so.3", "libmkl_rt.so.2"}, "cblas_sgemm"},
                    {"oneDNN", {"libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"}, "dnnl_sgemm"}};
  for (const auto& candidate : candidates) {
    for (const char* file : candidate.files) {
      void* handle = file ? dlopen(file, RTLD_NOW | RTLD_LOCAL) : nullptr;
      void* symbol = handle ? dlsym(handle, candidate.symbol) : nullptr;
      if (!symbol) continue;
      Library library{candidate.name};
      if (strcmp(candidate.symbol, "dnnl_sgemm") == 0) {
        library.dnnl = reinterpret_cast<DnnlSgemm>(symbol);
      } else {
        library.cblas = reinterpret_cast<CblasSgemm>(symbol);
      }
      found.push_back(library);
      break;
    }
  }
  return found;
}

std::vector<float> randomFloats(int64_t n) {
  std::vector<float> v(static_cast<size_t>(n));
  uint32_t x = 1;
  for (float& f : v) {
    x = x * 1664525u + 1013904223u;
    f = static_cast<float>(x >> 8) / 16777216.0f - 0.5f;
  }
  return v;
}

// Seconds per call: repetitions that take about 10 ms, averaged.
template <class F> double timeOnce(F&& f, double flops) {
  const int repetitions = std::clamp(static_cast<int>(3e9 / flops), 1, 2000);
  f();
  const double start = now();
  for (int i = 0; i < repetitions; ++i) f();
  return (now() - start) / repetitions;
}

void run(const Shape& s, const std::vector<Library>& libraries) {
  const std::vector<float> a = randomFloats(s.m * s.k), b = randomFloats(s.k * s.n), bias = randomFloats(s.n);
  // Aligned to a cache line, as the allocator of tensors does it.
  float* c = static_cast<float*>(aligned_alloc(64, static_cast<size_t>((s.m * s.n + 15) / 16 * 64)));
  Gemm g;
  g.m = s.m, g.n = s.n, g.k = s.k;
  g.a = a.data(), g.lda = s.transposeA ? s.m : s.k, g.transposeA = s.transposeA;
  g.b = b.data(), g.ldb = s.transposeB ? s.k : s.n, g.transposeB = s.transposeB;
  g.c = c, g.ldc = s.n, g.bias = bias.data(), g.activation = Activation::relu;
  // The same numbers in bfloat16, cut off instead of rounded.
  const auto half = [](const std::vector<float>& v) {
    std::vector<uint16_t> bits(v.size());
    for (size_t i = 0; i < v.size(); ++i) bits[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(v[i]) >> 16);
    return bits;
  };
  const std::vector<uint16_t> halfA = half(a), halfB = half(b);
  Gemm narrow = g;
  narrow.a = halfA.data(), narrow.b = halfB.data();
  narrow.typeA = narrow.typeB = narrow.typeC = DType::bfloat16;
  const double flops = 2.0 * double(s.m) * double(s.n) * double(s.k);
  double peak = peakGflops(), own = 1e9, ownHalf = 1e9;
  std::vector<double> library(libraries.size(), 1e9);
  for (int round = 0; round < 7; ++round) {
    own = std::min(own, timeOnce([&] { isa::gemm(g); }, flops));
    ownHalf = std::min(ownHalf, timeOnce([&] { isa::gemm(narrow); }, flops));
    for (size_t i = 0; i < libraries.size(); ++i) {
      library[i] = std::min(library[i], timeOnce([&] { libraries[i].multiply(s, a.data(), b.data(), c); }, flops));
    }
  }
  peak = std::max(peak, peakGflops());
  const double gflops = flops / own / 1e9;
  const double bytes = 4.0 * double(s.m * s.k + s.k * s.n + s.m * s.n);
  printf("%-26s %7.1f GFLOP/s %4.0f %% of %.0f %6.1f GB/s  bfloat16 %7.1f GFLOP/s", s.name, gflops, 100 * gflops / peak,
         peak, bytes / own / 1e9, flops / ownHalf / 1e9);
  double best = 0;
  for (size_t i = 0; i < libraries.size(); ++i) {
    const double rate = flops / library[i] / 1e9;
    best = std::max(best, rate);
    printf("  %s %.1f", libraries[i].name.c_str(), rate);
  }
  if (best > 0) printf("  own / best %.2f", gflops / best);
  printf("\n");
  fflush(stdout);
  free(c);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<Library> libraries = findLibraries();
  for (const Shape& shape : kShapes) {
    if (argc < 2 || strstr(shape.name, argv[1])) run(shape, libraries);
  }
}
