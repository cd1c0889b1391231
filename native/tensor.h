// The vocabulary that every kernel shares: dtypes, a dense tensor as a kernel sees it, and the enumerations of attributes.
#pragma once
#include <cstddef>
#include <cstdint>

namespace neurite {

enum class DType : uint8_t { float32, bfloat16, int32, uint8, boolean };
inline constexpr int kDTypes = 5;
inline constexpr size_t kDTypeBytes[kDTypes] = {4, 2, 4, 1, 1};
inline constexpr const char* kDTypeNames[kDTypes] = {"float32", "bfloat16", "int32", "uint8", "bool"};
inline constexpr size_t dtypeBytes(DType type) { return kDTypeBytes[static_cast<int>(type)]; }
inline constexpr const char* dtypeName(DType type) { return kDTypeNames[static_cast<int>(type)]; }

inline constexpr int kMaxRank = 8;

// A dense, row-major, contiguous tensor. `data` is null for an operand that was left out.
struct Tensor {
  void* data = nullptr;
  DType dtype = DType::float32;
  int32_t rank = 0;
  int64_t dims[kMaxRank] = {};

  bool present() const { return data != nullptr; }
  int64_t size() const {  // fits: Reader::readShape (decode.h) has seen to that
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dims[i];
    return n;
  }
  size_t bytes() const { return static_cast<size_t>(size()) * dtypeBytes(dtype); }
  template <class T> T* as() const { return static_cast<T*>(data); }
};

// A list attribute: axes, permutation, starts, pads. Never longer than two numbers per axis.
struct Ints {
  int32_t count = 0;
  int64_t values[2 * kMaxRank] = {};
  int64_t operator[](int i) const { return values[i]; }
};

// Activations that matmul applies in its epilogue: those whose derivative is a function of the output.
enum class Activation : uint8_t { none, relu, sigmoid, tanh };
// What float32 matrix products are computed with (docs/architecture.md, section 6).
enum class Precision : uint8_t { highest, high, medium };
enum class PadMode : uint8_t { constant, edge, reflect };
// What lies between the elements of an axis when it is resized (resize.h).
enum class Interpolation : uint8_t { nearest, bilinear, bicubic };
// What a row is divided by in rowNorm (ops.def).
enum class RowNorm : uint8_t { layer, rms, unit };
// How gradients are clipped before an update: each value, each variable's L2 norm, or the L2 norm of all together.
enum class Clip : uint8_t { none, value, norm, globalNorm };

}  // namespace neurite
