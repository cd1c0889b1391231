// Losses of numbers: squared, absolute, relative and robust errors, and the angle between vectors. Formulas as in Keras 3.
import { type NamesOf, numberOption } from '../arguments'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { epsilon, Loss, type LossOptions, lossOptions } from './loss'
import { matched } from './shapes'

/** mean over the last axis of (yPred − yTrue)². */
export class MeanSquaredError extends Loss {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    return ops.mean(ops.square(ops.sub(p, t)), -1)
  }
}

/** mean over the last axis of |yPred − yTrue|. */
export class MeanAbsoluteError extends Loss {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    return ops.mean(ops.abs(ops.sub(p, t)), -1)
  }
}

/** 100 · mean over the last axis of |yTrue − yPred| / max(|yTrue|, ε), with ε = 1e-7. */
export class MeanAbsolutePercentageError extends Loss {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    return ops.mul(ops.mean(ops.abs(ops.div(ops.sub(t, p), ops.maximum(ops.abs(t), epsilon))), -1), 100)
  }
}

/** mean over the last axis of (log(max(yPred, ε) + 1) − log(max(yTrue, ε) + 1))². */
export class MeanSquaredLogarithmicError extends Loss {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    const log = (x: Tensor) => ops.log(ops.add(ops.maximum(x, epsilon), 1))
    return ops.mean(ops.square(ops.sub(log(p), log(t))), -1)
  }
}

export interface HuberOptions extends LossOptions {
  /** Where the square ends and the line begins. Default 1. */
  delta?: number | undefined
}

/** mean over the last axis of ½ e² where |e| ≤ δ, else δ |e| − ½ δ²; e = yPred − yTrue. Huber, Robust Estimation of a Location Parameter, 1964. */
export class Huber extends Loss {
  /** @internal */
  static override readonly optionNames: NamesOf<HuberOptions> = { ...lossOptions, delta: 'optional' }
  readonly delta: number

  constructor(options: HuberOptions = {}) {
    super(options)
    this.delta = numberOption(this.name, 'delta', options.delta ?? 1, { above: 0 })
  }

  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    const error = ops.sub(p, t)
    const size = ops.abs(error)
    const square = ops.mul(ops.square(error), 0.5)
    const line = ops.sub(ops.mul(size, this.delta), 0.5 * this.delta ** 2)
    return ops.mean(ops.where(ops.lessEqual(size, this.delta), square, line), -1)
  }

  override getConfig(): Config {
    return { ...super.getConfig(), delta: this.delta }
  }
}

/** mean over the last axis of log(cosh(e)), as e + softplus(−2e) − log 2, which does not overflow; e = yPred − yTrue. */
export class LogCosh extends Loss {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    const error = ops.sub(p, t)
    return ops.mean(ops.sub(ops.add(error, ops.softplus(ops.mul(error, -2))), Math.LN2), -1)
  }
}

export interface CosineSimilarityOptions extends LossOptions {
  /** The axis of the vectors. Default −1. */
  axis?: number | undefined
}

/** −yTrue · yPred / (‖yTrue‖ ‖yPred‖) along `axis`: −1 for the same direction, 1 for the opposite one. */
export class CosineSimilarity extends Loss {
  /** @internal */
  static override readonly optionNames: NamesOf<CosineSimilarityOptions> = { ...lossOptions, axis: 'optional' }
  readonly axis: number

  constructor(options: CosineSimilarityOptions = {}) {
    super(options)
    this.axis = numberOption(this.name, 'axis', options.axis ?? -1, { integer: true })
  }

  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    return ops.neg(cosine(t, p, this.axis))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), axis: this.axis }
  }
}

/** Cosine of the angle between vectors along `axis`; 0 if one of them is 0. */
export function cosine(a: Tensor, b: Tensor, axis: number): Tensor {
  const unit = (x: Tensor) => ops.mul(x, ops.minimum(ops.rsqrt(ops.sum(ops.square(x), axis, { keepdims: true })), 1 / epsilon))
  return ops.sum(ops.mul(unit(a), unit(b)), axis)
}
