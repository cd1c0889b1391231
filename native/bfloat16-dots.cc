// Whether matrix products of bfloat16 may use the CPU's dot products of pairs (AVX512-BF16), and why not.
#include "bfloat16-dots.h"

#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "cpu-features.h"

namespace neurite {

namespace {

#if defined(__x86_64__)
// CPUID leaf 7.1: AVX512-BF16 in EAX.
bool cpuHasDots() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return bestInstructionSet() == InstructionSet::avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}
#endif

std::string decideRefusal() {
  const char* wanted = std::getenv("NEURITE_CPU");
  const bool named = wanted && *wanted;
  if (named && std::strcmp(wanted, "avx512bf16") != 0) return std::string("NEURITE_CPU=") + wanted;
#if defined(__x86_64__)
  if (!cpuHasDots()) return "the CPU has no AVX512-BF16";
  if (!named && !__builtin_cpu_is("amd")) return "slower than float32 on CPUs that are not AMD's";
  return "";
#else
  return "the CPU has no AVX512-BF16";
#endif
}

}  // namespace

const std::string& bfloat16DotsRefusal() {
  static const std::string refusal = decideRefusal();
  return refusal;
}
bool bfloat16Dots() {
  static const bool used = bfloat16DotsRefusal().empty();
  return used;
}

}  // namespace neurite
