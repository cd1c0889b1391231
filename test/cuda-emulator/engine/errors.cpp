// Errors of kernels: what happened, where, and in which thread.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sanitizers.h"
#include "state.h"

namespace emulator {

Site siteOf(const Location& at) {
  const char* file = at.file_name();
  while (std::strncmp(file, "../", 3) == 0) file += 3;  // as seen from a build folder
  Site site;
  std::snprintf(site.text, sizeof site.text, "%s:%u", file, unsigned(at.line()));
  return site;
}

std::string indexText(uint3 index) {
  return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z) + ")";
}

bool sameSite(const Location& a, const Location& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

void fail(const Location& at, const char* format, ...) {
  EngineAccess quiet;
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  Scheduler& s = scheduler();
  if (!s.inKernel()) {
    std::fprintf(stderr, "emulator: %s: %s (called outside of a kernel)\n", siteOf(at).c_str(), text);
    std::abort();
  }
  s.setError(std::string(siteOf(at).c_str()) + ": " + text + s.where());
  s.abandonThread();  // nothing on this stack is destroyed
}

Thread& currentThread(const char* what) {
  Scheduler& s = scheduler();
  if (!s.inKernel()) {
    std::fprintf(stderr, "emulator: %s called outside of a kernel\n", what);
    std::abort();
  }
  return *s.current();
}

void countAtomic(const Location& at) {
  currentThread("an atomic operation");
  if (scheduler().interrupted) fail(at, "this block never yields: it has run for too long without a barrier");
}

void requireAligned(const void* p, size_t alignment, const char* what, const Location& at) {
  if (reinterpret_cast<uintptr_t>(p) % alignment != 0)
    fail(at, "%s %p is not aligned to %zu bytes", what, p, alignment);
}

void requireShared(const void* p, size_t bytes, const char* what, const Location& at) {
  if (!currentThread(what).block->arena->contains(p, bytes)) fail(at, "%s %p is not in shared memory", what, p);
}

void requireComputeCapability(int atLeast, const char* what, const Location& at) {
  const int have = options().device.computeCapability;
  if (have < atLeast) fail(at, "%s needs sm_%d, this device is sm_%d", what, atLeast, have);
}

}  // namespace emulator
