// Packing for matrix multiplication: a panel of A (rows of a tile) or B (columns of a tile) becomes contiguous by k.
//
// A panel is `width` lines of `depth` values. Packed, word w of all lines lies side by side: out[w * pitch + line],
// zeros from `width` to the next whole vector. A word is what one lane multiplies: a float32, or a pair of bfloat16 of
// which the last may lack its second (Product).
#pragma once

#include "gemm-kernel.h"

namespace neurite::cpu::NEURITE_ISA {

// Words of `depth` values.
template <class Product> inline int64_t wordsOf(int64_t depth) {
  return (depth + Product::kDepthPerWord - 1) / Product::kDepthPerWord;
}

// Lines lie side by side in the source (B as it is, A transposed): source[k * ld + line].
template <class Product, class Source>
void packAcross(const Source* source, int64_t ld, int64_t depth, int64_t width, float* out, int64_t pitch) {
  for (int64_t k = 0; k < depth; k += Product::kDepthPerWord, source += Product::kDepthPerWord * ld, out += pitch) {
    for (int64_t i = 0; i < width; i += kLanes) {
      if constexpr (Product::kDepthPerWord == 1) {
        store(out + i, loadFloats(source + i, width - i));
      } else {
        store(out + i, Product::across(source + i, k + 1 < depth ? source + ld + i : nullptr, width - i));
      }
    }
  }
}

constexpr int64_t kAlongAhead = 64;  // values: more rows lie side by side than the CPU follows

// Lines are rows of the source (A as it is, B transposed): source[line * ld + k]. Blocks of kLanes x kLanes words are
// transposed in registers.
template <class Product, class Source>
void packAlong(const Source* source, int64_t ld, int64_t depth, int64_t width, float* out, int64_t pitch) {
  constexpr int64_t kRun = kLanes * Product::kDepthPerWord;
  for (int64_t left = depth; left > 0; left -= kRun, source += kRun, out += kLanes * pitch) {
    const int64_t count = wordsOf<Product>(left);
    for (int64_t line = 0; line < width; line += kLanes) {
      F32 words[kLanes];
      NEURITE_UNROLL
      for (int i = 0; i < kLanes; ++i) {
        if (line + i < width) prefetch(source + (line + i) * ld + kAlongAhead);
        words[i] = line + i < width ? Product::along(source + (line + i) * ld, left) : zeros();
      }
      transpose(words);
      NEURITE_UNROLL
      for (int i = 0; i < kLanes; ++i) {
        if (i < count) store(out + i * pitch + line, words[i]);
      }
    }
  }
}

}  // namespace neurite::cpu::NEURITE_ISA
