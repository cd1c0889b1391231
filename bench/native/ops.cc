// The memory-bound CPU kernels beside loops with the same read and write streams: ops NAME-PART…
//
// The loop adds what it reads and stores it, on the same thread pool, once with plain and once with non-temporal
// stores; the faster counts. Each case and its loop take turns, and the fastest round of each is compared. Tiny calls
// print nanoseconds.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "native/cpu/simd.h"
#include "native/ops.h"
#include "native/thread-pool.h"

using namespace neurite;

namespace neurite::cpu::NEURITE_ISA {
extern const KernelTable table;
}

namespace {

namespace set = cpu::NEURITE_ISA;
constexpr auto F = DType::float32, H = DType::bfloat16, I = DType::int32, U = DType::uint8, B = DType::boolean;

// With one thread its processor time, so that other programs on the machine count less.
double now() {
  timespec time;
  clock_gettime(threadCount() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// A tensor of ones on memory of its own.
Tensor make(DType type, std::vector<int64_t> dims, double value = 1) {
  Tensor t;
  t.dtype = type;
  t.rank = static_cast<int32_t>(dims.size());
  for (size_t i = 0; i < dims.size(); i++) t.dims[i] = dims[i];
  t.data = std::aligned_alloc(4096, (t.bytes() + 8191) / 4096 * 4096);
  const float number = static_cast<float>(value);
  for (int64_t i = 0; i < t.size(); i++) {
    if (type == F)
      t.as<float>()[i] = number;
    else if (type == H)
      t.as<uint16_t>()[i] = 0x3f80;
    else if (type == I)
      t.as<int32_t>()[i] = static_cast<int32_t>(value);
    else
      t.as<uint8_t>()[i] = static_cast<uint8_t>(value);
  }
  return t;
}

// One pass over `reads` + `writes` arrays; arrays that are written in place count in both.
struct Streams {
  int64_t reads, writes, bytes;  // bytes of each array
  bool inPlace = false;
};

struct Loop {
  std::vector<float*> from, to;
  int64_t n;
  explicit Loop(const Streams& s) : n(s.bytes / 4 / 1024 * 1024 + 1024) {
    const auto array = [&] {
      auto* p = static_cast<float*>(std::aligned_alloc(4096, static_cast<size_t>(n) * 4 + 4096));
      memset(p, 0, static_cast<size_t>(n) * 4);
      return p;
    };
    for (int64_t i = 0; i < s.reads; i++) from.push_back(array());
    for (int64_t i = 0; i < s.writes; i++) to.push_back(s.inPlace ? from[static_cast<size_t>(i)] : array());
  }
  ~Loop() {
    for (size_t i = 0; i < to.size(); i++)
      if (i >= from.size() || to[i] != from[i]) std::free(to[i]);
    for (float* p : from) std::free(p);
  }
  void run(bool stream) const {
    const int64_t chunk = std::max<int64_t>(1024, std::min<int64_t>(16384, n / 8 / 1024 * 1024)),
                  chunks = (n + chunk - 1) / chunk;
    parallelFor(n <= 16384 ? 1 : chunks, [&](int64_t c) {
      const int64_t begin = n <= 16384 ? 0 : c * chunk, end = n <= 16384 ? n : std::min(n, begin + chunk);
      set::F32 total = set::zeros();
      for (int64_t i = begin; i < end; i += set::kLanes) {
        set::F32 v = set::zeros();
        for (const float* p : from) v += set::load(p + i);
        total += v;
        for (float* p : to) stream ? set::storeStream(p + i, v) : set::store(p + i, v);
      }
      if (stream) set::streamFence();
      if (set::sum(total) == 1.0f) abort();
    });
  }
};

std::vector<std::string> wanted;

// Seconds per call, the fastest of rounds of at least 1 ms.
template <class G> double fastest(G&& g, double budget) {
  g();
  double start = now();
  g();
  const int repeats = std::max(1, static_cast<int>(1e-3 / std::max(now() - start, 1e-8)));
  double best = 1e9;
  for (double end = now() + budget; now() < end;) {
    start = now();
    for (int i = 0; i < repeats; i++) g();
    best = std::min(best, (now() - start) / repeats);
  }
  return best;
}

void bench(const std::string& name, Op op, std::vector<Tensor> in, std::vector<Tensor> out, const void* attributes,
           const Streams& streams) {
  const bool asked = wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](const std::string& w) {
                       return name.find(w) != std::string::npos;
                     });
  if (asked) {
    Call call;
    call.op = op;
    call.inputs = static_cast<int32_t>(in.size());
    call.outputs = static_cast<int32_t>(out.size());
    call.in = in.data();
    call.out = out.data();
    call.attributes = attributes;
    const auto kernel = [&] { set::table.kernels[static_cast<int>(op)](call); };
    if (streams.bytes == 0) {
      printf("%-44s %10.0f ns\n", name.c_str(), fastest(kernel, 0.1) * 1e9);
    } else {
      const Loop loop(streams);
      double own = 1e9, plain = 1e9, past = 1e9;
      for (int round = 0; round < 4; round++) {
        own = std::min(own, fastest(kernel, 0.04));
        plain = std::min(plain, fastest([&] { loop.run(false); }, 0.03));
        if (streams.writes > 0) past = std::min(past, fastest([&] { loop.run(true); }, 0.03));
      }
      const double bytes = static_cast<double>((streams.reads + streams.writes) * streams.bytes);
      printf("%-44s %10.2f us %7.1f GB/s   loop %7.1f (past caches %7.1f)   %3.0f %%\n", name.c_str(), own * 1e6,
             bytes / own * 1e-9, bytes / plain * 1e-9, bytes / past * 1e-9, 100 * std::min(plain, past) / own);
    }
    fflush(stdout);
  }
  for (const Tensor& t : in) std::free(t.data);
  for (const Tensor& t : out) std::free(t.data);
}

std::string sized(const std::string& name, int64_t n) {
  return name + (n >= 1 << 20 ? " " + std::to_string(n >> 20) + " M" : " " + std::to_string(n >> 10) + " K");
}

Ints list(std::vector<int64_t> values) {
  Ints ints;
  for (int64_t v : values) ints.values[ints.count++] = v;
  return ints;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) wanted.push_back(argv[i]);
  printf("%d threads\n", threadCount());
  attributes::add number{};
  number.scalar = 1.5;
  attributes::gelu gelu{};
  for (int64_t n : {int64_t{1}, int64_t{10}, int64_t{1000}}) {
    const std::string size = " of " + std::to_string(n);
    const Streams none{0, 0, 0};
    attributes::sum axes{};
    axes.axes = list({0});
    bench("add" + size, Op::add, {make(F, {n}), make(F, {n})}, {make(F, {n})}, &number, none);
    bench("add a number" + size, Op::add, {make(F, {n}), Tensor{}}, {make(F, {n})}, &number, none);
    bench("relu" + size, Op::relu, {make(F, {n})}, {make(F, {n})}, nullptr, none);
    bench("sum" + size, Op::sum, {make(F, {n})}, {make(F, {})}, &axes, none);
    bench("cast" + size, Op::cast, {make(U, {n})}, {make(F, {n})}, nullptr, none);
    bench("fill" + size, Op::fill, {}, {make(F, {n})}, &number, none);
  }
  attributes::softmax softmax{};
  softmax.axis = 1;
  attributes::biasActivationGrad relu{};
  relu.activation = Activation::relu;
  bench("softmax 128 x 10", Op::softmax, {make(F, {128, 10})}, {make(F, {128, 10})}, &softmax, {0, 0, 0});
  bench("sparseSoftmaxCrossEntropy 128 x 10", Op::sparseSoftmaxCrossEntropy, {make(F, {128, 10}), make(I, {128})},
        {make(F, {128}), make(F, {128})}, nullptr, {0, 0, 0});
  bench("sparseSoftmaxCrossEntropyGrad 128 x 10", Op::sparseSoftmaxCrossEntropyGrad,
        {make(F, {128}), make(F, {128, 10}), make(I, {128}), make(F, {128})}, {make(F, {128, 10})}, nullptr, {0, 0, 0});
  bench("biasActivationGrad 128 x 10", Op::biasActivationGrad, {make(F, {128, 10}), make(F, {128, 10})},
        {make(F, {128, 10}), make(F, {10})}, &relu, {0, 0, 0});
  bench("argmax 128 x 10", Op::argmax, {make(F, {128, 10})}, {make(I, {128})}, &softmax, {0, 0, 0});
  bench("accumulate 128", Op::accumulate, {make(F, {3}), make(F, {128}), Tensor{}}, {}, nullptr, {0, 0, 0});

  for (int64_t n : {int64_t{1} << 16, int64_t{1} << 20, int64_t{1} << 24}) {
    const int64_t rows = n / 1024;
    bench(sized("add", n), Op::add, {make(F, {n}), make(F, {n})}, {make(F, {n})}, &number, {2, 1, n * 4});
    bench(sized("add a number", n), Op::add, {make(F, {n}), Tensor{}}, {make(F, {n})}, &number, {1, 1, n * 4});
    bench(sized("add a row of 1024", n), Op::add, {make(F, {rows, 1024}), make(F, {1024})}, {make(F, {rows, 1024})},
          &number, {1, 1, n * 4});
    bench(sized("add a row of 64", n), Op::add, {make(F, {n / 64, 64}), make(F, {64})}, {make(F, {n / 64, 64})},
          &number, {1, 1, n * 4});
    bench(sized("add a column of rows of 64", n), Op::add, {make(F, {n / 64, 64}), make(F, {n / 64, 1})},
          {make(F, {n / 64, 64})}, &number, {1, 1, n * 4});
    bench(sized("add bfloat16", n), Op::add, {make(H, {n}), make(H, {n})}, {make(H, {n})}, &number, {2, 1, n * 2});
    bench(sized("less", n), Op::less, {make(F, {n}), make(F, {n})}, {make(B, {n})}, &number, {9, 0, n});
    bench(sized("where", n), Op::where, {make(B, {n}), make(F, {n}), make(F, {n})}, {make(F, {n})}, nullptr,
          {2, 1, n * 4});
    bench(sized("relu", n), Op::relu, {make(F, {n})}, {make(F, {n})}, nullptr, {1, 1, n * 4});
    bench(sized("reluGrad", n), Op::reluGrad, {make(F, {n}), make(F, {n})}, {make(F, {n})}, nullptr, {2, 1, n * 4});
    bench(sized("exp", n), Op::exp, {make(F, {n})}, {make(F, {n})}, nullptr, {1, 1, n * 4});
    bench(sized("tanh", n), Op::tanh, {make(F, {n})}, {make(F, {n})}, nullptr, {1, 1, n * 4});
    bench(sized("sigmoid", n), Op::sigmoid, {make(F, {n})}, {make(F, {n})}, nullptr, {1, 1, n * 4});
    bench(sized("gelu", n), Op::gelu, {make(F, {n})}, {make(F, {n})}, &gelu, {1, 1, n * 4});
    bench(sized("geluGrad", n), Op::geluGrad, {make(F, {n}), make(F, {n})}, {make(F, {n})}, &gelu, {2, 1, n * 4});
    bench(sized("cast uint8 to float32", n), Op::cast, {make(U, {n})}, {make(F, {n})}, nullptr, {1, 1, n * 5 / 2});
    bench(sized("cast float32 to bfloat16", n), Op::cast, {make(F, {n})}, {make(H, {n})}, nullptr, {1, 1, n * 3});
    bench(sized("copy", n), Op::copy, {make(F, {n})}, {make(F, {n})}, nullptr, {1, 1, n * 4});
    attributes::fill fill{};
    bench(sized("fill", n), Op::fill, {}, {make(F, {n})}, &fill, {0, 1, n * 4});
    attributes::sum sum{};
    sum.axes = list({0});
    bench(sized("sum of all", n), Op::sum, {make(F, {n})}, {make(F, {})}, &sum, {1, 0, n * 4});
    bench(sized("sum of columns, 1024 wide", n), Op::sum, {make(F, {rows, 1024})}, {make(F, {1024})}, &sum,
          {1, 0, n * 4});
    bench(sized("sum of columns, 32 wide", n), Op::sum, {make(F, {n / 32, 32})}, {make(F, {32})}, &sum, {1, 0, n * 4});
    bench(sized("variance of columns, 32 wide", n), Op::variance, {make(F, {n / 32, 32})}, {make(F, {32})}, &sum,
          {2, 0, n * 4});
    bench(sized("max of columns, 32 wide", n), Op::max, {make(F, {n / 32, 32})}, {make(F, {32})}, &sum, {1, 0, n * 4});
    attributes::sum inner{};
    inner.axes = list({1});
    bench(sized("sum of rows of 1024", n), Op::sum, {make(F, {rows, 1024})}, {make(F, {rows})}, &inner, {1, 0, n * 4});
    bench(sized("sum of rows of 16", n), Op::sum, {make(F, {n / 16, 16})}, {make(F, {n / 16})}, &inner, {1, 0, n * 4});
    bench(sized("max of rows of 1024", n), Op::max, {make(F, {rows, 1024})}, {make(F, {rows})}, &inner, {1, 0, n * 4});
    bench(sized("argmax of rows of 1024", n), Op::argmax, {make(F, {rows, 1024})}, {make(I, {rows})}, &softmax,
          {1, 0, n * 4});
    bench(sized("softmax, rows of 1024", n), Op::softmax, {make(F, {rows, 1024})}, {make(F, {rows, 1024})}, &softmax,
          {1, 1, n * 4});
    bench(sized("softmax, rows of 16", n), Op::softmax, {make(F, {n / 16, 16})}, {make(F, {n / 16, 16})}, &softmax,
          {1, 1, n * 4});
    bench(sized("softmaxGrad, rows of 1024", n), Op::softmaxGrad, {make(F, {rows, 1024}), make(F, {rows, 1024})},
          {make(F, {rows, 1024})}, &softmax, {2, 1, n * 4});
    bench(sized("sparseSoftmaxCrossEntropy, rows of 1024", n), Op::sparseSoftmaxCrossEntropy,
          {make(F, {rows, 1024}), make(I, {rows})}, {make(F, {rows}), make(F, {rows})}, nullptr, {1, 0, n * 4});
    bench(sized("biasActivationGrad, 512 wide", n), Op::biasActivationGrad,
          {make(F, {n / 512, 512}), make(F, {n / 512, 512})}, {make(F, {n / 512, 512}), make(F, {512})}, &relu,
          {2, 1, n * 4});
    bench(sized("biasActivationGrad, 32 wide", n), Op::biasActivationGrad,
          {make(F, {n / 32, 32}), make(F, {n / 32, 32})}, {make(F, {n / 32, 32}), make(F, {32})}, &relu, {2, 1, n * 4});
    attributes::gather gather{};
    gather.scale = 1 / 255.0;
    bench(sized("gather uint8 rows of 1024 as float32", n), Op::gather, {make(U, {rows, 1024}), make(I, {rows})},
          {make(F, {rows, 1024})}, &gather, {1, 1, n * 5 / 2});
    attributes::gather plain{};
    plain.scale = 1;
    bench(sized("gather rows of 256", n), Op::gather, {make(F, {n / 256, 256}), make(I, {n / 256})},
          {make(F, {n / 256, 256})}, &plain, {1, 1, n * 4});
    attributes::transpose transpose{};
    transpose.permutation = list({1, 0});
    bench(sized("transpose, 1024 wide", n), Op::transpose, {make(F, {rows, 1024})}, {make(F, {1024, rows})}, &transpose,
          {1, 1, n * 4});
    bench(sized("transpose bfloat16, 1024 wide", n), Op::transpose, {make(H, {rows, 1024})}, {make(H, {1024, rows})},
          &transpose, {1, 1, n * 2});
    attributes::slice slice{};
    slice.starts = list({0, 1});
    slice.strides = list({1, 1});
    bench(sized("slice rows of 64 out of 66", n), Op::slice, {make(F, {n / 64, 66})}, {make(F, {n / 64, 64})}, &slice,
          {1, 1, n * 4});
    attributes::concat concat{};
    concat.axis = 1;
    bench(sized("concat rows of 32", n), Op::concat, {make(F, {n / 64, 32}), make(F, {n / 64, 32})},
          {make(F, {n / 64, 64})}, &concat, {1, 1, n * 4});
    attributes::randomUniform uniform{};
    uniform.high = 1;
    bench(sized("randomUniform", n), Op::randomUniform, {make(I, {4})}, {make(F, {n})}, &uniform, {0, 1, n * 4});
    attributes::randomNormal normal{};
    normal.stddev = 1;
    bench(sized("randomNormal", n), Op::randomNormal, {make(I, {4})}, {make(F, {n})}, &normal, {0, 1, n * 4});
    attributes::dropout dropout{};
    dropout.rate = 0.5;
    bench(sized("dropout", n), Op::dropout, {make(F, {n}), make(I, {4})}, {make(F, {n})}, &dropout, {1, 1, n * 4});
    const Tensor rate = make(F, {1}, 1e-3), step = make(I, {1});
    attributes::sgd sgd{};
    bench(sized("sgd", n), Op::sgd, {make(F, {1}, 1e-3), make(I, {1}), Tensor{}, make(F, {n}), make(F, {n})}, {}, &sgd,
          {2, 1, n * 4, true});
    attributes::adam adam{};
    adam.beta1 = 0.9, adam.beta2 = 0.999, adam.epsilon = 1e-7;
    bench(sized("adam", n), Op::adam,
          {make(F, {1}, 1e-3), make(I, {1}), Tensor{}, make(F, {n}), make(F, {n}), make(F, {n}), make(F, {n})}, {},
          &adam, {4, 3, n * 4, true});
    bench(sized("squaredNorms", n), Op::squaredNorms, {make(F, {n})}, {make(F, {1})}, nullptr, {1, 0, n * 4});
    std::free(rate.data);
    std::free(step.data);
  }
  return 0;
}
