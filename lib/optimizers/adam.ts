// Adam, and AdamW: Adam with weight decay by default.
import { booleanOption, type NamesOf, numberOption } from '../arguments'
import { adam, type Update } from '../ops/training'
import { type Config, classOptions } from '../serialization'
import { Optimizer, type OptimizerOptions, optimizerOptions } from './optimizer'

export interface AdamOptions extends OptimizerOptions {
  /** Decay of the mean of the gradients. Default 0.9. */
  beta1?: number | undefined
  /** Decay of the mean of their squares. Default 0.999. */
  beta2?: number | undefined
  /** Added to the root. Default 1e-7. */
  epsilon?: number | undefined
  /** Whether to divide by the largest mean of squares so far (Reddi, Kale, Kumar, 2018). Default false. */
  amsgrad?: boolean | undefined
}

/**
 * m = β₁ m + (1 − β₁) g, v = β₂ v + (1 − β₂) g², w −= α m / (√v + ε) with α = learningRate · √(1 − β₂ᵗ) / (1 − β₁ᵗ), t from 1.
 * ε is outside the root and not corrected for bias, as in Keras (PyTorch differs). The learning rate is 0.001 by default.
 * Kingma, Ba, Adam: A Method for Stochastic Optimization, 2014.
 */
export class Adam extends Optimizer {
  /** @internal */
  static override readonly optionNames: NamesOf<AdamOptions> = {
    ...optimizerOptions,
    beta1: 'optional',
    beta2: 'optional',
    epsilon: 'optional',
    amsgrad: 'optional'
  }
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly amsgrad: boolean

  constructor(options: AdamOptions = {}) {
    super(options, 0.001)
    this.beta1 = numberOption(this.kind, 'beta1', options.beta1 ?? 0.9, { min: 0, below: 1 })
    this.beta2 = numberOption(this.kind, 'beta2', options.beta2 ?? 0.999, { min: 0, below: 1 })
    this.epsilon = numberOption(this.kind, 'epsilon', options.epsilon ?? 1e-7, { min: 0 })
    this.amsgrad = booleanOption(this.kind, 'amsgrad', options.amsgrad ?? false)
  }

  protected override get slotNames(): readonly string[] {
    return this.amsgrad ? ['momentum', 'velocity', 'velocity_hat'] : ['momentum', 'velocity']
  }

  protected override get savedGroups(): readonly (readonly string[])[] {
    return [['momentum', 'velocity'], ...(this.amsgrad ? [['velocity_hat']] : [])]
  }

  protected override update(step: Update): void {
    adam(step, this)
  }

  override getConfig(): Config {
    const { beta1, beta2, epsilon, amsgrad } = this
    return { ...super.getConfig(), beta1, beta2, epsilon, amsgrad }
  }
}

/**
 * {@link Adam} with decoupled weight decay, 0.004 by default. Loshchilov, Hutter, Decoupled Weight Decay Regularization, 2017.
 */
export class AdamW extends Adam {
  constructor(options: AdamOptions = {}) {
    const given = classOptions('adamW', new.target, options, AdamW.optionNames)
    super({ ...given, weightDecay: given.weightDecay === undefined ? 0.004 : given.weightDecay })
  }
}
