// A thread that looks on: a CUDA thread that runs for too long without meeting another one is an error. If it polls
// with atomics the next of them fails; if it spins on plain memory nothing can stop it, and the process ends.
#include "watchdog.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "../engine/state.h"

namespace emulator {
namespace {

constexpr unsigned kGraceSeconds = 3;  // from the request to stop to the end of the process

void watch() {
  Scheduler& s = scheduler();
  uint64_t last = 0;
  unsigned still = 0;
  for (;;) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const uint64_t now = s.switches;
    still = s.running && now == last ? still + 1 : 0;
    last = now;
    if (still >= options().watchdogSeconds) s.interrupted = true;
    if (still < options().watchdogSeconds + kGraceSeconds) continue;
    std::fprintf(stderr, "emulator: a thread has run for %u s without a barrier: this block never yields%s\n", still,
                 s.where().c_str());
    std::_Exit(70);
  }
}

}  // namespace

void startWatchdog() {
  if (options().watchdogSeconds > 0) std::thread(watch).detach();
}

}  // namespace emulator
