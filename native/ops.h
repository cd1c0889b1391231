// What ops.def expands to: attribute structs, op numbers, the call that a kernel receives, and the kernel table's type.
#pragma once
#include <type_traits>

#include "tensor.h"

namespace neurite {

inline constexpr int kAny = -1;

// The attributes of op X are the struct attributes::X. `visit(f)` calls f with each attribute in the order of ops.def.
namespace attributes {
#define ATTR(type, name) type name{};
#define OP(name, inputs, outputs, attrs)        \
  struct name {                                 \
    attrs template <class F> void visit(F&& f); \
  };
#include "ops.def"
#undef OP
#undef ATTR
#define ATTR(type, name) f(name);
#define OP(name, inputs, outputs, attrs) \
  template <class F> void name::visit([[maybe_unused]] F&& f) { attrs }
#include "ops.def"
#undef OP
#undef ATTR
}  // namespace attributes

enum class Op : uint16_t {
#define OP(name, inputs, outputs, attrs) name,
#include "ops.def"
#undef OP
  count_
};
inline constexpr int kOps = static_cast<int>(Op::count_);

inline constexpr const char* kOpNames[kOps] = {
#define OP(name, inputs, outputs, attrs) #name,
#include "ops.def"
#undef OP
};

struct Kept;  // thread-pool.h

// One invocation of an op, as a kernel sees it. Memory of tensors and attributes outlives the kernel's run.
struct Call {
  Op op{};
  int32_t inputs = 0;
  int32_t outputs = 0;
  int32_t layer = 0;  // whose work it is, for messages: layerNumber(); 0: no layer's
  Tensor* in = nullptr;
  Tensor* out = nullptr;
  const void* attributes = nullptr;
  Kept* kept = nullptr;    // where a CPU kernel keeps what it makes of in[1], if that stays the same from run to run
  void* stream = nullptr;  // the CUDA device's execution context; unused on the CPU
};

template <class A> const A& attributesOf(const Call& call) { return *static_cast<const A*>(call.attributes); }

using Kernel = void (*)(const Call&);
struct KernelTable {
  Kernel kernels[kOps];
};

}  // namespace neurite
