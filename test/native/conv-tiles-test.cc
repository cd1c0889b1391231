// Convolutions on tiles by their scalar twin, against float64: each number of parts keeps its bound and the next lower one exceeds it;
// every form of a strip, odd channels, groups, strides, dilation, one to three axes, epilogues, NaN, infinity and magnitudes that
// cannot be split; and how tiles are chosen.
//
// Compiled once per instruction set with the tiles' own logic, of which the addon has the scalar twin once, for any CPU. Prints each
// failure with its case and ends with 1.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "../../native/cpu/amx/conv-tiles.h"
#include "../../native/cpu/conv-tile-table.h"
#include "../../native/cpu/conv-units.h"
#include "../../native/cpu/kernels.h"
#include "numbers.h"

using namespace neurite;
using namespace neurite::test;
namespace isa = neurite::cpu::NEURITE_ISA;

namespace neurite::cpu {
void reportIndex(const Call&, int64_t, int64_t) {}
}  // namespace neurite::cpu

namespace {

constexpr auto F = DType::float32, H = DType::bfloat16;
constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

int failures = 0, checks = 0;

using Dims = std::vector<int64_t>;

// A tensor between guard values; `values` are what it holds.
struct Value {
  static constexpr size_t kGuard = 32;
  static constexpr uint16_t kGuardHalf = 0xc29a;
  DType type;
  Dims dims;
  std::vector<float> values;
  std::vector<uint16_t> memory;

  Value(DType type, Dims dims) : type(type), dims(std::move(dims)) {
    size_t n = 1;
    for (int64_t d : this->dims) n *= static_cast<size_t>(d);
    values.resize(n);
    memory.assign(n * halves() + 2 * kGuard, kGuardHalf);
  }
  size_t halves() const { return type == F ? 2 : 1; }
  void* data() { return memory.data() + kGuard; }
  template <class Draw> Value& fill(Draw&& next) {
    for (float& v : values) v = next();
    write();
    return *this;
  }
  void write() {
    for (size_t i = 0; i < values.size(); ++i) {
      const uint16_t half = toBfloat16(values[i]);
      if (type == H) values[i] = fromBfloat16(half);
      memcpy(static_cast<char*>(data()) + i * dtypeBytes(type),
             type == F ? static_cast<void*>(&values[i]) : const_cast<uint16_t*>(&half), dtypeBytes(type));
    }
  }
  void read() {
    for (size_t i = 0; i < values.size(); ++i) {
      const char* p = static_cast<char*>(data()) + i * dtypeBytes(type);
      uint16_t half;
      memcpy(&half, p, 2);
      if (type == F)
        memcpy(&values[i], p, 4);
      else
        values[i] = fromBfloat16(half);
    }
  }
  bool guarded() const {
    for (size_t i = 0; i < kGuard; ++i)
      if (memory[i] != kGuardHalf || memory[memory.size() - 1 - i] != kGuardHalf) return false;
    return true;
  }
  Tensor tensor() {
    Tensor t;
    t.dtype = type, t.rank = static_cast<int32_t>(dims.size()), t.data = data();
    std::copy(dims.begin(), dims.end(), t.dims);
    return t;
  }
};

enum class Direction { forward, data, filter };
const char* const kDirections[] = {"forward", "data gradient", "filter gradient"};

struct Case {
  Dims size, kernel;
  int64_t channels, features;
  int64_t batch = 2, groups = 1;
  Dims strides = {}, dilation = {}, before = {};
  Activation activation = Activation::none;

  int axes() const { return static_cast<int>(size.size()); }
  static int64_t or1(const Dims& d, int i) { return d.empty() ? 1 : d[static_cast<size_t>(i)]; }
  int64_t stride(int i) const { return or1(strides, i); }
  int64_t dilated(int i) const { return or1(dilation, i); }
  // As much padding in front as half of the kernel, if not said otherwise, and as much behind.
  int64_t front(int i) const {
    return before.empty() ? (kernel[static_cast<size_t>(i)] - 1) * dilated(i) / 2 : before[static_cast<size_t>(i)];
  }
  Dims outSize() const {
    Dims out;
    for (int i = 0; i < axes(); ++i) {
      const auto at = static_cast<size_t>(i);
      out.push_back((size[at] + 2 * front(i) - (kernel[at] - 1) * dilated(i) - 1) / stride(i) + 1);
    }
    return out;
  }
  Dims tensorDims(const Dims& spatial, int64_t first, int64_t last) const {
    Dims d;
    if (first > 0) d.push_back(first);
    d.insert(d.end(), spatial.begin(), spatial.end());
    d.push_back(last);
    return d;
  }
  Dims xDims() const { return tensorDims(size, batch, channels); }
  Dims yDims() const { return tensorDims(outSize(), batch, features); }
  Dims wDims() const {
    Dims d = tensorDims(kernel, 0, channels / groups);
    d.push_back(features);
    return d;
  }
  std::string describe(Direction direction, DType type, int parts, Data data) const {
    std::string text = kDirections[static_cast<int>(direction)];
    const auto list = [&](const char* name, const Dims& d) {
      text += std::string(" ") + name;
      for (int64_t n : d) text += " " + std::to_string(n);
    };
    list("size", size), list("kernel", kernel), list("strides", strides), list("dilation", dilation);
    return text + " channels " + std::to_string(channels) + " features " + std::to_string(features) + " groups " +
           std::to_string(groups) + " " + dtypeName(type) + " parts " + std::to_string(parts) + " data " +
           std::to_string(static_cast<int>(data));
  }
};

// f(x index, y index, w index) for every product of the convolution, x and y without channels.
template <class F> void forProducts(const Case& c, F&& f) {
  const Dims out = c.outSize();
  int64_t outPixels = 1, inPixels = 1, taps = 1;
  for (int i = 0; i < c.axes(); ++i)
    outPixels *= out[static_cast<size_t>(i)], inPixels *= c.size[static_cast<size_t>(i)],
        taps *= c.kernel[static_cast<size_t>(i)];
  for (int64_t b = 0; b < c.batch; ++b) {
    for (int64_t o = 0; o < outPixels; ++o) {
      for (int64_t t = 0; t < taps; ++t) {
        int64_t place = 0, scale = 1, restO = o, restT = t;
        bool inside = true;
        for (int i = c.axes() - 1; i >= 0; --i) {
          const auto at = static_cast<size_t>(i);
          const int64_t p = restO % out[at] * c.stride(i) + restT % c.kernel[at] * c.dilated(i) - c.front(i);
          inside = inside && p >= 0 && p < c.size[at];
          place += p * scale, scale *= c.size[at];
          restO /= out[at], restT /= c.kernel[at];
        }
        if (inside) f(b * inPixels + place, b * outPixels + o, t);
      }
    }
  }
}

double activated(Activation activation, double x) {
  if (activation == Activation::relu) return x < 0 ? 0 : x;
  if (activation == Activation::sigmoid) return 1 / (1 + std::exp(-x));
  return activation == Activation::tanh ? std::tanh(x) : x;
}

struct Problem {
  const Case& c;
  Direction direction;
  Value first, second, bias, result;  // the inputs in their order, the output

  static Dims dimsOf(const Case& c, Direction d, int place) {
    if (d == Direction::forward) return place == 0 ? c.xDims() : place == 1 ? c.wDims() : c.yDims();
    if (d == Direction::data) return place == 0 ? c.yDims() : place == 1 ? c.wDims() : c.xDims();
    return place == 0 ? c.xDims() : place == 1 ? c.yDims() : c.wDims();
  }
  Problem(const Case& c, Direction direction, DType type, Data data)
      : c(c),
        direction(direction),
        first(type, dimsOf(c, direction, 0)),
        second(type, dimsOf(c, direction, 1)),
        bias(F, {direction == Direction::data ? c.channels : c.features}),
        result(type, dimsOf(c, direction, 2)) {
    first.fill([&] { return static_cast<float>(draw(data)); });
    second.fill([&] { return static_cast<float>(draw(data)); });
    bias.fill([&] { return static_cast<float>(draw(Data::centred)); });
  }

  template <class Attributes> Attributes attributes(Precision precision) const {
    Attributes a;
    a.strides.count = a.dilation.count = a.before.count = c.axes();
    for (int i = 0; i < c.axes(); ++i)
      a.strides.values[i] = c.stride(i), a.dilation.values[i] = c.dilated(i), a.before.values[i] = c.front(i);
    a.groups = c.groups;
    a.precision = precision;
    return a;
  }
  template <class F> bool with(Precision precision, F&& f) {
    attributes::conv forward = attributes<attributes::conv>(precision);
    attributes::convDataGrad data = attributes<attributes::convDataGrad>(precision);
    attributes::convFilterGrad filter = attributes<attributes::convFilterGrad>(precision);
    forward.activation = data.activation = c.activation;
    Tensor in[4] = {first.tensor(), second.tensor(), bias.tensor(), {}}, out[1] = {result.tensor()};
    Call call;
    call.in = in, call.out = out, call.inputs = 4, call.outputs = 1;
    call.attributes = direction == Direction::forward ? static_cast<void*>(&forward)
                      : direction == Direction::data  ? static_cast<void*>(&data)
                                                      : static_cast<void*>(&filter);
    const bool answer = f(call);
    result.read();
    return answer;
  }
  // Tiles of so many parts; false if they refuse.
  bool runTiles(int parts) {
    return with(Precision::highest, [&](const Call& call) {
      if (direction == Direction::forward) return isa::convolveTiles(call, parts, bias.values.data());
      if (direction == Direction::data) return isa::convolveDataTiles(call, parts, bias.values.data());
      return isa::sumWindowTiles(call, parts);
    });
  }
  // The op, whatever unit it picks.
  void runOp(Precision precision) {
    with(precision, [&](const Call& call) {
      if (direction == Direction::forward) isa::conv(call);
      if (direction == Direction::data) isa::convDataGrad(call);
      if (direction == Direction::filter) isa::convFilterGrad(call);
      return true;
    });
  }

  // What the result is, and what it would be if its terms had random signs.
  void reference(std::vector<double>& sums, std::vector<double>& sizes) const {
    sums.assign(result.values.size(), 0), sizes = sums;
    const int64_t perGroup = c.channels / c.groups, featuresPerGroup = c.features / c.groups;
    forProducts(c, [&](int64_t x, int64_t y, int64_t t) {
      for (int64_t f = 0; f < c.features; ++f) {
        for (int64_t k = 0; k < perGroup; ++k) {
          const auto atX = static_cast<size_t>(x * c.channels + f / featuresPerGroup * perGroup + k);
          const auto atY = static_cast<size_t>(y * c.features + f);
          const auto atW = static_cast<size_t>((t * perGroup + k) * c.features + f);
          const size_t at = direction == Direction::forward ? atY : direction == Direction::data ? atX : atW;
          const double term = direction == Direction::forward ? double{first.values[atX]} * second.values[atW]
                              : direction == Direction::data  ? double{first.values[atY]} * second.values[atW]
                                                              : double{first.values[atX]} * second.values[atY];
          sums[at] += term, sizes[at] += term * term;
        }
      }
    });
    for (size_t i = 0; i < sums.size(); ++i) {
      if (direction != Direction::filter) {
        const double b = bias.values[i % bias.values.size()];
        sums[i] = activated(c.activation, sums[i] + b), sizes[i] += b * b;
      }
      sizes[i] = std::sqrt(sizes[i]);
    }
  }
  // An element in the middle: of weights at the middle tap, of images at a pixel that every tap meets. Elsewhere a NaN would meet padding,
  // which the reference leaves out.
  size_t inner(int operand) const {
    const Value& v = operand == 0 ? first : second;
    if (operand == 1 && direction != Direction::filter) return v.values.size() / 2;
    int64_t pixel = 1;
    for (int i = 0; i < c.axes(); ++i) {
      const int64_t n = v.dims[static_cast<size_t>(i) + 1];
      pixel = pixel * n + n / 2;
    }
    return static_cast<size_t>(pixel * v.dims.back());
  }
  // RMS error, relative to the results or, where terms happen to cancel, their size.
  double rmsError() const {
    std::vector<double> sums, sizes;
    reference(sums, sizes);
    double error = 0, norm = 0;
    for (size_t i = 0; i < sums.size(); ++i) {
      const double difference = result.values[i] - sums[i];
      error += std::isnan(difference) ? INFINITY : difference * difference;
      norm += std::max(sums[i] * sums[i], c.activation == Activation::none ? sizes[i] * sizes[i] : 0);
    }
    return std::sqrt(error / norm);
  }
};

void expect(bool condition, const std::string& what) {
  ++checks;
  if (condition) return;
  printf("FAIL %s\n", what.c_str());
  ++failures;
}

// Terms of a sum.
int64_t depthOf(const Case& c, Direction direction) {
  int64_t taps = 1, pixels = c.batch;
  for (int64_t k : c.kernel) taps *= k;
  for (int64_t n : c.outSize()) pixels *= n;
  return direction == Direction::filter    ? pixels
         : direction == Direction::forward ? taps * c.channels / c.groups
                                           : taps * c.features / c.groups;
}

double boundOf(const Case& c, Direction direction, DType type, int parts) {
  // Products of bfloat16 are exact in float32: only the rounded result is coarser.
  if (type == H) return 4e-3;
  const double exact = 2e-7 + 2.5e-8 * std::sqrt(static_cast<double>(depthOf(c, direction)));
  return parts == 3 ? exact : parts == 2 ? std::max(8e-6, exact) : 6e-3;
}

void check(const Case& c, Direction direction, DType type, Data data, bool tellsApart) {
  double error[4] = {};
  for (int parts = type == H ? 1 : 3; parts >= 1; --parts) {
    Problem p(c, direction, type, data);
    const std::string text = c.describe(direction, type, parts, data);
    expect(p.runTiles(parts), text + ": tiles refused");
    expect(p.result.guarded(), text + ": wrote outside of the result");
    error[parts] = p.rmsError();
    char numbers[96];
    snprintf(numbers, sizeof numbers, ": RMS relative error, expected <= %.2e, received %.2e",
             boundOf(c, direction, type, parts), error[parts]);
    expect(error[parts] <= boundOf(c, direction, type, parts), text + numbers);
    if (tellsApart && parts < 3 && type == F) {
      expect(error[parts] > boundOf(c, direction, type, parts + 1),
             text + ": kept the bound of one part more, which does not tell them apart");
    }
  }
}

const Case kCases[] = {
    // Whole steps of channels; lines of whole tiles, of 14, and so short that windows run on or are gathered.
    {{6, 16}, {3, 3}, 32, 32},
    {{5, 33}, {3, 3}, 64, 48},
    {{14, 14}, {5, 5}, 32, 40},
    {{8, 8}, {3, 3}, 64, 33},
    {{4, 3}, {3, 3}, 32, 16},
    {{2, 2}, {3, 3}, 40, 70},
    // Channels that fill no step, odd ones among them.
    {{7, 9}, {3, 3}, 3, 20},
    {{9, 17}, {3, 3}, 17, 5},
    {{6, 18}, {3, 3}, 16, 16},
    {{12, 12}, {5, 5}, 1, 34},
    {{5, 20}, {3, 3}, 48, 65},
    {.size = {3, 5}, .kernel = {3, 3}, .channels = 2050, .features = 3, .batch = 1},
    // Strides, dilation, padding, kernels without overlap, groups.
    {.size = {16, 16}, .kernel = {3, 3}, .channels = 16, .features = 32, .strides = {2, 2}},
    {.size = {9, 70}, .kernel = {3, 3}, .channels = 32, .features = 32, .strides = {2, 2}},
    {.size = {8, 9}, .kernel = {1, 1}, .channels = 34, .features = 40, .strides = {2, 2}},
    {.size = {11, 10}, .kernel = {2, 2}, .channels = 33, .features = 6, .strides = {4, 3}, .before = {0, 0}},
    {.size = {12, 20}, .kernel = {3, 3}, .channels = 32, .features = 17, .dilation = {2, 3}},
    {.size = {13, 12}, .kernel = {3, 2}, .channels = 9, .features = 8, .strides = {3, 1}, .dilation = {2, 2}},
    {.size = {4, 5}, .kernel = {3, 3}, .channels = 32, .features = 8, .before = {4, 3}},
    {.size = {7, 8}, .kernel = {3, 3}, .channels = 96, .features = 60, .groups = 3},
    {.size = {6, 16}, .kernel = {3, 3}, .channels = 10, .features = 6, .groups = 2},
    // One and three axes; blocks that are rows or parts of rows.
    {{40}, {9}, 32, 24},
    {.size = {67}, .kernel = {5}, .channels = 3, .features = 33, .strides = {2}},
    {.size = {3000}, .kernel = {9}, .channels = 65, .features = 4, .batch = 1},
    {.size = {70, 60}, .kernel = {3, 3}, .channels = 64, .features = 4, .batch = 1},
    {{4, 6, 7}, {3, 3, 3}, 32, 20},
    {.size = {5, 4, 17}, .kernel = {3, 2, 2}, .channels = 6, .features = 18, .strides = {2, 1, 2}, .before = {1, 0, 1}},
    {.size = {6, 5, 4}, .kernel = {2, 2, 3}, .channels = 33, .features = 3, .dilation = {2, 1, 1}},
};

void testBounds() {
  for (const Case& c : kCases) {
    for (Direction direction : {Direction::forward, Direction::data, Direction::filter}) {
      check(c, direction, F, Data::centred, true);
      check(c, direction, H, Data::centred, false);
    }
  }
  // Sums of positive terms grow faster than their errors, and one product may be all there is to see of outliers:
  // long ones are exact in any number of parts, relative to the result.
  const Case c{{6, 16}, {3, 3}, 34, 20};
  for (Data data : {Data::positive, Data::wideExponents, Data::outlier}) {
    for (Direction direction : {Direction::forward, Direction::data, Direction::filter})
      check(c, direction, F, data, data == Data::wideExponents);
  }
}

void testEpilogues() {
  for (Activation activation : {Activation::relu, Activation::sigmoid, Activation::tanh}) {
    const Case c{.size = {5, 9}, .kernel = {3, 3}, .channels = 20, .features = 37, .activation = activation};
    for (Direction direction : {Direction::forward, Direction::data}) {
      check(c, direction, F, Data::centred, false);
      check(c, direction, H, Data::centred, false);
    }
  }
}

// Sums around the largest float32 may overflow or not; a NaN stays one.
double finite(double x) {
  constexpr double kMost = std::numeric_limits<float>::max();
  return x > kMost ? kMost : x < -kMost ? -kMost : x;
}

// The op with a value at one place of an operand, in every precision: NaN and infinity are where the reference has them and nowhere
// else, and what is left has the errors of its parts, relative to the result or, where terms cancel, their size.
void testSpecialValues() {
  const bool emulated = tileUnit() == TileUnit::emulated;
  for (const Case& c : {Case{{5, 7}, {3, 3}, 6, 5}, Case{{6, 16}, {3, 3}, 32, 20},
                        Case{.size = {9, 8}, .kernel = {3, 3}, .channels = 5, .features = 4, .strides = {2, 2}}}) {
    for (Direction direction : {Direction::forward, Direction::data, Direction::filter}) {
      for (DType type : {F, H}) {
        for (int parts = type == H ? 1 : 3; parts >= 1; --parts) {
          for (float special : {kNan, kInf, -kInf, 3.4e38f, 1e-38f}) {
            for (int place : {0, 1, 2}) {
              // In the middle of each operand; at the corner of the image that weights, which are finite, meet.
              if (place == 2 && direction == Direction::filter) continue;
              const int operand = place % 2;
              Problem p(c, direction, type, Data::positive);
              Value& v = operand == 0 ? p.first : p.second;
              v.values[place == 2 ? 0 : p.inner(operand)] = special;
              v.write();
              const std::string text =
                  c.describe(direction, type, parts, Data::positive) + " with " + std::to_string(special);
              const bool huge = !(std::abs(special) < 1e38f);
              if (huge && parts > 1) expect(!p.runTiles(parts), text + ": tiles split what cannot be split");
              // NaN of x would reach windows that only meet zeros of dy.
              if (huge && direction == Direction::filter && operand == 0)
                expect(!p.runTiles(parts), text + ": tiles took it");
              p.runOp(parts == 3 ? Precision::highest : parts == 2 ? Precision::high : Precision::medium);
              std::vector<double> sums, sizes;
              p.reference(sums, sizes);
              // Rounded to bfloat16, 3.4e38 is infinity.
              const bool rounds = parts == 1 && std::abs(special) == 3.4e38f;
              bool same = true;
              for (size_t i = 0; i < sums.size() && !rounds; ++i) {
                const float received = p.result.values[i];
                if (std::isnan(sums[i]))
                  same = same && std::isnan(received);
                else if (std::isinf(sums[i]))
                  same = same && received == sums[i];
                else
                  same = same && std::abs(finite(received) - finite(sums[i])) <=
                                     (parts == 1 ? 1e-2 : 1e-4) * (std::abs(sums[i]) + sizes[i]);
              }
              expect(same, text + (emulated ? " (emulated tiles)" : "") + ": the result differs");
            }
          }
        }
      }
    }
  }
}

// Magnitudes so small that products of their parts would be flushed.
void testTiny() {
  const Case c{{6, 16}, {3, 3}, 32, 20};
  for (Direction direction : {Direction::forward, Direction::data, Direction::filter}) {
    Problem p(c, direction, F, Data::centred);
    for (Value* v : {&p.first, &p.second})
      v->fill([] { return static_cast<float>((uniform() - 0.5) * std::exp2(-52.0)); });
    const std::string text = c.describe(direction, F, 3, Data::centred);
    expect(!p.runTiles(3) && !p.runTiles(2), text + ": tiles took tiny products");
    // Zeros are exact.
    p.first.fill([] { return 0.0f; });
    expect(p.runTiles(3), text + ": tiles refused zeros");
  }
}

// With the twin in use the ops run it: their errors are those of its parts.
void testDispatch() {
  if (tileUnit() != TileUnit::emulated) return;
  const Case c{{6, 16}, {3, 3}, 32, 20};
  for (Direction direction : {Direction::forward, Direction::data, Direction::filter}) {
    for (int parts = 1; parts <= 3; ++parts) {
      Problem op(c, direction, F, Data::centred);
      Problem tiles = op;
      op.runOp(parts == 3 ? Precision::highest : parts == 2 ? Precision::high : Precision::medium);
      tiles.runTiles(parts);
      expect(op.result.values == tiles.result.values,
             c.describe(direction, F, parts, Data::centred) + ": the op did not use tiles");
    }
  }
}

// What the cost model says of shapes that the prototype has measured, far from where the units are equal; three parts
// gain little where vectors use Winograd's tiles.
void testChoice() {
  struct Choice {
    Case c;
    Direction direction;
    int parts;
    bool tiles;
  };
  const Case wide{.size = {16, 16}, .kernel = {3, 3}, .channels = 128, .features = 128, .batch = 64};
  const Case strided{
      .size = {32, 32}, .kernel = {3, 3}, .channels = 128, .features = 128, .batch = 64, .strides = {2, 2}};
  const Case large{.size = {16, 16}, .kernel = {5, 5}, .channels = 128, .features = 128, .batch = 64};
  const Case deep{.size = {8, 8}, .kernel = {3, 3}, .channels = 256, .features = 256, .batch = 64};
  const Case single{.size = {8, 8}, .kernel = {3, 3}, .channels = 256, .features = 256, .batch = 1};
  const Case fewChannels{.size = {28, 28}, .kernel = {5, 5}, .channels = 1, .features = 8, .batch = 64};
  for (const Choice& choice : {Choice{wide, Direction::forward, 1, true},
                               {wide, Direction::forward, 2, true},
                               {wide, Direction::data, 1, true},
                               {wide, Direction::data, 2, true},
                               {strided, Direction::forward, 3, true},
                               {strided, Direction::data, 3, true},
                               {large, Direction::forward, 3, true},
                               {large, Direction::data, 3, true},
                               {wide, Direction::filter, 1, true},
                               {wide, Direction::filter, 2, true},
                               {wide, Direction::filter, 3, false},
                               {deep, Direction::forward, 3, false},
                               {deep, Direction::data, 3, false},
                               {deep, Direction::filter, 1, true},
                               {deep, Direction::filter, 3, false},
                               {single, Direction::forward, 3, false},
                               {fewChannels, Direction::forward, 3, false}}) {
    Problem p(choice.c, choice.direction, F, Data::centred);
    bool tiles = false;
    p.with(Precision::highest, [&](const Call& call) {
      if (choice.direction == Direction::forward) {
        const isa::ConvShape s(call.in[0], call.in[1], call.out[0], attributesOf<attributes::conv>(call));
        tiles = isa::tilesConvolveFaster(call.in[0], s, choice.parts);
      } else if (choice.direction == Direction::data) {
        const isa::ConvShape s(call.out[0], call.in[1], call.in[0], attributesOf<attributes::convDataGrad>(call));
        tiles = isa::tilesConvolveDataFaster(call.in[0], s, choice.parts);
      } else {
        const isa::ConvShape s(call.in[0], call.out[0], call.in[1], attributesOf<attributes::convFilterGrad>(call));
        tiles = isa::tilesSumFaster(call.in[0], s, choice.parts);
      }
      return true;
    });
    expect(tiles == choice.tiles, choice.c.describe(choice.direction, F, choice.parts, Data::centred) +
                                      (choice.tiles ? ": tiles were not chosen" : ": tiles were chosen"));
  }
}

}  // namespace

int main() {
  testBounds();
  testEpilogues();
  testSpecialValues();
  testTiny();
  testDispatch();
  testChoice();
  printf("tiles: %s\n", tileUnit() == TileUnit::emulated ? "the scalar twin, in ops too" : "the scalar twin alone");
  printf("%d checks, %d failures\n", checks, failures);
  return failures != 0;
}
