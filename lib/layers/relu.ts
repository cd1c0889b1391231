// The rectifier as a layer, with slope, limit and threshold.
import { relu } from '../activations'
import { type NamesOf, numberOption, optionalNumber } from '../arguments'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { activationPart, type FusedPart } from './fusion'
import { Layer } from './layer'
import { type LayerOptions, layerOptions } from './options'

export interface ReluOptions extends LayerOptions {
  /** The largest output; unlimited by default. */
  maxValue?: number | null | undefined
  /** Slope below the threshold. Default 0. */
  negativeSlope?: number | undefined
  /** Where the line with slope 1 begins. Default 0. */
  threshold?: number | undefined
}

/** x where x > threshold, else negativeSlope · (x − threshold); at most maxValue. */
export class Relu extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<ReluOptions> = {
    ...layerOptions,
    maxValue: 'optional',
    negativeSlope: 'optional',
    threshold: 'optional'
  }
  /** As in Keras. */
  static readonly className = 'ReLU'
  readonly maxValue: number | undefined
  readonly negativeSlope: number
  readonly threshold: number

  constructor(options: ReluOptions = {}) {
    super(options)
    this.maxValue = optionalNumber('relu', 'maxValue', options.maxValue, { min: 0 })
    this.negativeSlope = numberOption('relu', 'negativeSlope', options.negativeSlope ?? 0, { min: 0 })
    this.threshold = numberOption('relu', 'threshold', options.threshold ?? 0, { min: 0 })
  }

  override get takesIntegers(): boolean {
    return false
  }

  override call(x: Tensor): Tensor {
    const { negativeSlope, maxValue, threshold } = this
    return relu(x, { negativeSlope, maxValue, threshold })
  }

  override fusedPart(): FusedPart | undefined {
    const isPlain = this.maxValue === undefined && this.negativeSlope === 0 && this.threshold === 0
    return isPlain ? activationPart('relu') : undefined
  }

  override getConfig(): Config {
    return { ...super.getConfig(), maxValue: this.maxValue ?? null, negativeSlope: this.negativeSlope, threshold: this.threshold }
  }
}
