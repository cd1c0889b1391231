// Strips of several images, for convolutions of many small images in one or two dimensions: the same pixel of all images of a block side by side,
// then that of the next place.
//
// A line of windows runs through the images: what lies at one place of the result sees the same taps inside of the image, and the taps in the padding
// are neither copied nor multiplied. Of a kernel of 3x3 they are a sixth over 8x8 pixels, half over 2x2. Where the windows of a row see all taps
// along it, the line goes on through them, so that tiles are high whatever the width of an image.
//
//   strip[row][slot][image or pair of images][word]
//
// A slot is a column of the image; with a stride, columns of the same remainder lie together, so that a tap's columns are neighbours for neighbouring
// windows. A run is one tap.
#pragma once
#include "conv-strip.h"
#include "gemm-pack.h"

namespace neurite::cpu::NEURITE_ISA {

// [begin, end)
struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

// The i of [0, count) with 0 <= first + i * step < size.
inline Range inside(int64_t first, int64_t step, int64_t size, int64_t count) {
  const int64_t begin = first >= 0 ? 0 : smaller(count, ceilDivide(-first, step));
  const int64_t end = first >= size ? 0 : smaller(count, ceilDivide(size - first, step));
  return {begin, larger(begin, end)};
}

// How windows are cut into blocks, rows of some images, and where everything lies in a strip. Offsets are floats. Depends on the shape only.
class ImageStrip {
 public:
  // At most mostImages at a time, evenly; leastBlocks as for StripPlan, mostFloats for the strip.
  ImageStrip(const Windows& windows, int64_t mostImages, int64_t leastBlocks, int64_t workPerPixel, int64_t mostFloats)
      : w(windows), pairs_(w.word == StripWord::imagePair) {
    slotsOfPhase_ = ceilDivide(larger(1, w.size[2]), w.stride[2]);
    pitch = roundUp(w.pixelWords(), kLanes);
    if (pitch % 128 == 0) pitch += kLanes;  // rows of a tile half a KiB apart fall into few sets of L1
    const int64_t work = w.images * w.planeWindows() * workPerPixel;
    const int64_t wanted = larger(1, smaller(leastBlocks, work / (kInlineWork / 2)));
    // Rows between blocks are copied for both: no more of those than of the others.
    const int64_t enough = smaller(w.count[1], roundUp((w.taps[1] - 1) * w.dilation[1], w.multiple[1]));
    for (int64_t parts = ceilDivide(w.images, larger(1, mostImages));; parts *= 2) {
      images = roundUp(ceilDivide(w.images, parts), pairs_ ? 2 : 1);
      rows = larger(enough, roundUp(ceilDivide(w.count[1], ceilDivide(wanted, parts)), w.multiple[1]));
      rows = smaller(w.count[1], rows / w.multiple[1] * w.multiple[1]);
      while (rows > w.multiple[1] && images * imageFloats() > mostFloats) rows -= w.multiple[1];
      rows = roundUp(ceilDivide(w.count[1], ceilDivide(w.count[1], rows)), w.multiple[1]);
      suits = rows >= enough && images * imageFloats() <= mostFloats;
      if (suits || images <= (pairs_ ? 2 : 1)) break;
    }
    imageBlocks_ = ceilDivide(w.images, images);
    rowParts_ = ceilDivide(w.count[1], rows);
  }

  int64_t blocks() const { return imageBlocks_ * rowParts_; }
  // Results that lie one after the other.
  int64_t pieces() const { return rowParts_ == 1 ? imageBlocks_ : w.images * rowParts_; }
  int64_t piece(int64_t index, int64_t image) const {
    return rowParts_ == 1 ? index : (index / rowParts_ * images + image) * rowParts_ + index % rowParts_;
  }
  Block block(int64_t index) const {
    const int64_t image = index / rowParts_ * images, row = index % rowParts_ * rows;
    return {image, smaller(images, w.images - image), row, smaller(rows, w.count[1] - row), 0, w.count[2]};
  }
  int64_t mostPixels() const { return images * rows * w.count[2]; }
  int64_t stripFloats() const { return images * imageFloats(); }

  // Words of a block side by side at each place.
  int64_t depth(const Block& b) const { return pairs_ ? ceilDivide(b.planes, 2) : b.planes; }
  // The taps along an axis that a window sees, and the windows that see a tap.
  Range taps(int axis, int64_t window) const {
    return inside(window * w.stride[axis] - w.before[axis], w.dilation[axis], w.size[axis], w.taps[axis]);
  }
  Range windowsOf(int axis, int64_t tap) const {
    return inside(tap * w.dilation[axis] - w.before[axis], w.stride[axis], w.size[axis], w.count[axis]);
  }
  // How many of all taps of all windows lie inside of the image.
  double insideShare() const {
    double share = 1;
    for (int axis = 1; axis < 3; ++axis) {
      int64_t seen = 0;
      for (int64_t tap = 0; tap < w.taps[axis]; ++tap) seen += windowsOf(axis, tap).size();
      share *= static_cast<double>(seen) / static_cast<double>(larger(1, w.taps[axis] * w.count[axis]));
    }
    return share;
  }
  // The columns of windows that see all taps along their row.
  Range wholeColumns() const {
    const int64_t last = (w.taps[2] - 1) * w.dilation[2];
    const Range first = windowsOf(2, 0), end = inside(last - w.before[2], w.stride[2], w.size[2], w.count[2]);
    return {larger(first.begin, end.begin), larger(larger(first.begin, end.begin), smaller(first.end, end.end))};
  }
  // Where a tap that a window sees begins in the strip of a block.
  int64_t at(const Block& b, int64_t row, int64_t column, int64_t rowTap, int64_t columnTap) const {
    const int64_t h = row * w.stride[1] + rowTap * w.dilation[1] - w.before[1];
    const int64_t c = column * w.stride[2] + columnTap * w.dilation[2] - w.before[2];
    return ((h - seen(b).begin) * slots() + slot(c)) * depth(b) * pitch;
  }

  // Of w.channels at most, from channel `first` of the image on.
  template <class Product> void fill(float* strip, const Block& b, int64_t first, int64_t channels) const {
    withFloat(w.dtype, [&]<class T>(T) {
      const T* data = static_cast<const T*>(w.data) + first;
      const int64_t row = w.size[2] * w.pitch, image = w.size[1] * row, step = depth(b) * pitch;
      const Range seenRows = seen(b);
      for (int64_t h = seenRows.begin; h < seenRows.end; ++h, strip += slots() * step) {
        for (int64_t i = 0; i < b.planes; i += pairs_ ? 2 : 1) {
          const T* from = data + (b.plane + i) * image + h * row;
          const int64_t next = pairs_ && i + 1 < b.planes ? image : 0;
          float* to = strip + (pairs_ ? i / 2 : i) * pitch;
          for (int64_t c = 0; c < w.size[2]; ++c, from += w.pitch)
            copyPixel<Product>(to + slot(c) * step, from, next, channels);
        }
      }
    });
  }

  const Windows& w;
  int64_t images, rows;  // of a block at most
  int64_t pitch;         // floats from one image to the next
  bool suits;            // whether there is room for rows enough

 private:
  template <class Product, class T> void copyPixel(float* to, const T* from, int64_t next, int64_t channels) const {
    if (pairs_) {
      if constexpr (Product::kDepthPerWord == 2) {
        for (int64_t i = 0; i < channels; i += kLanes)
          store(to + i, Product::across(from + i, next ? from + next + i : nullptr, channels - i));
      }
    } else {
      constexpr int64_t kRun = kLanes * Product::kDepthPerWord;
      for (int64_t i = 0; i < channels; i += kRun, to += kLanes) store(to, Product::along(from + i, channels - i));
    }
  }
  int64_t slot(int64_t column) const {
    return w.stride[2] == 1 ? column : column % w.stride[2] * slotsOfPhase_ + column / w.stride[2];
  }
  // The rows of an image that a block sees.
  Range seen(const Block& b) const {
    const int64_t begin = b.row * w.stride[1] - w.before[1];
    const int64_t end = begin + (b.rows - 1) * w.stride[1] + (w.taps[1] - 1) * w.dilation[1] + 1;
    const int64_t first = smaller(w.size[1], larger(0, begin));
    return {first, larger(first, smaller(w.size[1], end))};
  }
  int64_t imageFloats() const {
    const int64_t most = smaller(w.size[1], (rows - 1) * w.stride[1] + (w.taps[1] - 1) * w.dilation[1] + 1);
    return ceilDivide(larger(0, most) * slots() * pitch, pairs_ ? 2 : 1);
  }
  int64_t slots() const { return slotsOfPhase_ * w.stride[2]; }

  bool pairs_;
  int64_t slotsOfPhase_, rowParts_, imageBlocks_;
};

}  // namespace neurite::cpu::NEURITE_ISA
