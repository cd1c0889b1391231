// Dropout: while training, each element is left out with a given probability.
import { numberOption, optionalNumber } from '../arguments'
import { ArgumentError, failure, show } from '../errors'
import * as ops from '../ops'
import type { Generator } from '../random'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type CallContext, Layer, type LayerOptions } from './layer'

export interface DropoutOptions extends LayerOptions {
  /** Probability with which an element is set to 0, in [0, 1]. */
  rate: number
  /** Shape of the mask: 1 along axes on which elements are kept or left out together, null for the input's size. Default: the input's. */
  noiseShape?: readonly (number | null)[] | null | undefined
  /** Makes the masks the same whatever the global seed. */
  seed?: number | null | undefined
}

/**
 * In training, sets elements to 0 with probability `rate` and divides the others by 1 − rate, so that the mean stays; else gives its
 * input. The state of its random numbers is saved with the model. Srivastava et al., 2014.
 */
export class Dropout extends Layer {
  readonly rate: number
  readonly noiseShape: readonly (number | null)[] | undefined
  private readonly seed: number | undefined
  private readonly generator: Generator

  constructor(options: DropoutOptions) {
    super(options)
    const { rate, noiseShape } = options
    this.rate = numberOption('dropout', 'rate', rate, { min: 0, max: 1 })
    if (noiseShape != null && !Array.isArray(noiseShape)) {
      throw failure(ArgumentError, 'dropout', `expected noiseShape to be a list of sizes or null, received ${show(noiseShape)}`)
    }
    this.noiseShape = noiseShape ?? undefined
    this.seed = optionalNumber('dropout', 'seed', options.seed, { integer: true })
    this.generator = this.addGenerator(this.seed)
  }

  override get takesIntegers(): boolean {
    return false
  }

  override call(x: Tensor, { training }: CallContext): Tensor {
    if (!training || this.rate === 0) return x
    if (this.rate === 1) return ops.mul(x, 0)
    if (!this.noiseShape) return this.generator.dropout(x, this.rate)
    const shape = this.noiseShape.map((size, axis) => size ?? x.shape[axis]!)
    return ops.mul(x, this.generator.dropout(ops.ones(shape, { dtype: x.dtype, device: x.device }), this.rate))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), rate: this.rate, noiseShape: this.noiseShape ?? null, seed: this.seed ?? null }
  }
}
