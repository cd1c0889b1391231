// assign, increment and accumulate: small updates of state in place.
#include "../thread-pool.h"
#include "elementwise.h"
#include "kernels.h"
#include "movement.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// total += value, with what the sum rounds away kept in `lost` for the next time (Kahan, with the exact error of the
// sum). Once the total is not finite there is nothing to keep.
void addTo(float& total, float& lost, double value) {
  const double wanted = value - static_cast<double>(lost);
  const float addend = static_cast<float>(wanted), sum = total + addend, added = sum - total;
  const float error = (total - (sum - added)) + (addend - added);
  lost = error == error ? -error - static_cast<float>(wanted - static_cast<double>(addend)) : 0.0f;
  total = sum;
}

}  // namespace

void assign(const Call& call) { copyBytes(call.in[0].data, call.in[1].data, static_cast<int64_t>(call.in[0].bytes())); }

void increment(const Call& call) {
  const Tensor& x = call.in[0];
  const double by = attributesOf<attributes::increment>(call).by;
  const Split parts = split(x.size(), 1, kBlock);
  parallelFor(parts.chunks, [&](int64_t chunk) {
    for (int64_t i = parts.begin(chunk); i < parts.end(chunk); i += kLanes) {
      const int64_t n = parts.end(chunk) - i;
      if (x.dtype == DType::float32) {
        float* p = x.as<float>() + i;
        storePartial(p, loadPartial(p, n) + broadcast(static_cast<float>(by)), n);
      } else {
        typedef uint32_t U32 __attribute__((vector_size(kLanes * 4)));
        int32_t* p = x.as<int32_t>() + i;
        storePartial(p, (I32)((U32)loadPartial(p, n) + (U32)broadcastInt(saturate(by))), n);
      }
    }
  });
}

// A batch's sum is formed in float64, eight chains and then a tree, so that only the running total needs compensation.
void accumulate(const Call& call) {
  const Tensor &values = call.in[1], &weights = call.in[2];
  float* total = call.in[0].as<float>();
  const float *v = values.as<const float>(), *w = weights.as<const float>();
  const int64_t n = values.size();
  double sums[8] = {}, counts[8] = {};
  for (int64_t i = 0; i < n; ++i) {
    const double weight = w ? static_cast<double>(w[i]) : 1.0;
    sums[i % 8] += static_cast<double>(v[i]) * weight;
    counts[i % 8] += weight;
  }
  for (int span = 4; span > 0; span /= 2) {
    for (int i = 0; i < span; ++i) {
      sums[i] += sums[i + span];
      counts[i] += counts[i + span];
    }
  }
  addTo(total[0], total[1], sums[0]);
  total[2] = static_cast<float>(static_cast<double>(total[2]) + counts[0]);
}

}  // namespace neurite::cpu::NEURITE_ISA
