// Gives the axes of each sample another order.
import type { NamesOf } from '../arguments'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { Layer } from './layer'
import { type LayerOptions, layerOptions, type PartialShape } from './options'

export interface PermuteOptions extends LayerOptions {
  /** The order of the axes, counted from 1 since the batch stays first: `[2, 1]` exchanges two. */
  dims: readonly number[]
}

/** (B, …) → (B, …): axis i of the output is axis `dims[i − 1]` of the input. */
export class Permute extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<PermuteOptions> = { ...layerOptions, dims: 'required' }
  readonly dims: readonly number[]

  constructor(options: PermuteOptions) {
    super(options)
    const { dims } = options
    const fits = Array.isArray(dims) && dims.length > 0 && dims.every((_, i) => dims.includes(i + 1))
    if (!fits) throw failure(ArgumentError, this.kind, `expected dims to name each axis from 1 once, received ${show(dims)}`)
    this.dims = dims
  }

  protected override checkInput(shape: PartialShape): void {
    const rank = this.dims.length + 1
    if (shape.length !== rank) throw this.failure(ShapeError, `expected an input of rank ${rank}, received ${showShape(shape)}`)
  }

  override call(x: Tensor): Tensor {
    return ops.transpose(x, [0, ...this.dims])
  }

  override getConfig(): Config {
    return { ...super.getConfig(), dims: this.dims }
  }
}
