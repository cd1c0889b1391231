// conv, convDataGrad, convFilterGrad: prepare the product and let the table choose a kernel.
#include <algorithm>

#include "../native/conv-then-pool.h"
#include "channel-moments.h"
#include "conv.h"
#include "kernels.h"

namespace neurite::cuda {
namespace {

template <class A> ConvShape shapeOf(const A& attributes, const Tensor& x, const Tensor& w, const Tensor& y) {
  ConvShape shape{x.dims[0], x.dims[x.rank - 1], y.dims[y.rank - 1], attributes.groups, {}, {}, {}, {}, {}, {}};
  const int missing = 5 - x.rank;
  for (int i = 0; i < 3; i++) {
    const int axis = i - missing;
    shape.input[i] = axis < 0 ? 1 : dimension(x.dims[1 + axis]);
    shape.output[i] = axis < 0 ? 1 : dimension(y.dims[1 + axis]);
    shape.kernel[i] = axis < 0 ? 1 : dimension(w.dims[axis]);
    shape.stride[i] = axis < 0 ? 1 : dimension(attributes.strides[axis]);
    shape.dilation[i] = axis < 0 ? 1 : dimension(attributes.dilation[axis]);
    shape.before[i] = axis < 0 ? 0 : dimension(attributes.before[axis]);
  }
  return shape;
}

void setOutput(Output& output, const Tensor& c, const Tensor* bias, Activation activation) {
  output.size = c.size();
  output.c = c.data;
  output.bias = bias != nullptr ? bias->data : nullptr;
  output.width = static_cast<int32_t>(c.dims[c.rank - 1]);
  output.bfloat16 = c.dtype == DType::bfloat16;
  output.biasBfloat16 = bias != nullptr && bias->dtype == DType::bfloat16;
  output.activation = activation;
  output.slices = 1;
}

template <int N> void copy(const int32_t (&from)[N], int32_t (&to)[N]) {
  for (int i = 0; i < N; i++) to[i] = from[i];
}

// How an image (b, size, channels of all groups) is read.
void setImage(Gather& gather, const int32_t (&size)[3], int64_t channels, int64_t groups) {
  copy(size, gather.size);
  gather.pitch[2] = channels;
  gather.pitch[1] = gather.pitch[2] * size[2];
  gather.pitch[0] = gather.pitch[1] * size[1];
  gather.image = gather.pitch[0] * size[0];
  gather.channels = FastDivisor(channels / groups);
}

// x as the forward product and the filter gradient gather it, with so many channels in a group.
Gather gatherOfInput(const ConvShape& shape, int64_t channels) {
  Gather gather{};
  setImage(gather, shape.input, channels * shape.groups, shape.groups);
  for (int i = 0; i < 3; i++) {
    gather.grid[i] = FastDivisor(shape.output[i]);
    gather.stride[i] = shape.stride[i];
    gather.origin[i] = -shape.before[i];
    gather.step[i] = shape.dilation[i];
    gather.taps[i] = FastDivisor(shape.kernel[i]);
  }
  return gather;
}

void setMatrices(Gemm& gemm, const ConvMatrices& matrices) {
  gemm.m = dimension(matrices.m);
  gemm.n = dimension(matrices.n);
  gemm.k = dimension(matrices.k);
  gemm.batches = dimension(matrices.batches);
}

// Pixels of `channels` with zeros behind them, `Padded` in all: x (pixels, channels) -> y (pixels, Padded).
template <class T, int Padded>
__global__ void __launch_bounds__(kThreads)
    padChannelsKernel(int64_t pixels, int32_t channels, const T* __restrict__ x, T* __restrict__ y) {
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < pixels; i += int64_t{gridDim.x} * blockDim.x) {
    gpu::Vec<T, Padded> pixel;
#pragma unroll
    for (int k = 0; k < Padded; k++) pixel[k] = k < channels ? x[i * channels + k] : T{};
    gpu::storeVec(y + i * Padded, pixel);
  }
}

// Of x, with as many channels as paddedChannels() says.
void padChannels(const Call& call, const ConvShape& shape, const Tensor& x, int64_t padded, void* to) {
  const int64_t pixels = shape.inputPixels();
  const auto launchWith = [&]<class T, int Padded>() {
    launch(call, padChannelsKernel<T, Padded>, gridFor(call, pixels), kThreads, 0, pixels,
           static_cast<int32_t>(shape.channels), x.as<const T>(), static_cast<T*>(to));
  };
  if (x.dtype == DType::float32) return launchWith.template operator()<float, 4>();
  if (padded == 2) return launchWith.template operator()<bf16, 2>();
  if (padded == 4) return launchWith.template operator()<bf16, 4>();
  launchWith.template operator()<bf16, 8>();
}

// Of `conv` the output and how an operand is gathered are set.
template <class Conv>
void runConv(const Call& call, Conv& conv, const ConvShape& shape, const ConvChoice& choice, const Tensor& gathered,
             const Tensor& matrix) {
  setMatrices(conv, choice.matrices);
  if (conv.batches > 65535) fail("more than 65,535 groups, times strides");
  conv.matrix = matrix.data;
  conv.matrixStride = shape.features;
  conv.matrixVector = vectorOf(matrix, shape.groupFeatures());
  conv.groups = static_cast<int32_t>(shape.groups);
  conv.padding = static_cast<int32_t>(choice.channels - shape.groupChannels());
  Tensor image = gathered;
  const size_t padded =
      conv.padding > 0 ? static_cast<size_t>(shape.inputPixels() * choice.channels) * dtypeBytes(image.dtype) : 0;
  void* memory = setSlices(call, conv, choice.product, padded);
  if (padded > 0) {
    padChannels(call, shape, gathered, choice.channels, memory);
    image.data = memory;
  }
  conv.gathered = image.data;
  // A group starts at a multiple of its channels, too.
  conv.gatheredVector = vectorOf(image, conv.gather.channels.value);
  const bool bfloat16 = image.dtype == DType::bfloat16;
  if (choice.product.kernel == MatmulKernel::tensorCore)
    launchTensorCoreConv(call, conv, bfloat16, choice.product);
  else
    launchSimtConv(call, conv, bfloat16, choice.product);
  sumSlices(call, conv);
}

// The same products of a convolution that multiplies each pixel by one matrix w (C, F).
void runPointwise(const Call& call, const Output& output, ConvProduct product, const ConvShape& shape,
                  const ConvChoice& choice, const Tensor& a, const Tensor& b) {
  Matmul matmul{};
  static_cast<Output&>(matmul) = output;
  setMatrices(matmul, choice.matrices);
  matmul.a = a.data;
  matmul.b = b.data;
  matmul.transposeA = product == ConvProduct::filterGrad;
  matmul.transposeB = product == ConvProduct::dataGrad;
  matmul.aStride = product == ConvProduct::dataGrad ? shape.features : shape.channels;
  matmul.bStride = shape.features;
  matmul.aVector = vectorOf(a, matmul.aStride);
  matmul.bVector = vectorOf(b, matmul.bStride);
  runMatmul(call, matmul, a.dtype == DType::bfloat16, choice.product);
}

void runDepthwise(const Call& call, const Output& output, ConvProduct product, const ConvShape& shape,
                  const Tensor& left, const Tensor& right) {
  Depthwise conv{};
  static_cast<Output&>(conv) = output;
  conv.left = left.data;
  conv.right = right.data;
  conv.channels = dimension(shape.channels);
  conv.features = dimension(shape.features);
  conv.multiplier = static_cast<int32_t>(shape.features / shape.channels);
  copy(shape.input, conv.inputs);
  copy(shape.output, conv.outputs);
  copy(shape.kernel, conv.kernel);
  copy(shape.stride, conv.stride);
  copy(shape.dilation, conv.dilation);
  copy(shape.before, conv.before);
  const bool dataGrad = product == ConvProduct::dataGrad;
  for (int i = 0; i < 3; i++) {
    conv.pixels[i] = FastDivisor(dataGrad ? shape.input[i] : shape.output[i]);
    conv.step[i] = FastDivisor(shape.stride[i]);
  }
  int32_t vector = 1;
  if (conv.multiplier == 1 && aligned(output.c, 16)) {
    const int32_t most = std::min(vectorOf(left, shape.channels), vectorOf(right, shape.channels));
    if (most >= 4) vector = most;
  }
  if (product == ConvProduct::filterGrad) {
    const int64_t pixels = shape.outputPixels();
    conv.columns = 1;
    while (conv.columns < 32 && conv.columns * vector < shape.features) conv.columns *= 2;
    const int64_t strips = ceilDiv(shape.features, conv.columns * vector);
    const int64_t slices = depthwiseSlices(pixels, shape.taps() * strips, kThreads / conv.columns);
    conv.items = dimension(pixels);
    conv.slicePixels = static_cast<int32_t>(ceilDiv(pixels, slices));
    conv.slices = static_cast<int32_t>(slices);
    if (slices > 1) {
      const size_t sums = static_cast<size_t>(conv.size * slices);
      conv.partial = static_cast<float*>(contextOf(call).scratch(sums * sizeof(float)));
    }
    if (shape.taps() > 65535) fail("more than 65,535 elements in a kernel");
  } else {
    const int64_t across = (dataGrad ? shape.channels : shape.features) / vector;
    conv.across = FastDivisor(across);
    conv.items = dimension((dataGrad ? shape.inputPixels() : shape.outputPixels()) * across);
  }
  launchDepthwise(call, conv, product, left.dtype == DType::bfloat16, vector);
  sumSlices(call, conv);
}

template <class A>
ConvChoice choose(const Call& call, const A& attributes, const ConvShape& shape, ConvProduct product, DType dtype) {
  const bool mayRound = dtype == DType::bfloat16 || attributes.precision != Precision::highest;
  return chooseConv(shape, product, contextOf(call).capability, mayRound, static_cast<int64_t>(dtypeBytes(dtype)));
}

}  // namespace

static void forward(const Call& call) {
  const auto& attributes = attributesOf<attributes::conv>(call);
  const Tensor &x = call.in[0], &w = call.in[1], &y = call.out[0];
  const ConvShape shape = shapeOf(attributes, x, w, y);
  ConvForward conv{};
  setOutput(conv, y, &call.in[2], attributes.activation);
  conv.addend = call.in[3].data;
  if (conv.size == 0) return;
  const ConvChoice choice = choose(call, attributes, shape, ConvProduct::forward, x.dtype);
  switch (choice.kernel) {
    case ConvKernel::matmul:
      return runPointwise(call, conv, ConvProduct::forward, shape, choice, x, w);
    case ConvKernel::depthwise:
      return runDepthwise(call, conv, ConvProduct::forward, shape, x, w);
    case ConvKernel::gather:
      conv.gather = gatherOfInput(shape, choice.channels);
      runConv(call, conv, shape, choice, x, w);
  }
}

// Moments and maxima take a pass of their own: the kernels of the product know nothing of them. A tile of theirs has neighbouring rows of a matrix, in
// which the pixels of a window are an image's width apart.
void conv(const Call& call) {
  if (attributesOf<attributes::conv>(call).window.count > 0) return convThenPool(call, conv, maxPool);
  forward(call);
  if (call.outputs == 1) return;
  const Tensor& y = call.out[0];
  takeMoments(call, y, 1, y.dims[y.rank - 1], call.out[1].as<float>(), call.out[2].as<float>());
}

void convFilterGrad(const Call& call) {
  const auto& attributes = attributesOf<attributes::convFilterGrad>(call);
  const Tensor &x = call.in[0], &dy = call.in[1], &dw = call.out[0];
  const ConvShape shape = shapeOf(attributes, x, dw, dy);
  ConvFilterGrad conv{};
  setOutput(conv, dw, nullptr, Activation::none);
  if (conv.size == 0) return;
  const ConvChoice choice = choose(call, attributes, shape, ConvProduct::filterGrad, x.dtype);
  switch (choice.kernel) {
    case ConvKernel::matmul:
      return runPointwise(call, conv, ConvProduct::filterGrad, shape, choice, x, dy);
    case ConvKernel::depthwise:
      return runDepthwise(call, conv, ConvProduct::filterGrad, shape, x, dy);
    case ConvKernel::gather:
      conv.gather = gatherOfInput(shape, choice.channels);
      runConv(call, conv, shape, choice, x, dy);
  }
}

void convDataGrad(const Call& call) {
  const auto& attributes = attributesOf<attributes::convDataGrad>(call);
  const Tensor &dy = call.in[0], &w = call.in[1], &dx = call.out[0];
  const ConvShape shape = shapeOf(attributes, dx, w, dy);
  ConvDataGrad conv{};
  setOutput(conv, dx, &call.in[2], attributes.activation);
  conv.addend = call.in[3].data;
  if (conv.size == 0) return;
  const ConvChoice choice = choose(call, attributes, shape, ConvProduct::dataGrad, dy.dtype);
  switch (choice.kernel) {
    case ConvKernel::matmul:
      return runPointwise(call, conv, ConvProduct::dataGrad, shape, choice, dy, w);
    case ConvKernel::depthwise:
      return runDepthwise(call, conv, ConvProduct::dataGrad, shape, dy, w);
    case ConvKernel::gather: {
      setImage(conv.gather, shape.output, shape.features, shape.groups);
      copy(shape.input, conv.image);
      copy(shape.stride, conv.stride);
      copy(shape.dilation, conv.dilation);
      copy(shape.before, conv.before);
      copy(shape.kernel, conv.kernel);
      for (int i = 0; i < 3; i++) {
        const ConvPhases phases = phasesOf(shape, i);
        conv.phases[i] = phases.count;
        conv.tapStep[i] = phases.tapStep;
        conv.mostTaps[i] = FastDivisor(phases.most);
        conv.fewerTaps[i] = FastDivisor(phases.most - 1);
        conv.gather.grid[i] = FastDivisor(phases.grid);
        conv.gather.stride[i] = 1;
        conv.gather.step[i] = -phases.placeStep;
      }
      runConv(call, conv, shape, choice, dy, w);
    }
  }
}

}  // namespace neurite::cuda
