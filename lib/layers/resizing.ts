// Resizes images to a fixed size.
import { choice, type NamesOf, numberOption } from '../arguments'
import * as ops from '../ops'
import { type Interpolation, interpolations } from '../ops/resize'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type DataFormat, withChannelsLast } from './data-format'
import { type LayerOptions, layerOptions } from './options'
import { SpatialLayer } from './spatial-layer'

export interface ResizingOptions extends LayerOptions {
  /** Rows of the output. */
  height: number
  /** Columns of the output. */
  width: number
  /** As in `ops.resize`; there is no antialiasing. Default `bilinear`. */
  interpolation?: Interpolation | undefined
  /** Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
}

/**
 * Images of a fixed size: (B, H, W, C) → (B, height, width, C), whatever H and W are. The aspect ratio is not kept.
 * @example
 * const model = sequential([layers.resizing({ height: 32, width: 32, inputShape: [null, null, 3] }), layers.conv2d({ filters: 8, kernelSize: 3 })])
 */
export class Resizing extends SpatialLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<ResizingOptions> = {
    ...layerOptions,
    height: 'required',
    width: 'required',
    interpolation: 'optional',
    dataFormat: 'optional'
  }
  readonly height: number
  readonly width: number
  readonly interpolation: Interpolation
  protected readonly axes = 2

  constructor(options: ResizingOptions) {
    super(options)
    this.height = numberOption(this.kind, 'height', options.height, { integer: true, min: 1 })
    this.width = numberOption(this.kind, 'width', options.width, { integer: true, min: 1 })
    this.interpolation = choice(this.kind, 'interpolation', options.interpolation ?? 'bilinear', interpolations)
  }

  override call(x: Tensor): Tensor {
    const { height, width, interpolation } = this
    return withChannelsLast(x, this.dataFormat, (images) => ops.resize(images, [height, width], { interpolation }))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), height: this.height, width: this.width, interpolation: this.interpolation }
  }
}
