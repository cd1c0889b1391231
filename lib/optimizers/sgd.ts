// Stochastic gradient descent, with momentum and Nesterov's look-ahead.
import { booleanOption, type NamesOf, numberOption } from '../arguments'
import { sgd, type Update } from '../ops/training'
import type { Config } from '../serialization'
import { Optimizer, type OptimizerOptions, optimizerOptions } from './optimizer'

export interface SGDOptions extends OptimizerOptions {
  /** In [0, 1]. Default 0. */
  momentum?: number | undefined
  /** Default false. */
  nesterov?: boolean | undefined
}

/**
 * w −= learningRate · g; with momentum μ: m = μ m − learningRate · g, then w += m, or with Nesterov w += μ m − learningRate · g.
 * The learning rate is 0.01 by default. Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.
 */
export class SGD extends Optimizer {
  /** @internal */
  static override readonly optionNames: NamesOf<SGDOptions> = { ...optimizerOptions, momentum: 'optional', nesterov: 'optional' }
  readonly momentum: number
  readonly nesterov: boolean

  constructor(options: SGDOptions = {}) {
    super(options, 0.01)
    this.momentum = numberOption('sgd', 'momentum', options.momentum ?? 0, { min: 0, max: 1 })
    this.nesterov = booleanOption('sgd', 'nesterov', options.nesterov ?? false)
  }

  protected override get slotNames(): readonly string[] {
    return this.momentum > 0 ? ['momentum'] : []
  }

  protected override update(step: Update): void {
    sgd(step, this)
  }

  override getConfig(): Config {
    return { ...super.getConfig(), momentum: this.momentum, nesterov: this.nesterov }
  }
}
