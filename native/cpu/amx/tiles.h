// AMX tile registers behind five wrappers, and the block of sums that they make; or their scalar twin where the compiler is not told that there is AMX.
//
// A tile is 16 rows of 64 bytes. As an operand a row holds 16 words, each a pair of bfloat16; as a sum, 16 float32.
#pragma once

#include "../simd.h"

namespace neurite::cpu::NEURITE_ISA {

inline constexpr int kTileEdge = 16;                      // rows of a tile, words of a row
inline constexpr int kTileWords = kTileEdge * kTileEdge;  // words of a tile
inline constexpr int kTileDepth = 2 * kTileEdge;          // values of k in an operand tile

#if defined(__AMX_BF16__)

// Configures eight full tiles, and gives them back: a thread that keeps them makes every context switch save 8 KiB.
class TileSession {
 public:
  TileSession() {
    struct alignas(64) Configuration {
      uint8_t palette = 1, startRow = 0, reserved[14] = {};
      uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    };
    const Configuration configuration;
    // Not _tile_loadconfig: that of g++ 12 reads 8 bytes of the 64, as the optimiser sees it.
    asm volatile("ldtilecfg %0" : : "m"(configuration));
  }
  ~TileSession() { asm volatile("tilerelease"); }
  TileSession(const TileSession&) = delete;
  TileSession& operator=(const TileSession&) = delete;

  template <int tile> NEURITE_INLINE void zero() { asm volatile("tilezero %%tmm%c0" : : "i"(tile)); }
  // rows of the tile, `stride` words apart
  template <int tile> NEURITE_INLINE void load(const void* from, int64_t stride = kTileEdge) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride * 4), "i"(tile) : "memory");
  }
  template <int tile> NEURITE_INLINE void store(float* to, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride * 4), "i"(tile) : "memory");
  }
  // sum[i][j] += over words w: a[i][w].low · b[w][j].low + a[i][w].high · b[w][j].high
  template <int sum, int a, int b> NEURITE_INLINE void multiplyAdd() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sum), "i"(a), "i"(b));
  }
};

#else

class TileSession {
 public:
  template <int tile> void zero() { memset(tiles_[tile], 0, sizeof tiles_[tile]); }
  template <int tile> void load(const void* from, int64_t stride = kTileEdge) {
    for (int i = 0; i < kTileEdge; ++i)
      memcpy(&tiles_[tile][i * kTileEdge], static_cast<const char*>(from) + i * stride * 4, kTileEdge * 4);
  }
  template <int tile> void store(float* to, int64_t stride) {
    for (int i = 0; i < kTileEdge; ++i) memcpy(to + i * stride, &tiles_[tile][i * kTileEdge], kTileEdge * 4);
  }
  template <int sum, int a, int b> void multiplyAdd() {
    for (int i = 0; i < kTileEdge; ++i) {
      for (int w = 0; w < kTileEdge; ++w) {
        const int32_t pair = tiles_[a][i * kTileEdge + w];
        for (int j = 0; j < kTileEdge; ++j) {
          const int32_t other = tiles_[b][w * kTileEdge + j];
          int32_t& bits = tiles_[sum][i * kTileEdge + j];
          const float total =
              value(bits) + value(pair & kHigh) * value(other & kHigh) + value(pair << 16) * value(other << 16);
          memcpy(&bits, &total, 4);
        }
      }
    }
  }

 private:
  static constexpr int32_t kHigh = static_cast<int32_t>(0xffff0000);
  static float value(int32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
  }
  alignas(64) int32_t tiles_[8][kTileWords];
};

#endif

// Where an operand of a step lies, k being 32 values: two tiles of each part.
struct TileOperand {
  const int32_t *first, *second;
  int64_t stride;  // words from one row of a tile to the next
  int64_t part;    // words from one part to the next
};

// A block of sums in tiles 0 to 3: `tilesA` by `tilesB` of them, two at most.
template <int tilesA, int tilesB> struct TileSums {
  static NEURITE_INLINE void zero(TileSession& tiles) {
    tiles.zero<0>();
    if (tilesB == 2) tiles.zero<1>();
    if (tilesA == 2) tiles.zero<2>();
    if (tilesA == 2 && tilesB == 2) tiles.zero<3>();
  }
  // The block in memory: rows of two tiles.
  static NEURITE_INLINE void load(TileSession& tiles, const float* sums) {
    tiles.load<0>(sums, kRow);
    if (tilesB == 2) tiles.load<1>(sums + kTileEdge, kRow);
    if (tilesA == 2) tiles.load<2>(sums + kTileEdge * kRow, kRow);
    if (tilesA == 2 && tilesB == 2) tiles.load<3>(sums + kTileEdge * kRow + kTileEdge, kRow);
  }
  static NEURITE_INLINE void store(TileSession& tiles, float* sums) {
    tiles.store<0>(sums, kRow);
    if (tilesB == 2) tiles.store<1>(sums + kTileEdge, kRow);
    if (tilesA == 2) tiles.store<2>(sums + kTileEdge * kRow, kRow);
    if (tilesA == 2 && tilesB == 2) tiles.store<3>(sums + kTileEdge * kRow + kTileEdge, kRow);
  }

  // Adds the products of parts s of A and t of B with s + t < parts, the smallest first.
  template <int parts>
  static NEURITE_INLINE void multiplyStep(TileSession& tiles, const TileOperand& a, const TileOperand& b) {
    NEURITE_UNROLL
    for (int s = parts - 1; s >= 0; --s) {
      tiles.load<4>(a.first + s * a.part, a.stride);
      if (tilesA == 2) tiles.load<5>(a.second + s * a.part, a.stride);
      NEURITE_UNROLL
      for (int t = parts - 1 - s; t >= 0; --t) {
        tiles.load<6>(b.first + t * b.part, b.stride);
        if (tilesB == 2) tiles.load<7>(b.second + t * b.part, b.stride);
        tiles.multiplyAdd<0, 4, 6>();
        if (tilesB == 2) tiles.multiplyAdd<1, 4, 7>();
        if (tilesA == 2) tiles.multiplyAdd<2, 5, 6>();
        if (tilesA == 2 && tilesB == 2) tiles.multiplyAdd<3, 5, 7>();
      }
    }
  }

 private:
  static constexpr int kRow = 2 * kTileEdge;
};

}  // namespace neurite::cpu::NEURITE_ISA
