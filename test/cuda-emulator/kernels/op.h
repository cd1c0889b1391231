// Runs one op as the runtime does: tensors in device memory of exactly their size, a Call, a launcher. Values are doubles on the host.
#pragma once
#include <functional>

#include "../../../cuda/context.h"
#include "../../../cuda/kernels.h"
#include "suite.h"

namespace ops {

using neurite::DType;
using neurite::Op;
using Dims = std::vector<int64_t>;

// first, dims …, last: images, spatial axes and channels, say.
inline Dims dimsOf(int64_t first, Dims dims, int64_t last) {
  dims.insert(dims.begin(), first);
  dims.push_back(last);
  return dims;
}

inline int64_t sizeOf(const Dims& dims) {
  int64_t n = 1;
  for (const int64_t d : dims) n *= d;
  return n;
}

// A tensor of the host; its values are what the dtype can hold.
struct Value {
  DType dtype = DType::float32;
  Dims dims;
  std::vector<double> data;
  bool present = true;

  Value() = default;
  Value(DType dtype, Dims dims, std::vector<double> data);
  double operator[](int64_t i) const { return data[static_cast<size_t>(i)]; }
  int64_t size() const { return sizeOf(dims); }
};

Value absent();
// Floats in [low, high); integers in the same range, rounded down.
Value random(DType dtype, const Dims& dims, double low = -2, double high = 2);
Value constant(DType dtype, const Dims& dims, double value);
inline Value scalar(DType dtype, double value) { return constant(dtype, {1}, value); }

// An output to be computed.
inline Value empty(DType dtype, const Dims& dims) {
  Value value;
  value.dtype = dtype;
  value.dims = dims;
  return value;
}

struct Report {
  bool set;
  Op op;
  int64_t index, limit;
};

struct Result {
  std::vector<Value> outputs, inputs;  // inputs after the op, for those that are written in place
  Report report;
  const Value& operator[](size_t i) const { return outputs[i]; }
};

int deviceCapability();  // 75, 80, 86, ...

// `attributes` is an attribute struct of ops.h. capability: the device's, or the given one if that is lower.
Result runWith(Op op, const void* attributes, const std::vector<Value>& inputs, const std::vector<Value>& outputs,
               int capability);

template <class A>
Result run(Op op, const A& attributes, const std::vector<Value>& inputs, const std::vector<Value>& outputs,
           int capability = 1000) {
  return runWith(op, &attributes, inputs, outputs, capability);
}

neurite::Ints ints(const std::vector<int64_t>& values);

// The cases of a list; under ThreadSanitizer, which takes a thousand times as long for each launch, only one from the middle and the last:
// barriers and races do not depend on every shape.
template <class T> std::vector<T> cases(const std::vector<T>& list) {
#ifdef EMULATOR_TSAN
  if (list.size() > 2) return {list[list.size() / 2], list.back()};
  return {list.back()};
#endif
  return list;
}
// What does not change how threads meet: there the first is enough.
template <class T> std::vector<T> variants(const std::vector<T>& list) {
#ifdef EMULATOR_TSAN
  return {list.front()};
#endif
  return list;
}

// A reference as a function of an element's number.
inline std::vector<double> each(int64_t n, const std::function<double(int64_t)>& f) {
  std::vector<double> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; i++) values[static_cast<size_t>(i)] = f(i);
  return values;
}

// Tolerance that the dtype's rounding needs, relative to 1 + |reference|.
inline double tolerance(DType dtype, double float32 = 1e-6) {
  return dtype == DType::bfloat16 ? 4e-3 + float32 : dtype == DType::float32 ? float32 : 0;
}
void expectEqual(const std::string& what, const Value& received, const std::vector<double>& reference,
                 double float32 = 1e-6);

std::string describe(const Dims& dims);
inline std::string name(Op op) { return neurite::kOpNames[static_cast<int>(op)]; }
inline std::string name(DType dtype) { return neurite::dtypeName(dtype); }

}  // namespace ops
