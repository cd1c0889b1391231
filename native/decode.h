// Reads calls out of the argument buffer: numbers one after the other, attributes in the order of ops.def.
#pragma once
#include <algorithm>
#include <new>
#include <string>
#include <type_traits>

#include "check.h"
#include "ops.h"

namespace neurite {

// What a tensor may take at most: more than any device has, and far enough from where int64_t ends that kernels may add to sizes and round them up.
inline constexpr int64_t kMaxTensorBytes = int64_t{1} << 53;

// Reads numbers of the argument buffer one after the other.
class Reader {
 public:
  Reader(const double* at, const double* end) : at_(at), end_(end) {}
  double next() {
    NEURITE_CHECK(at_ < end_);
    return *at_++;
  }
  int64_t integer() { return static_cast<int64_t>(next()); }
  void read(double& value) { value = next(); }
  void read(int64_t& value) { value = integer(); }
  void read(bool& value) { value = next() != 0; }
  void read(Ints& list) {
    list.count = static_cast<int32_t>(integer());
    NEURITE_CHECK(list.count >= 0 && list.count <= 2 * kMaxRank);
    for (int i = 0; i < list.count; i++) list.values[i] = integer();
  }
  template <class E>
  requires std::is_enum_v<E>
  void read(E& value) { value = static_cast<E>(integer()); }
  // rank, dims … of a tensor whose dtype is known. Throws an OutOfMemoryError where the product of its dimensions, those of 0 left out, is so large that
  // sizes might not fit an int64_t.
  void readShape(Tensor& tensor) {
    tensor.rank = static_cast<int32_t>(integer());
    NEURITE_CHECK(tensor.rank >= 0 && tensor.rank <= kMaxRank);
    const double* dims = at_;
    auto bytes = static_cast<double>(dtypeBytes(tensor.dtype));
    for (int i = 0; i < tensor.rank; i++) {
      const double dim = next();
      NEURITE_CHECK(dim >= 0);
      bytes *= std::max(dim, 1.0);
      if (bytes > static_cast<double>(kMaxTensorBytes)) failTooLarge(tensor, dims);
      tensor.dims[i] = static_cast<int64_t>(dim);
    }
  }

 private:
  [[noreturn]] static void failTooLarge(const Tensor& tensor, const double* dims) {
    std::string shape;
    for (int i = 0; i < tensor.rank; i++) shape += format(i ? ", %.0f" : "%.0f", dims[i]);
    fail("OutOfMemoryError",
         "a tensor of shape [%s] and dtype %s takes more than %lld bytes, the most that any may take", shape.c_str(),
         dtypeName(tensor.dtype), static_cast<long long>(kMaxTensorBytes));
  }

  const double* at_;
  const double* end_;
};

union Attributes {
  char none;
#define OP(name, inputs, outputs, attrs) attributes::name name##_;
#include "ops.def"
#undef OP
  Attributes() : none(0) {}
};

struct OpInfo {
  int32_t inputs, outputs;
  size_t attributeBytes;
  void (*decode)(Reader&, void*);
};

template <class A> void decodeAttributes(Reader& reader, void* target) {
  auto* attributes = new (target) A;
  attributes->visit([&](auto& value) { reader.read(value); });
}

inline constexpr OpInfo kOpInfos[kOps] = {
#define OP(name, inputs, outputs, attrs)                                              \
  {inputs, outputs, std::is_empty_v<attributes::name> ? 0 : sizeof(attributes::name), \
   decodeAttributes<attributes::name>},
#include "ops.def"
#undef OP
};

}  // namespace neurite
