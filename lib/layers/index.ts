// layers.*: the layers by factory, and the way from a class name in a file back to a layer.
import { Registry, type Serialized } from '../serialization'
import { Activation, type ActivationOptions } from './activation'
import { Dense, type DenseOptions } from './dense'
import { Dropout, type DropoutOptions } from './dropout'
import { ELU, type ELUOptions } from './elu'
import { Flatten } from './flatten'
import { Identity } from './identity'
import { InputLayer, type InputOptions } from './input'
import { Lambda, type LambdaOptions } from './lambda'
import { Layer, type LayerOptions } from './layer'
import { LeakyReLU, type LeakyReLUOptions } from './leaky-relu'
import { PReLU, type PReLUOptions } from './prelu'
import { ReLU, type ReLUOptions } from './relu'
import { Rescaling, type RescalingOptions } from './rescaling'
import { Reshape, type ReshapeOptions } from './reshape'
import { Softmax, type SoftmaxOptions } from './softmax'

export type { ActivationOptions } from './activation'
export type { DenseOptions } from './dense'
export type { DropoutOptions } from './dropout'
export type { ELUOptions } from './elu'
export type { InputOptions } from './input'
export type { LambdaFunction, LambdaOptions } from './lambda'
export type { LeakyReLUOptions } from './leaky-relu'
export type { PReLUOptions } from './prelu'
export type { ReLUOptions } from './relu'
export type { RescalingOptions } from './rescaling'
export type { ReshapeOptions } from './reshape'
export type { SoftmaxOptions } from './softmax'

const registry = new Registry<Layer>('layer', Layer, {
  inputLayer: InputLayer,
  dense: Dense,
  activation: Activation,
  relu: ReLU,
  leakyRelu: LeakyReLU,
  elu: ELU,
  prelu: PReLU,
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
/** {@link Dense} */
export const dense = (options: DenseOptions): Dense => new Dense(options)
/** {@link Activation} */
export const activation = (options: ActivationOptions): Activation => new Activation(options)
/** {@link ReLU} */
export const relu = (options?: ReLUOptions): ReLU => new ReLU(options)
/** {@link LeakyReLU} */
export const leakyRelu = (options?: LeakyReLUOptions): LeakyReLU => new LeakyReLU(options)
/** {@link ELU} */
export const elu = (options?: ELUOptions): ELU => new ELU(options)
/** {@link PReLU} */
export const prelu = (options?: PReLUOptions): PReLU => new PReLU(options)
/** {@link Softmax} */
export const softmax = (options?: SoftmaxOptions): Softmax => new Softmax(options)
/** {@link Flatten} */
export const flatten = (options?: LayerOptions): Flatten => new Flatten(options)
/** {@link Reshape} */
export const reshape = (options: ReshapeOptions): Reshape => new Reshape(options)
/** {@link Dropout} */
export const dropout = (options: DropoutOptions): Dropout => new Dropout(options)
/** {@link Rescaling} */
export const rescaling = (options: RescalingOptions): Rescaling => new Rescaling(options)
/** {@link Identity} */
export const identity = (options?: LayerOptions): Identity => new Identity(options)
/** {@link Lambda} */
export const lambda = (options: LambdaOptions): Lambda => new Lambda(options)
