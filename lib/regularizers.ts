// regularizers.*: penalties on weights, which training adds to the loss.
import { type NamesOf, numberOption } from './arguments'
import { inDType } from './dtype'
import * as ops from './ops'
import { type Config, classOptions, fixOptions, Registry, type Serialized, type SerializedFunction } from './serialization'
import type { Tensor } from './tensor'

/** A penalty on a weight. One's own extends this class, or is a function of the weight. */
export abstract class Regularizer {
  /** The penalty, a scalar. */
  abstract penalty(w: Tensor): Tensor

  getConfig(): Config {
    return {}
  }
}

export interface L1L2Options {
  /** Factor of Σ|w|. Default 0. */
  l1?: number | undefined
  /** Factor of Σw², without a ½. Default 0. */
  l2?: number | undefined
}

const l1l2Options: NamesOf<L1L2Options> = { l1: 'optional', l2: 'optional' }

/** l1 · Σ|w| + l2 · Σw². */
export class L1L2 extends Regularizer {
  readonly l1: number
  readonly l2: number

  constructor(options: L1L2Options = {}) {
    super()
    const { l1, l2 } = classOptions('l1l2', new.target, options, l1l2Options)
    this.l1 = numberOption('l1l2', 'l1', l1 ?? 0, { min: 0 })
    this.l2 = numberOption('l1l2', 'l2', l2 ?? 0, { min: 0 })
  }

  override penalty(w: Tensor): Tensor {
    const x = inDType(w, 'float32')
    const absolute = () => ops.mul(ops.sum(ops.abs(x)), this.l1)
    const squared = () => ops.mul(ops.sum(ops.square(x)), this.l2)
    if (this.l1 === 0) return squared()
    return this.l2 === 0 ? absolute() : ops.add(absolute(), squared())
  }

  override getConfig(): Config {
    return { l1: this.l1, l2: this.l2 }
  }
}

/** l1 · Σ|w|. */
export class L1 extends L1L2 {
  constructor(options: { l1?: number | undefined } | number = {}) {
    super({ l1: typeof options === 'number' ? options : (classOptions('l1', new.target, options, { l1: 'optional' }).l1 ?? 0.01) })
  }

  override getConfig(): Config {
    return { l1: this.l1 }
  }
}

/** l2 · Σw². */
export class L2 extends L1L2 {
  constructor(options: { l2?: number | undefined } | number = {}) {
    super({ l2: typeof options === 'number' ? options : (classOptions('l2', new.target, options, { l2: 'optional' }).l2 ?? 0.01) })
  }

  override getConfig(): Config {
    return { l2: this.l2 }
  }
}

/** A penalty of the user's own: a function of the weight that returns a scalar. */
export type RegularizerFunction = (w: Tensor) => Tensor

const classes = { l1: L1, l2: L2, l1l2: L1L2 }
/** The names that a regularizer can be asked for by. */
export type RegularizerName = keyof typeof classes
/** What stands for a regularizer. */
export type RegularizerSpec = RegularizerName | Regularizer | RegularizerFunction | Serialized | SerializedFunction

class FunctionRegularizer extends Regularizer {
  constructor(readonly fn: RegularizerFunction) {
    super()
  }

  override penalty(w: Tensor): Tensor {
    return this.fn(w)
  }
}

const registry = new Registry<Regularizer>('regularizer', Regularizer, classes, {}, FunctionRegularizer)

/** Gives the regularizer that `spec` stands for; undefined for undefined and null. @throws ArgumentError for an unknown name, with the nearest */
export function get(spec: RegularizerSpec | null | undefined): Regularizer | undefined {
  return spec === undefined || spec === null ? undefined : fixOptions(registry.get(spec))
}

/** What a file holds for a regularizer; {@link get} makes it again. */
export function serialize(regularizer: Regularizer | undefined): Serialized | SerializedFunction | undefined {
  return regularizer && registry.serialize(regularizer)
}

/** l1 · Σ|w|. The factor may be given as a number; default 0.01. */
export const l1 = (options?: { l1?: number | undefined } | number): Regularizer => new L1(options)
/** l2 · Σw², without a ½. The factor may be given as a number; default 0.01. */
export const l2 = (options?: { l2?: number | undefined } | number): Regularizer => new L2(options)
/** l1 · Σ|w| + l2 · Σw². Both factors are 0 by default. */
export const l1l2 = (options?: L1L2Options): Regularizer => new L1L2(options)
