// Reads the environment variables of options.h; a value that is not known ends the process with a message.
#include "options.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace emulator {
namespace {

constexpr DeviceClass kDevices[] = {
    {75, 64 << 10, 64 << 10, 1024, 5},    {80, 163 << 10, 164 << 10, 2048, 6}, {86, 99 << 10, 100 << 10, 1536, 7},
    {89, 99 << 10, 100 << 10, 1536, 8},   {90, 227 << 10, 228 << 10, 2048, 9}, {100, 227 << 10, 228 << 10, 2048, 10},
    {120, 99 << 10, 100 << 10, 1536, 11},
};

[[noreturn]] void reject(const char* name, const std::string& value, const char* expected) {
  std::fprintf(stderr, "emulator: %s=%s, expected %s\n", name, value.c_str(), expected);
  std::exit(2);
}

std::string text(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != 0 ? value : fallback;
}

uint64_t number(const char* name, const char* fallback) {
  const std::string value = text(name, fallback);
  char* end = nullptr;
  const uint64_t result = std::strtoull(value.c_str(), &end, 10);
  if (*end != 0) reject(name, value, "a number");
  return result;
}

template <class T, size_t N>
T choice(const char* name, const char* expected, const std::pair<const char*, T> (&values)[N]) {
  const std::string value = text(name, values[0].first);
  for (const auto& [key, result] : values)
    if (value == key) return result;
  reject(name, value, expected);
}

DeviceClass device() {
  const uint64_t wanted = number("EMU_DEVICE", "90");
  for (const DeviceClass& known : kDevices)
    if (uint64_t(known.computeCapability) == wanted) return known;
  reject("EMU_DEVICE", std::to_string(wanted), "75, 80, 86, 89, 90, 100 or 120");
}

Options read() {
  Options o;
  o.order = choice<Order>("EMU_SCHED", "fifo, lifo or random",
                          {{"fifo", Order::Fifo}, {"lifo", Order::Lifo}, {"random", Order::Random}});
  o.seed = number("EMU_SEED", "1");
  o.timing = choice<Timing>("EMU_ASYNC", "late, early or random",
                            {{"late", Timing::Late}, {"early", Timing::Early}, {"random", Timing::Random}});
  o.cachedAllocations = choice<bool>("EMU_ALLOC", "exact or cached", {{"exact", false}, {"cached", true}});
  o.truncatingMma = choice<bool>("EMU_MMA", "rn or rz", {{"rn", false}, {"rz", true}});
  o.device = device();
  o.memoryBytes = size_t(number("EMU_MEMORY_MB", "8192")) << 20;
  o.watchdogSeconds = unsigned(number("EMU_WATCHDOG", "30"));
  return o;
}

}  // namespace

const Options& options() {
  static const Options once = read();
  return once;
}

}  // namespace emulator
