// Switching stacks: seven instructions on x86-64, ucontext elsewhere (5 to 20 times slower).
#include "fiber.h"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "sanitizers.h"

#ifndef EMULATOR_USES_UCONTEXT
// Saves the registers that a function must keep, stores the stack pointer in *save, loads it from `load`.
extern "C" void emulatorSwitchStack(void** save, void* load);
asm(R"(
.text
.type emulatorSwitchStack, @function
emulatorSwitchStack:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size emulatorSwitchStack, .-emulatorSwitchStack
)");
#endif

namespace emulator {
namespace {

constexpr size_t kStackBytes = kTsan ? 64 << 10 : 256 << 10;
constexpr size_t kGuardBytes = 4096;  // a stack overflow faults here

}  // namespace

Fiber Fiber::ofCallingThread() {
  Fiber fiber;
  pthread_attr_t attributes;
  void* low = nullptr;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &low, &fiber.stackBytes_);
  pthread_attr_destroy(&attributes);
  fiber.stack_ = static_cast<char*>(low);
#ifdef EMULATOR_TSAN
  fiber.tsanFiber_ = __tsan_get_current_fiber();
#endif
  return fiber;
}

Fiber::Fiber(void (*entry)()) : entry_(entry) {
  void* mapping = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    std::perror("emulator: no memory for the stack of a thread");
    std::abort();
  }
  mprotect(mapping, kGuardBytes, PROT_NONE);
  mapping_ = static_cast<char*>(mapping);
  stack_ = mapping_ + kGuardBytes;
  stackBytes_ = kStackBytes;
  restart();
}

Fiber::Fiber(Fiber&& other) noexcept
    : entry_(other.entry_),
      mapping_(std::exchange(other.mapping_, nullptr)),
      stack_(other.stack_),
      stackBytes_(other.stackBytes_),
      stackPointer_(other.stackPointer_),
      fakeStack_(other.fakeStack_),
      tsanFiber_(std::exchange(other.tsanFiber_, nullptr)) {}

Fiber::~Fiber() {
  if (mapping_ == nullptr) return;
#ifdef EMULATOR_TSAN
  __tsan_destroy_fiber(tsanFiber_);
#endif
  unpoison(stack_, stackBytes_);
  munmap(mapping_, kGuardBytes + kStackBytes);
}

void Fiber::restart() {
  unpoison(stack_, stackBytes_);
  fakeStack_ = nullptr;
#ifdef EMULATOR_TSAN
  // Mapped afresh, so that the tool forgets who used this stack before.
  mmap(stack_, stackBytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (tsanFiber_ != nullptr) __tsan_destroy_fiber(tsanFiber_);
  tsanFiber_ = __tsan_create_fiber(0);
#endif
#ifdef EMULATOR_USES_UCONTEXT
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = stackBytes_;
  context_.uc_link = nullptr;
  makecontext(&context_, entry_, 0);
#else
  void** top = reinterpret_cast<void**>(stack_ + stackBytes_);
  *--top = nullptr;  // where entry() would return to; also aligns the stack as a call does
  *--top = reinterpret_cast<void*>(entry_);
  for (int saved = 0; saved < 6; saved++) *--top = nullptr;
  stackPointer_ = top;
#endif
}

void Fiber::switchTo(Fiber& next) {
#ifdef EMULATOR_ASAN
  __sanitizer_start_switch_fiber(&fakeStack_, next.stack_, next.stackBytes_);
#endif
#ifdef EMULATOR_TSAN
  __tsan_switch_to_fiber(next.tsanFiber_, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef EMULATOR_USES_UCONTEXT
  swapcontext(&context_, &next.context_);
#else
  emulatorSwitchStack(&stackPointer_, next.stackPointer_);
#endif
#ifdef EMULATOR_ASAN
  __sanitizer_finish_switch_fiber(fakeStack_, nullptr, nullptr);
#endif
}

void Fiber::started() {
#ifdef EMULATOR_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

}  // namespace emulator
