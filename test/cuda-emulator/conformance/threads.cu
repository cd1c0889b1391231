// Shuffles, votes, barriers of blocks and grids.
#include "suite.h"

namespace {

// out (4, 32): shfl from the lane 3 further, shflXor 5, shflDown 7, shflUp 9.
template <class T> __global__ void __launch_bounds__(32) shuffleKernel(const T* x, T* out) {
  const int lane = threadIdx.x;
  const T value = x[lane];
  out[lane] = gpu::shfl(value, (lane + 3) % 32);
  out[32 + lane] = gpu::shflXor(value, 5);
  out[64 + lane] = gpu::shflDown(value, 7);
  out[96 + lane] = gpu::shflUp(value, 9);
}

template <class T> void checkShuffles(const std::vector<T>& x) {
  const suite::DeviceBuffer<T> dx(x), out(128);
  SUITE_CUDA(gpu::launch(shuffleKernel<T>, 1, 32, 0, suite::stream(), dx.data(), out.data()));
  const std::vector<T> received = out.download();
  bool same = true;
  for (int lane = 0; lane < 32; lane++) {
    same = same && received[lane] == x[(lane + 3) % 32] && received[32 + lane] == x[lane ^ 5];
    same = same && received[64 + lane] == x[lane + 7 < 32 ? lane + 7 : lane];
    same = same && received[96 + lane] == x[lane >= 9 ? lane - 9 : lane];
  }
  suite::expect(same, "shuffles of " + std::to_string(sizeof(T)) + "-byte values");
}

// Per lane: the vote over the warp, and over its half; two halves meet on their own, in either order.
__global__ void __launch_bounds__(32) voteKernel(uint32_t pattern, uint32_t* out) {
  const unsigned lane = gpu::laneId();
  const bool mine = pattern >> lane & 1;
  const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  out[lane] = gpu::ballot(mine);
  out[32 + lane] = gpu::any(mine);
  out[64 + lane] = gpu::all(mine);
  unsigned inHalf, allInHalf;
  if (lane < 16) {
    inHalf = gpu::ballot(mine, 0x0000ffffu);
    allInHalf = gpu::all(mine, 0x0000ffffu);
  } else {
    inHalf = gpu::ballot(mine, 0xffff0000u);
    allInHalf = gpu::all(mine, 0xffff0000u);
  }
  __syncwarp();
  out[96 + lane] = inHalf;
  out[128 + lane] = allInHalf;
  out[160 + lane] = gpu::shflXor(mine ? 1 : 0, 1, half);
}

// Lanes write, and read what other lanes of the warp wrote.
__global__ void __launch_bounds__(64) syncWarpKernel(int* out) {
  GPU_SHARED(int, slots, [64]);
  const int i = threadIdx.x;
  slots[i] = 10 * i;
  __syncwarp();
  out[i] = slots[i ^ 31];
}

// Warp 0 produces for warps 1 and 2 through barriers 1 (full) and 2 (empty); out is their sums.
__global__ void __launch_bounds__(96) producerKernel(int rounds, int* out) {
  GPU_SHARED(int, slot, [32]);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  if (warp == 0) {
    for (int i = 0; i < rounds; i++) {
      if (i > 0) gpu::barrierSync(2, 96);
      slot[lane] = 100 * i + lane;
      gpu::barrierArrive(1, 96);
    }
  } else {
    int sum = 0;
    for (int i = 0; i < rounds; i++) {
      gpu::barrierSync(1, 96);
      sum += slot[31 - lane];
      if (i + 1 < rounds) gpu::barrierArrive(2, 96);
    }
    out[threadIdx.x - 32] = sum;
  }
}

// Every block writes, all blocks meet, every block reads what the next one wrote.
__global__ void __launch_bounds__(32) gridKernel(int* values, int* out) {
  const int i = blockIdx.x * 32 + threadIdx.x, n = gridDim.x * 32;
  values[i] = 7 * i;
  __threadfence();
  gpu::gridSync();
  out[i] = gpu::loadL2(values + (i + 32) % n);
}

__global__ void indexKernel(uint32_t* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] =
      block << 16 | threadIdx.z << 8 | threadIdx.y << 4 | threadIdx.x;
}

}  // namespace

SUITE_CASE(shuffles) {
  checkShuffles(suite::uniform(32, -1, 1));
  checkShuffles(suite::randomBits(32));
  std::vector<int> ints;
  std::vector<double> doubles;
  std::vector<unsigned long long> longs;
  for (const uint32_t bits : suite::randomBits(32)) {
    ints.push_back(int(bits));
    doubles.push_back(1e-3 * bits + 1e100);
    longs.push_back(0x123456789ull * bits);
  }
  checkShuffles(ints);
  checkShuffles(doubles);
  checkShuffles(longs);
}

SUITE_CASE(votes) {
  for (const uint32_t pattern : {0u, 0xffffffffu, 0x0000ffffu, 0x80000001u, 0x12345678u}) {
    const suite::DeviceBuffer<uint32_t> out(192);
    SUITE_CUDA(gpu::launch(voteKernel, 1, 32, 0, suite::stream(), pattern, out.data()));
    std::vector<uint32_t> expected(192);
    for (unsigned lane = 0; lane < 32; lane++) {
      const uint32_t half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
      expected[lane] = pattern;
      expected[32 + lane] = pattern != 0;
      expected[64 + lane] = pattern == 0xffffffffu;
      expected[96 + lane] = pattern & half;
      expected[128 + lane] = (pattern & half) == half;
      expected[160 + lane] = pattern >> (lane ^ 1) & 1;
    }
    suite::expectSameBits("votes", out.download(), expected);
  }
}

SUITE_CASE(syncWarp) {
  const suite::DeviceBuffer<int> out(64);
  SUITE_CUDA(gpu::launch(syncWarpKernel, 1, 64, 0, suite::stream(), out.data()));
  std::vector<double> expected(64);
  for (int i = 0; i < 64; i++) expected[i] = 10 * (i ^ 31);
  suite::expectClose("syncwarp", out.download(), expected, 0);
}

SUITE_CASE(namedBarriers) {
  for (const int rounds : {1, 2, 5}) {
    const suite::DeviceBuffer<int> out(64);
    SUITE_CUDA(gpu::launch(producerKernel, 1, 96, 0, suite::stream(), rounds, out.data()));
    std::vector<double> expected(64);
    for (int i = 0; i < 64; i++) expected[i] = 100 * (rounds * (rounds - 1) / 2) + rounds * (31 - i % 32);
    suite::expectClose("producer and consumers", out.download(), expected, 0);
  }
}

SUITE_CASE(cooperativeGrid) {
  constexpr int kBlocks = 4;
  const suite::DeviceBuffer<int> values(32 * kBlocks), out(32 * kBlocks);
  SUITE_CUDA(gpu::launchCooperative(gridKernel, kBlocks, 32, 0, suite::stream(), values.data(), out.data()));
  std::vector<double> expected(32 * kBlocks);
  for (int i = 0; i < 32 * kBlocks; i++) expected[i] = 7 * ((i + 32) % (32 * kBlocks));
  suite::expectClose("grid", out.download(), expected, 0);
}

SUITE_CASE(indices) {
  const dim3 grid(2, 3, 2), block(5, 3, 2);
  const suite::DeviceBuffer<uint32_t> out(12 * 30);
  SUITE_CUDA(gpu::launch(indexKernel, grid, block, 0, suite::stream(), out.data()));
  std::vector<uint32_t> expected;
  for (unsigned b = 0; b < 12; b++)
    for (unsigned z = 0; z < 2; z++)
      for (unsigned y = 0; y < 3; y++)
        for (unsigned x = 0; x < 5; x++) expected.push_back(b << 16 | z << 8 | y << 4 | x);
  suite::expectSameBits("indices", out.download(), expected);
}
