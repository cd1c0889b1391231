// The base class of losses: values per sample, sample weights, and the reduction to the scalar that training minimises.
import { choice, type NamesOf, type OptionNames } from '../arguments'
import { inDType } from '../dtype'
import * as ops from '../ops'
import { scope } from '../scope'
import { type Config, classOptions, fixOptions, kindOf } from '../serialization'
import { captureDevice } from '../state'
import type { Tensor } from '../tensor'
import { expectTensors, matchedWeights } from './shapes'

/** Keras' ε: what keeps logarithms and quotients finite. */
export const epsilon = 1e-7

/**
 * How values per sample become the loss:
 * - `'sumOverBatchSize'` (default) and `'mean'`: sum of weighted values / number of values
 * - `'meanWithSampleWeight'`: sum of weighted values / sum of weights
 * - `'sum'`, and `'none'`: the values themselves
 */
export type Reduction = 'sumOverBatchSize' | 'mean' | 'meanWithSampleWeight' | 'sum' | 'none'
const reductions: readonly Reduction[] = ['sumOverBatchSize', 'mean', 'meanWithSampleWeight', 'sum', 'none']

/** Options of every loss. */
export interface LossOptions {
  name?: string | undefined
  /** Default `'sumOverBatchSize'`. */
  reduction?: Reduction | undefined
}

export const lossOptions: NamesOf<LossOptions> = { name: 'optional', reduction: 'optional' }

// A loss can be called like a function: its constructor makes it one.
export interface Loss {
  /** The loss of a batch: see {@link Loss.call}. */
  // biome-ignore lint/style/useShorthandFunctionType: merged with the class below
  (yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): Tensor
}

/**
 * A loss. `loss(yTrue, yPred, sampleWeight?)` gives the reduced value, a scalar unless the reduction is `'none'`. One's own loss
 * extends this class and writes `values`.
 *
 * @example
 * class Quartic extends Loss {
 *   values(yTrue: Tensor, yPred: Tensor) { return yPred.sub(yTrue).square().square().mean(-1) }
 * }
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: as above
export abstract class Loss {
  /** @internal Names of the options. */
  static readonly optionNames: OptionNames = lossOptions
  declare readonly name: string
  declare readonly reduction: Reduction

  constructor(options: LossOptions = {}) {
    const kind = kindOf(new.target)
    const { name = kind } = classOptions(kind, new.target, options, new.target.optionNames)
    const reduction = choice(kind, 'reduction', options.reduction ?? 'sumOverBatchSize', reductions)
    // What `new` gives is a function with the class's methods, so that a loss is called as in Keras. Subclasses add their fields to it.
    const loss = ((yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor) => loss.call(yTrue, yPred, sampleWeight)) as this
    Object.setPrototypeOf(loss, new.target.prototype)
    Object.defineProperties(loss, {
      name: { value: name, configurable: true },
      reduction: { value: reduction, configurable: true, enumerable: true, writable: true }
    })
    // biome-ignore lint/correctness/noConstructorReturn: see above
    return loss
  }

  /**
   * The activation before which this loss can start: a model whose last layer ends with it hands over the logits instead, which is
   * faster and exact where probabilities round to 0 or 1.
   */
  get logitsActivation(): 'softmax' | 'sigmoid' | undefined {
    return undefined
  }

  /** The loss of each sample, before weights: (B, …, C) → (B, …) for most losses. */
  abstract values(yTrue: Tensor, yPred: Tensor): Tensor

  /** As `values`, from what enters the activation `logitsActivation`. */
  valuesFromLogits?(yTrue: Tensor, logits: Tensor): Tensor

  /** Which values count, as booleans of their shape; all if undefined. The mean is over those that count. */
  maskOf?(yTrue: Tensor, yPred: Tensor): Tensor | undefined

  /** The reduced loss of predictions. */
  call(yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): Tensor {
    if (captureDevice >= 0) fixOptions(this)
    expectTensors(this.name, yTrue, yPred, sampleWeight)
    return scope(() => this.reduce(this.values(yTrue, yPred), this.maskOf?.(yTrue, yPred), sampleWeight))
  }

  /** The reduced loss of logits; only where `valuesFromLogits` is there. */
  callFromLogits(yTrue: Tensor, logits: Tensor, sampleWeight?: Tensor): Tensor {
    if (captureDevice >= 0) fixOptions(this)
    return scope(() => this.reduce(this.valuesFromLogits!(yTrue, logits), this.maskOf?.(yTrue, logits), sampleWeight))
  }

  getConfig(): Config {
    return { name: this.name, reduction: this.reduction }
  }

  /** Weighs and reduces values. With a mask, values that count weigh total / counted in a mean, so that it is the mean of those. */
  private reduce(values: Tensor, mask: Tensor | undefined, sampleWeight: Tensor | undefined): Tensor {
    let weights = sampleWeight && matchedWeights(this.name, sampleWeight, values)
    if (mask) {
      let valid = inDType(mask, 'float32')
      if (this.reduction === 'sumOverBatchSize' || this.reduction === 'mean') {
        valid = ops.mul(valid, ops.div(mask.size, ops.maximum(ops.sum(valid), 1)))
      }
      weights = weights ? ops.mul(weights, valid) : valid
    }
    const weighted = weights ? ops.mul(values, weights) : values
    switch (this.reduction) {
      case 'none':
        return weighted
      case 'sum':
        return ops.sum(weighted)
      case 'meanWithSampleWeight':
        if (!weights) return ops.mean(weighted)
        // The weights' sum counts each weight as often as Keras does: as given, before broadcasting.
        return divideNoNan(ops.sum(weighted), ops.sum(weights))
      default:
        return ops.mean(weighted)
    }
  }
}

/** a / b, and 0 where b is 0. */
function divideNoNan(a: Tensor, b: Tensor): Tensor {
  const zero = ops.equal(b, 0)
  return ops.where(zero, 0, ops.div(a, ops.where(zero, 1, b)))
}
