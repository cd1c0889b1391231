// The base of layers over images of one to three spatial axes.
import { ShapeError, showShape } from '../errors'
import type { Config } from '../serialization'
import { type DataFormat, dataFormatOption } from './data-format'
import { Layer } from './layer'
import type { LayerOptions, PartialShape } from './options'

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
