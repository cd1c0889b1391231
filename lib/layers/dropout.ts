// Dropout: while training, elements or whole maps are left out with a given probability.
import { type NamesOf, numberOption } from '../arguments'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type DataFormat, dataFormatOption } from './data-format'
import { NoiseLayer, type NoiseOptions, noiseOptions } from './noise'
import type { CallContext, PartialShape } from './options'

/** The shape of a mask: null for the input's size. */
type NoiseShape = readonly (number | null)[]

function noiseShapeOption(owner: string, value: unknown): NoiseShape | undefined {
  if (value == null) return undefined
  const isSize = (size: unknown) => size === null || (Number.isSafeInteger(size) && (size as number) > 0)
  if (Array.isArray(value) && value.every(isSize)) return value
  throw failure(ArgumentError, owner, `expected noiseShape to be a list of positive integers or null, received ${show(value)}`)
}

/** What is wrong about an input for a mask of that shape: it must be of its rank, and each size be the mask's where that is neither null nor 1. */
function misfit(shape: PartialShape, mask: NoiseShape | undefined): string | undefined {
  if (!mask) return undefined
  const fits = mask.length === shape.length && mask.every((size, axis) => size === null || size === 1 || size === (shape[axis] ?? size))
  return fits ? undefined : `expected an input of which noiseShape ${showShape(mask)} is a mask, received ${showShape(shape)}`
}

function maskShape(x: Tensor, shape: NoiseShape): number[] {
  return shape.map((size, axis) => size ?? x.shape[axis]!)
}

/** Elements are left out at random, by a mask of its own shape if need be. */
abstract class Masked extends NoiseLayer {
  readonly rate: number

  constructor(options: NoiseOptions & { rate: number }) {
    super(options)
    this.rate = numberOption(this.kind, 'rate', options.rate, { min: 0, max: 1 })
  }

  /** The shape of the mask if it is not x's. */
  protected abstract noiseShapeOf(x: Tensor): NoiseShape | undefined

  override call(x: Tensor, { training }: CallContext): Tensor {
    if (!training || this.rate === 0) return x
    if (this.rate === 1) return ops.mul(x, 0)
    const shape = this.noiseShapeOf(x)
    if (!shape) return this.generator.dropout(x, this.rate)
    return ops.mul(x, this.generator.dropout(ops.ones(maskShape(x, shape), { dtype: x.dtype, device: x.device }), this.rate))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), rate: this.rate }
  }
}

export interface DropoutOptions extends NoiseOptions {
  /** Probability with which an element is set to 0, in [0, 1]. */
  rate: number
  /**
   * Shape of the mask, as many axes as the input: 1 along axes on which elements are kept or left out together, null for the
   * input's size. Default: the input's.
   */
  noiseShape?: readonly (number | null)[] | null | undefined
}

/**
 * In training, sets elements to 0 with probability `rate` and divides the others by 1 − rate, so that the mean stays; else gives its
 * input. The state of its random numbers is saved with the model. Srivastava et al., 2014.
 */
export class Dropout extends Masked {
  /** @internal */
  static override readonly optionNames: NamesOf<DropoutOptions> = { ...noiseOptions, rate: 'required', noiseShape: 'optional' }
  readonly noiseShape: readonly (number | null)[] | undefined

  constructor(options: DropoutOptions) {
    super(options)
    this.noiseShape = noiseShapeOption(this.kind, options.noiseShape)
  }

  protected override checkInput(shape: PartialShape): void {
    const wrong = misfit(shape, this.noiseShape)
    if (wrong) throw this.failure(ShapeError, wrong)
  }

  protected noiseShapeOf(): NoiseShape | undefined {
    return this.noiseShape
  }

  override getConfig(): Config {
    return { ...super.getConfig(), noiseShape: this.noiseShape ?? null }
  }
}

export interface SpatialDropoutOptions extends NoiseOptions {
  /** Probability with which a map is set to 0, in [0, 1]. */
  rate: number
  /** Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
}

abstract class SpatialDropout extends Masked {
  /** @internal */
  static override readonly optionNames: NamesOf<SpatialDropoutOptions> = { ...noiseOptions, rate: 'required', dataFormat: 'optional' }
  readonly dataFormat: DataFormat

  constructor(
    options: SpatialDropoutOptions,
    private readonly axes: number
  ) {
    super(options)
    this.dataFormat = dataFormatOption(this.kind, options.dataFormat)
  }

  protected override checkInput(shape: PartialShape): void {
    const rank = this.axes + 2
    if (shape.length !== rank) throw this.failure(ShapeError, `expected an input of rank ${rank}, received ${showShape(shape)}`)
  }

  protected noiseShapeOf(): NoiseShape {
    const places = new Array<number>(this.axes).fill(1)
    return this.dataFormat === 'channelsLast' ? [null, ...places, null] : [null, null, ...places]
  }

  override getConfig(): Config {
    return { ...super.getConfig(), dataFormat: this.dataFormat }
  }
}
/** Dropout of whole channels of each sample of (B, W, C). Tompson et al., 2015. */
export class SpatialDropout1d extends SpatialDropout {
  /** As in Keras. */
  static readonly className = 'SpatialDropout1D'
  constructor(options: SpatialDropoutOptions) {
    super(options, 1)
  }
}
/** Dropout of whole channels of each sample of (B, H, W, C). Tompson et al., 2015. */
export class SpatialDropout2d extends SpatialDropout {
  /** As in Keras. */
  static readonly className = 'SpatialDropout2D'
  constructor(options: SpatialDropoutOptions) {
    super(options, 2)
  }
}
/** Dropout of whole channels of each sample of (B, D, H, W, C). Tompson et al., 2015. */
export class SpatialDropout3d extends SpatialDropout {
  /** As in Keras. */
  static readonly className = 'SpatialDropout3D'
  constructor(options: SpatialDropoutOptions) {
    super(options, 3)
  }
}

export interface AlphaDropoutOptions extends NoiseOptions {
  /** Probability with which an element is replaced, in [0, 1). */
  rate: number
  /**
   * Shape of the mask, as many axes as the input: 1 along axes on which elements are kept or replaced together, null for the
   * input's size. Default: the input's.
   */
  noiseShape?: readonly (number | null)[] | null | undefined
}

/** −α · λ of selu: what selu tends to far below 0. */
const seluFloor = -1.6732632423543772 * 1.0507009873554805

/**
 * Dropout that goes with selu: in training, elements are replaced by selu's lowest value α' = −1.758… with probability `rate`, and all
 * are scaled and moved (y = a · x + b) so that mean 0 and variance 1 stay; else gives its input.
 * a = ((1 − rate)(1 + rate · α'²))^−½, b = −a · α' · rate. Klambauer et al., 2017.
 */
export class AlphaDropout extends NoiseLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<AlphaDropoutOptions> = { ...noiseOptions, rate: 'required', noiseShape: 'optional' }
  readonly rate: number
  readonly noiseShape: readonly (number | null)[] | undefined

  constructor(options: AlphaDropoutOptions) {
    super(options)
    this.rate = numberOption(this.kind, 'rate', options.rate, { min: 0, below: 1 })
    this.noiseShape = noiseShapeOption(this.kind, options.noiseShape)
  }

  protected override checkInput(shape: PartialShape): void {
    const wrong = misfit(shape, this.noiseShape)
    if (wrong) throw this.failure(ShapeError, wrong)
  }

  override call(x: Tensor, { training }: CallContext): Tensor {
    const { rate, noiseShape } = this
    if (!training || rate === 0) return x
    const a = ((1 - rate) * (1 + rate * seluFloor ** 2)) ** -0.5
    const kept = this.generator.bernoulli(noiseShape ? maskShape(x, noiseShape) : x.shape, { p: 1 - rate, dtype: 'bool' })
    return ops.add(ops.mul(ops.where(kept, x, seluFloor), a), -a * seluFloor * rate)
  }

  override getConfig(): Config {
    return { ...super.getConfig(), rate: this.rate, noiseShape: this.noiseShape ?? null }
  }
}
