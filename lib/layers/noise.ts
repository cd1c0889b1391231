// Layers of Gaussian noise, and the base class of all layers that are random while training.
import { type NamesOf, numberOption, optionalNumber } from '../arguments'
import * as ops from '../ops'
import type { Generator } from '../random'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { Layer } from './layer'
import { type CallContext, type LayerOptions, layerOptions } from './options'

export interface NoiseOptions extends LayerOptions {
  /** Makes the random numbers the same whatever the global seed. */
  seed?: number | null | undefined
}

export const noiseOptions: NamesOf<NoiseOptions> = { ...layerOptions, seed: 'optional' }

/** A layer of floats with random numbers of its own, whose state is saved with the model. */
export abstract class NoiseLayer extends Layer {
  protected readonly generator: Generator
  private readonly seed: number | undefined

  constructor(options: NoiseOptions) {
    super(options)
    this.seed = optionalNumber(this.kind, 'seed', options.seed, { integer: true })
    this.generator = this.addGenerator(this.seed)
  }

  override get takesIntegers(): boolean {
    return false
  }

  override getConfig(): Config {
    return { ...super.getConfig(), seed: this.seed ?? null }
  }
}

export interface GaussianNoiseOptions extends NoiseOptions {
  /** Standard deviation of the noise. */
  stddev: number
}

/** In training, x plus normal noise of mean 0 and deviation `stddev`; else x. */
export class GaussianNoise extends NoiseLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<GaussianNoiseOptions> = { ...noiseOptions, stddev: 'required' }
  readonly stddev: number

  constructor(options: GaussianNoiseOptions) {
    super(options)
    this.stddev = numberOption(this.kind, 'stddev', options.stddev, { min: 0 })
  }

  override call(x: Tensor, { training }: CallContext): Tensor {
    if (!training || this.stddev === 0) return x
    return ops.add(x, this.generator.normal(x.shape, { stddev: this.stddev, dtype: x.dtype }))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), stddev: this.stddev }
  }
}

export interface GaussianDropoutOptions extends NoiseOptions {
  /** The noise has the variance that dropout of this probability has, rate / (1 − rate); in [0, 1). */
  rate: number
}

/** In training, x times normal noise of mean 1 and deviation √(rate / (1 − rate)); else x. Srivastava et al., 2014. */
export class GaussianDropout extends NoiseLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<GaussianDropoutOptions> = { ...noiseOptions, rate: 'required' }
  readonly rate: number

  constructor(options: GaussianDropoutOptions) {
    super(options)
    this.rate = numberOption(this.kind, 'rate', options.rate, { min: 0, below: 1 })
  }

  override call(x: Tensor, { training }: CallContext): Tensor {
    if (!training || this.rate === 0) return x
    const stddev = Math.sqrt(this.rate / (1 - this.rate))
    return ops.mul(x, this.generator.normal(x.shape, { mean: 1, stddev, dtype: x.dtype }))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), rate: this.rate }
  }
}
