// Global pooling layers: the maximum or mean over all places.
import { booleanOption, type NamesOf } from '../arguments'
import { ShapeError, showShape } from '../errors'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import type { DataFormat } from './data-format'
import { type LayerOptions, layerOptions, type PartialShape } from './options'
import { SpatialLayer } from './spatial-layer'

export interface GlobalPoolingOptions extends LayerOptions {
  /** Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
  /** Whether the spatial axes stay, with size 1. Default false. */
  keepdims?: boolean | undefined
}

abstract class GlobalPooling extends SpatialLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<GlobalPoolingOptions> = { ...layerOptions, dataFormat: 'optional', keepdims: 'optional' }
  readonly keepdims: boolean

  constructor(
    options: GlobalPoolingOptions,
    protected readonly axes: number
  ) {
    super(options)
    this.keepdims = booleanOption(this.kind, 'keepdims', options.keepdims ?? false)
  }

  protected override checkInput(shape: PartialShape): void {
    super.checkInput(shape)
    if (!this.places.some((axis) => shape[axis] === 0)) return
    throw this.failure(ShapeError, `expected at least one element on each spatial axis, received ${showShape(shape)}`)
  }

  protected get places(): number[] {
    return Array.from({ length: this.axes }, (_, i) => i + (this.dataFormat === 'channelsLast' ? 1 : 2))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), keepdims: this.keepdims }
  }
}

abstract class GlobalMaxPooling extends GlobalPooling {
  override call(x: Tensor): Tensor {
    return ops.max(x, this.places, { keepdims: this.keepdims })
  }
}
/** The largest element of each channel: (B, W, C) → (B, C). */
export class GlobalMaxPooling1d extends GlobalMaxPooling {
  /** As in Keras. */
  static readonly className = 'GlobalMaxPooling1D'
  constructor(options: GlobalPoolingOptions = {}) {
    super(options, 1)
  }
}
/** The largest element of each channel: (B, H, W, C) → (B, C). */
export class GlobalMaxPooling2d extends GlobalMaxPooling {
  /** As in Keras. */
  static readonly className = 'GlobalMaxPooling2D'
  constructor(options: GlobalPoolingOptions = {}) {
    super(options, 2)
  }
}
/** The largest element of each channel: (B, D, H, W, C) → (B, C). */
export class GlobalMaxPooling3d extends GlobalMaxPooling {
  /** As in Keras. */
  static readonly className = 'GlobalMaxPooling3D'
  constructor(options: GlobalPoolingOptions = {}) {
    super(options, 3)
  }
}

abstract class GlobalAveragePooling extends GlobalPooling {
  override call(x: Tensor): Tensor {
    return ops.mean(x, this.places, { keepdims: this.keepdims })
  }
}
/** The mean of each channel: (B, W, C) → (B, C). */
export class GlobalAveragePooling1d extends GlobalAveragePooling {
  /** As in Keras. */
  static readonly className = 'GlobalAveragePooling1D'
  constructor(options: GlobalPoolingOptions = {}) {
    super(options, 1)
  }
}
/** The mean of each channel: (B, H, W, C) → (B, C). */
export class GlobalAveragePooling2d extends GlobalAveragePooling {
  /** As in Keras. */
  static readonly className = 'GlobalAveragePooling2D'
  constructor(options: GlobalPoolingOptions = {}) {
    super(options, 2)
  }
}
/** The mean of each channel: (B, D, H, W, C) → (B, C). */
export class GlobalAveragePooling3d extends GlobalAveragePooling {
  /** As in Keras. */
  static readonly className = 'GlobalAveragePooling3D'
  constructor(options: GlobalPoolingOptions = {}) {
    super(options, 3)
  }
}
