// Which matmul kernel runs: by shape, compute capability and precision. Constants, so that the same call always gives the same bits.
// float32 in precision `high` is rounded to TF32, and so it is in `medium`, which may round more: there is no kernel of its own for it.
#pragma once
#include <cstdint>

namespace neurite::cuda {

enum class MatmulKernel {
  simt,        // float32 multiply-adds, operands of either dtype
  tensorCore,  // mma.sync on bfloat16, or on float32 rounded to TF32; sm_80 and later
};

struct MatmulChoice {
  MatmulKernel kernel;
  int32_t tile;    // rows and columns of a block's part of C
  int32_t slices;  // of k
  int32_t sliceK;  // elements per slice, a multiple of kSliceUnit
};

// Elements of k that every kernel reads at once, or a multiple of it.
inline constexpr int32_t kSliceUnit = 64;
// A slice has at least this many elements of k: less, and adding up the slices costs more than they save.
inline constexpr int32_t kLeastSlice = 256;
// Blocks that fill a large GPU (132 multiprocessors on an H100). ThreadSanitizer's build of the emulator, where each block takes long, sets fewer.
#ifndef NEURITE_FULL_GRID
#define NEURITE_FULL_GRID 128
#endif
inline constexpr int64_t kFullGrid = NEURITE_FULL_GRID;

// `mostSlices` of k, and tiles no larger than `largestTile`.
inline MatmulChoice chooseMatmul(int64_t m, int64_t n, int64_t k, int64_t batches, int capability, bool mayRound,
                                 int64_t mostSlices = 32, int32_t largestTile = 128) {
  // Below 16 in a dimension most of an mma would be padding, and such products are bound by memory.
  const bool tensorCore = mayRound && capability >= 80 && m >= 16 && n >= 16 && k >= 16;
  const auto blocks = [&](int64_t tile) { return batches * ((m + tile - 1) / tile) * ((n + tile - 1) / tile); };
  MatmulChoice choice{tensorCore ? MatmulKernel::tensorCore : MatmulKernel::simt, 128, 1, 0};
  // A smaller tile reads more per multiplication, but a grid of too few blocks leaves multiprocessors idle.
  if (blocks(128) < kFullGrid) choice.tile = 64;
  if (!tensorCore && blocks(64) < kFullGrid / 2) choice.tile = 32;
  const int32_t largest = tensorCore && largestTile < 64 ? 64 : largestTile;
  if (choice.tile > largest) choice.tile = largest;
  const int64_t wanted = (kFullGrid + blocks(choice.tile) - 1) / (blocks(choice.tile) > 0 ? blocks(choice.tile) : 1);
  const int64_t most = k / kLeastSlice < mostSlices ? k / kLeastSlice : mostSlices;
  const int64_t slices = wanted < most ? wanted : most;
  const int64_t each = slices > 1 ? (k + slices - 1) / slices : k;
  choice.sliceK = static_cast<int32_t>((each + kSliceUnit - 1) / kSliceUnit * kSliceUnit);
  if (k > 0) choice.slices = static_cast<int32_t>((k + choice.sliceK - 1) / choice.sliceK);
  return choice;
}

}  // namespace neurite::cuda
