// Which form of a strip, and which unit, convolves which shape on a CPU with a tile unit: estimates of the time that a window takes.
//
// The constants are fitted to a prototype's measurements of its own kernels on Sapphire Rapids (two threads, batches of 64, one to four
// axes of 8 to 512 places, 32 to 256 channels). These kernels themselves have not been measured on a machine with AMX yet.
#pragma once
#include "conv-phases.h"
#include "conv-winograd-filter-grad.h"
#include "conv-winograd.h"
#include "gemm-table.h"

namespace neurite::cpu::NEURITE_ISA {

// Nanoseconds of a thread. A product of 16 x 16 sums over 32 values in tiles, by parts of the operands: of pairs of channels; of pairs of
// pixels, copies included.
inline constexpr double kChannelTile[4] = {0, 11, 8.5, 8}, kPixelTile[4] = {0, 20.5, 13.8, 12};
inline constexpr double kCopyTime = 1.5;       // of 16 words of a strip, in each part
inline constexpr double kSplitTime = 0.3;      // of a weight in tiles' parts
inline constexpr double kMultiplyTime = 0.37;  // of a multiply-add of 32 features
inline constexpr double kPackTime = 0.05;      // of a weight as a float
inline constexpr double kWinogradSpeed = 1.7;  // of vectors with Winograd's tiles, relative to windows
// Multiply-adds on tiles of one part in the time of one by vectors.
inline constexpr int64_t kTileSpeed = 10;

// Products of parts.
inline constexpr int64_t productsOf(int parts) { return parts * (parts + 1) / 2; }

// Windows that lines of whole multiples of `multiple` have, per window that counts.
inline double lineWaste(const Windows& w, StripForm form, int64_t multiple) {
  const int64_t columns = w.count[2];
  if (form == StripForm::gathered) return 1;
  int64_t length = columns, rows = w.count[1];
  if (form == StripForm::flat) {
    length += (rows - 1) * (columns + (w.taps[2] - 1) * w.dilation[2]);
    rows = 1;
  }
  return static_cast<double>(rows * roundUp(length, multiple)) / static_cast<double>(w.planeWindows());
}

// The form of least `time`.
template <class Time> StripForm bestForm(const Windows& w, Time&& time) {
  if (w.values() == 0) return StripForm::padded;
  bool dense = true;  // neighbouring windows are one pixel of the strip apart
  for (int axis : {1, 2}) dense = dense && (w.stride[axis] == 1 || w.taps[axis] == 1);
  StripForm best = StripForm::padded;
  for (StripForm form : {StripForm::flat, StripForm::gathered}) {
    if ((form != StripForm::flat || dense) && time(form) < time(best)) best = form;
  }
  return best;
}

// A correlation of pairs of channels, per window.
inline double tileTime(const Windows& w, StripForm form, int parts, int64_t features) {
  constexpr int64_t kWords = 16;
  const int64_t words = w.pixelWords(), taps = w.tapCount(), copies = ceilDivide(words, kWords);
  const bool gathered = form == StripForm::gathered;
  const int64_t steps = gathered ? ceilDivide(taps * words, kWords) : taps * copies;
  const double products = static_cast<double>(steps * ceilDivide(features, 16) * productsOf(parts)) / 16;
  return lineWaste(w, form, 16) * products * kChannelTile[parts] +
         static_cast<double>((gathered ? taps : 1) * copies * parts) * kCopyTime;
}
inline StripForm tileForm(const Windows& w, int parts, int64_t features) {
  return bestForm(w, [&](StripForm form) { return tileTime(w, form, parts, features); });
}

// The filter gradient's product over pairs of pixels, per window.
inline double pairTime(const Windows& w, StripForm form, int parts, int64_t features) {
  const bool gathered = form == StripForm::gathered;
  const int64_t runs = gathered ? 1 : w.tapCount() / w.taps[2], runLength = w.values() / runs;
  const double products =
      static_cast<double>(runs * ceilDivide(runLength, 16) * ceilDivide(features, 16) * productsOf(parts)) / 32;
  return lineWaste(w, form, 32) * products * kPixelTile[parts] +
         (gathered ? static_cast<double>(ceilDivide(w.values(), 16) * parts) * 2 * kCopyTime : 0);
}
inline StripForm pairForm(const Windows& w, int parts, int64_t features) {
  return bestForm(w, [&](StripForm form) { return pairTime(w, form, parts, features); });
}

// Multiply-adds by vectors, per window; narrow panels take half of the time.
inline double vectorTime(int64_t values, int64_t features, bool winograd) {
  return static_cast<double>(values * ceilDivide(features, 16)) / 2 * kMultiplyTime / (winograd ? kWinogradSpeed : 1);
}

// Nanoseconds that tiles save in a correlation of `w`, windows over single values, with `features` of a group. `winograd`: vectors would
// make it by Winograd's tiles.
inline double tilesSave(Windows w, int parts, int64_t features, bool winograd) {
  const int64_t values = w.values();
  const double windows = static_cast<double>(w.planes() * w.planeWindows());
  const double weights = static_cast<double>(values * features);
  const double vectors = windows * vectorTime(values, features, winograd) + weights * kPackTime;
  w.word = StripWord::channelPair;
  const double tiles = windows * tileTime(w, tileForm(w, parts, features), parts, features) + weights * kSplitTime;
  return kTileAdvantage * vectors - tiles;
}

// Whether tiles of so many parts are faster than vectors, in each direction.
inline bool tilesConvolveFaster(const Tensor& x, const ConvShape& s, int parts) {
  const Windows w = s.windows(x);
  return tilesSave(w, parts, s.groupFeatures(), suitsTiles(w, s.groups, s.groupFeatures())) > 0;
}
inline bool tilesConvolveDataFaster(const Tensor& dy, const ConvShape& s, int parts) {
  const bool whole = s.stride[0] * s.stride[1] * s.stride[2] == 1;
  double saved = 0;
  forPhases(dy, s, [&](const Windows& w, const auto&, int64_t, const int64_t(&)[3]) {
    saved += tilesSave(w, parts, s.groupChannels(), whole && suitsTiles(w, s.groups, s.groupChannels()));
  });
  return saved > 0;
}
inline bool tilesSumFaster(const Tensor& x, const ConvShape& s, int parts) {
  Windows w = s.windows(x);
  const int64_t features = s.groupFeatures();
  const double vectors = vectorTime(w.values(), features, winogradFilterGradIsFaster(s));
  w.word = StripWord::pixelPair;
  return pairTime(w, pairForm(w, parts, features), parts, features) < kTileAdvantage * vectors;
}

}  // namespace neurite::cpu::NEURITE_ISA
