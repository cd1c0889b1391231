// Strips: the part of an image that a block of windows sees, copied so that the micro-kernel can walk through it.
//
// A window's values are `runs` pieces of `runLength` floats; every window of a block finds them at the same distances
// (runStarts) from its own begin, and the windows of a line begin at the same distance (pixelPitch) from each other.
//
//   padded    the image itself with its padding, so windows share what they have in common: a run is a row of taps
//             (kW * C floats) or, if the kernel is dilated along the row, one tap
//   flat      padded, and the windows of a plane are one line: it runs on through the padding between two rows, where
//             there is a window that nobody asked for. For strides of 1
//   gathered  each window's values by themselves (what im2col makes of the block), one run: for lines too short to
//             fill a tile
//
// Copying a float once costs a sixteenth of a cycle, multiplying it by a panel of 32 features one: the forms are
// nearly free, and none leaves a border to the kernels.
//
// "Float" stands for any word of 32 bits that a lane multiplies at a time (StripWord). Where float32 is split in parts of
// bfloat16 (amx/), each part has a strip of its own, partPitch after the one before.
#pragma once
#include <cstring>

#include "../thread-pool.h"
#include "elementwise.h"
#include "gemm-kernel.h"

namespace neurite::cpu::NEURITE_ISA {

// What a word of a strip holds: a float32, or two bfloat16 that a dot product of pairs takes at once.
enum class StripWord {
  value,
  channelPair,  // channels 2i (low half) and 2i + 1 of a pixel; zero after an odd last
  pixelPair,    // a channel of the pixels that a window and the next of its line see; zero after the last
  imagePair     // a channel of the same pixel of images 2i and 2i + 1 (conv-image-strip.h); zero after an odd last
};

// Windows over images: window q sees place q * stride + tap * dilation - before on each axis, zeros outside. `before` may be
// negative.
struct Windows {
  const void* data;
  DType dtype;
  int64_t size[3];          // of an image
  int64_t pitch;            // elements from one pixel to the next
  int64_t first, channels;  // the channels that are read: the first, and how many
  int64_t images;
  int64_t count[3];  // windows of an image
  int64_t taps[3], stride[3], dilation[3], before[3];
  StripWord word = StripWord::value;
  int parts = 1;            // of bfloat16 that a value is split in
  int64_t runMultiple = 1;  // runs have a multiple of so many words; zeros fill them up
  // Lines may be read as if they had a multiple of so many windows. What lies behind the last one is zero if the words
  // are pairs of pixels, and undefined else.
  int64_t lineMultiple = 1;
  // Blocks are made of so many windows along each axis, whole: maxima are taken of them. The first is 1.
  int64_t multiple[3] = {1, 1, 1};

  int64_t pixelWords() const { return word == StripWord::channelPair ? (channels + 1) / 2 : channels; }
  int64_t tapCount() const { return taps[0] * taps[1] * taps[2]; }
  int64_t values() const { return tapCount() * pixelWords(); }  // in words
  int64_t planes() const { return images * count[0]; }
  int64_t planeWindows() const { return count[1] * count[2]; }
  // Whether the first axis is none.
  bool planar() const { return taps[0] == 1 && size[0] == 1 && count[0] == 1 && before[0] == 0; }
};

// A block: whole planes (a plane is one place along the first axis), or rows of one plane, or a part of one row; in strips of images rows of
// several planes.
struct Block {
  int64_t plane, planes, row, rows, column, columns;
  int64_t pixels() const { return planes * rows * columns; }
};

enum class StripForm { padded, flat, gathered };

// A strip that shares L2 with packed weights and what streams past.
inline constexpr int64_t kStripFloats = 48 * 1024;
// A block has at most so many windows, and as many lines.
inline constexpr int64_t kMostPixels = 1024;

// Memory for the offsets of a plan.
class Offsets {
 public:
  explicit Offsets(const Windows& w) {
    const int64_t most =
        2 + w.tapCount() + smaller(w.planes() * larger(1, w.count[1]), larger(kMostPixels, w.count[1]));
    if (most > kFew) many_ = static_cast<int64_t*>(own_.reserve(static_cast<size_t>(most) * sizeof(int64_t)));
  }
  int64_t* memory() const { return many_ ? many_ : few_; }

 private:
  static constexpr int64_t kFew = 1200;
  Memory own_;
  int64_t* many_ = nullptr;
  mutable int64_t few_[kFew];
};

// How windows are cut into blocks, and where everything lies in a strip. Offsets are floats. Depends on the shape only.
class StripPlan {
 public:
  // joinTaps: a run may span the taps of a row. leastBlocks: cut no coarser than into so many, where the work allows it.
  // mostFloats: of a strip; with what else a chunk needs it shares L2.
  StripPlan(const Windows& windows, StripForm form, bool joinTaps, int64_t leastBlocks, int64_t workPerPixel,
            int64_t mostFloats, int64_t* offsets)
      : w(windows), gathered(form == StripForm::gathered), flat(form == StripForm::flat), mostFloats_(mostFloats) {
    for (int i = 0; i < 3; ++i) {
      // An axis with a single tap is read with its stride; else the strip has what lies between, too.
      sourceStep[i] = w.taps[i] == 1 ? w.stride[i] : 1;
      windowStep[i] = w.taps[i] == 1 ? 1 : w.stride[i];
    }
    const int64_t words = roundUp(w.pixelWords(), w.runMultiple);
    const bool conflicts = !gathered && words % 1024 == 0;  // pixels 4 KiB apart fall into the same sets of L1
    channelPitch = conflicts ? words + kLanes : words;
    const bool joined = joinTaps && !conflicts && w.dilation[2] == 1;
    runs = gathered ? 1 : w.taps[0] * w.taps[1] * (joined ? 1 : w.taps[2]);
    runLength = gathered ? roundUp(w.values(), w.runMultiple) : joined ? w.taps[2] * words : words;
    tapPitch = gathered ? w.pixelWords() : words;
    cut(leastBlocks, workPerPixel);
    place(joined, offsets);
    const int64_t longest = lineLength({0, planes, 0, rows, 0, columns});
    tail = (roundUp(longest, w.lineMultiple) - longest) * pixelPitch;
    partPitch = roundUp(planes * planePitch + tail, kLanes);
  }

  int64_t blocks() const { return planeBlocks * rowBlocks * columnBlocks; }
  Block block(int64_t index) const {
    const int64_t c = index % columnBlocks, r = index / columnBlocks % rowBlocks, p = index / columnBlocks / rowBlocks;
    return {p * planes,  smaller(planes, w.planes() - p * planes),  r * rows, smaller(rows, w.count[1] - r * rows),
            c * columns, smaller(columns, w.count[2] - c * columns)};
  }
  // Results that lie one after the other: here each block.
  int64_t pieces() const { return blocks(); }
  int64_t piece(int64_t index, int64_t) const { return index; }
  // Pixels of the largest block.
  int64_t mostPixels() const { return planes * rows * columns; }
  int64_t stripFloats() const { return w.parts * partPitch; }

  // Lines of a block: windows whose values lie pixelPitch apart.
  int64_t lines(const Block& b) const { return gathered ? 1 : flat ? b.planes : b.planes * b.rows; }
  int64_t lineLength(const Block& b) const {
    return gathered ? b.pixels() : flat ? (b.rows - 1) * stripColumns + b.columns : b.columns;
  }
  // Line positions from one image row's first window to the next's.
  int64_t rowPitch(const Block& b) const { return flat ? stripColumns : b.columns; }

  // The channels of group `group`. Gives the bits of the largest magnitude that was copied, but for whole pairs of bfloat16;
  // infinity and NaN come out largest.
  int32_t fill(float* strip, const Block& b, int64_t group) const {
    const int64_t first = w.first + group * w.channels;
    I32 largest{};
    if (w.word == StripWord::pixelPair && w.lineMultiple > 1) clearBehind(strip, b);
    for (int64_t p = 0; p < b.planes; ++p) {
      const int64_t plane = b.plane + p;
      float* to = strip + p * planePitch;
      if (gathered)
        gatherPlane(to, plane, b, first, largest);
      else
        copyPlane(to, plane, b, first, largest);
    }
    if (w.word == StripWord::pixelPair) {
      const int64_t last = gathered ? b.rows * b.columns * pixelPitch : planePitch;
      for (int s = 0; s < w.parts; ++s) pairPixels(strip + s * partPitch, (b.planes - 1) * planePitch + last);
    }
    return largestLane(largest);
  }

  const Windows& w;
  bool gathered, flat;
  int64_t runs, runLength;
  int64_t tapPitch;       // words from one tap's to the next one's, as a window passes through them
  int64_t partPitch = 0;  // floats
  const int64_t* runStarts = nullptr;
  const int64_t* lineStarts = nullptr;
  int64_t pixelPitch = 0;

 private:
  int64_t floatsOf(int64_t rowCount, int64_t columnCount) const {
    if (gathered) return rowCount * columnCount * runLength;
    return w.taps[0] * extent(1, rowCount) * extent(2, columnCount) * channelPitch;
  }
  // Of a block that does not fill its strip nothing is known beyond it.
  void clearBehind(float* strip, const Block& b) const {
    const int64_t from = b.pixels() < mostPixels() ? 0 : planes * planePitch;
    for (int s = 0; s < w.parts; ++s)
      memset(strip + s * partPitch + from, 0, static_cast<size_t>(partPitch - from) * 4);
  }
  int64_t extent(int axis, int64_t windowCount) const {
    return windowCount <= 0 || w.taps[axis] == 0
               ? 0
               : (windowCount - 1) * windowStep[axis] + (w.taps[axis] - 1) * w.dilation[axis] + 1;
  }
  bool fits(int64_t planeCount, int64_t rowCount, int64_t columnCount) const {
    return planeCount * rowCount * columnCount <= kMostPixels &&
           planeCount * floatsOf(rowCount, columnCount) <= mostFloats_;
  }

  void cut(int64_t leastBlocks, int64_t workPerPixel) {
    const int64_t total = larger(1, w.planes() * w.planeWindows());
    // A block of less than half of what is worth a second thread is not worth its halo.
    const int64_t wanted = larger(1, smaller(leastBlocks, total * workPerPixel / (kInlineWork / 2)));
    planes = 1, rows = larger(1, w.count[1]), columns = larger(1, w.count[2]);
    if (fits(1, rows, columns) && w.planes() >= wanted) {
      const int64_t most = larger(1, w.planes() / wanted);
      while (planes < most && fits(planes + 1, rows, columns)) ++planes;
    } else {
      const int64_t rowsWanted = larger(1, rows / larger(1, ceilDivide(wanted, larger(1, w.planes()))));
      const int64_t fewest = smaller(rows, w.multiple[1]);
      rows = larger(fewest, smaller(rows, rowsWanted) / fewest * fewest);
      while (rows > fewest && !fits(1, rows, columns)) rows -= fewest;
      if (rows == fewest) {
        while (columns > kTileRows && !fits(1, rows, columns)) columns = columns / 2 / kTileRows * kTileRows;
        columns = larger(columns, smaller(w.count[2], kTileRows));
        if (columns < w.count[2]) columns = larger(w.multiple[2], columns / w.multiple[2] * w.multiple[2]);
      }
    }
    planeBlocks = ceilDivide(w.planes(), planes);
    rowBlocks = ceilDivide(larger(1, w.count[1]), rows);
    columnBlocks = ceilDivide(larger(1, w.count[2]), columns);
  }

  void place(bool joined, int64_t* offsets) {
    int64_t* starts = offsets;
    if (gathered) {
      pixelPitch = runLength;
      planePitch = rows * columns * pixelPitch;
      starts[0] = starts[1] = 0;
      runStarts = starts, lineStarts = starts + 1;
      return;
    }
    stripRows = extent(1, rows);
    stripColumns = extent(2, columns);
    pixelPitch = windowStep[2] * channelPitch;
    planePitch = w.taps[0] * stripRows * stripColumns * channelPitch;
    runStarts = starts;
    for (int64_t d = 0; d < w.taps[0]; ++d) {
      for (int64_t h = 0; h < w.taps[1]; ++h) {
        const int64_t row = (d * stripRows + h * w.dilation[1]) * stripColumns;
        for (int64_t k = 0; k < (joined ? 1 : w.taps[2]); ++k) *starts++ = (row + k * w.dilation[2]) * channelPitch;
      }
    }
    lineStarts = starts;
    for (int64_t p = 0; p < planes; ++p) {
      for (int64_t h = 0; h < (flat ? 1 : rows); ++h)
        *starts++ = p * planePitch + h * windowStep[1] * stripColumns * channelPitch;
    }
  }

  // n pixels from place (d, h, column) on, each `step` after the last, to pixels `pitch` apart; zeros outside.
  void copyPixels(float* to, int64_t pitch, int64_t first, int64_t image, int64_t d, int64_t h, int64_t column,
                  int64_t step, int64_t n, I32& largest) const {
    const int64_t c = w.channels, words = w.pixelWords();
    if (d < 0 || d >= w.size[0] || h < 0 || h >= w.size[1]) return zero(to, n * pitch);
    const int64_t row = ((image * w.size[0] + d) * w.size[1] + h) * w.size[2];
    // Pixels [begin, end) lie inside.
    const int64_t begin = column >= 0 ? 0 : smaller(n, ceilDivide(-column, step));
    const int64_t end = column >= w.size[2] ? begin : larger(begin, smaller(n, ceilDivide(w.size[2] - column, step)));
    zero(to, begin * pitch);
    const int64_t from = (row + column + begin * step) * w.pitch + first;
    const bool wholeWords = w.word != StripWord::channelPair || c % 2 == 0;
    if (step == 1 && w.pitch == c && pitch == words && wholeWords) {
      copy(to + begin * pitch, from, (end - begin) * c, largest);
    } else {
      for (int64_t i = begin; i < end; ++i) {
        copy(to + i * pitch, from + (i - begin) * step * w.pitch, c, largest);
        zero(to + i * pitch + words, pitch - words);
      }
    }
    zero(to + end * pitch, (n - end) * pitch);
  }
  // n words of all parts.
  void zero(float* to, int64_t n) const {
    if (n <= 0) return;
    for (int s = 0; s < w.parts; ++s) memset(to + s * partPitch, 0, static_cast<size_t>(n) * 4);
  }
  // n elements from `from` on.
  void copy(float* to, int64_t from, int64_t n, I32& largest) const {
    if (w.dtype == DType::bfloat16)
      copy(to, static_cast<const uint16_t*>(w.data) + from, n, largest);
    else
      copy(to, static_cast<const float*>(w.data) + from, n, largest);
  }
  template <class T> void copy(float* to, const T* p, int64_t n, I32& largest) const {
    if (w.word == StripWord::value) {
      for (int64_t i = 0; i < n; i += kLanes) storePartial(to + i, loadFloats(p + i, n - i), n - i);
    } else if (w.word == StripWord::channelPair && w.parts == 1 && sizeof(T) == 2) {
      memcpy(to, p, static_cast<size_t>(n) * 2);
      if (n % 2 != 0) reinterpret_cast<uint16_t*>(to)[n] = 0;
    } else if (w.parts == 1) {
      copyParts<1>(to, p, n, largest);
    } else if (w.parts == 2) {
      copyParts<2>(to, p, n, largest);
    } else {
      copyParts<3>(to, p, n, largest);
    }
  }
  // Halves of words: those of pixel pairs are the low ones.
  template <int parts, class T> void copyParts(float* to, const T* p, int64_t n, I32& largest) const {
    const bool channelPairs = w.word == StripWord::channelPair;
    for (int64_t i = 0; i < n; i += kLanes) {
      F32 rest = loadFloats(p + i, n - i);
      const I32 size = bitsOf(abs(rest));
      largest = select(less(largest, size), size, largest);
      NEURITE_UNROLL
      for (int s = 0; s < parts; ++s) {
        float* strip = to + s * partPitch;
        if (channelPairs) storeBfloat16Partial(reinterpret_cast<uint16_t*>(strip) + i, rest, roundUp(n - i, 2));
        if (channelPairs && s + 1 == parts) break;
        const F32 part = sizeof(T) == 2 ? rest : roundToBfloat16(rest);
        if (!channelPairs) storePartial(strip + i, fromBits(shiftRightLogical(bitsOf(part), 16)), n - i);
        rest -= part;
      }
    }
  }

  // The high halves of pairs of pixels, in place: the low half of what the next window of the line sees.
  void pairPixels(float* strip, int64_t n) const {
    const int64_t paired = n - pixelPitch;
    for (int64_t i = 0; i < paired; i += kLanes) {
      const I32 low = bitsOf(loadPartial(strip + i, paired - i));
      const I32 next = bitsOf(loadPartial(strip + i + pixelPitch, paired - i));
      storePartial(strip + i, fromBits(low | next << 16), paired - i);
    }
  }

  void copyPlane(float* to, int64_t plane, const Block& b, int64_t first, I32& largest) const {
    const int64_t image = plane / w.count[0], q = plane % w.count[0];
    const int64_t h = b.row * w.stride[1] - w.before[1], column = b.column * w.stride[2] - w.before[2];
    const int64_t used = extent(1, b.rows), width = extent(2, b.columns);
    for (int64_t tap = 0; tap < w.taps[0]; ++tap) {
      const int64_t d = q * w.stride[0] + tap * w.dilation[0] - w.before[0];
      for (int64_t r = 0; r < used; ++r) {
        copyPixels(to + (tap * stripRows + r) * stripColumns * channelPitch, channelPitch, first, image, d,
                   h + r * sourceStep[1], column, sourceStep[2], width, largest);
      }
    }
  }

  void gatherPlane(float* to, int64_t plane, const Block& b, int64_t first, I32& largest) const {
    const int64_t image = plane / w.count[0], q = plane % w.count[0], c = w.pixelWords();
    for (int64_t row = b.row; row < b.row + b.rows; ++row) {
      for (int64_t column = b.column; column < b.column + b.columns; ++column) {
        for (int64_t td = 0; td < w.taps[0]; ++td) {
          const int64_t d = q * w.stride[0] + td * w.dilation[0] - w.before[0];
          for (int64_t th = 0; th < w.taps[1]; ++th, to += w.taps[2] * c) {
            const int64_t h = row * w.stride[1] + th * w.dilation[1] - w.before[1];
            copyPixels(to, c, first, image, d, h, column * w.stride[2] - w.before[2], w.dilation[2], w.taps[2],
                       largest);
          }
        }
        zero(to, runLength - w.values());
        to += runLength - w.values();
      }
    }
  }

  int64_t mostFloats_;
  int64_t sourceStep[3], windowStep[3], channelPitch, tail = 0;
  int64_t planes = 1, rows = 1, columns = 1;  // of a block at most
  int64_t planeBlocks = 0, rowBlocks = 0, columnBlocks = 0;
  int64_t stripRows = 0, stripColumns = 0, planePitch = 0;
};

// Tiles of at most kTileRows windows from lines of so many: long lines are cut evenly, short ones leave a tile half empty.
inline StripForm formFor(const Windows& w) {
  return w.count[2] < kTileRows / 2 - 1 && w.pixelWords() * w.taps[2] >= kLanes ? StripForm::gathered
                                                                                : StripForm::padded;
}

}  // namespace neurite::cpu::NEURITE_ISA
