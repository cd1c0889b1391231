// Pooling layers: the maximum, mean or sum of windows.
import { choice } from '../arguments'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import * as ops from '../ops'
import type { PoolOptions, Sizes } from '../ops/pool'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type DataFormat, dataFormatOption, withChannelsLast } from './data-format'
import { Layer, type LayerOptions, type PartialShape } from './layer'

export interface PoolingOptions extends LayerOptions {
  /** Size of the windows: one number, or one for each spatial axis. Default 2. */
  poolSize?: Sizes | undefined
  /** Distance between windows. Default: `poolSize`. */
  strides?: Sizes | null | undefined
  /** `valid`: windows inside the input; `same`: ceil(size / stride) of them, the odd element of padding at the end. Default `valid`. */
  padding?: 'valid' | 'same' | undefined
  /** Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
}

/** One number of at least `least` for each of `axes` axes. */
export function sizesOption(owner: string, name: string, value: unknown, axes: number, least: 0 | 1 = 1): readonly number[] {
  const sizes = typeof value === 'number' ? new Array<number>(axes).fill(value) : value
  if (Array.isArray(sizes) && sizes.length === axes && sizes.every((size) => Number.isSafeInteger(size) && size >= least)) return sizes
  const [kind, list] = [least === 1 ? 'a positive integer' : 'an integer of at least 0', axes === 1 ? '' : ` or ${axes} of them`]
  throw failure(ArgumentError, owner, `expected ${name} to be ${kind}${list}, received ${show(value)}`)
}

/** A layer over images of `axes` spatial axes. */
export abstract class SpatialLayer extends Layer {
  readonly dataFormat: DataFormat
  protected abstract readonly axes: number

  constructor(options: LayerOptions & { dataFormat?: DataFormat | null | undefined }) {
    super(options)
    this.dataFormat = dataFormatOption(this.kind, options.dataFormat)
  }

  override get takesIntegers(): boolean {
    return false
  }

  protected override checkInput(shape: PartialShape): void {
    if (shape.length === this.axes + 2) return
    throw this.failure(
      ShapeError,
      `expected an input with ${this.axes} spatial axes, of rank ${this.axes + 2}, received ${showShape(shape)}`
    )
  }

  override getConfig(): Config {
    return { ...super.getConfig(), dataFormat: this.dataFormat }
  }
}

abstract class Pooling extends SpatialLayer {
  readonly poolSize: readonly number[]
  readonly strides: readonly number[]
  readonly padding: 'valid' | 'same'

  constructor(
    options: PoolingOptions,
    protected readonly axes: number
  ) {
    super(options)
    this.poolSize = sizesOption(this.kind, 'poolSize', options.poolSize ?? 2, axes)
    this.strides = sizesOption(this.kind, 'strides', options.strides ?? this.poolSize, axes)
    this.padding = choice(this.kind, 'padding', options.padding ?? 'valid', ['valid', 'same'])
  }

  protected abstract pool(x: Tensor, options: PoolOptions): Tensor

  override call(x: Tensor): Tensor {
    const { poolSize, strides, padding } = this
    return withChannelsLast(x, this.dataFormat, (images) => this.pool(images, { poolSize, strides, padding }))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), poolSize: this.poolSize, strides: this.strides, padding: this.padding }
  }
}

abstract class MaxPooling extends Pooling {
  protected pool(x: Tensor, options: PoolOptions): Tensor {
    return ops.maxPool(x, options)
  }
}
/** The largest element of each window: (B, W, C) → (B, windows, C). The gradient goes to the first of equals. */
export class MaxPooling1d extends MaxPooling {
  /** As in Keras. */
  static readonly className = 'MaxPooling1D'
  constructor(options: PoolingOptions = {}) {
    super(options, 1)
  }
}
/** The largest element of each window: (B, H, W, C) → (B, windows down, windows across, C). The gradient goes to the first of equals. */
export class MaxPooling2d extends MaxPooling {
  /** As in Keras. */
  static readonly className = 'MaxPooling2D'
  constructor(options: PoolingOptions = {}) {
    super(options, 2)
  }
}
/** The largest element of each window: (B, D, H, W, C) → (B, windows…, C). The gradient goes to the first of equals. */
export class MaxPooling3d extends MaxPooling {
  /** As in Keras. */
  static readonly className = 'MaxPooling3D'
  constructor(options: PoolingOptions = {}) {
    super(options, 3)
  }
}

abstract class AveragePooling extends Pooling {
  protected pool(x: Tensor, options: PoolOptions): Tensor {
    return ops.averagePool(x, options)
  }
}
/** The mean of each window, padding not counted: (B, W, C) → (B, windows, C). */
export class AveragePooling1d extends AveragePooling {
  /** As in Keras. */
  static readonly className = 'AveragePooling1D'
  constructor(options: PoolingOptions = {}) {
    super(options, 1)
  }
}
/** The mean of each window, padding not counted: (B, H, W, C) → (B, windows down, windows across, C). */
export class AveragePooling2d extends AveragePooling {
  /** As in Keras. */
  static readonly className = 'AveragePooling2D'
  constructor(options: PoolingOptions = {}) {
    super(options, 2)
  }
}
/** The mean of each window, padding not counted: (B, D, H, W, C) → (B, windows…, C). */
export class AveragePooling3d extends AveragePooling {
  /** As in Keras. */
  static readonly className = 'AveragePooling3D'
  constructor(options: PoolingOptions = {}) {
    super(options, 3)
  }
}

abstract class SumPooling extends Pooling {
  protected pool(x: Tensor, options: PoolOptions): Tensor {
    return ops.sumPool(x, options)
  }
}
/** The sum of each window: (B, W, C) → (B, windows, C). */
export class SumPooling1d extends SumPooling {
  /** As Keras would spell it. */
  static readonly className = 'SumPooling1D'
  constructor(options: PoolingOptions = {}) {
    super(options, 1)
  }
}
/** The sum of each window: (B, H, W, C) → (B, windows down, windows across, C). */
export class SumPooling2d extends SumPooling {
  /** As Keras would spell it. */
  static readonly className = 'SumPooling2D'
  constructor(options: PoolingOptions = {}) {
    super(options, 2)
  }
}
/** The sum of each window: (B, D, H, W, C) → (B, windows…, C). */
export class SumPooling3d extends SumPooling {
  /** As Keras would spell it. */
  static readonly className = 'SumPooling3D'
  constructor(options: PoolingOptions = {}) {
    super(options, 3)
  }
}
