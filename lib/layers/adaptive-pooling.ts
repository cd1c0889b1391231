// Adaptive pooling layers: as many windows as asked for, whatever the size of the input.
import type { NamesOf } from '../arguments'
import * as ops from '../ops'
import { perAxis, type Sizes } from '../ops/windows'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type DataFormat, withChannelsLast } from './data-format'
import { type LayerOptions, layerOptions } from './options'
import { SpatialLayer } from './spatial-layer'

export interface AdaptivePoolingOptions extends LayerOptions {
  /** Size of the output: one number, or one for each spatial axis. */
  outputSize: Sizes
  /** Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
}

abstract class AdaptivePooling extends SpatialLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<AdaptivePoolingOptions> = {
    ...layerOptions,
    outputSize: 'required',
    dataFormat: 'optional'
  }
  readonly outputSize: readonly number[]

  constructor(
    options: AdaptivePoolingOptions,
    protected readonly axes: number
  ) {
    super(options)
    this.outputSize = perAxis(this.kind, 'outputSize', options.outputSize, axes)
  }

  protected abstract pool(x: Tensor): Tensor

  override call(x: Tensor): Tensor {
    return withChannelsLast(x, this.dataFormat, (images) => this.pool(images))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), outputSize: this.outputSize }
  }
}

abstract class AdaptiveMaxPooling extends AdaptivePooling {
  protected pool(x: Tensor): Tensor {
    return ops.adaptiveMaxPool(x, this.outputSize)
  }
}
/** The largest element of each part: (B, W, C) → (B, …outputSize, C). Part i of n is [⌊i · size / n⌋, ⌈(i + 1) · size / n⌉). */
export class AdaptiveMaxPooling1d extends AdaptiveMaxPooling {
  /** As in Keras. */
  static readonly className = 'AdaptiveMaxPooling1D'
  constructor(options: AdaptivePoolingOptions) {
    super(options, 1)
  }
}
/** The largest element of each part: (B, H, W, C) → (B, …outputSize, C). Part i of n is [⌊i · size / n⌋, ⌈(i + 1) · size / n⌉). */
export class AdaptiveMaxPooling2d extends AdaptiveMaxPooling {
  /** As in Keras. */
  static readonly className = 'AdaptiveMaxPooling2D'
  constructor(options: AdaptivePoolingOptions) {
    super(options, 2)
  }
}
/** The largest element of each part: (B, D, H, W, C) → (B, …outputSize, C). Part i of n is [⌊i · size / n⌋, ⌈(i + 1) · size / n⌉). */
export class AdaptiveMaxPooling3d extends AdaptiveMaxPooling {
  /** As in Keras. */
  static readonly className = 'AdaptiveMaxPooling3D'
  constructor(options: AdaptivePoolingOptions) {
    super(options, 3)
  }
}

abstract class AdaptiveAveragePooling extends AdaptivePooling {
  protected pool(x: Tensor): Tensor {
    return ops.adaptiveAveragePool(x, this.outputSize)
  }
}
/** The mean of each part: (B, W, C) → (B, …outputSize, C). Part i of n is [⌊i · size / n⌋, ⌈(i + 1) · size / n⌉). */
export class AdaptiveAveragePooling1d extends AdaptiveAveragePooling {
  /** As in Keras. */
  static readonly className = 'AdaptiveAveragePooling1D'
  constructor(options: AdaptivePoolingOptions) {
    super(options, 1)
  }
}
/** The mean of each part: (B, H, W, C) → (B, …outputSize, C). Part i of n is [⌊i · size / n⌋, ⌈(i + 1) · size / n⌉). */
export class AdaptiveAveragePooling2d extends AdaptiveAveragePooling {
  /** As in Keras. */
  static readonly className = 'AdaptiveAveragePooling2D'
  constructor(options: AdaptivePoolingOptions) {
    super(options, 2)
  }
}
/** The mean of each part: (B, D, H, W, C) → (B, …outputSize, C). Part i of n is [⌊i · size / n⌋, ⌈(i + 1) · size / n⌉). */
export class AdaptiveAveragePooling3d extends AdaptiveAveragePooling {
  /** As in Keras. */
  static readonly className = 'AdaptiveAveragePooling3D'
  constructor(options: AdaptivePoolingOptions) {
    super(options, 3)
  }
}
