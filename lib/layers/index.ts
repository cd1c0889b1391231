// layers.*: the layers by factory, and the way from a class name in a file back to a layer.
import { Registry, type Serialized } from '../serialization'
import { Activation, type ActivationOptions } from './activation'
import { Dense, type DenseOptions } from './dense'
import { Dropout, type DropoutOptions } from './dropout'
import { Elu, type EluOptions } from './elu'
import { Flatten } from './flatten'
import { Identity } from './identity'
import { InputLayer, type InputOptions } from './input'
import { Lambda, type LambdaOptions } from './lambda'
import { Layer, type LayerOptions } from './layer'
import { LeakyRelu, type LeakyReluOptions } from './leaky-relu'
import { Prelu, type PreluOptions } from './prelu'
import { Relu, type ReluOptions } from './relu'
import { Rescaling, type RescalingOptions } from './rescaling'
import { Reshape, type ReshapeOptions } from './reshape'
import { Softmax, type SoftmaxOptions } from './softmax'

export { Activation, type ActivationOptions } from './activation'
export { Dense, type DenseOptions } from './dense'
export { Dropout, type DropoutOptions } from './dropout'
export { Elu, type EluOptions } from './elu'
export { Flatten } from './flatten'
export { Identity } from './identity'
export { InputLayer, type InputOptions } from './input'
export { Lambda, type LambdaFunction, type LambdaOptions } from './lambda'
export { LeakyRelu, type LeakyReluOptions } from './leaky-relu'
export { Prelu, type PreluOptions } from './prelu'
export { Relu, type ReluOptions } from './relu'
export { Rescaling, type RescalingOptions } from './rescaling'
export { Reshape, type ReshapeOptions } from './reshape'
export { Softmax, type SoftmaxOptions } from './softmax'

const registry = new Registry<Layer>('layer', Layer, {
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
  lambda: Lambda
})

/** What a file holds for a layer, without its weights. */
export const serialize = (layer: Layer): Serialized => registry.serialize(layer)
/** The layer that {@link serialize} wrote. @throws ArgumentError if its class is not known, which says `customObjects` */
export const deserialize = (data: Serialized): Layer => registry.deserialize(data)

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
export const flatten = (options?: LayerOptions): Flatten => new Flatten(options)
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
