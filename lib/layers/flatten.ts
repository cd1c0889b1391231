// Flattens everything but the batch.
import type { NamesOf } from '../arguments'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type DataFormat, dataFormatOption } from './data-format'
import { Layer } from './layer'
import { type LayerOptions, layerOptions } from './options'

export interface FlattenOptions extends LayerOptions {
  /** With `channelsFirst` the channels are put last before. Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
}

/** (B, …) → (B, product of the rest); (B) → (B, 1). */
export class Flatten extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<FlattenOptions> = { ...layerOptions, dataFormat: 'optional' }
  readonly dataFormat: DataFormat

  constructor(options: FlattenOptions = {}) {
    super(options)
    this.dataFormat = dataFormatOption(this.kind, options.dataFormat)
  }

  override call(x: Tensor): Tensor {
    const moved = this.dataFormat === 'channelsFirst' && x.rank > 2 ? ops.moveaxis(x, 1, -1) : x
    const [batch, ...rest] = moved.shape
    return ops.reshape(moved, [batch!, rest.reduce((size, n) => size * n, 1)])
  }

  override getConfig(): Config {
    return { ...super.getConfig(), dataFormat: this.dataFormat }
  }
}
