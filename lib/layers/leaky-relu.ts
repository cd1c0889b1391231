// The leaky rectifier as a layer.
import { type NamesOf, numberOption } from '../arguments'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { Layer } from './layer'
import { type LayerOptions, layerOptions } from './options'

export interface LeakyReluOptions extends LayerOptions {
  /** Slope below 0. Default 0.3, as in Keras. */
  negativeSlope?: number | undefined
}

/** x where x > 0, else negativeSlope · x. Maas, Hannun, Ng, 2013. */
export class LeakyRelu extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<LeakyReluOptions> = { ...layerOptions, negativeSlope: 'optional' }
  /** As in Keras. */
  static readonly className = 'LeakyReLU'
  readonly negativeSlope: number

  constructor(options: LeakyReluOptions = {}) {
    super(options)
    this.negativeSlope = numberOption('leakyRelu', 'negativeSlope', options.negativeSlope ?? 0.3)
  }

  override get takesIntegers(): boolean {
    return false
  }

  override call(x: Tensor): Tensor {
    return ops.leakyRelu(x, { negativeSlope: this.negativeSlope })
  }

  override getConfig(): Config {
    return { ...super.getConfig(), negativeSlope: this.negativeSlope }
  }
}
