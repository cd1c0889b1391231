// What happens to a block of a convolution's pixels right after they are stored, while they are in the cache: another tensor is added to
// them and the activation follows, moments of their features are taken, or the maxima of windows, which alone become results then.
#pragma once
#include "../thread-pool.h"
#include "conv.h"
#include "gemm-epilogue.h"
#include "maxima.h"
#include "moments.h"

namespace neurite::cpu::NEURITE_ISA {

// What a call of conv or convDataGrad wants done.
class Finish {
 public:
  Finish(const Call& call, const ConvShape& s, Activation activation)
      : results_(call.out[0]), addend_(call.in[3]), activation_(activation), pools_(s.pools) {
    for (int i = 0; i < 2; ++i) window_[i] = s.window[i + 1];
    columns_ = s.out[2] / window_[1];
    if (pools_) {
      position_ = call.out[1];
    } else if (call.outputs > 1) {
      mean_ = call.out[1], variance_ = call.out[2];
    }
  }

  bool adds() const { return addend_.present(); }
  // What pixels are stored with.
  Activation storedWith() const { return adds() ? Activation::none : activation_; }
  bool wantsMoments() const { return mean_.present(); }
  bool pools() const { return pools_; }

  // Adds to `width` features of `pixels` pixels, from element `place` on.
  void add(int64_t place, int64_t pixels, int64_t pitch, int64_t width) const {
    if (pitch == width) width *= pixels, pixels = 1;
    withFloat(results_.dtype, [&]<class T>(T) {
      withActivation(activation_, [&](auto activation) {
        T* to = results_.as<T>() + place;
        const T* from = addend_.as<const T>() + place;
        for (int64_t i = 0; i < pixels; ++i, to += pitch, from += pitch) {
          eachVector(
              width, EACH_VECTOR {
                const F32 sum = loadFloats(to + i, left) + loadFloats(from + i, left);
                storeFloats(to + i, activate(activation, sum), left, false);
              });
        }
      });
    });
  }

  // Before the first block: how many there will be, which follows from the shape.
  void begin(int64_t blocks) {
    blocks_ = blocks;
    // The product has the scratch memory.
    means_ = static_cast<float*>(memory_.reserve(static_cast<size_t>(blocks * (2 * features() + 1)) * 4));
  }
  // Takes the moments of `width` features from `feature` on, of the pixels of a block, which lie one after the other.
  void takeMoments(int64_t block, int64_t pixel, int64_t pixels, int64_t feature, int64_t width) {
    withFloat(results_.dtype, [&]<class T>(T) {
      for (int64_t i = feature; i < feature + width; i += kPanel) {
        const int64_t to = block * features() + i;
        momentsOfRows(results_.as<const T>() + pixel * features() + i, pixels, features(),
                      smaller(kPanel, feature + width - i), means_ + to, squares() + to);
      }
    });
    if (feature == 0) counts()[block] = static_cast<float>(pixels);
  }
  // After the last block.
  void end() {
    if (!means_) return;
    mergeParts(means_, squares(), blocks_, features(), [&](int64_t block) { return counts()[block]; });
    const auto pixels = static_cast<float>(results_.size()) / static_cast<float>(features());
    for (int64_t i = 0; i < features(); ++i) {
      mean_.as<float>()[i] = means_[i];
      variance_.as<float>()[i] = squares()[i] / pixels;
    }
  }

  // Of `rows` rows of `columns` pixels each, which lie in `pixels` one after the other, `pitch` features apart, the maxima of windows of `width`
  // features. In the image of all results these are rows `row` and on, counted through all planes, from `column` and `feature` on.
  void pool(const void* pixels, int64_t pitch, int64_t row, int64_t rows, int64_t column, int64_t columns,
            int64_t feature, int64_t width) const {
    withFloat(results_.dtype, [&]<class T>(T) {
      const auto with = [&]<class Reducer, class P>(P* position) {
        const int64_t step = columns * pitch;
        for (int64_t i = 0; i < rows / window_[0]; ++i) {
          const T* first = static_cast<const T*>(pixels) + i * window_[0] * step;
          int64_t at = ((row / window_[0] + i) * columns_ + column / window_[1]) * features() + feature;
          for (int64_t j = 0; j < columns / window_[1]; ++j, first += window_[1] * pitch, at += features())
            poolWindow<Reducer>(first, pitch, step, width, results_.as<T>() + at, position ? position + at : nullptr);
        }
      };
      if (position_.size() == 0)
        with.template operator()<Max>(static_cast<uint8_t*>(nullptr));
      else if (position_.dtype == DType::uint8)
        with.template operator()<MaxWithPosition>(position_.as<uint8_t>());
      else
        with.template operator()<MaxWithPosition>(position_.as<int32_t>());
    });
  }

  // All blocks at once, behind a product that does not take them one by one.
  void whole() {
    if (!wantsMoments() && !adds()) return;
    const Split parts = split(results_.size() / features(), features() * 2);
    if (wantsMoments()) begin(parts.chunks);
    parallelFor(parts.chunks, [&](int64_t chunk) {
      const int64_t first = parts.begin(chunk), pixels = parts.end(chunk) - first;
      if (adds()) add(first * features(), pixels, features(), features());
      if (wantsMoments()) takeMoments(chunk, first, pixels, 0, features());
    });
  }

 private:
  template <class Reducer, class T, class P>
  void poolWindow(const T* first, int64_t pitch, int64_t step, int64_t width, T* y, P* position) const {
    const auto tile = [&]<int vectors>(int64_t c, std::integral_constant<int, vectors>, int64_t left)
        __attribute__((always_inline)) {
      Reducer reducer(0);
      int32_t number = 0;
      const T* line = first + c;
      for (int64_t i = 0; i < window_[0]; ++i, line += step) {
        const T* pixel = line;
        for (int64_t j = 0; j < window_[1]; ++j, ++number, pixel += pitch)
          unrolled<vectors>(EACH { reducer.add(v, loadFloats(pixel + v * kLanes, left), number); });
      }
      unrolled<vectors>(EACH {
        storeFloats(y + c + v * kLanes, reducer.result(v, zeros()), left, false);
        if constexpr (Reducer::positions) storePosition(position + c + v * kLanes, reducer.at[v], left);
      });
    };
    forChannels(width, tile);
  }

  int64_t features() const { return results_.dims[results_.rank - 1]; }
  float* squares() const { return means_ + blocks_ * features(); }
  float* counts() const { return squares() + blocks_ * features(); }

  const Tensor results_, addend_;
  const Activation activation_;
  Tensor mean_, variance_, position_;
  const bool pools_;
  int64_t window_[2], columns_;  // down and across; results in a row
  int64_t blocks_ = 0;
  Memory memory_;
  float* means_ = nullptr;
};

}  // namespace neurite::cpu::NEURITE_ISA
