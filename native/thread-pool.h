// The process-wide thread pool that CPU kernels split their work over, and the scratch memory they may use.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <type_traits>

namespace neurite {

// Threads that take part in a parallelFor, the caller among them: NEURITE_NUM_THREADS, else the cores that affinity and cgroup quota leave.
int threadCount();

namespace detail {
void parallelRun(int64_t chunks, void (*run)(void*, int64_t), void* argument);
}

// Calls f(chunk) for chunk = 0 … chunks - 1, on any thread and in any order, and returns when all are done. Chunks must not throw and must not
// nest another parallelFor. Results must depend on the chunks' boundaries only, never on threadCount(): split by shape. One chunk runs inline.
template <class F> void parallelFor(int64_t chunks, F&& f) {
  if (chunks <= 0) return;
  if (chunks == 1) return f(int64_t{0});
  using Function = std::remove_reference_t<F>;
  detail::parallelRun(
      chunks, [](void* g, int64_t chunk) { (*static_cast<Function*>(g))(chunk); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

// Memory that grows and is kept, page aligned; contents undefined when it has grown.
class Memory {
 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { std::free(data_); }
  void* reserve(size_t bytes);

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// What a kernel makes of an operand that stays the same from run to run, packed weights say: in memory that only the kernel knows to read, made
// whenever it is not ready.
struct Kept {
  Memory memory;
  bool ready = false;
};

// 64-byte aligned memory of the calling thread, kept between calls, contents undefined. A second call invalidates the first.
void* threadScratch(size_t bytes);
// The same, one for the command that runs: visible to all chunks, to be asked for outside of parallelFor. Separate from threadScratch.
void* scratch(size_t bytes);

}  // namespace neurite
