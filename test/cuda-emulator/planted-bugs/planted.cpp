// Runs every planted bug and checks that it is caught wherever it can be.
#include "planted.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "../engine/options.h"
#include "../engine/sanitizers.h"

namespace planted {
namespace {

// What a build and schedule can miss. Missing is allowed there, not demanded.
enum Miss : unsigned {
  kNothing = 0,
  kPlain = 1,    // builds without a sanitizer or with UndefinedBehaviorSanitizer, in every schedule
  kLifo = 2,     // the lifo schedule, in builds other than ThreadSanitizer's
  kRandom = 4,   // random schedules, in builds other than ThreadSanitizer's
  kAddress = 8,  // AddressSanitizer
  kThread = 16,  // ThreadSanitizer
};

struct Bug {
  int number;
  const char* testCase;
  const char* what;
  unsigned missedBy;
  const char* text;  // part of the emulator's message, where the emulator itself must find it
};

constexpr Bug kBugs[] = {
    {1, "plantedGemm", "no barrier between the first tile's stores and loads", kNothing, nullptr},
    {17, "plantedGemm", "no barrier between a tile's loads and the next one's stores", kNothing, nullptr},
    {2, "plantedGemm", "global read one row out of bounds", kPlain | kLifo | kRandom | kThread, nullptr},
    {3, "plantedGemm", "global write one column out of bounds", kNothing, nullptr},
    {4, "plantedGemm", "write behind static shared memory", kNothing, nullptr},
    {5, "plantedTf32Gemm", "stage index one too large: behind dynamic shared memory", kNothing, nullptr},
    {6, "plantedTf32Gemm", "wrong lane in the B fragment", kNothing, nullptr},
    {7, "plantedTf32Gemm", "cpAsyncWait leaves one group too many in flight", kNothing, nullptr},
    {8, "plantedTf32Gemm", "no barrier in the ring of stages", kNothing, nullptr},
    {26, "plantedTf32Gemm", "cpAsyncCommit forgotten", kNothing, nullptr},
    {18, "plantedBf16Gemm", "wrong row given to ldmatrix", kNothing, nullptr},
    {9, "plantedStatistics", "no barrier between write and read", kNothing, nullptr},
    {24, "plantedStatistics", "no barrier between read and the next write", kNothing, nullptr},
    {10, "plantedStatistics", "barrier in one warp only", kNothing, "while other threads of the block wait"},
    {19, "plantedStatistics", "barriers in both branches", kNothing, "while other threads of the block wait"},
    {11, "plantedStatistics", "early return before a barrier", kNothing, "do not return early"},
    {12, "plantedStatistics", "shuffle with the full mask in half a warp", kNothing, "in shfl at"},
    {16, "plantedTotal", "race between blocks", kPlain | kLifo | kRandom | kAddress, nullptr},
    {27, "plantedTotal", "no __threadfence before the last block reads", kPlain | kLifo | kRandom | kAddress, nullptr},
    {29, "plantedTotal", "blocks wait for each other", kNothing, "never yields"},
    {13, "plantedConv", "padding test lets a read out of bounds through", kPlain | kLifo | kRandom | kThread, nullptr},
    {20, "plantedConv", "register array index out of bounds", kNothing, nullptr},
    {21, "plantedConv", "shared memory read before it is written", kNothing, nullptr},
    {25, "plantedConv", "no barrier at the end of the loop", kNothing, nullptr},
    {14, "plantedDropout", "vector of four past the tail", kThread, nullptr},
    {15, "plantedDropout", "misaligned vector of four", kNothing, "is not aligned to 16 bytes"},
    {22, "plantedHost", "host reads before the stream is done", kNothing, nullptr},
    {23, "plantedHost", "host pointer given to a kernel", kNothing, "is no device pointer"},
    {28, "plantedHost", "allocation inside of a capture", kNothing, nullptr},
};

unsigned thisBuild() {
#if defined(EMULATOR_ASAN)
  return kAddress;
#elif defined(EMULATOR_TSAN)
  return kThread;
#else
  switch (emulator::options().order) {
    case emulator::Order::Fifo:
      return kPlain;
    case emulator::Order::Lifo:
      return kLifo;
    case emulator::Order::Random:
      return kRandom;
  }
  return kPlain;
#endif
}

struct Outcome {
  int status;
  std::string output;
};

// Runs one case with one bug in a child process.
Outcome runWith(const char* program, const Bug& bug) {
  int channel[2];
  if (pipe(channel) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    dup2(channel[1], STDOUT_FILENO);
    dup2(channel[1], STDERR_FILENO);
    close(channel[0]);
    setenv("EMU_BUG", std::to_string(bug.number).c_str(), 1);
    setenv("EMU_WATCHDOG", "1", 1);
    setenv("TSAN_OPTIONS", "halt_on_error=1", 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    execl(program, program, bug.testCase, static_cast<char*>(nullptr));
    std::_Exit(127);
  }
  close(channel[1]);
  Outcome outcome{0, {}};
  char buffer[4096];
  for (ssize_t n; (n = read(channel[0], buffer, sizeof buffer)) > 0;) outcome.output.append(buffer, size_t(n));
  close(channel[0]);
  waitpid(child, &outcome.status, 0);
  return outcome;
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// How the bug showed itself: S by a sanitizer, E by the emulator, F by a wrong result, C by a crash, - not at all.
char kindOf(const Outcome& outcome) {
  if (has(outcome.output, "AddressSanitizer") || has(outcome.output, "ThreadSanitizer") ||
      has(outcome.output, "runtime error:"))
    return 'S';
  if (has(outcome.output, "emulator: ")) return 'E';
  if (WIFSIGNALED(outcome.status)) return 'C';
  if (has(outcome.output, "FAIL ")) return 'F';
  return WEXITSTATUS(outcome.status) == 0 ? '-' : '?';
}

}  // namespace

bool bug(int number) {
  static const int on = std::atoi(std::getenv("EMU_BUG") != nullptr ? std::getenv("EMU_BUG") : "0");
  return on == number;
}

int runAll(const char* program) {
  const unsigned build = thisBuild();
  int missed = 0;
  for (const Bug& bug : kBugs) {
    const Outcome outcome = runWith(program, bug);
    const char kind = kindOf(outcome);
    const bool mayMiss = (bug.missedBy & build) != 0;
    const bool caught = kind != '-' && kind != '?';
    const bool rightText = bug.text == nullptr || kind == 'S' || has(outcome.output, bug.text);
    const bool ok = (caught && rightText) || (mayMiss && kind == '-');
    std::printf("%s %c planted bug %2d: %s%s\n", ok ? "ok  " : "FAIL", kind, bug.number, bug.what,
                kind == '-' ? " (cannot be seen here)" : "");
    if (!ok) {
      missed++;
      std::printf("%s\n", outcome.output.substr(0, 600).c_str());
    }
  }
  std::printf("%zu planted bugs, %d missed\n", std::size(kBugs), missed);
  return missed == 0 ? 0 : 1;
}

}  // namespace planted
