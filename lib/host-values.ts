// JavaScript's side of a tensor: nested and typed arrays to elements of a dtype, and back.
import { ArgumentError, failure, ShapeError, show, showShape } from './errors'
import type { DType } from './native'
import { checkDType, checkShape, sizeOf } from './shape'

/** What `data()` gives: float32 and bfloat16 as Float32Array, int32 as Int32Array, uint8 and bool as Uint8Array. */
export type TensorData = Float32Array | Int32Array | Uint8Array
/** Typed arrays that a tensor can be made from. */
export type TypedArray = Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | Uint8Array | Uint8ClampedArray
/** Nested arrays of numbers or booleans, the same depth everywhere. */
export type NestedArray = number | boolean | readonly NestedArray[]
/** What `tensor()` takes. */
export type TensorValues = NestedArray | TypedArray
const dtypeOfArray: Record<string, DType> = {
  Float32Array: 'float32',
  Float64Array: 'float32',
  Int8Array: 'int32',
  Int16Array: 'int32',
  Int32Array: 'int32',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8'
}

/** The kind of a typed array (`Float32Array`, …), also one of another context. */
export function typedArrayKind(value: unknown): string | undefined {
  return ArrayBuffer.isView(value) ? ((value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? 'DataView') : undefined
}

/** True for a list of elements rather than of lists. */
export function isFlat(value: TensorValues): boolean {
  return typeof value !== 'number' && typeof value !== 'boolean' && (ArrayBuffer.isView(value) || !Array.isArray(value[0]))
}

/** Elements in the tensor's own representation, dimensions and dtype. */
export function toHost(
  where: string,
  values: TensorValues,
  shape: readonly number[] | undefined,
  dtype: DType | undefined
): [ArrayBufferView, readonly number[], DType] {
  const given = shape === undefined ? undefined : checkShape(where, shape)
  if (dtype !== undefined) checkDType(where, dtype)
  const kind = typedArrayKind(values)
  let flat: ArrayLike<number | boolean>
  let natural: DType
  let dims: number[]
  if (kind !== undefined) {
    const known = dtypeOfArray[kind]
    if (known === undefined) {
      throw failure(ArgumentError, where, `expected numbers, booleans or one of ${Object.keys(dtypeOfArray).join(', ')}, received ${kind}`)
    }
    flat = values as TypedArray
    natural = known
    dims = [flat.length]
  } else {
    dims = nestedShape(where, values)
    const list: (number | boolean)[] = new Array(sizeOf(dims))
    const first = flatten(where, values as NestedArray, dims, 0, list, 0)
    flat = list
    natural = first === 'boolean' ? 'bool' : 'float32'
  }
  if (given !== undefined) {
    const size = sizeOf(given)
    if (size !== flat.length)
      throw failure(ShapeError, where, `expected ${size} values for shape ${showShape(given)}, received ${flat.length}`)
  }
  const type = dtype ?? natural
  return [convert(flat, kind, type), given ?? checkShape(where, dims), type]
}

function nestedShape(where: string, values: unknown): number[] {
  const dims: number[] = []
  for (let level = values; Array.isArray(level); level = level[0]) {
    dims.push(level.length)
    if (level.length === 0) break
  }
  if (dims.length > 8) throw failure(ShapeError, where, `expected at most 8 dimensions, received ${dims.length}`)
  return dims
}

/** Writes the elements of a nested array at `offset`; all must be of one kind, which is returned. */
function flatten(
  where: string,
  value: unknown,
  dims: readonly number[],
  depth: number,
  out: (number | boolean)[],
  offset: number,
  kind?: string
): string {
  if (depth === dims.length) {
    if (Array.isArray(value)) throw ragged(where, dims, depth)
    if (typeof value !== 'number' && typeof value !== 'boolean')
      throw failure(ArgumentError, where, `expected numbers or booleans, received ${show(value)}`)
    if (kind !== undefined && typeof value !== kind) throw failure(ArgumentError, where, `expected numbers or booleans, received both`)
    out[offset] = value
    return typeof value
  }
  if (!Array.isArray(value) || value.length !== dims[depth]) throw ragged(where, dims, depth)
  const stride = sizeOf(dims.slice(depth + 1))
  let seen = kind ?? (value.length === 0 ? 'number' : undefined)
  for (let i = 0; i < value.length; i++) seen = flatten(where, value[i], dims, depth + 1, out, offset + i * stride, seen)
  return seen ?? 'number'
}

function ragged(where: string, dims: readonly number[], depth: number): Error {
  return failure(
    ShapeError,
    where,
    `expected nested arrays of equal lengths, as shape ${showShape(dims)} at the first elements, received another length at depth ${depth}`
  )
}

function convert(flat: ArrayLike<number | boolean>, kind: string | undefined, dtype: DType): ArrayBufferView {
  const numbers = flat as ArrayLike<number>
  switch (dtype) {
    case 'float32':
      return kind === 'Float32Array' ? (flat as Float32Array) : Float32Array.from(numbers, Number)
    case 'bfloat16':
      return toBfloat16(numbers)
    case 'int32':
      return kind === 'Int32Array' ? (flat as Int32Array) : Int32Array.from(numbers, (v) => saturate(Number(v), -(2 ** 31), 2 ** 31 - 1))
    case 'uint8':
      return kind === 'Uint8Array' || kind === 'Uint8ClampedArray'
        ? (flat as Uint8Array)
        : Uint8Array.from(numbers, (v) => saturate(Number(v), 0, 255))
    case 'bool':
      return Uint8Array.from(numbers, (v) => (v ? 1 : 0))
  }
}

/** As the op cast: toward zero, NaN becomes 0. */
function saturate(value: number, low: number, high: number): number {
  return Number.isNaN(value) ? 0 : Math.min(Math.max(Math.trunc(value), low), high)
}

/** Rounds to nearest, ties to even; NaN stays NaN. */
function toBfloat16(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint32Array(Float32Array.from(values, Number).buffer)
  const out = new Uint16Array(bits.length)
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!
    out[i] = (word & 0x7fffffff) > 0x7f800000 ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return out
}

/** The elements as users get them: bfloat16 as float32. */
export function toResult(raw: ArrayBufferView, dtype: DType): TensorData {
  if (dtype !== 'bfloat16') return raw as TensorData
  const halves = raw as Uint16Array
  const words = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) words[i] = halves[i]! << 16
  return new Float32Array(words.buffer)
}

/** The elements as nested arrays. */
export function nest(data: TensorData, shape: readonly number[]): NestedArray {
  if (shape.length === 0) return data[0]!
  const inner = shape.slice(1)
  const stride = sizeOf(inner)
  return Array.from({ length: shape[0]! }, (_, i) => nest(data.subarray(i * stride, (i + 1) * stride), inner))
}
