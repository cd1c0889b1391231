// Barriers of a block (bar.sync and bar.arrive) and of a cooperative grid.
#include "sanitizers.h"
#include "state.h"

namespace emulator {
namespace {

constexpr int kBarriers = 16;

// Adds the current thread; returns whether the barrier is complete.
bool arrive(Barrier& barrier, unsigned expected, const char* what, const Location& at, bool oneSite) {
  if (barrier.arrived == 0) {
    barrier.expected = expected;
    barrier.what = what;
    barrier.at = at;
  } else if (barrier.expected != expected) {
    fail(at, "%s expects %u threads, others expect %u at %s", what, expected, barrier.expected,
         siteOf(barrier.at).c_str());
  } else if (oneSite && !sameSite(barrier.at, at)) {
    fail(at, "%s, while other threads of the block wait in the one at %s", what, siteOf(barrier.at).c_str());
  }
  release(&barrier.sync[barrier.phase & 1]);
  return ++barrier.arrived == expected;
}

void open(Barrier& barrier) {
  barrier.arrived = 0;
  barrier.phase++;
  for (Thread* thread : barrier.waiting) scheduler().ready(thread);
  EngineAccess quiet;
  barrier.waiting.clear();
}

void sync(Barrier& barrier, unsigned expected, const char* what, const Location& at, bool oneSite) {
  Scheduler& s = scheduler();
  char* const sync = &barrier.sync[barrier.phase & 1];
  if (arrive(barrier, expected, what, at, oneSite)) {
    open(barrier);
    s.maybeYield(what, at);
  } else {
    {
      EngineAccess quiet;
      barrier.waiting.push_back(s.current());
    }
    s.wait(what, at);
  }
  acquire(sync);
}

Barrier& named(int id, int threads, const char* what, const Location& at) {
  Block& block = *currentThread(what).block;
  if (id < 0 || id >= kBarriers) fail(at, "%s: barrier %d, there are %d", what, id, kBarriers);
  if (threads < 0 || threads % 32 != 0 || size_t(threads) > (block.threads.size() + 31) / 32 * 32)
    fail(at, "%s of %d threads, expected a multiple of 32 that the block has", what, threads);
  return block.barriers[size_t(id)];
}

}  // namespace

void barrierSync(int id, int threads, const char* what, const Location& at) {
  Barrier& barrier = named(id, threads, what, at);
  Block& block = scheduler().block();
  const bool wholeBlock = threads == 0;
  if (wholeBlock && block.exited > 0)
    fail(at, "%s after %u thread(s) of the block have returned: guard the work, do not return early", what,
         block.exited);
  sync(barrier, wholeBlock ? unsigned(block.threads.size()) : unsigned(threads), what, at, wholeBlock);
}

void barrierArrive(int id, int threads, const Location& at) {
  Barrier& barrier = named(id, threads, "barrierArrive", at);
  if (arrive(barrier, unsigned(threads), "barrierArrive", at, false)) open(barrier);
}

void gridSync(const Location& at) {
  currentThread("gridSync");
  Scheduler& s = scheduler();
  if (!s.launch().cooperative) fail(at, "gridSync in a launch that is not cooperative");
  sync(s.gridBarrier(), unsigned(s.threadsInGrid()), "gridSync", at, true);
}

void leaveBarriers(Thread& thread) {
  const Barrier& barrier = thread.block->barriers[0];
  if (barrier.arrived > 0)
    fail(barrier.at,
         "a thread returned before the %s that others of its block wait in: guard the work, do not return"
         " early",
         barrier.what);
}

void threadFence() {
  currentThread("__threadfence");
  release(scheduler().fenceSync());
  acquire(scheduler().fenceSync());
}

}  // namespace emulator
