// What layers, their weights and their calls are told.
import type { NamesOf } from '../arguments'
import type { Policy } from '../config'
import type { ConstraintSpec } from '../constraints'
import { ArgumentError, failure, show } from '../errors'
import type { InitializerSpec } from '../initializers'
import type { DType } from '../native'
import type { RegularizerSpec } from '../regularizers'

/** A shape in which sizes that only data decide (the batch's, mostly) are null. */
export type PartialShape = readonly (number | null)[]

/** Options of every layer. */
export interface LayerOptions {
  /** A name for messages, files and `model.getLayer`; by default the class's name with a number. */
  name?: string | undefined
  /** Whether an optimizer may change the weights. Default true. */
  trainable?: boolean | undefined
  /** What the layer computes in; default: the policy of `setPolicy`. Weights are float32 in both. */
  dtype?: Policy | undefined
  /** Shape of the input without the batch dimension, for the first layer of a model; null for sizes that vary. */
  inputShape?: PartialShape | undefined
  /** Shape of the input with the batch dimension. */
  batchInputShape?: PartialShape | undefined
  /** Penalty on the output, divided by the batch size. */
  activityRegularizer?: RegularizerSpec | null | undefined
}

export const layerOptions: NamesOf<LayerOptions> = {
  name: 'optional',
  trainable: 'optional',
  dtype: 'optional',
  inputShape: 'optional',
  batchInputShape: 'optional',
  activityRegularizer: 'optional'
}

/** The shape of an input, or a structure of them. */
export type ShapeOrShapes = PartialShape | readonly PartialShape[] | Readonly<Record<string, PartialShape>>

/** What `call` is told besides its input. */
export interface CallContext {
  /** True in `fit` and `trainOnBatch`, and where `apply` was asked for it. */
  training: boolean
}

/** Options of `addWeight`. */
export interface WeightOptions {
  name: string
  shape: readonly number[]
  /** Default `'glorotUniform'` for a rank of at least 2, else `'zeros'`. */
  initializer?: InitializerSpec | undefined
  /** Default float32. */
  dtype?: DType | undefined
  /** Whether training changes it. Default true. */
  trainable?: boolean | undefined
  /** Penalty that is added to the loss. */
  regularizer?: RegularizerSpec | null | undefined
  /** What the weight is brought back to after each update. */
  constraint?: ConstraintSpec | null | undefined
}

export const contextOptions: NamesOf<Partial<CallContext>> = { training: 'optional' }

/** @throws ArgumentError unless `shape` is sizes of at least 1, or null */
export function checkInputShape(kind: string, name: string, shape: unknown): void {
  const fits = Array.isArray(shape) && shape.every((size) => size === null || (Number.isSafeInteger(size) && size > 0))
  if (!fits) throw failure(ArgumentError, kind, `expected ${name} to be sizes or null, received ${show(shape)}`)
}
