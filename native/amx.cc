// Whether matrix products and convolutions may use the tile unit of the CPU (AMX), and why not.
#include "amx.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "cpu-features.h"

namespace neurite {

namespace {

struct Decision {
  TileUnit unit = TileUnit::none;
  std::string refusal;
};

#if defined(__x86_64__) && defined(__linux__)
// CPUID leaf 7: AMX-BF16, AMX-TILE in EDX; leaf 7.1: AVX512-BF16, which the kernels are compiled with, in EAX.
bool cpuHasAmx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const bool tiles = (d >> 22 & 1) && (d >> 24 & 1) && (d >> 25 & 1);
  return tiles && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}

// Tile registers are off until a process asks for them. The kernel refuses where a thread has an alternate signal stack
// that is too small for them.
std::string requestTiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0) return "";
  return std::string("the kernel refused its registers: ") + std::strerror(errno);
}
#endif

Decision decide() {
  const char* wanted = std::getenv("NEURITE_CPU");
  if (wanted && std::strcmp(wanted, "amx-emulated") == 0) return {TileUnit::emulated, "NEURITE_CPU=amx-emulated"};
  if (wanted && *wanted && std::strcmp(wanted, "amx") != 0)
    return {TileUnit::none, std::string("NEURITE_CPU=") + wanted};
#if defined(__x86_64__) && defined(__linux__)
  if (bestInstructionSet() != InstructionSet::avx512) return {TileUnit::none, "the CPU has no AVX-512"};
  if (!cpuHasAmx()) return {TileUnit::none, "the CPU has no AMX"};
  std::string refusal = requestTiles();
  if (!refusal.empty()) return {TileUnit::none, refusal};
  return {TileUnit::amx, ""};
#else
  return {TileUnit::none, "the CPU has no AMX"};
#endif
}

const Decision& decision() {
  static const Decision made = decide();
  return made;
}

}  // namespace

TileUnit tileUnit() { return decision().unit; }
const std::string& amxRefusal() { return decision().refusal; }

}  // namespace neurite
