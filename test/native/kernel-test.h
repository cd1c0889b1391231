// What the tests of CPU kernels share: tensors with guard bytes, a call of a kernel, comparison with a reference in float64.
//
// Each test is a program of one file, compiled once per instruction set like the kernels that it tests. It prints each failure with its case and
// ends with 1.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "native/ops.h"
#include "native/status.h"
#include "numbers.h"

namespace neurite::cpu {
inline int reports = 0;
void reportIndex(const Call&, int64_t, int64_t) { reports++; }
namespace NEURITE_ISA {
extern const KernelTable table;
}
}  // namespace neurite::cpu

namespace neurite::test {

inline constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr auto F = DType::float32, H = DType::bfloat16, I = DType::int32, U = DType::uint8, B = DType::boolean;

inline int failures = 0, checks = 0;

using Dims = std::vector<int64_t>;
inline int64_t sizeOf(const Dims& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

// A tensor with guard bytes on both sides, its values as doubles beside it.
struct Value {
  static constexpr size_t kGuard = 64;
  DType type = F;
  Dims dims;
  std::vector<double> values;
  std::vector<unsigned char> memory;
  bool absent = false;

  Value() : absent(true) {}
  Value(DType type, Dims dims, std::vector<double> given = {})
      : type(type), dims(std::move(dims)), values(std::move(given)) {
    values.resize(static_cast<size_t>(sizeOf(this->dims)));
    memory.assign(2 * kGuard + values.size() * dtypeBytes(type) + 64, 0xa5);
    write();
  }
  // A copy lies elsewhere, at another distance from the next aligned address.
  Value(const Value& other) : absent(true) {
    if (!other.absent) *this = Value(other.type, other.dims, other.values);
  }
  Value(Value&&) = default;
  Value& operator=(Value&&) = default;

  unsigned char* data() {
    auto address = reinterpret_cast<uintptr_t>(memory.data()) + kGuard;
    return reinterpret_cast<unsigned char*>((address + 63) / 64 * 64);
  }
  void write() {
    for (size_t i = 0; i < values.size(); i++) {
      const double v = values[i];
      unsigned char* p = data() + i * dtypeBytes(type);
      if (type == F) {
        const float x = static_cast<float>(v);
        memcpy(p, &x, 4);
        values[i] = static_cast<double>(x);
      }
      if (type == H) {
        const uint16_t x = toBfloat16(static_cast<float>(v));
        memcpy(p, &x, 2);
        values[i] = static_cast<double>(fromBfloat16(x));
      }
      if (type == I) {
        const int32_t x = static_cast<int32_t>(v);
        memcpy(p, &x, 4);
        values[i] = x;
      }
      if (type == U || type == B) {
        *p = static_cast<unsigned char>(v);
        values[i] = *p;
      }
    }
  }
  void read() {
    for (size_t i = 0; i < values.size(); i++) {
      const unsigned char* p = data() + i * dtypeBytes(type);
      if (type == F) {
        float x;
        memcpy(&x, p, 4);
        values[i] = static_cast<double>(x);
      }
      if (type == H) {
        uint16_t x;
        memcpy(&x, p, 2);
        values[i] = static_cast<double>(fromBfloat16(x));
      }
      if (type == I) {
        int32_t x;
        memcpy(&x, p, 4);
        values[i] = x;
      }
      if (type == U || type == B) values[i] = *p;
    }
  }
  bool guarded() {
    const unsigned char* begin = data();
    const unsigned char* end = begin + values.size() * dtypeBytes(type);
    for (const unsigned char* p = memory.data(); p < memory.data() + memory.size(); p++) {
      if ((p < begin || p >= end) && *p != 0xa5) return false;
    }
    return true;
  }
  Tensor tensor() {
    Tensor t;
    t.dtype = type;
    t.rank = static_cast<int32_t>(dims.size());
    for (size_t i = 0; i < dims.size(); i++) t.dims[i] = dims[i];
    t.data = absent ? nullptr : data();
    return t;
  }
};

inline Value randomValue(DType type, Dims dims, double low = -3, double high = 3) {
  Value v(type, dims);
  for (double& x : v.values) x = low + uniform() * (high - low);
  if (type == I)
    for (double& x : v.values) x = std::floor(x * 10);
  if (type == U)
    for (double& x : v.values) x = std::floor(std::abs(x) * 40);
  if (type == B)
    for (double& x : v.values) x = x > 0.5 * (low + high);
  v.write();
  return v;
}
// NaN and the infinities at a few places of a float tensor.
inline Value withSpecials(Value v) {
  const double specials[] = {kNan, kInf, -kInf, 0.0, -0.0, 3.4e38, -3.4e38};
  for (size_t i = 0; i < v.values.size() && i < 49; i += 7) v.values[i] = specials[i / 7];
  v.write();
  return v;
}

inline void run(Op op, std::vector<Value*> in, std::vector<Value*> out, const void* attributes) {
  std::vector<Tensor> ins, outs;
  for (Value* v : in) ins.push_back(v->tensor());
  for (Value* v : out) outs.push_back(v->tensor());
  Call call;
  call.op = op;
  call.inputs = static_cast<int32_t>(ins.size());
  call.outputs = static_cast<int32_t>(outs.size());
  call.in = ins.data();
  call.out = outs.data();
  call.attributes = attributes;
  cpu::NEURITE_ISA::table.kernels[static_cast<int>(op)](call);
  for (Value* v : out) v->read();
  for (Value* v : in)
    if (!v->absent) v->read();
  for (Value* v : out) {
    if (!v->guarded()) {
      failures++;
      printf("%s: guard words of the output overwritten\n", kOpNames[static_cast<int>(op)]);
    }
  }
  for (Value* v : in) {
    if (!v->absent && !v->guarded()) {
      failures++;
      printf("%s: guard words of an input overwritten\n", kOpNames[static_cast<int>(op)]);
    }
  }
}

inline std::string shapeText(const Dims& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); i++) text += (i ? "," : "") + std::to_string(dims[i]);
  return text + "]";
}

// |received - expected| <= relative |expected| + absolute; bfloat16 outputs may also be off by their own rounding.
// NaN matches NaN.
inline void expectClose(const std::string& name, const Value& got, const std::vector<double>& expected, double relative,
                        double absolute = 1e-37) {
  checks++;
  if (got.type == H) relative += 0x1p-8;
  for (size_t i = 0; i < expected.size(); i++) {
    const double e = expected[i], g = got.values[i];
    const bool same = (std::isnan(e) && std::isnan(g)) || e == g ||
                      std::abs(g - e) <= relative * std::abs(e) + absolute ||
                      (std::isinf(g) && std::abs(e) > 3.39e38 && (g > 0) == (e > 0));
    if (!same) {
      failures++;
      printf("%s %s %s: at %zu expected %.9g, received %.9g\n", name.c_str(), dtypeName(got.type),
             shapeText(got.dims).c_str(), i, e, g);
      return;
    }
  }
}

// Index of the element of `from` that each element of `to` is made of.
inline std::vector<int64_t> broadcastIndices(const Dims& from, const Dims& to) {
  std::vector<int64_t> indices(static_cast<size_t>(sizeOf(to)));
  for (int64_t i = 0; i < sizeOf(to); i++) {
    int64_t rest = i, index = 0, stride = 1;
    for (size_t d = 0; d < to.size(); d++) {
      const size_t axis = to.size() - 1 - d;
      const int64_t place = rest % to[axis];
      rest /= to[axis];
      if (d < from.size()) {
        const int64_t dim = from[from.size() - 1 - d];
        index += (dim == 1 ? 0 : place) * stride;
        stride *= dim;
      }
    }
    indices[static_cast<size_t>(i)] = index;
  }
  return indices;
}

// The elements of x that each element of a reduction is made of.
struct Reduced {
  Dims dims;
  std::vector<std::vector<double>> groups;
  std::vector<size_t> groupOf;  // of each element
};
inline Reduced reduced(const Value& x, const std::vector<int64_t>& axes) {
  Reduced r;
  std::vector<bool> drop(x.dims.size());
  for (int64_t a : axes) drop[static_cast<size_t>(a)] = true;
  for (size_t d = 0; d < x.dims.size(); d++)
    if (!drop[d]) r.dims.push_back(x.dims[d]);
  r.groups.resize(static_cast<size_t>(sizeOf(r.dims)));
  for (size_t i = 0; i < x.values.size(); i++) {
    size_t rest = i, out = 0, stride = 1;
    for (size_t d = x.dims.size(); d-- > 0;) {
      const size_t dim = static_cast<size_t>(x.dims[d]), place = rest % dim;
      rest /= dim;
      if (!drop[d]) {
        out += place * stride;
        stride *= dim;
      }
    }
    r.groups[out].push_back(x.values[i]);
    r.groupOf.push_back(out);
  }
  return r;
}

inline double sigmoidOf(double x) { return 1 / (1 + std::exp(-x)); }

// What main returns.
inline int finish() {
  printf("%d checks, %d failures\n", checks, failures);
  return failures > 0;
}

}  // namespace neurite::test
