// RMSprop, plain or centered, with momentum.
import { booleanOption, type NamesOf, numberOption } from '../arguments'
import { rmsprop, type Update } from '../ops/training'
import type { Config } from '../serialization'
import { Optimizer, type OptimizerOptions, optimizerOptions } from './optimizer'

export interface RmspropOptions extends OptimizerOptions {
  /** Decay of the mean of squares. Default 0.9. */
  rho?: number | undefined
  /** In [0, 1]. Default 0. */
  momentum?: number | undefined
  /** Added inside the root. Default 1e-7. */
  epsilon?: number | undefined
  /** Whether to divide by the deviation from the mean gradient instead of its size. Default false. */
  centered?: boolean | undefined
}

/**
 * v = ρ v + (1 − ρ) g², i = learningRate · g / √(v + ε), or / √(v − a² + ε) with the mean a of the gradients if centered; w −= i, or with
 * momentum μ: m = μ m + i, w −= m. ε is inside the root, as in Keras. The learning rate is 0.001 by default.
 * Hinton, Neural Networks for Machine Learning, lecture 6e; Graves, 2013, for the centered form.
 */
export class Rmsprop extends Optimizer {
  /** @internal */
  static override readonly optionNames: NamesOf<RmspropOptions> = {
    ...optimizerOptions,
    rho: 'optional',
    momentum: 'optional',
    epsilon: 'optional',
    centered: 'optional'
  }
  /** As in Keras. */
  static readonly className = 'RMSprop'
  readonly rho: number
  readonly momentum: number
  readonly epsilon: number
  readonly centered: boolean

  constructor(options: RmspropOptions = {}) {
    super(options, 0.001)
    this.rho = numberOption('rmsprop', 'rho', options.rho ?? 0.9, { min: 0, below: 1 })
    this.momentum = numberOption('rmsprop', 'momentum', options.momentum ?? 0, { min: 0, max: 1 })
    this.epsilon = numberOption('rmsprop', 'epsilon', options.epsilon ?? 1e-7, { min: 0 })
    this.centered = booleanOption('rmsprop', 'centered', options.centered ?? false)
  }

  protected override get slotNames(): readonly string[] {
    return ['velocity', ...(this.centered ? ['average_gradient'] : []), ...(this.momentum > 0 ? ['momentum'] : [])]
  }

  protected override get savedGroups(): readonly (readonly string[])[] {
    return ['velocity', 'momentum', 'average_gradient'].filter((name) => this.slotNames.includes(name)).map((name) => [name])
  }

  protected override update(step: Update): void {
    rmsprop(step, this)
  }

  override getConfig(): Config {
    const { rho, momentum, epsilon, centered } = this
    return { ...super.getConfig(), rho, momentum, epsilon, centered }
  }
}
