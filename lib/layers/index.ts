// layers.*: the layers by factory, and the way from a class name in a file back to a layer.
import { Activation, type ActivationOptions } from './activation'
import { ActivityRegularization, type ActivityRegularizationOptions } from './activity-regularization'
import {
  AdaptiveAveragePooling1d,
  AdaptiveAveragePooling2d,
  AdaptiveAveragePooling3d,
  AdaptiveMaxPooling1d,
  AdaptiveMaxPooling2d,
  AdaptiveMaxPooling3d,
  type AdaptivePoolingOptions
} from './adaptive-pooling'
import { BatchNormalization, type BatchNormalizationOptions } from './batch-normalization'
import { Conv1d, Conv2d, Conv3d, type ConvOptions } from './conv'
import { Conv1dTranspose, Conv2dTranspose, Conv3dTranspose, type ConvTransposeOptions } from './conv-transpose'
import { Cropping1d, Cropping2d, Cropping3d, type CroppingOptions } from './cropping'
import { Dense, type DenseOptions } from './dense'
import {
  DepthwiseConv1d,
  DepthwiseConv2d,
  type DepthwiseConvOptions,
  SeparableConv1d,
  SeparableConv2d,
  type SeparableConvOptions
} from './depthwise-conv'
import {
  AlphaDropout,
  type AlphaDropoutOptions,
  Dropout,
  type DropoutOptions,
  SpatialDropout1d,
  SpatialDropout2d,
  SpatialDropout3d,
  type SpatialDropoutOptions
} from './dropout'
import { Elu, type EluOptions } from './elu'
import { Flatten, type FlattenOptions } from './flatten'
import {
  GlobalAveragePooling1d,
  GlobalAveragePooling2d,
  GlobalAveragePooling3d,
  GlobalMaxPooling1d,
  GlobalMaxPooling2d,
  GlobalMaxPooling3d,
  type GlobalPoolingOptions
} from './global-pooling'
import { GroupNormalization, type GroupNormalizationOptions } from './group-normalization'
import { Identity } from './identity'
import { InputLayer, type InputOptions } from './input'
import { Lambda, type LambdaOptions } from './lambda'
import { LayerNormalization, type LayerNormalizationOptions } from './layer-normalization'
import { LeakyRelu, type LeakyReluOptions } from './leaky-relu'
import { Add, Average, Concatenate, type ConcatenateOptions, Dot, type DotOptions, Maximum, Minimum, Multiply, Subtract } from './merge'
import { GaussianDropout, type GaussianDropoutOptions, GaussianNoise, type GaussianNoiseOptions } from './noise'
import type { LayerOptions } from './options'
import {
  Padding1d,
  Padding2d,
  Padding3d,
  type PaddingOptions,
  ZeroPadding1d,
  ZeroPadding2d,
  ZeroPadding3d,
  type ZeroPaddingOptions
} from './padding'

import { Permute, type PermuteOptions } from './permute'
import {
  AveragePooling1d,
  AveragePooling2d,
  AveragePooling3d,
  MaxPooling1d,
  MaxPooling2d,
  MaxPooling3d,
  type PoolingOptions,
  SumPooling1d,
  SumPooling2d,
  SumPooling3d
} from './pooling'
import { Prelu, type PreluOptions } from './prelu'
import { Relu, type ReluOptions } from './relu'
import { RepeatVector, type RepeatVectorOptions } from './repeat-vector'
import { Rescaling, type RescalingOptions } from './rescaling'
import { Reshape, type ReshapeOptions } from './reshape'
import { Resizing, type ResizingOptions } from './resizing'
import { RmsNormalization, type RmsNormalizationOptions } from './rms-normalization'
import { registry } from './serialization'
import { Softmax, type SoftmaxOptions } from './softmax'
import { SpectralNormalization, type SpectralNormalizationOptions } from './spectral-normalization'
import { UnitNormalization, type UnitNormalizationOptions } from './unit-normalization'
import { UpSampling1d, UpSampling2d, UpSampling3d, type UpSamplingOptions } from './up-sampling'

export { Activation, type ActivationOptions } from './activation'
export { ActivityRegularization, type ActivityRegularizationOptions } from './activity-regularization'
export {
  AdaptiveAveragePooling1d,
  AdaptiveAveragePooling2d,
  AdaptiveAveragePooling3d,
  AdaptiveMaxPooling1d,
  AdaptiveMaxPooling2d,
  AdaptiveMaxPooling3d,
  type AdaptivePoolingOptions
} from './adaptive-pooling'
export { BatchNormalization, type BatchNormalizationOptions, type RenormClipping } from './batch-normalization'
export { Conv1d, Conv2d, Conv3d, type ConvOptions } from './conv'
export { Conv1dTranspose, Conv2dTranspose, Conv3dTranspose, type ConvTransposeOptions } from './conv-transpose'
export { Cropping1d, Cropping2d, Cropping3d, type CroppingOptions } from './cropping'
export { Dense, type DenseOptions } from './dense'
export {
  DepthwiseConv1d,
  DepthwiseConv2d,
  type DepthwiseConvOptions,
  SeparableConv1d,
  SeparableConv2d,
  type SeparableConvOptions
} from './depthwise-conv'
export {
  AlphaDropout,
  type AlphaDropoutOptions,
  Dropout,
  type DropoutOptions,
  SpatialDropout1d,
  SpatialDropout2d,
  SpatialDropout3d,
  type SpatialDropoutOptions
} from './dropout'
export { Elu, type EluOptions } from './elu'
export { Flatten, type FlattenOptions } from './flatten'
export {
  GlobalAveragePooling1d,
  GlobalAveragePooling2d,
  GlobalAveragePooling3d,
  GlobalMaxPooling1d,
  GlobalMaxPooling2d,
  GlobalMaxPooling3d,
  type GlobalPoolingOptions
} from './global-pooling'
export { GroupNormalization, type GroupNormalizationOptions } from './group-normalization'
export { Identity } from './identity'
export { InputLayer, type InputOptions } from './input'
export { Lambda, type LambdaFunction, type LambdaOptions } from './lambda'
export { LayerNormalization, type LayerNormalizationOptions } from './layer-normalization'
export { LeakyRelu, type LeakyReluOptions } from './leaky-relu'
export {
  Add,
  Average,
  Concatenate,
  type ConcatenateOptions,
  Dot,
  type DotOptions,
  Maximum,
  Minimum,
  Multiply,
  Subtract
} from './merge'
export { GaussianDropout, type GaussianDropoutOptions, GaussianNoise, type GaussianNoiseOptions } from './noise'
export {
  Padding1d,
  Padding2d,
  Padding3d,
  type PaddingOptions,
  ZeroPadding1d,
  ZeroPadding2d,
  ZeroPadding3d,
  type ZeroPaddingOptions
} from './padding'

export { Permute, type PermuteOptions } from './permute'
export {
  AveragePooling1d,
  AveragePooling2d,
  AveragePooling3d,
  MaxPooling1d,
  MaxPooling2d,
  MaxPooling3d,
  type PoolingOptions,
  SumPooling1d,
  SumPooling2d,
  SumPooling3d
} from './pooling'
export { Prelu, type PreluOptions } from './prelu'
export { Relu, type ReluOptions } from './relu'
export { RepeatVector, type RepeatVectorOptions } from './repeat-vector'
export { Rescaling, type RescalingOptions } from './rescaling'
export { Reshape, type ReshapeOptions } from './reshape'
export { Resizing, type ResizingOptions } from './resizing'
export { RmsNormalization, type RmsNormalizationOptions } from './rms-normalization'
export { deserialize, serialize } from './serialization'
export { Softmax, type SoftmaxOptions } from './softmax'
export { SpectralNormalization, type SpectralNormalizationOptions } from './spectral-normalization'
export { UnitNormalization, type UnitNormalizationOptions } from './unit-normalization'
export { UpSampling1d, UpSampling2d, UpSampling3d, type UpSamplingOptions } from './up-sampling'

registry.add({
  inputLayer: InputLayer,
  dense: Dense,
  activation: Activation,
  relu: Relu,
  leakyRelu: LeakyRelu,
  elu: Elu,
  prelu: Prelu,
  softmax: Softmax,
  flatten: Flatten,
  reshape: Reshape,
  dropout: Dropout,
  rescaling: Rescaling,
  identity: Identity,
  lambda: Lambda,
  adaptiveAveragePooling1d: AdaptiveAveragePooling1d,
  adaptiveAveragePooling2d: AdaptiveAveragePooling2d,
  adaptiveAveragePooling3d: AdaptiveAveragePooling3d,
  adaptiveMaxPooling1d: AdaptiveMaxPooling1d,
  adaptiveMaxPooling2d: AdaptiveMaxPooling2d,
  adaptiveMaxPooling3d: AdaptiveMaxPooling3d,
  batchNormalization: BatchNormalization,
  conv1d: Conv1d,
  conv1dTranspose: Conv1dTranspose,
  conv2d: Conv2d,
  conv2dTranspose: Conv2dTranspose,
  conv3d: Conv3d,
  conv3dTranspose: Conv3dTranspose,
  depthwiseConv1d: DepthwiseConv1d,
  depthwiseConv2d: DepthwiseConv2d,
  separableConv1d: SeparableConv1d,
  separableConv2d: SeparableConv2d,
  globalAveragePooling1d: GlobalAveragePooling1d,
  globalAveragePooling2d: GlobalAveragePooling2d,
  globalAveragePooling3d: GlobalAveragePooling3d,
  globalMaxPooling1d: GlobalMaxPooling1d,
  globalMaxPooling2d: GlobalMaxPooling2d,
  globalMaxPooling3d: GlobalMaxPooling3d,
  groupNormalization: GroupNormalization,
  layerNormalization: LayerNormalization,
  averagePooling1d: AveragePooling1d,
  averagePooling2d: AveragePooling2d,
  averagePooling3d: AveragePooling3d,
  maxPooling1d: MaxPooling1d,
  maxPooling2d: MaxPooling2d,
  maxPooling3d: MaxPooling3d,
  sumPooling1d: SumPooling1d,
  sumPooling2d: SumPooling2d,
  sumPooling3d: SumPooling3d,
  resizing: Resizing,
  rmsNormalization: RmsNormalization,
  spectralNormalization: SpectralNormalization,
  upSampling1d: UpSampling1d,
  upSampling2d: UpSampling2d,
  upSampling3d: UpSampling3d,
  unitNormalization: UnitNormalization,
  add: Add,
  subtract: Subtract,
  multiply: Multiply,
  average: Average,
  maximum: Maximum,
  minimum: Minimum,
  concatenate: Concatenate,
  dot: Dot,
  permute: Permute,
  repeatVector: RepeatVector,
  zeroPadding1d: ZeroPadding1d,
  zeroPadding2d: ZeroPadding2d,
  zeroPadding3d: ZeroPadding3d,
  padding1d: Padding1d,
  padding2d: Padding2d,
  padding3d: Padding3d,
  cropping1d: Cropping1d,
  cropping2d: Cropping2d,
  cropping3d: Cropping3d,
  activityRegularization: ActivityRegularization,
  gaussianNoise: GaussianNoise,
  gaussianDropout: GaussianDropout,
  alphaDropout: AlphaDropout,
  spatialDropout1d: SpatialDropout1d,
  spatialDropout2d: SpatialDropout2d,
  spatialDropout3d: SpatialDropout3d
})

/** {@link InputLayer}: the first layer of a `sequential`, in place of `inputShape` in the next. */
export const inputLayer = (options: InputOptions): InputLayer => new InputLayer(options)
/** {@link Dense}: activation(x · kernel + bias) on the last axis. */
export const dense = (options: DenseOptions): Dense => new Dense(options)
/** {@link Activation}: any activation, by name or function. */
export const activation = (options: ActivationOptions): Activation => new Activation(options)
/** {@link Relu}: max(x, 0), with slope, limit and threshold. */
export const relu = (options?: ReluOptions): Relu => new Relu(options)
/** {@link LeakyRelu}: x where x > 0, else negativeSlope · x (0.3). */
export const leakyRelu = (options?: LeakyReluOptions): LeakyRelu => new LeakyRelu(options)
/** {@link Elu}: x where x > 0, else alpha · (exp(x) − 1). */
export const elu = (options?: EluOptions): Elu => new Elu(options)
/** {@link Prelu}: the slope below 0 is learned. */
export const prelu = (options?: PreluOptions): Prelu => new Prelu(options)
/** {@link Softmax}: exp(x) / Σ exp(x) along an axis. */
export const softmax = (options?: SoftmaxOptions): Softmax => new Softmax(options)
/** {@link Flatten}: (B, …) → (B, product of the rest). */
export const flatten = (options?: FlattenOptions): Flatten => new Flatten(options)
/** {@link Reshape}: (B, …) → (B, …targetShape). */
export const reshape = (options: ReshapeOptions): Reshape => new Reshape(options)
/** {@link Dropout}: in training, leaves elements out with probability `rate`. */
export const dropout = (options: DropoutOptions): Dropout => new Dropout(options)
/** {@link Rescaling}: x · scale + offset, also of bytes. */
export const rescaling = (options: RescalingOptions): Rescaling => new Rescaling(options)
/** {@link Identity}: gives its input. */
export const identity = (options?: LayerOptions): Identity => new Identity(options)
/** {@link Lambda}: a function of the input, built from ops. */
export const lambda = (options: LambdaOptions): Lambda => new Lambda(options)
/** {@link AdaptiveAveragePooling1d}: The mean of windows that cut the input into `outputSize` parts. */
export const adaptiveAveragePooling1d = (options: AdaptivePoolingOptions): AdaptiveAveragePooling1d => new AdaptiveAveragePooling1d(options)
/** {@link AdaptiveAveragePooling2d}: The mean of windows that cut the input into `outputSize` parts. */
export const adaptiveAveragePooling2d = (options: AdaptivePoolingOptions): AdaptiveAveragePooling2d => new AdaptiveAveragePooling2d(options)
/** {@link AdaptiveAveragePooling3d}: The mean of windows that cut the input into `outputSize` parts. */
export const adaptiveAveragePooling3d = (options: AdaptivePoolingOptions): AdaptiveAveragePooling3d => new AdaptiveAveragePooling3d(options)
/** {@link AdaptiveMaxPooling1d}: The maximum of windows that cut the input into `outputSize` parts. */
export const adaptiveMaxPooling1d = (options: AdaptivePoolingOptions): AdaptiveMaxPooling1d => new AdaptiveMaxPooling1d(options)
/** {@link AdaptiveMaxPooling2d}: The maximum of windows that cut the input into `outputSize` parts. */
export const adaptiveMaxPooling2d = (options: AdaptivePoolingOptions): AdaptiveMaxPooling2d => new AdaptiveMaxPooling2d(options)
/** {@link AdaptiveMaxPooling3d}: The maximum of windows that cut the input into `outputSize` parts. */
export const adaptiveMaxPooling3d = (options: AdaptivePoolingOptions): AdaptiveMaxPooling3d => new AdaptiveMaxPooling3d(options)
/** {@link BatchNormalization}: Mean 0 and variance 1 by channel, over the batch. */
export const batchNormalization = (options?: BatchNormalizationOptions): BatchNormalization => new BatchNormalization(options)
/** {@link Conv1d}: Convolution of sequences. */
export const conv1d = (options: ConvOptions): Conv1d => new Conv1d(options)
/** {@link Conv2d}: Convolution of images. */
export const conv2d = (options: ConvOptions): Conv2d => new Conv2d(options)
/** {@link Conv3d}: Convolution of volumes. */
export const conv3d = (options: ConvOptions): Conv3d => new Conv3d(options)
/** {@link Conv1dTranspose}: Transposed convolution of sequences. */
export const conv1dTranspose = (options: ConvTransposeOptions): Conv1dTranspose => new Conv1dTranspose(options)
/** {@link Conv2dTranspose}: Transposed convolution of images. */
export const conv2dTranspose = (options: ConvTransposeOptions): Conv2dTranspose => new Conv2dTranspose(options)
/** {@link Conv3dTranspose}: Transposed convolution of volumes. */
export const conv3dTranspose = (options: ConvTransposeOptions): Conv3dTranspose => new Conv3dTranspose(options)
/** {@link DepthwiseConv1d}: Convolution of each channel by itself. */
export const depthwiseConv1d = (options: DepthwiseConvOptions): DepthwiseConv1d => new DepthwiseConv1d(options)
/** {@link DepthwiseConv2d}: Convolution of each channel by itself. */
export const depthwiseConv2d = (options: DepthwiseConvOptions): DepthwiseConv2d => new DepthwiseConv2d(options)
/** {@link SeparableConv1d}: A depthwise convolution, then one over channels alone. */
export const separableConv1d = (options: SeparableConvOptions): SeparableConv1d => new SeparableConv1d(options)
/** {@link SeparableConv2d}: A depthwise convolution, then one over channels alone. */
export const separableConv2d = (options: SeparableConvOptions): SeparableConv2d => new SeparableConv2d(options)
/** {@link GlobalAveragePooling1d}: The mean over all places: (B, …, C) → (B, C). */
export const globalAveragePooling1d = (options?: GlobalPoolingOptions): GlobalAveragePooling1d => new GlobalAveragePooling1d(options)
/** {@link GlobalAveragePooling2d}: The mean over all places: (B, …, C) → (B, C). */
export const globalAveragePooling2d = (options?: GlobalPoolingOptions): GlobalAveragePooling2d => new GlobalAveragePooling2d(options)
/** {@link GlobalAveragePooling3d}: The mean over all places: (B, …, C) → (B, C). */
export const globalAveragePooling3d = (options?: GlobalPoolingOptions): GlobalAveragePooling3d => new GlobalAveragePooling3d(options)
/** {@link GlobalMaxPooling1d}: The maximum over all places: (B, …, C) → (B, C). */
export const globalMaxPooling1d = (options?: GlobalPoolingOptions): GlobalMaxPooling1d => new GlobalMaxPooling1d(options)
/** {@link GlobalMaxPooling2d}: The maximum over all places: (B, …, C) → (B, C). */
export const globalMaxPooling2d = (options?: GlobalPoolingOptions): GlobalMaxPooling2d => new GlobalMaxPooling2d(options)
/** {@link GlobalMaxPooling3d}: The maximum over all places: (B, …, C) → (B, C). */
export const globalMaxPooling3d = (options?: GlobalPoolingOptions): GlobalMaxPooling3d => new GlobalMaxPooling3d(options)
/** {@link GroupNormalization}: Mean 0 and variance 1 for each group of channels of each sample. */
export const groupNormalization = (options?: GroupNormalizationOptions): GroupNormalization => new GroupNormalization(options)
/** {@link LayerNormalization}: Mean 0 and variance 1 for each sample. */
export const layerNormalization = (options?: LayerNormalizationOptions): LayerNormalization => new LayerNormalization(options)
/** {@link AveragePooling1d}: The mean by windows: (B, …, C) → (B, windows…, C). */
export const averagePooling1d = (options?: PoolingOptions): AveragePooling1d => new AveragePooling1d(options)
/** {@link AveragePooling2d}: The mean by windows: (B, …, C) → (B, windows…, C). */
export const averagePooling2d = (options?: PoolingOptions): AveragePooling2d => new AveragePooling2d(options)
/** {@link AveragePooling3d}: The mean by windows: (B, …, C) → (B, windows…, C). */
export const averagePooling3d = (options?: PoolingOptions): AveragePooling3d => new AveragePooling3d(options)
/** {@link MaxPooling1d}: The maximum by windows: (B, …, C) → (B, windows…, C). */
export const maxPooling1d = (options?: PoolingOptions): MaxPooling1d => new MaxPooling1d(options)
/** {@link MaxPooling2d}: The maximum by windows: (B, …, C) → (B, windows…, C). */
export const maxPooling2d = (options?: PoolingOptions): MaxPooling2d => new MaxPooling2d(options)
/** {@link MaxPooling3d}: The maximum by windows: (B, …, C) → (B, windows…, C). */
export const maxPooling3d = (options?: PoolingOptions): MaxPooling3d => new MaxPooling3d(options)
/** {@link SumPooling1d}: The sum by windows: (B, …, C) → (B, windows…, C). */
export const sumPooling1d = (options?: PoolingOptions): SumPooling1d => new SumPooling1d(options)
/** {@link SumPooling2d}: The sum by windows: (B, …, C) → (B, windows…, C). */
export const sumPooling2d = (options?: PoolingOptions): SumPooling2d => new SumPooling2d(options)
/** {@link SumPooling3d}: The sum by windows: (B, …, C) → (B, windows…, C). */
export const sumPooling3d = (options?: PoolingOptions): SumPooling3d => new SumPooling3d(options)
/** {@link Resizing}: images of a fixed size. */
export const resizing = (options: ResizingOptions): Resizing => new Resizing(options)
/** {@link RmsNormalization}: Root mean square 1 for each sample. */
export const rmsNormalization = (options?: RmsNormalizationOptions): RmsNormalization => new RmsNormalization(options)
/** {@link SpectralNormalization}: a layer whose kernel has the largest singular value 1 in training. */
export const spectralNormalization = (options: SpectralNormalizationOptions): SpectralNormalization => new SpectralNormalization(options)
/** {@link UpSampling1d}: A longer sequence, by whole factors. */
export const upSampling1d = (options?: UpSamplingOptions): UpSampling1d => new UpSampling1d(options)
/** {@link UpSampling2d}: Larger images, by whole factors. */
export const upSampling2d = (options?: UpSamplingOptions): UpSampling2d => new UpSampling2d(options)
/** {@link UpSampling3d}: Larger volumes, by whole factors. */
export const upSampling3d = (options?: UpSamplingOptions): UpSampling3d => new UpSampling3d(options)
/** {@link UnitNormalization}: Length 1 for each sample. */
export const unitNormalization = (options?: UnitNormalizationOptions): UnitNormalization => new UnitNormalization(options)
/** {@link Add}: the sum of an array of inputs. */
export const add = (options?: LayerOptions): Add => new Add(options)
/** {@link Subtract}: the first of two inputs minus the second. */
export const subtract = (options?: LayerOptions): Subtract => new Subtract(options)
/** {@link Multiply}: the product of an array of inputs, element by element. */
export const multiply = (options?: LayerOptions): Multiply => new Multiply(options)
/** {@link Average}: the mean of an array of inputs, element by element. */
export const average = (options?: LayerOptions): Average => new Average(options)
/** {@link Maximum}: the largest of an array of inputs, element by element. */
export const maximum = (options?: LayerOptions): Maximum => new Maximum(options)
/** {@link Minimum}: the smallest of an array of inputs, element by element. */
export const minimum = (options?: LayerOptions): Minimum => new Minimum(options)
/** {@link Concatenate}: an array of inputs one after the other along an axis. */
export const concatenate = (options?: ConcatenateOptions): Concatenate => new Concatenate(options)
/** {@link Dot}: for each sample, the sums of products of two inputs along an axis of each. */
export const dot = (options: DotOptions): Dot => new Dot(options)
/** {@link Permute}: the axes of each sample in another order. */
export const permute = (options: PermuteOptions): Permute => new Permute(options)
/** {@link RepeatVector}: (B, C) → (B, n, C). */
export const repeatVector = (options: RepeatVectorOptions): RepeatVector => new RepeatVector(options)
/** {@link ZeroPadding1d}: zeros around images. */
export const zeroPadding1d = (options?: ZeroPaddingOptions): ZeroPadding1d => new ZeroPadding1d(options)
/** {@link ZeroPadding2d}: zeros around images. */
export const zeroPadding2d = (options?: ZeroPaddingOptions): ZeroPadding2d => new ZeroPadding2d(options)
/** {@link ZeroPadding3d}: zeros around images. */
export const zeroPadding3d = (options?: ZeroPaddingOptions): ZeroPadding3d => new ZeroPadding3d(options)
/** {@link Padding1d}: zeros, the nearest elements or mirrored ones around images. */
export const padding1d = (options?: PaddingOptions): Padding1d => new Padding1d(options)
/** {@link Padding2d}: zeros, the nearest elements or mirrored ones around images. */
export const padding2d = (options?: PaddingOptions): Padding2d => new Padding2d(options)
/** {@link Padding3d}: zeros, the nearest elements or mirrored ones around images. */
export const padding3d = (options?: PaddingOptions): Padding3d => new Padding3d(options)
/** {@link Cropping1d}: images without their borders. */
export const cropping1d = (options?: CroppingOptions): Cropping1d => new Cropping1d(options)
/** {@link Cropping2d}: images without their borders. */
export const cropping2d = (options?: CroppingOptions): Cropping2d => new Cropping2d(options)
/** {@link Cropping3d}: images without their borders. */
export const cropping3d = (options?: CroppingOptions): Cropping3d => new Cropping3d(options)
/** {@link ActivityRegularization}: adds a penalty on its input to the loss. */
export const activityRegularization = (options?: ActivityRegularizationOptions): ActivityRegularization =>
  new ActivityRegularization(options)
/** {@link GaussianNoise}: in training, adds normal noise. */
export const gaussianNoise = (options: GaussianNoiseOptions): GaussianNoise => new GaussianNoise(options)
/** {@link GaussianDropout}: in training, multiplies by normal noise of mean 1. */
export const gaussianDropout = (options: GaussianDropoutOptions): GaussianDropout => new GaussianDropout(options)
/** {@link AlphaDropout}: dropout that keeps mean 0 and variance 1, for selu. */
export const alphaDropout = (options: AlphaDropoutOptions): AlphaDropout => new AlphaDropout(options)
/** {@link SpatialDropout1d}: in training, leaves whole channels of a sample out. */
export const spatialDropout1d = (options: SpatialDropoutOptions): SpatialDropout1d => new SpatialDropout1d(options)
/** {@link SpatialDropout2d}: in training, leaves whole channels of a sample out. */
export const spatialDropout2d = (options: SpatialDropoutOptions): SpatialDropout2d => new SpatialDropout2d(options)
/** {@link SpatialDropout3d}: in training, leaves whole channels of a sample out. */
export const spatialDropout3d = (options: SpatialDropoutOptions): SpatialDropout3d => new SpatialDropout3d(options)
