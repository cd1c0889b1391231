// optimizers.*: how gradients change weights.
import { Registry, type Serialized } from '../serialization'
import { Adam, type AdamOptions, AdamW } from './adam'
import { Optimizer } from './optimizer'
import { Rmsprop, type RmspropOptions } from './rmsprop'
import { SGD, type SGDOptions } from './sgd'

export { Adam, type AdamOptions, AdamW } from './adam'
export { Optimizer, type OptimizerOptions } from './optimizer'
export { Rmsprop, type RmspropOptions } from './rmsprop'
export { SGD, type SGDOptions } from './sgd'

const classes = { sgd: SGD, adam: Adam, adamW: AdamW, rmsprop: Rmsprop }
/** The names that an optimizer can be asked for by. */
export type OptimizerName = keyof typeof classes
/** What stands for an optimizer. */
export type OptimizerSpec = OptimizerName | Optimizer | Serialized

const registry = new Registry<Optimizer>('optimizer', Optimizer, classes)

/** Gives the optimizer that `spec` stands for. @throws ArgumentError for an unknown name, with the nearest */
export const get = (spec: OptimizerSpec): Optimizer => registry.get(spec)
/** What a file holds for an optimizer, without its state; {@link get} makes it again. */
export const serialize = (optimizer: Optimizer): Serialized => registry.write(optimizer)

/** {@link SGD}: gradient descent, with momentum and Nesterov; rate 0.01. */
export const sgd = (options?: SGDOptions): SGD => new SGD(options)
/** {@link Adam}: moments of gradients, bias corrected; rate 0.001. */
export const adam = (options?: AdamOptions): Adam => new Adam(options)
/** {@link AdamW}: Adam with decoupled weight decay, 0.004. */
export const adamW = (options?: AdamOptions): AdamW => new AdamW(options)
/** {@link Rmsprop}: gradients over the root of their mean square; rate 0.001. */
export const rmsprop = (options?: RmspropOptions): Rmsprop => new Rmsprop(options)
