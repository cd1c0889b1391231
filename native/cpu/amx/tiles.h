// AMX tile registers behind five wrappers, or their scalar twin where the compiler is not told that there is AMX.
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
  template <int tile> NEURITE_INLINE void load(const int32_t* words) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(words), "r"(int64_t{64}), "i"(tile) : "memory");
  }
  // rows of the tile, `stride` floats apart
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
  template <int tile> void load(const int32_t* words) { memcpy(tiles_[tile], words, sizeof tiles_[tile]); }
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

}  // namespace neurite::cpu::NEURITE_ISA
