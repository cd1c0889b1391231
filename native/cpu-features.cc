// Which CPU kernels this process uses, and the floating-point mode of threads that run them.
#include "cpu-features.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "amx.h"
#include "bfloat16-dots.h"
#include "check.h"

namespace neurite {

static bool has(InstructionSet set) {
#if defined(__x86_64__)
  switch (set) {
    case InstructionSet::baseline:
      return true;
    case InstructionSet::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    case InstructionSet::avx512:
      return has(InstructionSet::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512cd");
  }
#endif
  return set == InstructionSet::baseline;
}

const char* instructionSetName(InstructionSet set) {
  constexpr const char* names[] = {"baseline", "avx2", "avx512"};
  return names[static_cast<int>(set)];
}

InstructionSet bestInstructionSet() {
  InstructionSet best = InstructionSet::baseline;
  for (InstructionSet set : {InstructionSet::avx2, InstructionSet::avx512})
    if (has(set)) best = set;
  return best;
}

static InstructionSet choose() {
  const InstructionSet best = bestInstructionSet();
  const char* wanted = std::getenv("NEURITE_CPU");
  if (!wanted || !*wanted) return best;
  // The scalar twin of AMX (amx.h) runs on any set.
  if (std::strcmp(wanted, "amx-emulated") == 0) return best;
  // AMX is an addition to AVX-512 that only matrix products and convolutions use.
  if (std::strcmp(wanted, "amx") == 0) {
    if (!amxAvailable()) fail("ArgumentError", "NEURITE_CPU=amx: %s", amxRefusal().c_str());
    return InstructionSet::avx512;
  }
  // So are the dot products of bfloat16 pairs.
  if (std::strcmp(wanted, "avx512bf16") == 0) {
    if (!bfloat16Dots()) fail("ArgumentError", "NEURITE_CPU=avx512bf16: %s", bfloat16DotsRefusal().c_str());
    return InstructionSet::avx512;
  }
  for (InstructionSet set : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512})
    if (std::strcmp(wanted, instructionSetName(set)) == 0) {
      if (!has(set))
        fail("ArgumentError", "NEURITE_CPU=%s: this CPU has no more than %s", wanted, instructionSetName(best));
      return set;
    }
  fail("ArgumentError", "NEURITE_CPU: expected baseline, avx2, avx512, avx512bf16 or amx, received %s", wanted);
}

InstructionSet instructionSet() {
  static const InstructionSet set = choose();
  return set;
}

std::string cpuName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos)
      return line.substr(line.find(": ") + 2);
  return "CPU";
}

// CPU quota of the control group in cores, or a large number. Version 2, then version 1.
static double quota() {
  std::string limit;
  double period = 0;
  if (std::ifstream("/sys/fs/cgroup/cpu.max") >> limit >> period && limit != "max" && period > 0)
    return std::atof(limit.c_str()) / period;
  double quota = 0;
  if (std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota &&
      std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period && quota > 0 && period > 0)
    return quota / period;
  return 1e9;
}

int availableCores() {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
#endif
  return std::max(1, std::min(cores, static_cast<int>(quota() + 0.5)));
}

void yieldThread() { sched_yield(); }

#if defined(__x86_64__)
constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
FlushDenormals::FlushDenormals() : saved_(__builtin_ia32_stmxcsr()) {
  __builtin_ia32_ldmxcsr(static_cast<unsigned>(saved_) | kFlushToZero | kDenormalsAreZero);
}
FlushDenormals::~FlushDenormals() { __builtin_ia32_ldmxcsr(static_cast<unsigned>(saved_)); }
#elif defined(__aarch64__)
FlushDenormals::FlushDenormals() {
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(saved_));
  __asm__ __volatile__("msr fpcr, %0" ::"r"(saved_ | (1ull << 24)));
}
FlushDenormals::~FlushDenormals() { __asm__ __volatile__("msr fpcr, %0" ::"r"(saved_)); }
#else
FlushDenormals::FlushDenormals() : saved_(0) {}
FlushDenormals::~FlushDenormals() {}
#endif

}  // namespace neurite
