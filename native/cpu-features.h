// Which CPU kernels this process uses, and the floating-point mode of threads that run them.
#pragma once
#include <string>

namespace neurite {

enum class InstructionSet { baseline, avx2, avx512 };

// The best set that this CPU has.
InstructionSet bestInstructionSet();
// That, or a lower one that NEURITE_CPU=baseline|avx2|avx512|avx512bf16|amx names. Throws an ArgumentError for an unknown or missing one.
InstructionSet instructionSet();
const char* instructionSetName(InstructionSet set);
// Model name of the CPU, as the system tells it.
std::string cpuName();
// Cores that this process may use: affinity and cgroup quota respected. At least 1.
int availableCores();

// Denormals are flushed to zero while kernels run, and only then: JavaScript needs them. Restores the mode when it goes out of scope.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned long long saved_;
};

// What a waiting thread does between looks: some pauses, then it gives its time slice away, so that a thread that was woken meanwhile gets the core.
inline void relax(unsigned& round) {
  extern void yieldThread();
  if (++round % 32 == 0) return yieldThread();
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

}  // namespace neurite
