// How the cases of this folder run an op.
#include "op.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace neurite::cuda {
extern const KernelTable table;

namespace {
std::vector<void*> scratchBlocks;
}

// Every command has scratch memory of its own, of exactly the size it asks for, so that reading past the end is seen.
void* Context::scratch(size_t bytes) {
  void* block = nullptr;
  SUITE_CUDA(cudaMalloc(&block, bytes > 0 ? bytes : 1));
  SUITE_CUDA(cudaMemsetAsync(block, 0xff, bytes, stream));
  scratchBlocks.push_back(block);
  return block;
}
}  // namespace neurite::cuda

namespace ops {
namespace {

double rounded(DType dtype, double value) {
  switch (dtype) {
    case DType::float32:
      return static_cast<float>(value);
    case DType::bfloat16:
      return gpu::bf16(static_cast<float>(value));
    default:
      return value;
  }
}

void store(DType dtype, double value, unsigned char* to) {
  const auto write = [to](auto v) { std::memcpy(to, &v, sizeof v); };
  switch (dtype) {
    case DType::float32:
      return write(static_cast<float>(value));
    case DType::bfloat16:
      return write(gpu::bf16(static_cast<float>(value)).bits);
    case DType::int32:
      return write(static_cast<int32_t>(value));
    default:
      return write(static_cast<uint8_t>(value));
  }
}

double read(DType dtype, const unsigned char* from) {
  const auto as = [from](auto v) {
    std::memcpy(&v, from, sizeof v);
    return v;
  };
  switch (dtype) {
    case DType::float32:
      return as(0.0f);
    case DType::bfloat16:
      return gpu::bf16::fromBits(as(uint16_t{}));
    case DType::int32:
      return as(int32_t{});
    default:
      return as(uint8_t{});
  }
}

using Bytes = suite::DeviceBuffer<unsigned char>;

bool hasRun[neurite::kOps];

// ThreadSanitizer's cases are a part of them.
#ifndef EMULATOR_TSAN
const suite::Afterwards everyOpHasACase("everyOpHasACase", [] {
  for (int op = 0; op < neurite::kOps; op++)
    suite::expect(hasRun[op],
                  name(static_cast<Op>(op)) + " of ops.def is run by no case of test/cuda-emulator/kernels");
});
#endif

struct OnDevice {
  std::unique_ptr<Bytes> memory;
  neurite::Tensor tensor;

  explicit OnDevice(const Value& value) {
    if (!value.present) return;
    tensor.dtype = value.dtype;
    tensor.rank = static_cast<int32_t>(value.dims.size());
    for (size_t i = 0; i < value.dims.size(); i++) tensor.dims[i] = value.dims[i];
    memory = std::make_unique<Bytes>(tensor.bytes());
    tensor.data = memory->data();
    if (value.data.empty()) return;
    std::vector<unsigned char> bytes(tensor.bytes());
    const size_t width = neurite::dtypeBytes(value.dtype);
    for (size_t i = 0; i < value.data.size(); i++) store(value.dtype, value.data[i], bytes.data() + i * width);
    memory->upload(bytes);
  }

  Value download() const {
    Value value;
    value.present = memory != nullptr;
    if (!value.present) return value;
    value.dtype = tensor.dtype;
    value.dims.assign(tensor.dims, tensor.dims + tensor.rank);
    if (memory->size() == 0) return value;
    const std::vector<unsigned char> bytes = memory->download();
    const size_t width = neurite::dtypeBytes(tensor.dtype);
    for (size_t i = 0; i < bytes.size() / width; i++)
      value.data.push_back(read(tensor.dtype, bytes.data() + i * width));
    return value;
  }
};

}  // namespace

Value::Value(DType dtype, Dims dims, std::vector<double> data)
    : dtype(dtype), dims(std::move(dims)), data(std::move(data)) {
  for (double& x : this->data) x = rounded(dtype, x);
}

Value absent() {
  Value value;
  value.present = false;
  return value;
}

Value random(DType dtype, const Dims& dims, double low, double high) {
  std::vector<double> data;
  const bool isFloat = dtype == DType::float32 || dtype == DType::bfloat16;
  for (const float u :
       suite::uniform(static_cast<size_t>(sizeOf(dims)), static_cast<float>(low), static_cast<float>(high))) {
    data.push_back(isFloat ? static_cast<double>(u) : std::floor(static_cast<double>(u)));
  }
  return {dtype, dims, data};
}

Value constant(DType dtype, const Dims& dims, double value) {
  return {dtype, dims, std::vector<double>(static_cast<size_t>(sizeOf(dims)), value)};
}

int deviceCapability() {
  int major = 0, minor = 0;
  SUITE_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
  SUITE_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0));
  return 10 * major + minor;
}

Result runWith(Op op, const void* attributes, const std::vector<Value>& inputs, const std::vector<Value>& outputs,
               int capability) {
  hasRun[static_cast<int>(op)] = true;
  std::vector<OnDevice> in, out;
  for (const Value& value : inputs) in.emplace_back(value);
  for (const Value& value : outputs) out.emplace_back(value);
  std::vector<neurite::Tensor> inTensors, outTensors;
  for (const OnDevice& d : in) inTensors.push_back(d.tensor);
  for (const OnDevice& d : out) outTensors.push_back(d.tensor);
  suite::DeviceBuffer<neurite::IndexReport> report(std::vector<neurite::IndexReport>(1));

  int optIn = 0;
  SUITE_CUDA(cudaDeviceGetAttribute(&optIn, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
  // Two multiprocessors: grids are small, so that kernels loop.
  neurite::cuda::Context context{suite::stream(), std::min(capability, deviceCapability()), 2,
                                 static_cast<size_t>(optIn), report.data()};
  neurite::Call call;
  call.op = op;
  call.inputs = static_cast<int32_t>(in.size());
  call.outputs = static_cast<int32_t>(out.size());
  call.in = inTensors.data();
  call.out = outTensors.data();
  call.attributes = attributes;
  call.stream = &context;
  try {
    neurite::cuda::table.kernels[static_cast<int>(op)](call);
  } catch (const std::exception& error) {
    suite::expect(false, error.what());
  }

  Result result;
  for (const OnDevice& d : out) result.outputs.push_back(d.download());
  for (const OnDevice& d : in) result.inputs.push_back(d.download());
  const neurite::IndexReport reported = report.download()[0];
  result.report = {reported.set != 0, static_cast<Op>(reported.op), reported.index, reported.limit};
  for (void* block : neurite::cuda::scratchBlocks) SUITE_CUDA(cudaFree(block));
  neurite::cuda::scratchBlocks.clear();
  return result;
}

neurite::Ints ints(const std::vector<int64_t>& values) {
  neurite::Ints result;
  for (const int64_t value : values) result.values[result.count++] = value;
  return result;
}

void expectEqual(const std::string& what, const Value& received, const std::vector<double>& reference, double float32) {
  suite::expectClose(what, received.data, reference, tolerance(received.dtype, float32));
}

std::string describe(const Dims& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); i++) text += (i > 0 ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

}  // namespace ops
