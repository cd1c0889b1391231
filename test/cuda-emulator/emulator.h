// What cuda/gpu.h includes when NEURITE_EMULATOR is defined: CUDA for the CPU, without a GPU.
#pragma once
#include "device/language.h"
#include "device/math.h"
#include "device/memory.h"
#include "device/tensor-cores.h"
#include "device/threads.h"
#include "runtime/cuda-runtime.h"
#include "runtime/launch.h"
