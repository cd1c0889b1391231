// Upsampling layers: images made larger by repeating their elements.
import { choice } from '../arguments'
import * as ops from '../ops'
import { perAxis, type Sizes } from '../ops/windows'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type DataFormat, withChannelsLast } from './data-format'
import type { LayerOptions } from './layer'
import { SpatialLayer } from './spatial-layer'

export interface UpSamplingOptions extends LayerOptions {
  /** How often each element is repeated: one number, or one for each spatial axis. Default 2. */
  size?: Sizes | undefined
  /** Default `nearest`, the only one there is. */
  interpolation?: 'nearest' | undefined
  /** Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
}

abstract class UpSampling extends SpatialLayer {
  readonly size: readonly number[]
  readonly interpolation: 'nearest'

  constructor(
    options: UpSamplingOptions,
    protected readonly axes: number
  ) {
    super(options)
    this.size = perAxis(this.kind, 'size', options.size ?? 2, axes)
    this.interpolation = choice(this.kind, 'interpolation', options.interpolation ?? 'nearest', ['nearest'])
  }

  override call(x: Tensor): Tensor {
    const { size, interpolation } = this
    return withChannelsLast(x, this.dataFormat, (images) => ops.upsample(images, { size, interpolation }))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), size: this.size, interpolation: this.interpolation }
  }
}
/** Each element repeated: (B, W, C) → (B, W · size, C). */
export class UpSampling1d extends UpSampling {
  /** As in Keras. */
  static readonly className = 'UpSampling1D'
  constructor(options: UpSamplingOptions = {}) {
    super(options, 1)
  }
}
/** Each element repeated: (B, H, W, C) → (B, H · size, W · size, C). */
export class UpSampling2d extends UpSampling {
  /** As in Keras. */
  static readonly className = 'UpSampling2D'
  constructor(options: UpSamplingOptions = {}) {
    super(options, 2)
  }
}
/** Each element repeated: (B, D, H, W, C) → (B, D · size, H · size, W · size, C). */
export class UpSampling3d extends UpSampling {
  /** As in Keras. */
  static readonly className = 'UpSampling3D'
  constructor(options: UpSamplingOptions = {}) {
    super(options, 3)
  }
}
