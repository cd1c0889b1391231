// Softmax as a layer.
import { type NamesOf, numberOption } from '../arguments'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { Layer } from './layer'
import { type LayerOptions, layerOptions } from './options'

export interface SoftmaxOptions extends LayerOptions {
  /** Default −1. */
  axis?: number | undefined
}

/** exp(x) / Σ exp(x) along an axis: the shape stays. */
export class Softmax extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<SoftmaxOptions> = { ...layerOptions, axis: 'optional' }
  readonly axis: number

  constructor(options: SoftmaxOptions = {}) {
    super(options)
    this.axis = numberOption('softmax', 'axis', options.axis ?? -1, { integer: true })
  }

  override get takesIntegers(): boolean {
    return false
  }

  override call(x: Tensor): Tensor {
    return ops.softmax(x, this.axis)
  }

  override get logitsActivation(): 'softmax' | undefined {
    return this.axis === -1 ? 'softmax' : undefined
  }

  override callLogits(x: Tensor): Tensor {
    return x
  }

  override getConfig(): Config {
    return { ...super.getConfig(), axis: this.axis }
  }
}
