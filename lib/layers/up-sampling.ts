// Upsampling layers: images made larger by whole factors.
import { choice, type NamesOf } from '../arguments'
import * as ops from '../ops'
import { type Interpolation, interpolations } from '../ops/resize'
import { perAxis, type Sizes } from '../ops/windows'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type DataFormat, withChannelsLast } from './data-format'
import { type LayerOptions, layerOptions } from './options'
import { SpatialLayer } from './spatial-layer'

export interface UpSamplingOptions extends LayerOptions {
  /** How many times larger: one number, or one for each spatial axis. Default 2. */
  size?: Sizes | undefined
  /** `nearest` repeats each element; `bilinear` and `bicubic` weigh the elements around a point, as `ops.resize`. Default `nearest`. */
  interpolation?: Interpolation | undefined
  /** Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
}

abstract class UpSampling extends SpatialLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<UpSamplingOptions> = {
    ...layerOptions,
    size: 'optional',
    interpolation: 'optional',
    dataFormat: 'optional'
  }
  readonly size: readonly number[]
  readonly interpolation: Interpolation

  constructor(
    options: UpSamplingOptions,
    protected readonly axes: number
  ) {
    super(options)
    this.size = perAxis(this.kind, 'size', options.size ?? 2, axes)
    this.interpolation = choice(this.kind, 'interpolation', options.interpolation ?? 'nearest', interpolations)
  }

  override call(x: Tensor): Tensor {
    const { size, interpolation } = this
    return withChannelsLast(x, this.dataFormat, (images) => ops.upsample(images, { size, interpolation }))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), size: this.size, interpolation: this.interpolation }
  }
}
/** A longer sequence: (B, W, C) → (B, W · size, C). */
export class UpSampling1d extends UpSampling {
  /** As in Keras. */
  static readonly className = 'UpSampling1D'
  constructor(options: UpSamplingOptions = {}) {
    super(options, 1)
  }
}
/**
 * Larger images: (B, H, W, C) → (B, H · size, W · size, C).
 * @example
 * const decoder = sequential([layers.upSampling2d({ interpolation: 'bilinear', inputShape: [7, 7, 64] }), layers.conv2d({ filters: 32, kernelSize: 3 })])
 */
export class UpSampling2d extends UpSampling {
  /** As in Keras. */
  static readonly className = 'UpSampling2D'
  constructor(options: UpSamplingOptions = {}) {
    super(options, 2)
  }
}
/** Larger volumes: (B, D, H, W, C) → (B, D · size, H · size, W · size, C). */
export class UpSampling3d extends UpSampling {
  /** As in Keras. */
  static readonly className = 'UpSampling3D'
  constructor(options: UpSamplingOptions = {}) {
    super(options, 3)
  }
}
