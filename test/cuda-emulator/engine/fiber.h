// A stack and the place where its execution stopped.
#pragma once
#include <cstddef>

#if !defined(__x86_64__) || defined(EMULATOR_UCONTEXT)
#define EMULATOR_USES_UCONTEXT 1
#include <ucontext.h>
#endif

namespace emulator {

class Fiber {
 public:
  // The calling thread's own stack, to come back to.
  static Fiber ofCallingThread();
  // A new stack that starts in entry(), which never returns.
  explicit Fiber(void (*entry)());
  ~Fiber();
  Fiber(Fiber&&) noexcept;
  Fiber& operator=(Fiber&&) = delete;

  // Forgets what the fiber was doing: the next switch to it starts in entry() again.
  void restart();
  // Stops *this and goes on with `next`; returns when somebody switches back.
  void switchTo(Fiber& next);
  // First thing in entry().
  static void started();

 private:
  Fiber() = default;

  void (*entry_)() = nullptr;
  char* mapping_ = nullptr;  // guard page, then the stack
  char* stack_ = nullptr;
  size_t stackBytes_ = 0;
  void* stackPointer_ = nullptr;
  void* fakeStack_ = nullptr;  // AddressSanitizer's
  void* tsanFiber_ = nullptr;
#ifdef EMULATOR_USES_UCONTEXT
  ucontext_t context_;
#endif
};

}  // namespace emulator
