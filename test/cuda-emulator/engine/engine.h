// What device code asks of the engine: meeting other threads, shared memory, background copies, errors.
#pragma once
#include <cstddef>
#include <cstdint>
#include <source_location>

namespace emulator {

using Location = std::source_location;

// Ends the launch with an error that names the place, the kernel, the block and the thread.
[[noreturn]] void fail(const Location& at, const char* format, ...) __attribute__((format(printf, 2, 3)));

// Barrier `id` of the block; threads == 0 stands for every thread of the block.
void barrierSync(int id, int threads, const char* what, const Location& at);
void barrierArrive(int id, int threads, const Location& at);
void gridSync(const Location& at);

// The lanes of `mask` meet. The last to arrive runs execute(arguments by lane, lanes that take part) for all of them.
// A null argument marks __syncwarp, the one collective that orders memory and may meet from different places.
using Execute = void (*)(void* const* arguments, unsigned active, const Location& at);
void collective(unsigned mask, const char* what, void* argument, Execute execute, const Location& at);
unsigned lane();

// Orders memory for ThreadSanitizer; blocks and warps never run at the same time otherwise.
void threadFence();

// One object per block and declaration; `key` tells declarations apart.
void* sharedVariable(const void* key, size_t bytes, size_t alignment);
unsigned char* dynamicShared();
void requireShared(const void* p, size_t bytes, const char* what, const Location& at);
void requireAligned(const void* p, size_t alignment, const char* what, const Location& at);
void requireComputeCapability(int atLeast, const char* what, const Location& at);

// cp.async: lands at its wait (late), at once (early), or at one of the two (random).
void copyAsync(void* shared, const void* global, unsigned bytes, unsigned validBytes, const Location& at);
void copyCommit();
void copyWait(unsigned groupsInFlight);

// Every atomic passes here, so that the watchdog can end a wait that spins on one.
void countAtomic(const Location& at);

}  // namespace emulator

// The last parameter of every wrapper that can fail or block.
#define EMULATOR_AT emulator::Location at = emulator::Location::current()
