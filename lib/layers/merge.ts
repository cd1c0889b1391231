// Merge layers: one tensor of several, elementwise, side by side or by a product.
import { booleanOption, type NamesOf, numberOption } from '../arguments'
import { inDType } from '../dtype'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import * as ops from '../ops'
import { checkAxis } from '../ops/rules'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import type { FusedPart } from './fusion'
import { Layer } from './layer'
import { type LayerOptions, layerOptions, type PartialShape } from './options'

/** A layer of an array of tensors, all of one batch. */
abstract class Merge extends Layer {
  abstract override call(inputs: readonly Tensor[]): Tensor

  protected override checkInput(shapes: readonly PartialShape[]): void {
    if (!Array.isArray(shapes) || shapes.length === 0 || !shapes.every(Array.isArray)) {
      throw this.failure(ArgumentError, `expected an array of tensors, received ${received(shapes)}`)
    }
    const batches = new Set(shapes.map(([batch]) => batch).filter((batch) => batch != null))
    if (batches.size > 1 || shapes.some(({ length }) => length === 0)) {
      throw this.failure(ShapeError, `expected inputs of one batch size, received ${shapes.map(showShape).join(', ')}`)
    }
  }
}

function received(shapes: unknown): string {
  if (!Array.isArray(shapes)) return 'a record'
  return shapes.length === 0 ? 'none' : `one tensor of shape ${showShape(shapes as unknown as PartialShape)}`
}

/** Inputs that broadcast, with axes of size 1 after the batch where one has fewer axes than another. */
abstract class Elementwise extends Merge {
  override get takesIntegers(): boolean {
    return false
  }

  override call(inputs: readonly Tensor[]): Tensor {
    const rank = Math.max(...inputs.map((x) => x.rank))
    const aligned = inputs.map((x) => {
      const [batch, ...rest] = x.shape
      return x.rank === rank ? x : ops.reshape(x, [batch!, ...new Array<number>(rank - x.rank).fill(1), ...rest])
    })
    return this.merge(aligned)
  }

  protected abstract merge(inputs: readonly Tensor[]): Tensor
}

/**
 * The sum of the inputs, which broadcast.
 * @example
 * const y = layers.add().apply([shortcut, x])
 */
export class Add extends Elementwise {
  override fusedPart(): FusedPart {
    return { kind: 'sum' }
  }

  protected merge(inputs: readonly Tensor[]): Tensor {
    return inputs.reduce(ops.add)
  }
}

/** The first input minus the second. */
export class Subtract extends Elementwise {
  protected override checkInput(shapes: readonly PartialShape[]): void {
    super.checkInput(shapes)
    if (shapes.length !== 2) throw this.failure(ArgumentError, `expected two inputs, received ${shapes.length}`)
  }

  protected merge([a, b]: readonly [Tensor, Tensor]): Tensor {
    return ops.sub(a, b)
  }
}

/** The product of the inputs, element by element; they broadcast. */
export class Multiply extends Elementwise {
  protected merge(inputs: readonly Tensor[]): Tensor {
    return inputs.reduce(ops.mul)
  }
}

/** The mean of the inputs, element by element; they broadcast. */
export class Average extends Elementwise {
  protected merge(inputs: readonly Tensor[]): Tensor {
    return ops.div(inputs.reduce(ops.add), inputs.length)
  }
}

/** The largest of the inputs, element by element; they broadcast. */
export class Maximum extends Elementwise {
  protected merge(inputs: readonly Tensor[]): Tensor {
    return inputs.reduce(ops.maximum)
  }
}

/** The smallest of the inputs, element by element; they broadcast. */
export class Minimum extends Elementwise {
  protected merge(inputs: readonly Tensor[]): Tensor {
    return inputs.reduce(ops.minimum)
  }
}

export interface ConcatenateOptions extends LayerOptions {
  /** The axis along which the inputs come one after the other. Default −1. */
  axis?: number | undefined
}

/** The inputs one after the other along `axis`; their other sizes are equal. Integers stay as they are if all inputs have one dtype. */
export class Concatenate extends Merge {
  /** @internal */
  static override readonly optionNames: NamesOf<ConcatenateOptions> = { ...layerOptions, axis: 'optional' }
  readonly axis: number

  constructor(options: ConcatenateOptions = {}) {
    super(options)
    this.axis = numberOption(this.kind, 'axis', options.axis ?? -1, { integer: true })
  }

  override call(inputs: readonly Tensor[]): Tensor {
    const isOne = inputs.every(({ dtype }) => dtype === inputs[0]!.dtype)
    return ops.concat(isOne ? inputs : inputs.map((x) => inDType(x, this.computeDType)), this.axis)
  }

  override getConfig(): Config {
    return { ...super.getConfig(), axis: this.axis }
  }
}

export interface DotOptions extends LayerOptions {
  /** The axis of both inputs, or of each, along which products are summed; not 0, which is the batch. */
  axes: number | readonly [number, number]
  /** Whether the inputs are first divided by their length along the axes, which gives cosines. Default false. */
  normalize?: boolean | undefined
}

/** For each sample the sum of products along an axis of each input: (B, …, K, …) and (B, …, K, …) → (B, rest of the first, rest of the second); (B, K) twice → (B, 1). */
export class Dot extends Merge {
  /** @internal */
  static override readonly optionNames: NamesOf<DotOptions> = { ...layerOptions, axes: 'required', normalize: 'optional' }
  readonly axes: number | readonly [number, number]
  readonly normalize: boolean

  constructor(options: DotOptions) {
    super(options)
    const { axes, normalize = false } = options
    const list = Array.isArray(axes) ? axes : [axes, axes]
    if (list.length !== 2 || !list.every((axis) => Number.isInteger(axis) && axis !== 0)) {
      throw failure(ArgumentError, this.kind, `expected axes to be an integer that is not 0, or two of them, received ${show(axes)}`)
    }
    this.axes = axes
    this.normalize = booleanOption(this.kind, 'normalize', normalize)
  }

  override get takesIntegers(): boolean {
    return false
  }

  protected override checkInput(shapes: readonly PartialShape[]): void {
    super.checkInput(shapes)
    if (shapes.length !== 2) throw this.failure(ArgumentError, `expected two inputs, received ${shapes.length}`)
    const [a, b] = this.axesOf(shapes)
    const [m, n] = [shapes[0]![a], shapes[1]![b]]
    if (a === 0 || b === 0 || (m != null && n != null && m !== n)) {
      const list = shapes.map(showShape).join(' and ')
      throw this.failure(ShapeError, `expected equal sizes at the axes ${a} and ${b}, which are not the batch's, received ${list}`)
    }
  }

  /** The axis of each input, from the start. */
  private axesOf(shapes: readonly (readonly unknown[])[]): [number, number] {
    const [a, b] = typeof this.axes === 'number' ? [this.axes, this.axes] : this.axes
    return [checkAxis(this.kind, a, shapes[0]!.length, 'axes'), checkAxis(this.kind, b, shapes[1]!.length, 'axes')]
  }

  override call(inputs: readonly Tensor[]): Tensor {
    const axes = this.axesOf(inputs.map(({ shape }) => shape))
    // Each as (B, elements of the rest, K).
    const rows = inputs.map((x, i) => {
      const last = axes[i] === x.rank - 1 ? x : ops.moveaxis(x, axes[i]!, -1)
      const rest = last.shape.slice(1, -1)
      const matrix = ops.reshape(last, [last.shape[0]!, rest.reduce((size, n) => size * n, 1), last.shape.at(-1)!])
      return { rest, matrix: this.normalize ? ops.unitNorm(matrix) : matrix }
    })
    const [a, b] = [rows[0]!, rows[1]!]
    const rest = [...a.rest, ...b.rest]
    return ops.reshape(ops.matmul(a.matrix, b.matrix, { transposeB: true }), [a.matrix.shape[0]!, ...(rest.length === 0 ? [1] : rest)])
  }

  override getConfig(): Config {
    return { ...super.getConfig(), axes: this.axes, normalize: this.normalize }
  }
}
