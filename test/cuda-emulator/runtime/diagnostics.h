// What tests ask of the emulator beyond CUDA.
#pragma once
#include <string>

namespace emulator {

// The text of the last error that a kernel or a call gave.
std::string lastErrorText();

// Whether errors stay off stderr, for tests that provoke them.
void quietErrors(bool quiet);

}  // namespace emulator
