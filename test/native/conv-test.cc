// Convolutions of 3x3 beside float64: what Winograd's tiles lose stays within the bound of float32 products.
//
// Compiled once per instruction set like the kernels it tests. Prints each error and ends with 1 if one is too large.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "native/ops.h"
#include "numbers.h"

using namespace neurite;
using namespace neurite::test;

namespace neurite::cpu {
void reportIndex(const Call&, int64_t, int64_t) {}
namespace NEURITE_ISA {
extern const KernelTable table;
}
}  // namespace neurite::cpu

namespace {

struct Values {
  std::vector<float> memory;
  Tensor tensor;
  Values(std::vector<int64_t> dims, Data data) {
    tensor.rank = static_cast<int32_t>(dims.size());
    for (size_t i = 0; i < dims.size(); i++) tensor.dims[i] = dims[i];
    for (int64_t i = 0; i < tensor.size(); i++) memory.push_back(static_cast<float>(draw(data)));
    tensor.data = memory.data();
  }
};

// RMS error of images of side x side pixels, relative to the RMS of the exact results (of their terms, where those happen to cancel).
double errorOf(Op op, int64_t images, int64_t side, int64_t channels, int64_t features, Data data) {
  const bool forward = op == Op::conv;
  const int64_t depth = forward ? channels : features, width = forward ? features : channels;
  Values x({images, side, side, depth}, data), w({3, 3, channels, features}, data),
      y({images, side, side, width}, data);
  Ints ones;
  ones.count = 2, ones.values[0] = ones.values[1] = 1;
  const attributes::conv convAttributes{ones, ones, ones, 1, Activation::none, Precision::highest};
  const attributes::convDataGrad gradAttributes{ones, ones, ones, 1, Activation::none, Precision::highest};
  Tensor in[4] = {x.tensor, w.tensor, {}, {}}, out[1] = {y.tensor};
  Call call;
  call.op = op, call.inputs = 4, call.outputs = 1, call.in = in, call.out = out;
  call.attributes = forward ? static_cast<const void*>(&convAttributes) : &gradAttributes;
  cpu::NEURITE_ISA::table.kernels[static_cast<int>(op)](call);

  double errors = 0, size = 0;
  for (int64_t i = 0; i < y.tensor.size(); i += 7) {  // prime to sizes: all places and features have their turn
    const int64_t f = i % width, column = i / width % side, row = i / width / side % side,
                  image = i / width / side / side;
    double sum = 0, squares = 0;
    for (int64_t k = 0; k < 9; k++) {
      const int64_t h = row + k / 3 - 1, v = column + k % 3 - 1;
      if (h < 0 || h >= side || v < 0 || v >= side) continue;
      for (int64_t c = 0; c < depth; c++) {
        const int64_t weight = forward ? (k * channels + c) * features + f : ((8 - k) * channels + f) * features + c;
        const double term = double{x.memory[static_cast<size_t>(((image * side + h) * side + v) * depth + c)]} *
                            w.memory[static_cast<size_t>(weight)];
        sum += term;
        squares += term * term;
      }
    }
    const double error = y.memory[static_cast<size_t>(i)] - sum;
    errors += error * error;
    size += std::max(sum * sum, squares);
  }
  return std::sqrt(errors / size);
}

}  // namespace

int main() {
  int failures = 0;
  for (const Op op : {Op::conv, Op::convDataGrad}) {
    for (const Data data : {Data::centred, Data::positive}) {
      for (const int64_t channels : {32, 64, 256}) {
        const int64_t features = channels == 64 ? 72 : 64, depth = op == Op::conv ? channels : features;
        const double error = errorOf(op, 2, 9, channels, features, data);
        const double bound = 2e-7 + 2.5e-8 * std::sqrt(9.0 * static_cast<double>(depth));
        printf("%s, %3d channels, %d features, %s: RMS error %.2e, bound %.2e\n", op == Op::conv ? "y" : "dx",
               static_cast<int>(channels), static_cast<int>(features), data == Data::centred ? "centred" : "positive",
               error, bound);
        if (!(error <= bound)) failures++;
      }
    }
  }
  if (failures > 0) printf("%d errors are too large\n", failures);
  return failures > 0;
}
