// Repeats a vector along a new axis.
import { type NamesOf, numberOption } from '../arguments'
import { ShapeError, showShape } from '../errors'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { Layer } from './layer'
import { type LayerOptions, layerOptions, type PartialShape } from './options'

export interface RepeatVectorOptions extends LayerOptions {
  /** How often. */
  n: number
}

/** (B, C) → (B, n, C). */
export class RepeatVector extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<RepeatVectorOptions> = { ...layerOptions, n: 'required' }
  readonly n: number

  constructor(options: RepeatVectorOptions) {
    super(options)
    this.n = numberOption(this.kind, 'n', options.n, { integer: true, min: 1 })
  }

  protected override checkInput(shape: PartialShape): void {
    if (shape.length !== 2) throw this.failure(ShapeError, `expected an input of rank 2, received ${showShape(shape)}`)
  }

  override call(x: Tensor): Tensor {
    return ops.tile(ops.expandDims(x, 1), [1, this.n, 1])
  }

  override getConfig(): Config {
    return { ...super.getConfig(), n: this.n }
  }
}
