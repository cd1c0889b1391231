// What happens to a block of a convolution's pixels right after they are stored, while they are in the cache: another tensor is added to
// them, and moments of their features are taken.
#pragma once
#include "../ops.h"
#include "../pool.h"
#include "moments.h"

namespace neurite::cpu::NEURITE_ISA {

// What a call of conv or convDataGrad wants done.
class Finish {
 public:
  explicit Finish(const Call& call)
      : results_(call.out[0]),
        addend_(call.inputs > 3 ? call.in[3] : Tensor{}),
        mean_(call.outputs > 1 ? call.out[1] : Tensor{}),
        variance_(call.outputs > 2 ? call.out[2] : Tensor{}) {}

  bool adds() const { return addend_.present(); }
  bool wantsMoments() const { return mean_.present(); }

  // Adds to `width` features of `pixels` pixels, from element `place` on.
  void add(int64_t place, int64_t pixels, int64_t pitch, int64_t width) const {
    withFloat(results_.dtype, [&]<class T>(T) {
      T* to = results_.as<T>() + place;
      const T* from = addend_.as<const T>() + place;
      if (pitch == width) width *= pixels, pixels = 1;
      for (int64_t i = 0; i < pixels; ++i, to += pitch, from += pitch) {
        eachVector(
            width,
            EACH_VECTOR { storeFloats(to + i, loadFloats(to + i, left) + loadFloats(from + i, left), left, false); });
      }
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
  int64_t features() const { return results_.dims[results_.rank - 1]; }
  float* squares() const { return means_ + blocks_ * features(); }
  float* counts() const { return squares() + blocks_ * features(); }

  const Tensor results_, addend_, mean_, variance_;
  int64_t blocks_ = 0;
  Memory memory_;
  float* means_ = nullptr;
};

}  // namespace neurite::cpu::NEURITE_ISA
