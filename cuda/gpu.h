// The only door to CUDA: kernels and CUDA host code include this file and no other header of CUDA.
//
// nvcc compiles the real thing. With NEURITE_EMULATOR defined, g++ compiles the same .cu files as C++ against
// test/cuda-emulator, which runs every CUDA thread as a fiber and checks what it does.
//
// Use in kernels, under both compilers:
//   __global__ void __launch_bounds__(n) nameKernel(...), GPU_DEVICE for device functions, threadIdx and its kin
//   GPU_SHARED(float, tile, [32][33]);   static shared memory (never raw __shared__)
//   GPU_DYN_SHARED(bytes);               dynamic shared memory, an unsigned char*, aligned to 1,024 bytes
//   __syncthreads() __syncwarp(mask) __threadfence() __umulhi(a, b) __popc(x) __clz(x) __ffs(x)
//   the C names of <math.h> for float (expf, logf, log1pf, fmaf, ...), rsqrtf, and min, max for integers
//   everything else as gpu::name, listed in gpu-ptx.h
// Not available on purpose: <<<>>>, inline PTX outside of gpu*.h, floating-point atomics, std:: calls in kernels.
//
// Use on the host: the CUDA runtime API by its own names, and
//   cudaError_t gpu::launch(kernel, grid, block, sharedBytes, stream, arguments...)
//   cudaError_t gpu::launchCooperative(same)   all blocks resident, at most 32 in the emulator, for gpu::gridSync()
#pragma once

#ifdef NEURITE_EMULATOR

#define GPU_DEVICE inline
#define GPU_HOST_DEVICE inline
#include "emulator.h"

#else

#include <cuda_runtime.h>

#ifdef __CUDACC__
#define GPU_DEVICE __device__ __forceinline__
#define GPU_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define GPU_DEVICE inline
#define GPU_HOST_DEVICE inline
#endif

#include "gpu-launch.h"
#ifdef __CUDACC__
#include "gpu-ptx.h"
#endif

#endif
