// Ends kernels that never yield.
#pragma once

namespace emulator {

void startWatchdog();

}  // namespace emulator
