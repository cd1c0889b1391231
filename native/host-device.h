// NEURITE_HOST_DEVICE: marks functions that both devices run.
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define NEURITE_HOST_DEVICE __host__ __device__
#else
#define NEURITE_HOST_DEVICE
#endif
