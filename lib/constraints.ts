// constraints.*: what a weight is brought back to after each update. Formulas and defaults as in Keras 3.
import { type NamesOf, numberOption } from './arguments'
import { type AxisOption, axisOption } from './layers/axes'
import * as ops from './ops'
import { type Config, classOptions, fixOptions, Registry, type Serialized, type SerializedFunction } from './serialization'
import type { Tensor } from './tensor'

/** A constraint on a weight. One's own extends this class, or is a function of the weight. */
export abstract class Constraint {
  /** What the weight becomes: of its shape. */
  abstract constrain(w: Tensor): Tensor

  getConfig(): Config {
    return {}
  }
}

/** Keeps quotients by a norm finite. */
const epsilon = 1e-7

/** L2 norms over `axis`, which stays with size 1. */
const norms = (w: Tensor, axis: AxisOption): Tensor => ops.sqrt(ops.sum(ops.square(w), axis, { keepdims: true }))

export interface MaxNormOptions {
  /** Default 2. */
  maxValue?: number | undefined
  /** The axis or axes that a norm is taken over. Default 0: for each unit of a dense layer. */
  axis?: AxisOption | undefined
}

const maxNormOptions: NamesOf<MaxNormOptions> = { maxValue: 'optional', axis: 'optional' }

/** Scales vectors that are longer than `maxValue` to that length. Srivastava et al., 2014. */
export class MaxNorm extends Constraint {
  readonly maxValue: number
  readonly axis: AxisOption

  constructor(options: MaxNormOptions | number = {}) {
    super()
    const given = typeof options === 'number' ? { maxValue: options } : options
    const { maxValue = 2, axis = 0 } = classOptions('maxNorm', new.target, given, maxNormOptions)
    this.maxValue = numberOption('maxNorm', 'maxValue', maxValue, { min: 0 })
    this.axis = axisOption('maxNorm', axis)
  }

  override constrain(w: Tensor): Tensor {
    const lengths = norms(w, this.axis)
    return ops.mul(w, ops.div(ops.minimum(lengths, this.maxValue), ops.add(lengths, epsilon)))
  }

  override getConfig(): Config {
    return { maxValue: this.maxValue, axis: this.axis }
  }
}

export interface MinMaxNormOptions {
  /** Default 0. */
  minValue?: number | undefined
  /** Default 1. */
  maxValue?: number | undefined
  /** How much of the way to the nearest length that is allowed, in [0, 1]. Default 1. */
  rate?: number | undefined
  /** The axis or axes that a norm is taken over. Default 0. */
  axis?: AxisOption | undefined
}

const minMaxNormOptions: NamesOf<MinMaxNormOptions> = { minValue: 'optional', maxValue: 'optional', rate: 'optional', axis: 'optional' }

/** Scales vectors toward a length between `minValue` and `maxValue`. */
export class MinMaxNorm extends Constraint {
  readonly minValue: number
  readonly maxValue: number
  readonly rate: number
  readonly axis: AxisOption

  constructor(options: MinMaxNormOptions = {}) {
    super()
    const { minValue = 0, maxValue = 1, rate = 1, axis = 0 } = classOptions('minMaxNorm', new.target, options, minMaxNormOptions)
    this.minValue = numberOption('minMaxNorm', 'minValue', minValue, { min: 0 })
    this.maxValue = numberOption('minMaxNorm', 'maxValue', maxValue, { min: this.minValue })
    this.rate = numberOption('minMaxNorm', 'rate', rate, { min: 0, max: 1 })
    this.axis = axisOption('minMaxNorm', axis)
  }

  override constrain(w: Tensor): Tensor {
    const lengths = norms(w, this.axis)
    const clipped = ops.clip(lengths, this.minValue, this.maxValue)
    const desired = ops.add(ops.mul(clipped, this.rate), ops.mul(lengths, 1 - this.rate))
    return ops.mul(w, ops.div(desired, ops.add(lengths, epsilon)))
  }

  override getConfig(): Config {
    return { minValue: this.minValue, maxValue: this.maxValue, rate: this.rate, axis: this.axis }
  }
}

/** Sets negative elements to 0. */
export class NonNeg extends Constraint {
  override constrain(w: Tensor): Tensor {
    return ops.maximum(w, 0)
  }
}

export interface UnitNormOptions {
  /** The axis or axes that a norm is taken over. Default 0. */
  axis?: AxisOption | undefined
}

const unitNormOptions: NamesOf<UnitNormOptions> = { axis: 'optional' }

/** Scales vectors to length 1. */
export class UnitNorm extends Constraint {
  readonly axis: AxisOption

  constructor(options: UnitNormOptions = {}) {
    super()
    this.axis = axisOption('unitNorm', classOptions('unitNorm', new.target, options, unitNormOptions).axis ?? 0)
  }

  override constrain(w: Tensor): Tensor {
    return ops.div(w, ops.add(norms(w, this.axis), epsilon))
  }

  override getConfig(): Config {
    return { axis: this.axis }
  }
}

/** A constraint of the user's own: a function of the weight that returns what it becomes. */
export type ConstraintFunction = (w: Tensor) => Tensor

const classes = { maxNorm: MaxNorm, minMaxNorm: MinMaxNorm, nonNeg: NonNeg, unitNorm: UnitNorm }
/** The names that a constraint can be asked for by. */
export type ConstraintName = keyof typeof classes
/** What stands for a constraint. */
export type ConstraintSpec = ConstraintName | Constraint | ConstraintFunction | Serialized | SerializedFunction

class FunctionConstraint extends Constraint {
  constructor(readonly fn: ConstraintFunction) {
    super()
  }

  override constrain(w: Tensor): Tensor {
    return this.fn(w)
  }
}

const registry = new Registry<Constraint>('constraint', Constraint, classes, {}, FunctionConstraint)

/** Gives the constraint that `spec` stands for; undefined for undefined and null. @throws ArgumentError for an unknown name, with the nearest */
export function get(spec: ConstraintSpec | null | undefined): Constraint | undefined {
  return spec === undefined || spec === null ? undefined : fixOptions(registry.get(spec))
}

/** What a file holds for a constraint; {@link get} makes it again. */
export function serialize(constraint: Constraint | undefined): Serialized | SerializedFunction | undefined {
  return constraint && registry.serialize(constraint)
}

/**
 * {@link MaxNorm}: vectors of at most this length. It may be given as a number; default 2.
 * @example
 * layers.dense({ units: 64, kernelConstraint: constraints.maxNorm(3) })
 */
export const maxNorm = (options?: MaxNormOptions | number): Constraint => new MaxNorm(options)
/** {@link MinMaxNorm}: vectors of a length in a range. */
export const minMaxNorm = (options?: MinMaxNormOptions): Constraint => new MinMaxNorm(options)
/** {@link NonNeg}: no negative elements. */
export const nonNeg = (): Constraint => new NonNeg()
/** {@link UnitNorm}: vectors of length 1. */
export const unitNorm = (options?: UnitNormOptions): Constraint => new UnitNorm(options)
