// What users may pass as data, and how it becomes tensors of the shapes that a model wants.
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import { type NestedArray, type TypedArray, typedArrayKind } from '../host-values'
import { isRecord } from '../plain'
import { byKeys } from '../structure'
import { Tensor, tensor } from '../tensor'

/** Values of one input, one target, or weights: a tensor, a typed array (it takes the shape that the model wants) or nested arrays. */
export type Values = Tensor | TypedArray | NestedArray
/** Values of a model with one input or target, or an array or record of them for several. */
export type ModelValues = Values | readonly Values[] | Readonly<Record<string, Values>>
/** A batch: `y` and the weights may be left out where they are not needed. */
export interface BatchRecord {
  x: ModelValues
  y?: ModelValues | undefined
  /** A weight for each sample: for all outputs, or an array or record with one for each output. */
  sampleWeight?: ModelValues | undefined
}
export type BatchItem = BatchRecord | readonly [x: ModelValues, y?: ModelValues, sampleWeight?: ModelValues]
/** Batches: an iterable or async iterable of them, or a function that returns one and is called once an epoch. */
export type Batches = Iterable<BatchItem> | AsyncIterable<BatchItem> | (() => Iterable<BatchItem> | AsyncIterable<BatchItem>)

/** Shapes without the batch dimension; null where a size varies, undefined where nothing is known. */
export type RowShape = readonly (number | null)[] | undefined

/** A batch on the device. */
export interface Batch {
  xs: readonly Tensor[]
  ys: readonly Tensor[]
  /** None, one for all targets, or one for each. */
  sampleWeights: readonly Tensor[]
  /** Number of samples. */
  size: number
}

/** The sample weights of target `i`. */
export function weightsOf({ sampleWeights }: Pick<Batch, 'sampleWeights'>, i: number): Tensor | undefined {
  return sampleWeights[sampleWeights.length === 1 ? 0 : i]
}

/** Whether `value` is batches, as opposed to data. Arrays, typed arrays, tensors and records of them are data. */
export function isBatches(value: unknown): value is Batches {
  if (typeof value === 'function') return true
  if (typeof value !== 'object' || value === null || value instanceof Tensor) return false
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return false
  return Symbol.asyncIterator in value || Symbol.iterator in value
}

/**
 * The values of each input or target, in the model's order; `names` are the keys of a record of them.
 * @throws ArgumentError if there are others
 */
export function listOf(where: string, what: string, values: ModelValues, names: readonly string[]): Values[] {
  const count = names.length
  if (values === undefined || values === null) throw failure(ArgumentError, where, `expected ${what}, received ${values}`)
  const several = Array.isArray(values) && values.length > 0 && values.every((v) => v instanceof Tensor || ArrayBuffer.isView(v))
  if (several) {
    if (values.length === count) return values as Values[]
    const hint = ArrayBuffer.isView(values[0]) ? ': rows go into one typed array, one after the other' : ''
    throw failure(
      ArgumentError,
      where,
      `expected ${what} for ${count} tensor${count === 1 ? '' : 's'}, received an array of ${values.length}${hint}`
    )
  }
  if (isRecord(values)) return byKeys(where, what, values, names)
  if (count === 1) {
    if (values instanceof Tensor || ArrayBuffer.isView(values) || Array.isArray(values)) return [values as Values]
  } else if (Array.isArray(values) && values.length === count) return values as Values[]
  const named = count > 1 ? ` (${names.join(', ')})` : ''
  throw failure(ArgumentError, where, `expected ${what} to be ${count} tensors or arrays${named}, received ${show(values)}`)
}

/** The values of each target; a model that is trained without loss and metrics has none. @throws as `listOf` */
export function targetsOf(where: string, y: ModelValues | undefined, names: readonly string[]): Values[] {
  return names.length === 0 ? [] : listOf(where, 'y', y as ModelValues, names)
}

/** The sample weights of each target, or of all at once. @throws as `listOf` */
export function weightList(where: string, values: ModelValues | undefined, names: readonly string[]): Values[] {
  if (values === undefined) return []
  if (values instanceof Tensor || ArrayBuffer.isView(values)) return [values as Values]
  const each =
    isRecord(values) || (Array.isArray(values) && names.length > 1 && values.length === names.length && typeof values[0] !== 'number')
  return each ? listOf(where, 'sampleWeight', values, names) : [values as Values]
}

/** Whether values are one flat list of numbers. */
function isFlat(values: Exclude<Values, Tensor>): values is TypedArray | readonly number[] {
  return ArrayBuffer.isView(values) || (Array.isArray(values) && !Array.isArray(values[0]))
}

/**
 * The shape of values with the samples as its first dimension. Flat lists take `row`, the shape of one sample; with `samples` given,
 * a list of as many numbers has one for each.
 * @throws ShapeError if they do not come out even; ArgumentError for something else than values, or without any sample
 */
export function shapeOf(where: string, what: string, values: Values, row: RowShape, samples?: number): readonly number[] {
  const shape = shapeOrLength(where, what, values, row, samples)
  if (shape.length === 0)
    throw failure(ShapeError, where, `expected ${what} to have samples as its first dimension, received a single number`)
  if (shape[0] === 0) throw failure(ArgumentError, where, `expected ${what} to have at least one sample, received none`)
  if (samples !== undefined && shape[0] !== samples) {
    throw failure(
      ShapeError,
      where,
      `expected ${what} to have as many samples as x, ${samples}, received ${shape[0]} in shape ${showShape(shape)}`
    )
  }
  return shape
}

function shapeOrLength(where: string, what: string, values: Values, row: RowShape, samples: number | undefined): readonly number[] {
  if (values instanceof Tensor) return values.shape
  if (!ArrayBuffer.isView(values) && !Array.isArray(values)) {
    throw failure(ArgumentError, where, `expected ${what} to be a tensor, a typed array or nested arrays, received ${show(values)}`)
  }
  if (!isFlat(values)) return nestedShape(values as NestedArray)
  const { length } = values
  if (samples !== undefined && length === samples) return [length]
  if (row === undefined || row.includes(null)) {
    // Without a fixed shape, a list of plain numbers is one number for each sample.
    if (Array.isArray(values)) return [length]
    const known = row === undefined ? 'the model does not know its input shape' : `the input shape is ${showShape(row)}`
    throw failure(ShapeError, where, `expected ${what} as a tensor or nested arrays, since ${known}, received ${show(values)}`)
  }
  const size = (row as readonly number[]).reduce((a, b) => a * b, 1)
  if (length % size !== 0) {
    const expected = samples === undefined ? `a multiple of ${size} values` : `${samples} samples`
    throw failure(ShapeError, where, `expected ${what} to have ${expected} of shape ${showShape(row)}, received ${length} values`)
  }
  return [length / size, ...(row as readonly number[])]
}

/** The shape by the first elements; `tensor` checks that the others agree. */
function nestedShape(values: NestedArray): number[] {
  const shape: number[] = []
  for (let level: unknown = values; Array.isArray(level); level = level[0]) shape.push(level.length)
  return shape
}

/** A tensor of values on a device; a tensor itself. */
export function toTensor({ where, device }: DataShapes, what: string, values: Values, row: RowShape, samples?: number): Tensor {
  const shape = shapeOf(where, what, values, row, samples)
  if (values instanceof Tensor) return values
  return tensor(values, isFlat(values) ? shape : undefined, { device })
}

/** The x, y and weights of an item that an iterable yields. */
export function splitItem(where: string, item: BatchItem, withTargets: boolean): BatchRecord {
  if (Array.isArray(item)) {
    const isPair = withTargets || item.every((v) => v === undefined || v instanceof Tensor || typedArrayKind(v) !== undefined)
    return isPair ? { x: item[0], y: item[1], sampleWeight: item[2] } : { x: item }
  }
  if (item instanceof Tensor || ArrayBuffer.isView(item)) return { x: item as Values }
  if (typeof item === 'object' && item !== null && 'x' in item) return item as BatchRecord
  if (!withTargets && isRecord(item)) return { x: item as ModelValues }
  throw failure(ArgumentError, where, `expected batches to be { x, y } or [x, y], received ${show(item)}`)
}

/** What a model wants of its data. */
export interface DataShapes {
  /** Name of the function, for messages. */
  where: string
  /** Name of the device that data go to. */
  readonly device: string
  readonly inputs: readonly RowShape[]
  /** The keys of a record of inputs. */
  readonly inputNames: readonly string[]
  /** Undefined where targets are not wanted. */
  readonly outputs: readonly RowShape[] | undefined
  /** The keys of a record of targets. */
  readonly outputNames: readonly string[]
  /** Is told the shapes of the inputs before targets are looked at: a model that is not built yet knows its output from then on. */
  onInputs(shapes: readonly (readonly number[])[]): void
}

/** Values for a whole run, in lists and with their shapes known. */
export interface CheckedData {
  /** Name of the device that they go to. */
  device: string
  samples: number
  xs: readonly CheckedValues[]
  ys: readonly CheckedValues[]
  sampleWeights: readonly CheckedValues[]
}

export interface CheckedValues {
  values: Values
  shape: readonly number[]
}

/**
 * Brings data into lists and checks that all have the same number of samples.
 * @throws ArgumentError, ShapeError as `listOf` and `shapeOf`
 */
export function checkData(shapes: DataShapes, { x, y, sampleWeight }: Partial<BatchRecord>): CheckedData {
  const { where, inputs, inputNames, outputNames, device } = shapes
  const check = (what: string, values: Values, row: RowShape, samples?: number): CheckedValues => ({
    values,
    shape: shapeOf(where, what, values, row, samples)
  })
  const list = listOf(where, 'x', x as ModelValues, inputNames)
  const first = check('x', list[0]!, inputs[0])
  const samples = first.shape[0]!
  const xs = list.map((values, i) => (i === 0 ? first : check(`x[${i}]`, values, inputs[i], samples)))
  shapes.onInputs(xs.map(({ shape }) => shape))
  const { outputs } = shapes
  const targets = outputs === undefined ? [] : targetsOf(where, y, outputNames)
  const ys = targets.map((values, i) => check(targets.length === 1 ? 'y' : `y[${i}]`, values, outputs![i], samples))
  return {
    device,
    samples,
    xs,
    ys,
    sampleWeights: weightList(where, sampleWeight, outputNames).map((values) => check('sampleWeight', values, [], samples))
  }
}
