// Gives the elements of each sample another shape.
import type { NamesOf } from '../arguments'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { Layer } from './layer'
import { type LayerOptions, layerOptions, type PartialShape } from './options'

export interface ReshapeOptions extends LayerOptions {
  /** Shape without the batch dimension; one size may be −1, which is then what remains. */
  targetShape: readonly number[]
}

/** (B, …) → (B, …targetShape), the elements in the same order. */
export class Reshape extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<ReshapeOptions> = { ...layerOptions, targetShape: 'required' }
  readonly targetShape: readonly number[]

  constructor(options: ReshapeOptions) {
    super(options)
    const { targetShape } = options
    const fits =
      Array.isArray(targetShape) &&
      targetShape.every((size) => size === -1 || (Number.isSafeInteger(size) && size > 0)) &&
      targetShape.filter((size) => size === -1).length <= 1
    if (!fits)
      throw failure(
        ArgumentError,
        'reshape',
        `expected targetShape to be positive sizes, at most one of them -1, received ${show(targetShape)}`
      )
    this.targetShape = targetShape
  }

  override call(x: Tensor): Tensor {
    return ops.reshape(x, [x.shape[0]!, ...this.resolve(x.shape.slice(1))])
  }

  protected override checkInput(shape: PartialShape): void {
    const sizes = shape.slice(1)
    if (sizes.includes(null)) return
    const size = sizes.reduce<number>((product, n) => product * n!, 1)
    const known = this.targetShape.reduce((product, n) => (n === -1 ? product : product * n), 1)
    if (this.targetShape.includes(-1) ? size % known === 0 : size === known) return
    throw this.failure(ShapeError, `expected samples that fit targetShape ${show(this.targetShape)}, received ${showShape(shape)}`)
  }

  /** The target shape without −1. A size that is not known makes the rest unknown too. */
  private resolve(shape: readonly number[]): number[] {
    const known = this.targetShape.reduce((size, n) => (n === -1 ? size : size * n), 1)
    const size = shape.reduce((product, n) => product * n, 1)
    return this.targetShape.map((n) => (n === -1 ? Math.floor(size / known) : n))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), targetShape: this.targetShape }
  }
}
