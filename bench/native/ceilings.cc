// What this CPU can do at most, measured beside the kernels: the rate of fused multiply-adds on registers, and the time of a plain loop with given
// numbers of read and write streams. A line in, a number out, the mean over a short while:
//   fma                        FLOP/s of float32 on all threads
//   streams READS WRITES N     seconds for one pass over READS + WRITES arrays of N floats, the better of plain and non-temporal stores
// Between the questions it uses no processor time: the kernels are timed then. Shares no code with them. Built by bench/ceilings.mts.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
constexpr int kLanes = 16, kAccumulators = 24;
#elif defined(__AVX__)
#include <immintrin.h>
constexpr int kLanes = 8, kAccumulators = 12;
#else
constexpr int kLanes = 4, kAccumulators = 12;
#endif
typedef float Vector __attribute__((vector_size(kLanes * 4)));

static void storePast([[maybe_unused]] float* target, [[maybe_unused]] Vector value) {
#if defined(__AVX512F__)
  _mm512_stream_ps(target, (__m512)value);
#elif defined(__AVX__)
  _mm256_stream_ps(target, (__m256)value);
#else
  *reinterpret_cast<Vector*>(target) = value;
#endif
}

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Threads that spin for a moment between runs and then sleep.
class Crew {
 public:
  explicit Crew(int threads) {
    for (int i = 1; i < threads; i++)
      std::thread([this, i] {
        for (int seen = 0;;) {
          const double begin = now();
          for (unsigned round = 0; generation_.load() == seen;) {
            if (++round % 64 == 0) sched_yield();
            if (round % 1024 == 0 && now() - begin > 1e-3) generation_.wait(seen);
          }
          seen = generation_.load();
          work_(i);
          done_.fetch_add(1);
        }
      }).detach();
    size = threads;
  }
  void run(std::function<void(int)> work) {
    work_ = std::move(work);
    done_ = 0;
    generation_.fetch_add(1);
    generation_.notify_all();
    work_(0);
    for (unsigned round = 0; done_.load() < size - 1;)
      if (++round % 64 == 0) sched_yield();
  }
  int size;

 private:
  std::function<void(int)> work_;
  std::atomic<int> generation_{0}, done_{0};
};

// Seconds of a run, the mean over `seconds` of them after one that does not count.
template <class F> static double meanTime(F&& run, double seconds) {
  run();
  const double begin = now();
  int runs = 0;
  do {
    run();
    runs++;
  } while (now() - begin < seconds);
  return (now() - begin) / runs;
}

static double fma(Crew& crew) {
  constexpr int kRounds = 20000;
  static std::atomic<float> sink;
  const double time = meanTime(
      [&] {
        crew.run([](int) {
          Vector sums[kAccumulators], a, b;
          for (int i = 0; i < kLanes; i++) a[i] = 0.999f, b[i] = 1e-3f;
          for (auto& sum : sums) sum = b;
          for (int round = 0; round < kRounds; round++) {
#pragma GCC unroll 24
            for (int i = 0; i < kAccumulators; i++) sums[i] = sums[i] * a + b;
            __asm__ __volatile__("" : "+x"(a), "+x"(b));
          }
          Vector total = sums[0];
          for (int i = 1; i < kAccumulators; i++) total += sums[i];
          sink = total[0];
        });
      },
      0.05);
  return 2.0 * kLanes * kAccumulators * kRounds * crew.size / time;
}

template <size_t... R, size_t... W>
static void pass(float* const* arrays, size_t begin, size_t end, bool past, std::index_sequence<R...>,
                 std::index_sequence<W...>) {
  constexpr size_t kReads = sizeof...(R);
  Vector total{};
  for (size_t i = begin; i < end; i += kLanes) {
    Vector value = Vector{} + 1.0f;  // memory may be quicker with zeros
    ((value += *reinterpret_cast<const Vector*>(arrays[R] + i)), ...);
    total += value;
    if (past)
      (storePast(arrays[kReads + W] + i, value), ...);
    else
      ((*reinterpret_cast<Vector*>(arrays[kReads + W] + i) = value), ...);
  }
  static std::atomic<float> sink;
  if constexpr (sizeof...(W) == 0) sink = total[0];
}

using Pass = void (*)(float* const*, size_t, size_t, bool);
template <size_t R, size_t W> static void passOf(float* const* arrays, size_t begin, size_t end, bool past) {
  pass(arrays, begin, end, past, std::make_index_sequence<R>(), std::make_index_sequence<W>());
}
template <size_t R, size_t... W> static Pass choose(size_t writes, std::index_sequence<W...>) {
  constexpr Pass passes[] = {passOf<R, W>...};
  return passes[writes];
}
template <size_t... R> static Pass choose(size_t reads, size_t writes, std::index_sequence<R...>) {
  const Pass passes[] = {choose<R>(writes, std::make_index_sequence<5>())...};
  return passes[reads];
}

// The arrays of one question, kept for the next that is the same.
struct Arrays {
  size_t reads, writes, floats, count;
  std::vector<float*> starts;
  Arrays(size_t r, size_t w, size_t n) : reads(r), writes(w), floats(n), count((n + kLanes - 1) / kLanes * kLanes) {
    for (size_t i = 0; i < reads + writes; i++) {
      // Not all at the same distance from a page: equal low address bits would collide in the cache.
      auto* memory = static_cast<float*>(std::aligned_alloc(4096, (count * 4 + 8192 + i * 1088) / 4096 * 4096 + 4096));
      starts.push_back(memory + i * 16 * 17);
      std::fill_n(starts.back(), count, 1.0f);
    }
  }
  ~Arrays() {
    for (size_t i = 0; i < starts.size(); i++) std::free(starts[i] - i * 16 * 17);
  }
  Arrays(const Arrays&) = delete;
  Arrays& operator=(const Arrays&) = delete;
};

static double streams(Crew& crew, const Arrays& arrays) {
  const Pass run = choose(arrays.reads, arrays.writes, std::make_index_sequence<6>());
  const auto time = [&](bool past) {
    return meanTime(
        [&] {
          crew.run([&](int i) {
            const size_t units = arrays.count / kLanes, size = static_cast<size_t>(crew.size),
                         at = static_cast<size_t>(i);
            run(arrays.starts.data(), units * at / size * kLanes, units * (at + 1) / size * kLanes, past);
          });
        },
        0.05);
  };
  return arrays.writes > 0 ? std::min(time(false), time(true)) : time(false);
}

int main(int argc, char** argv) {
  Crew crew(argc > 1 ? std::atoi(argv[1]) : static_cast<int>(std::thread::hardware_concurrency()));
  std::unique_ptr<Arrays> arrays;
  char line[200];
  while (std::fgets(line, sizeof line, stdin)) {
    size_t reads, writes, count;
    double value = 0;
    if (std::strncmp(line, "fma", 3) == 0)
      value = fma(crew);
    else if (std::sscanf(line, "streams %zu %zu %zu", &reads, &writes, &count) == 3 && reads < 6 && writes < 5) {
      if (!arrays || arrays->reads != reads || arrays->writes != writes || arrays->floats != count) {
        arrays.reset();
        arrays = std::make_unique<Arrays>(reads, writes, count);
      }
      value = streams(crew, *arrays);
    }
    std::printf("%.6g\n", value);
    std::fflush(stdout);
  }
}
