// Batches one after the other: rows of data on the device, rows of data on the host, or what an iterable yields.
import { ArgumentError, failure } from '../errors'
import type { NestedArray, TypedArray } from '../host-values'
import { run } from '../op'
import { Tensor, tensor } from '../tensor'
import type { ResidentData } from './upload'
import {
  type Batch,
  type Batches,
  type BatchItem,
  type BatchRecord,
  type CheckedData,
  type CheckedValues,
  type DataShapes,
  listOf,
  type ModelValues,
  type RowShape,
  splitItem,
  targetsOf,
  toTensor,
  type Values,
  weightList
} from './values'

/** A batch and the tensors in it that were made for it. */
export interface StreamedBatch extends Batch {
  owned: readonly Tensor[]
}

/** Gives batches until there are no more; begins again with `restart`. */
export interface BatchStream {
  /** Batches from one start to the end, if that is known. */
  readonly steps: number | undefined
  restart(): void | Promise<void>
  /** The next batch, undefined at the end. */
  next(): StreamedBatch | undefined | Promise<StreamedBatch | undefined>
  /** Lets go of what the stream holds. */
  close(): void
}

/** Rows [first, first + count) of data on the device, in their order. */
export class SliceStream implements BatchStream {
  readonly steps: number
  private at = 0

  constructor(
    private readonly data: ResidentData,
    private readonly first: number,
    private readonly count: number,
    private readonly batchSize: number
  ) {
    this.steps = Math.ceil(count / batchSize)
  }

  restart(): void {
    this.at = 0
  }

  next(): StreamedBatch | undefined {
    const { data, at, count } = this
    if (at >= count) return undefined
    const size = Math.min(this.batchSize, count - at)
    this.at += size
    if (size === data.samples) return { ...data, size, owned: [] }
    const owned: Tensor[] = []
    const slice = (x: Tensor): Tensor => {
      const starts = x.shape.map((_, axis) => (axis === 0 ? this.first + at : 0))
      const result = run('slice', [x], {
        shape: [size, ...x.shape.slice(1)],
        dtype: x.dtype,
        attributes: { starts, strides: starts.map(() => 1) }
      })
      owned.push(result)
      return result
    }
    const { xs, ys, sampleWeights } = data
    return { xs: xs.map(slice), ys: ys.map(slice), sampleWeights: sampleWeights.map(slice), size, owned }
  }

  close(): void {
    for (const tensor of this.data.owned) tensor.dispose()
  }
}

/** Rows of data that stay on the host, in the order that `draw` gives at each start: each batch is put together and uploaded. */
export class HostStream implements BatchStream {
  readonly steps: number
  private at = 0
  private order: Int32Array = new Int32Array(0)

  constructor(
    private readonly data: CheckedData,
    count: number,
    private readonly batchSize: number,
    private readonly draw: () => Promise<Int32Array>
  ) {
    this.steps = Math.ceil(count / batchSize)
  }

  async restart(): Promise<void> {
    this.order = await this.draw()
    this.at = 0
  }

  next(): StreamedBatch | undefined {
    if (this.at >= this.order.length) return undefined
    const indices = this.order.subarray(this.at, this.at + this.batchSize)
    this.at += indices.length
    const owned: Tensor[] = []
    const take = (checked: CheckedValues): Tensor => {
      const result = takeRows(checked, indices, this.data.device)
      owned.push(result)
      return result
    }
    const { xs, ys, sampleWeights } = this.data
    return { xs: xs.map(take), ys: ys.map(take), sampleWeights: sampleWeights.map(take), size: indices.length, owned }
  }

  close(): void {}
}

/** The rows at `indices` as a tensor. */
function takeRows({ values, shape }: CheckedValues, indices: Int32Array, device: string): Tensor {
  const row = shape.slice(1)
  const dims = [indices.length, ...row]
  if (values instanceof Tensor) {
    using where = tensor(indices, undefined, { device: values.device })
    return run('gather', [values, where], { shape: dims, dtype: values.dtype, attributes: { axis: 0, scale: 1, offset: 0 } })
  }
  if (!ArrayBuffer.isView(values)) {
    const rows = values as readonly NestedArray[]
    return tensor(
      Array.from(indices, (i) => rows[i]!),
      undefined,
      { device }
    )
  }
  const size = row.reduce((a, b) => a * b, 1)
  const all = values as TypedArray
  const batch = new (all.constructor as new (length: number) => TypedArray)(indices.length * size)
  for (const [to, from] of indices.entries()) batch.set(all.subarray(from * size, (from + 1) * size), to * size)
  return tensor(batch, dims, { device })
}

/** What an iterable yields, or the iterable of a function, which is called at each start. */
export class ItemStream implements BatchStream {
  readonly steps = undefined
  private iterator: Iterator<BatchItem> | AsyncIterator<BatchItem> | undefined

  constructor(
    private readonly batches: Batches,
    private readonly shapes: DataShapes
  ) {}

  restart(): void {
    this.close()
    const iterable = typeof this.batches === 'function' ? this.batches() : this.batches
    if (Symbol.asyncIterator in Object(iterable)) this.iterator = (iterable as AsyncIterable<BatchItem>)[Symbol.asyncIterator]()
    else if (Symbol.iterator in Object(iterable)) this.iterator = (iterable as Iterable<BatchItem>)[Symbol.iterator]()
    else throw failure(ArgumentError, this.shapes.where, 'expected the function to return an iterable of batches')
  }

  next(): StreamedBatch | undefined | Promise<StreamedBatch | undefined> {
    if (this.iterator === undefined) return undefined
    const result = this.iterator.next()
    return 'then' in result ? Promise.resolve(result).then((r) => this.take(r)) : this.take(result)
  }

  close(): void {
    const { iterator } = this
    this.iterator = undefined
    // Not awaited: a generator that is stuck in a promise of its own would hold up who wants to leave it.
    Promise.resolve(iterator?.return?.()).catch(() => {})
  }

  private take(result: IteratorResult<BatchItem>): StreamedBatch | undefined {
    if (result.done === true) {
      this.iterator = undefined
      return undefined
    }
    const batch = makeBatch(this.shapes, splitItem(this.shapes.where, result.value, this.shapes.outputs !== undefined))
    // Who yields tensors gives them away.
    const { xs, ys, sampleWeights } = batch
    return { ...batch, owned: [...xs, ...ys, ...sampleWeights] }
  }
}

/** A batch of values on the device; `owned` are the tensors that had to be made. */
export function makeBatch(shapes: DataShapes, { x, y, sampleWeight }: Partial<BatchRecord>): StreamedBatch {
  const { where, inputs, inputNames, outputNames } = shapes
  const owned: Tensor[] = []
  const make = (what: string, values: Values, row: RowShape, samples?: number): Tensor => {
    const result = toTensor(shapes, what, values, row, samples)
    if (result !== values) owned.push(result)
    return result
  }
  try {
    const [first, ...others] = listOf(where, 'x', x as ModelValues, inputNames)
    const xs = [make('x', first!, inputs[0])]
    const size = xs[0]!.shape[0]!
    others.forEach((values, i) => void xs.push(make(`x[${i + 1}]`, values, inputs[i + 1], size)))
    shapes.onInputs(xs.map(({ shape }) => shape))
    const { outputs } = shapes
    const targets = outputs === undefined ? [] : targetsOf(where, y, outputNames)
    const ys = targets.map((values, i) => make('y', values, outputs![i], size))
    const sampleWeights = weightList(where, sampleWeight, outputNames).map((values) => make('sampleWeight', values, [], size))
    return { xs, ys, sampleWeights, size, owned }
  } catch (error) {
    for (const tensor of owned) tensor.dispose()
    throw error
  }
}
