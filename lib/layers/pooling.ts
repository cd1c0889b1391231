// Pooling layers: the maximum, mean or sum of windows.
import { choice, type NamesOf } from '../arguments'
import * as ops from '../ops'
import type { PoolOptions } from '../ops/pool'
import { perAxis, type Sizes } from '../ops/windows'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type DataFormat, withChannelsLast } from './data-format'
import type { FusedPart } from './fusion'
import { type LayerOptions, layerOptions } from './options'
import { SpatialLayer } from './spatial-layer'

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

abstract class Pooling extends SpatialLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<PoolingOptions> = {
    ...layerOptions,
    poolSize: 'optional',
    strides: 'optional',
    padding: 'optional',
    dataFormat: 'optional'
  }
  readonly poolSize: readonly number[]
  readonly strides: readonly number[]
  readonly padding: 'valid' | 'same'

  constructor(
    options: PoolingOptions,
    protected readonly axes: number
  ) {
    super(options)
    this.poolSize = perAxis(this.kind, 'poolSize', options.poolSize ?? 2, axes)
    this.strides = perAxis(this.kind, 'strides', options.strides ?? this.poolSize, axes)
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
  override fusedPart(): FusedPart | undefined {
    const { poolSize, strides, padding } = this
    return this.dataFormat === 'channelsLast' ? { kind: 'pool', pool: { poolSize, strides, padding } } : undefined
  }

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
