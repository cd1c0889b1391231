// conv, convDataGrad, convFilterGrad: prepare the product and let the table choose a kernel.
#include <numeric>

#include "../native/conv-then-pool.h"
#include "channel-moments.h"
#include "conv.h"
#include "kernels.h"

namespace neurite::cuda {
namespace {

// A convolution's shape with three spatial axes, whichever of its products is wanted.
struct Shape {
  int64_t images, channels, features, groups;
  int32_t input[3], output[3], kernel[3], stride[3], dilation[3], before[3];

  template <class A>
  Shape(const A& attributes, const Tensor& x, const Tensor& w, const Tensor& y)
      : images(x.dims[0]), channels(x.dims[x.rank - 1]), features(y.dims[y.rank - 1]), groups(attributes.groups) {
    const int missing = 5 - x.rank;
    for (int i = 0; i < 3; i++) {
      const int axis = i - missing;
      input[i] = axis < 0 ? 1 : dimension(x.dims[1 + axis]);
      output[i] = axis < 0 ? 1 : dimension(y.dims[1 + axis]);
      kernel[i] = axis < 0 ? 1 : dimension(w.dims[axis]);
      stride[i] = axis < 0 ? 1 : dimension(attributes.strides[axis]);
      dilation[i] = axis < 0 ? 1 : dimension(attributes.dilation[axis]);
      before[i] = axis < 0 ? 0 : dimension(attributes.before[axis]);
    }
  }
  int32_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t inputPixels() const { return images * input[0] * input[1] * input[2]; }
  int64_t outputPixels() const { return images * output[0] * output[1] * output[2]; }
  bool everyPixelOnce() const {
    bool once = taps() == 1;
    for (int i = 0; i < 3; i++) once = once && stride[i] == 1 && before[i] == 0 && input[i] == output[i];
    return once;
  }
};

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

// How `image` (b, size, channels of all groups) is read.
void setImage(Gather& gather, const int32_t (&size)[3], int64_t channels, int64_t groups) {
  copy(size, gather.size);
  gather.pitch[2] = channels;
  gather.pitch[1] = gather.pitch[2] * size[2];
  gather.pitch[0] = gather.pitch[1] * size[1];
  gather.image = gather.pitch[0] * size[0];
  gather.channels = FastDivisor(channels / groups);
}

// x as the forward product and the filter gradient gather it.
Gather gatherOfInput(const Shape& shape) {
  Gather gather{};
  setImage(gather, shape.input, shape.channels, shape.groups);
  for (int i = 0; i < 3; i++) {
    gather.grid[i] = FastDivisor(shape.output[i]);
    gather.stride[i] = shape.stride[i];
    gather.origin[i] = -shape.before[i];
    gather.step[i] = shape.dilation[i];
    gather.taps[i] = FastDivisor(shape.kernel[i]);
  }
  return gather;
}

template <class Conv> void runConv(const Call& call, Conv& conv, bool bfloat16, bool mayRound) {
  if (conv.batches > 65535) fail("more than 65,535 groups, times strides");
  const MatmulChoice choice =
      chooseConvProduct(conv.m, conv.n, conv.k, conv.batches, contextOf(call).capability, mayRound);
  setSlices(call, conv, choice);
  if (choice.kernel == MatmulKernel::tensorCore)
    launchTensorCoreConv(call, conv, bfloat16, choice);
  else
    launchSimtConv(call, conv, bfloat16, choice);
  sumSlices(call, conv);
}

template <class Conv> void setOperands(Conv& conv, const Shape& shape, const Tensor& gathered, const Tensor& matrix) {
  conv.gathered = gathered.data;
  conv.matrix = matrix.data;
  // A group starts at a multiple of its channels, too.
  const int64_t channels = conv.gather.channels.value;
  conv.gatheredVector = readsVectors(gathered, channels);
  conv.matrixStride = shape.features;
  conv.matrixVector = readsVectors(matrix, shape.features / shape.groups);
  conv.groups = static_cast<int32_t>(shape.groups);
}

// The same products of a convolution that multiplies each pixel by one matrix w (C, F).
void runPointwise(const Call& call, const Output& output, ConvProduct product, const Shape& shape, const Tensor& a,
                  const Tensor& b, bool mayRound) {
  Matmul matmul{};
  static_cast<Output&>(matmul) = output;
  const int64_t pixels = shape.outputPixels();
  const bool forward = product == ConvProduct::forward, filterGrad = product == ConvProduct::filterGrad;
  matmul.m = dimension(filterGrad ? shape.channels : pixels);
  matmul.n = dimension(product == ConvProduct::dataGrad ? shape.channels : shape.features);
  matmul.k = dimension(filterGrad ? pixels : forward ? shape.channels : shape.features);
  matmul.batches = 1;
  matmul.a = a.data;
  matmul.b = b.data;
  matmul.transposeA = filterGrad;
  matmul.transposeB = product == ConvProduct::dataGrad;
  matmul.aStride = product == ConvProduct::dataGrad ? shape.features : shape.channels;
  matmul.bStride = shape.features;
  matmul.aVector = readsVectors(a, matmul.aStride);
  matmul.bVector = readsVectors(b, matmul.bStride);
  runMatmul(call, matmul, a.dtype == DType::bfloat16, mayRound);
}

void runDepthwise(const Call& call, const Output& output, ConvProduct product, const Shape& shape, const Tensor& left,
                  const Tensor& right) {
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
  const bool vector = conv.multiplier == 1 && shape.channels % 4 == 0 && aligned(left.data, 16) &&
                      aligned(right.data, 16) && aligned(output.c, 16);
  const int64_t perThread = vector ? 4 : 1;
  if (product == ConvProduct::filterGrad) {
    const int64_t pixels = shape.outputPixels();
    const int64_t slices = depthwiseSlices(pixels, int64_t{shape.taps()} * ceilDiv(shape.features, 32 * perThread));
    conv.items = dimension(pixels);
    conv.slicePixels = static_cast<int32_t>(ceilDiv(pixels, slices));
    conv.slices = static_cast<int32_t>(slices);
    if (slices > 1) {
      const size_t sums = static_cast<size_t>(conv.size * slices);
      conv.partial = static_cast<float*>(contextOf(call).scratch(sums * sizeof(float)));
    }
    if (shape.taps() > 65535) fail("more than 65,535 elements in a kernel");
  } else {
    const int64_t across = (dataGrad ? shape.channels : shape.features) / perThread;
    conv.across = FastDivisor(across);
    conv.items = dimension((dataGrad ? shape.inputPixels() : shape.outputPixels()) * across);
  }
  launchDepthwise(call, conv, product, left.dtype == DType::bfloat16, vector);
  sumSlices(call, conv);
}

template <class A> bool mayRound(const A& attributes, const Tensor& x) {
  return x.dtype == DType::bfloat16 || attributes.precision != Precision::highest;
}

}  // namespace

static void forward(const Call& call) {
  const auto& attributes = attributesOf<attributes::conv>(call);
  const Tensor &x = call.in[0], &w = call.in[1], &y = call.out[0];
  const Shape shape(attributes, x, w, y);
  ConvForward conv{};
  setOutput(conv, y, &call.in[2], attributes.activation);
  conv.addend = call.in[3].data;
  if (conv.size == 0) return;
  switch (chooseConv(shape.everyPixelOnce(), shape.groups, shape.channels / shape.groups)) {
    case ConvKernel::matmul:
      return runPointwise(call, conv, ConvProduct::forward, shape, x, w, mayRound(attributes, x));
    case ConvKernel::depthwise:
      return runDepthwise(call, conv, ConvProduct::forward, shape, x, w);
    case ConvKernel::gather:
      conv.gather = gatherOfInput(shape);
      setOperands(conv, shape, x, w);
      conv.m = dimension(shape.outputPixels());
      conv.n = dimension(shape.features / shape.groups);
      conv.k = dimension(shape.taps() * (shape.channels / shape.groups));
      conv.batches = conv.groups;
      runConv(call, conv, x.dtype == DType::bfloat16, mayRound(attributes, x));
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
  const Shape shape(attributes, x, dw, dy);
  ConvFilterGrad conv{};
  setOutput(conv, dw, nullptr, Activation::none);
  if (conv.size == 0) return;
  switch (chooseConv(shape.everyPixelOnce(), shape.groups, shape.channels / shape.groups)) {
    case ConvKernel::matmul:
      return runPointwise(call, conv, ConvProduct::filterGrad, shape, x, dy, mayRound(attributes, x));
    case ConvKernel::depthwise:
      return runDepthwise(call, conv, ConvProduct::filterGrad, shape, x, dy);
    case ConvKernel::gather:
      conv.gather = gatherOfInput(shape);
      setOperands(conv, shape, x, dy);
      conv.m = dimension(shape.taps() * (shape.channels / shape.groups));
      conv.n = dimension(shape.features / shape.groups);
      conv.k = dimension(shape.outputPixels());
      conv.batches = conv.groups;
      runConv(call, conv, x.dtype == DType::bfloat16, mayRound(attributes, x));
  }
}

void convDataGrad(const Call& call) {
  const auto& attributes = attributesOf<attributes::convDataGrad>(call);
  const Tensor &dy = call.in[0], &w = call.in[1], &dx = call.out[0];
  const Shape shape(attributes, dx, w, dy);
  ConvDataGrad conv{};
  setOutput(conv, dx, &call.in[2], attributes.activation);
  conv.addend = call.in[3].data;
  if (conv.size == 0) return;
  switch (chooseConv(shape.everyPixelOnce(), shape.groups, shape.channels / shape.groups)) {
    case ConvKernel::matmul:
      return runPointwise(call, conv, ConvProduct::dataGrad, shape, dy, w, mayRound(attributes, dy));
    case ConvKernel::depthwise:
      return runDepthwise(call, conv, ConvProduct::dataGrad, shape, dy, w);
    case ConvKernel::gather: {
      setImage(conv.gather, shape.output, shape.features, shape.groups);
      setOperands(conv, shape, dy, w);
      copy(shape.input, conv.image);
      copy(shape.stride, conv.stride);
      copy(shape.dilation, conv.dilation);
      copy(shape.before, conv.before);
      copy(shape.kernel, conv.kernel);
      int64_t rows = shape.images, taps = 1, phases = 1;
      for (int i = 0; i < 3; i++) {
        const int32_t stride = shape.stride[i], common = std::gcd(stride, shape.dilation[i]);
        conv.phases[i] = stride < shape.input[i] ? stride : shape.input[i];
        conv.tapStep[i] = stride / common;
        const int64_t most = ceilDiv(shape.kernel[i], conv.tapStep[i]);
        conv.mostTaps[i] = FastDivisor(most);
        conv.fewerTaps[i] = FastDivisor(most - 1);
        const int64_t grid = ceilDiv(shape.input[i], stride);
        conv.gather.grid[i] = FastDivisor(grid);
        conv.gather.stride[i] = 1;
        conv.gather.step[i] = -shape.dilation[i] / common;
        rows *= grid;
        taps *= most;
        phases *= conv.phases[i];
      }
      conv.m = dimension(rows);
      conv.n = dimension(shape.channels / shape.groups);
      conv.k = dimension(taps * (shape.features / shape.groups));
      conv.batches = dimension(phases * shape.groups);
      runConv(call, conv, dy.dtype == DType::bfloat16, mayRound(attributes, dy));
    }
  }
}

}  // namespace neurite::cuda
