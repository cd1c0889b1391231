// The exponential linear unit as a layer.
import { type NamesOf, numberOption } from '../arguments'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { Layer } from './layer'
import { type LayerOptions, layerOptions } from './options'

export interface EluOptions extends LayerOptions {
  /** The limit toward −∞ is −alpha. Default 1. */
  alpha?: number | undefined
}

/** x where x > 0, else alpha · (exp(x) − 1). Clevert, Unterthiner, Hochreiter, 2015. */
export class Elu extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<EluOptions> = { ...layerOptions, alpha: 'optional' }
  /** As in Keras. */
  static readonly className = 'ELU'
  readonly alpha: number

  constructor(options: EluOptions = {}) {
    super(options)
    this.alpha = numberOption('elu', 'alpha', options.alpha ?? 1)
  }

  override get takesIntegers(): boolean {
    return false
  }

  override call(x: Tensor): Tensor {
    return ops.elu(x, { alpha: this.alpha })
  }

  override getConfig(): Config {
    return { ...super.getConfig(), alpha: this.alpha }
  }
}
