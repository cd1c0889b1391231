// The few hooks of AddressSanitizer and ThreadSanitizer that the engine needs; empty when neither is on.
//
// EMULATOR_ASAN and EMULATOR_TSAN come from the build. With ThreadSanitizer the engine itself is not instrumented:
// the tool sees the kernels' accesses and what the engine tells it, one fiber of the tool per CUDA thread.
#pragma once
#include <cstddef>

#ifdef EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef EMULATOR_TSAN
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace emulator {

#ifdef EMULATOR_ASAN
inline void poison(const void* p, size_t bytes) { __asan_poison_memory_region(p, bytes); }
inline void unpoison(const void* p, size_t bytes) { __asan_unpoison_memory_region(p, bytes); }
#else
inline void poison(const void*, size_t) {}
inline void unpoison(const void*, size_t) {}
#endif

#ifdef EMULATOR_TSAN
constexpr bool kTsan = true;
inline void acquire(void* sync) { __tsan_acquire(sync); }
inline void release(void* sync) { __tsan_release(sync); }

// What the engine does in here, also through memcpy and malloc, is not the kernel's access.
class EngineAccess {
 public:
  EngineAccess() { begin(); }
  ~EngineAccess() { end(); }
  EngineAccess(const EngineAccess&) = delete;
  EngineAccess& operator=(const EngineAccess&) = delete;

  // For a fiber that leaves for good from within.
  static void endAll() {
    while (depth_ > 0) end();
  }

 private:
  static void begin() {
    depth_++;
    AnnotateIgnoreReadsBegin("", 0);
    AnnotateIgnoreWritesBegin("", 0);
  }
  static void end() {
    depth_--;
    AnnotateIgnoreReadsEnd("", 0);
    AnnotateIgnoreWritesEnd("", 0);
  }
  static inline thread_local int depth_ = 0;
};
#else
constexpr bool kTsan = false;
inline void acquire(void*) {}
inline void release(void*) {}
class EngineAccess {
 public:
  EngineAccess() {}
  static void endAll() {}
};
#endif

}  // namespace emulator
