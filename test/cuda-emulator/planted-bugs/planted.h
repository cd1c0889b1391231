// Bugs that are built into kernels on purpose, each of which the emulator or a sanitizer must catch.
//
// The kernels here are correct and run as ordinary cases; EMU_BUG=number turns one bug on. `suite --planted` runs each
// bug in a process of its own and compares what happened with the table in planted.cpp.
#pragma once

namespace planted {

// Whether this bug is turned on.
bool bug(int number);

int runAll(const char* program);

}  // namespace planted
