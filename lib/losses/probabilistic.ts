// Losses of probabilities: cross-entropies from probabilities or logits, Kullback–Leibler divergence, Poisson. Formulas as in Keras 3.
import { booleanOption, type NamesOf, numberOption, optionalNumber } from '../arguments'
import { inDType } from '../dtype'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { epsilon, Loss, type LossOptions, lossOptions } from './loss'
import { matched, matchedLabels } from './shapes'

export interface CrossentropyOptions extends LossOptions {
  /** True if yPred holds logits, false (default) if probabilities. */
  fromLogits?: boolean | undefined
}

export interface SmoothedCrossentropyOptions extends CrossentropyOptions {
  /** How much of each target is spread evenly over the classes, in [0, 1]. Default 0. */
  labelSmoothing?: number | undefined
  /** The axis of the classes (binary: the axis of the mean). Default −1. */
  axis?: number | undefined
}

export interface SparseCrossentropyOptions extends CrossentropyOptions {
  /** A label that does not count, such as that of padding. */
  ignoreClass?: number | undefined
}

/** What the three cross-entropies share. */
abstract class Crossentropy extends Loss {
  readonly fromLogits: boolean

  constructor(options: CrossentropyOptions) {
    super(options)
    this.fromLogits = booleanOption(this.name, 'fromLogits', options.fromLogits ?? false)
  }

  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    return this.fromLogits ? this.valuesFromLogits(yTrue, yPred) : this.valuesFromProbabilities(yTrue, yPred)
  }

  /** The activation that turns logits into what this loss takes for probabilities. */
  protected abstract get activation(): 'softmax' | 'sigmoid'

  override get logitsActivation(): 'softmax' | 'sigmoid' | undefined {
    return this.fromLogits ? undefined : this.activation
  }

  abstract override valuesFromLogits(yTrue: Tensor, logits: Tensor): Tensor
  protected abstract valuesFromProbabilities(yTrue: Tensor, probabilities: Tensor): Tensor

  override getConfig(): Config {
    return { ...super.getConfig(), fromLogits: this.fromLogits }
  }
}

abstract class SmoothedCrossentropy extends Crossentropy {
  /** @internal */
  static override readonly optionNames: NamesOf<SmoothedCrossentropyOptions> = {
    ...lossOptions,
    fromLogits: 'optional',
    labelSmoothing: 'optional',
    axis: 'optional'
  }
  readonly labelSmoothing: number
  readonly axis: number

  constructor(options: SmoothedCrossentropyOptions) {
    super(options)
    this.labelSmoothing = numberOption(this.name, 'labelSmoothing', options.labelSmoothing ?? 0, { min: 0, max: 1 })
    this.axis = numberOption(this.name, 'axis', options.axis ?? -1, { integer: true })
  }

  /** y (1 − s) + s / classes. */
  protected smooth(yTrue: Tensor, classes: number): Tensor {
    const s = this.labelSmoothing
    return s === 0 ? yTrue : ops.add(ops.mul(yTrue, 1 - s), s / classes)
  }

  override getConfig(): Config {
    return { ...super.getConfig(), labelSmoothing: this.labelSmoothing, axis: this.axis }
  }
}

/**
 * Cross-entropy of yes-or-no targets, mean over the last axis:
 * −y log p − (1 − y) log(1 − p) with p clipped to [1e-7, 1 − 1e-7]; from logits x: max(x, 0) − x y + log(1 + exp(−|x|)).
 */
export class BinaryCrossentropy extends SmoothedCrossentropy {
  constructor(options: SmoothedCrossentropyOptions = {}) {
    super(options)
  }

  protected override get activation(): 'sigmoid' {
    return 'sigmoid'
  }

  override valuesFromLogits(yTrue: Tensor, logits: Tensor): Tensor {
    const [t, x] = matched(this.name, yTrue, logits)
    return ops.mean(ops.sigmoidCrossEntropy(x, this.smooth(t, 2)), this.axis)
  }

  protected override valuesFromProbabilities(yTrue: Tensor, probabilities: Tensor): Tensor {
    const [targets, p] = matched(this.name, yTrue, ops.clip(inDType(probabilities, 'float32'), epsilon, 1 - epsilon))
    const t = this.smooth(targets, 2)
    const yes = ops.mul(t, ops.log(p))
    const no = ops.mul(ops.sub(1, t), ops.log(ops.sub(1, p)))
    return ops.neg(ops.mean(ops.add(yes, no), this.axis))
  }
}

/**
 * Cross-entropy of targets that are distributions over classes (one-hot rows, say): −Σ y log p along `axis`, where p is first divided
 * by its sum and clipped to [1e-7, 1 − 1e-7]; from logits: −Σ y logSoftmax(x).
 */
export class CategoricalCrossentropy extends SmoothedCrossentropy {
  constructor(options: SmoothedCrossentropyOptions = {}) {
    super(options)
  }

  protected override get activation(): 'softmax' {
    return 'softmax'
  }

  /** Undefined too if the classes are not on the last axis, where a layer's softmax has them. */
  override get logitsActivation(): 'softmax' | 'sigmoid' | undefined {
    return this.axis === -1 ? super.logitsActivation : undefined
  }

  override valuesFromLogits(yTrue: Tensor, logits: Tensor): Tensor {
    const [t, x] = matched(this.name, yTrue, logits, 'sparseCategoricalCrossentropy')
    const [targets, values] = this.axis === -1 ? [t, x] : [ops.moveaxis(t, this.axis, -1), ops.moveaxis(x, this.axis, -1)]
    return ops.softmaxCrossEntropy(values, this.smooth(targets, values.shape.at(-1)!))
  }

  protected override valuesFromProbabilities(yTrue: Tensor, probabilities: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, probabilities, 'sparseCategoricalCrossentropy')
    const targets = this.smooth(t, t.shape.at(this.axis)!)
    return ops.neg(ops.sum(ops.mul(targets, logProbabilities(p, this.axis)), this.axis))
  }
}

/**
 * Cross-entropy of targets that are class numbers: −log p[y] over the last axis of yPred. (B, …, C) with labels (B, …) or (B, …, 1) → (B, …).
 * Probabilities are divided by their sum and clipped as in {@link CategoricalCrossentropy}. A label out of range is an error of the next host read.
 */
export class SparseCategoricalCrossentropy extends Crossentropy {
  /** @internal */
  static override readonly optionNames: NamesOf<SparseCrossentropyOptions> = {
    ...lossOptions,
    fromLogits: 'optional',
    ignoreClass: 'optional'
  }
  readonly ignoreClass: number | undefined

  constructor(options: SparseCrossentropyOptions = {}) {
    super(options)
    this.ignoreClass = optionalNumber(this.name, 'ignoreClass', options.ignoreClass, { integer: true })
  }

  protected override get activation(): 'softmax' {
    return 'softmax'
  }

  override valuesFromLogits(yTrue: Tensor, logits: Tensor): Tensor {
    return this.unlessIgnored(yTrue, logits, (labels) => ops.sparseSoftmaxCrossEntropy(inDType(logits, 'float32'), labels))
  }

  protected override valuesFromProbabilities(yTrue: Tensor, probabilities: Tensor): Tensor {
    return this.unlessIgnored(yTrue, probabilities, (labels) => {
      const log = logProbabilities(inDType(probabilities, 'float32'), -1)
      const classes = log.shape.at(-1)!
      const loss = ops.neg(ops.sum(ops.mul(ops.oneHot(labels, classes), log), -1))
      // A label out of range has no 1 in its row: picking its factor reports it.
      return ops.mul(loss, ops.gather(ops.ones([classes], { device: log.device }), inDType(labels, 'int32')))
    })
  }

  override maskOf(yTrue: Tensor, yPred: Tensor): Tensor | undefined {
    if (this.ignoreClass === undefined) return undefined
    return ops.notEqual(inDType(matchedLabels(this.name, yTrue, yPred), 'int32'), this.ignoreClass)
  }

  override getConfig(): Config {
    return { ...super.getConfig(), ignoreClass: this.ignoreClass }
  }

  /** Values with label 0 in place of those that are ignored, and 0 as their value. */
  private unlessIgnored(yTrue: Tensor, yPred: Tensor, values: (labels: Tensor) => Tensor): Tensor {
    const labels = matchedLabels(this.name, yTrue, yPred)
    const mask = this.maskOf(yTrue, yPred)
    if (!mask) return values(labels)
    const result = values(ops.where(mask, labels, 0))
    return ops.where(mask, result, 0)
  }
}

/** Σ y log(y / p) over the last axis, both clipped to [1e-7, 1]. Kullback, Leibler, On Information and Sufficiency, 1951. */
export class KLDivergence extends Loss {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    const [y, q] = [ops.clip(t, epsilon, 1), ops.clip(p, epsilon, 1)]
    return ops.sum(ops.mul(y, ops.log(ops.div(y, q))), -1)
  }
}

/** mean over the last axis of p − y log(p + 1e-7). */
export class Poisson extends Loss {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    return ops.mean(ops.sub(p, ops.mul(t, ops.log(ops.add(p, epsilon)))), -1)
  }
}

/** log of p / Σp, clipped to [1e-7, 1 − 1e-7]. */
function logProbabilities(p: Tensor, axis: number): Tensor {
  return ops.log(ops.clip(ops.div(p, ops.sum(p, axis, { keepdims: true })), epsilon, 1 - epsilon))
}
