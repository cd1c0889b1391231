// Packing for matrix multiplication: a panel of A (rows of a tile) or B (columns of a tile) becomes contiguous by k.
//
// A panel is `width` lines of `depth` values. Packed, word w of all lines lies side by side: out[w * pitch + line],
// zeros from `width` to the next whole vector. A word is what one lane multiplies: a float32, or a pair of bfloat16
// (Product).
#pragma once

#include "gemm-kernel.h"

namespace neurite::cpu::NEURITE_ISA {

NEURITE_INLINE F32 loadFloats(const float* p, int64_t n) { return n >= kLanes ? load(p) : loadPartial(p, n); }
NEURITE_INLINE F32 loadFloats(const uint16_t* p, int64_t n) { return loadBfloat16Partial(p, n); }

// How a run of k becomes words. Values k and k + half share a word, where half is the number of words of the run: with
// one value per word half is the whole run. Both operands are packed with the same runs, so they agree.
template <class Product> struct Run {
  static constexpr int kLength = kLanes * Product::kDepthPerWord;
  int64_t length, words;
  explicit Run(int64_t left) {
    length = left < kLength ? left : kLength;
    words = (length + Product::kDepthPerWord - 1) / Product::kDepthPerWord;
  }
};

// Words of `depth` values.
template <class Product> inline int64_t wordsOf(int64_t depth) {
  return (depth + Product::kDepthPerWord - 1) / Product::kDepthPerWord;
}

// Lines lie side by side in the source (B as it is, A transposed): source[k * ld + line].
template <class Product, class Source>
void packAcross(const Source* source, int64_t ld, int64_t depth, int64_t width, float* out, int64_t pitch) {
  for (int64_t left = depth; left > 0;) {
    const Run<Product> run(left);
    for (int64_t word = 0; word < run.words; ++word, out += pitch) {
      const Source* first = source + word * ld;
      if constexpr (Product::kDepthPerWord == 1) {
        for (int64_t i = 0; i < width; i += kLanes) store(out + i, loadFloats(first + i, width - i));
      } else {
        const Source* second = first + run.words * ld;
        const bool paired = run.words + word < run.length;
        for (int64_t i = 0; i < width; i += kLanes) {
          const F32 low = loadFloats(first + i, width - i);
          const F32 high = paired ? loadFloats(second + i, width - i) : zeros();
          store(out + i, Product::pair(low, high));
        }
      }
    }
    source += run.length * ld;
    left -= run.length;
  }
}

// Lines are rows of the source (A as it is, B transposed): source[line * ld + k]. Blocks of kLanes x kLanes words are
// transposed in registers.
template <class Product, class Source>
void packAlong(const Source* source, int64_t ld, int64_t depth, int64_t width, float* out, int64_t pitch) {
  for (int64_t left = depth; left > 0;) {
    const Run<Product> run(left);
    for (int64_t line = 0; line < width; line += kLanes) {
      F32 words[kLanes];
      NEURITE_UNROLL
      for (int i = 0; i < kLanes; ++i) {
        words[i] = zeros();
        if (line + i < width) {
          const Source* row = source + (line + i) * ld;
          words[i] = loadFloats(row, run.words);
          if constexpr (Product::kDepthPerWord == 2) {
            words[i] = Product::pair(words[i], loadFloats(row + run.words, run.length - run.words));
          }
        }
      }
      transpose(words);
      NEURITE_UNROLL
      for (int i = 0; i < kLanes; ++i) {
        if (i < run.words) store(out + i * pitch + line, words[i]);
      }
    }
    source += run.length;
    out += run.words * pitch;
    left -= run.length;
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
