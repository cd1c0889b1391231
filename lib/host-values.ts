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
  const [flat, dims, natural] = typedArrayKind(values) === undefined ? fromNested(where, values) : fromTyped(where, values as TypedArray)
  if (given !== undefined && sizeOf(given) !== flat.length) {
    throw failure(ShapeError, where, `expected ${sizeOf(given)} values for shape ${showShape(given)}, received ${flat.length}`)
  }
  const type = dtype ?? natural
  return [convert(flat, type), given ?? dims, type]
}

type Elements = [flat: TypedArray, dims: readonly number[], natural: DType]

function fromTyped(where: string, values: TypedArray): Elements {
  const kind = typedArrayKind(values)!
  const natural = dtypeOfArray[kind]
  if (natural === undefined) {
    throw failure(ArgumentError, where, `expected numbers, booleans or one of ${Object.keys(dtypeOfArray).join(', ')}, received ${kind}`)
  }
  return [values, [values.length], natural]
}

function fromNested(where: string, values: unknown): Elements {
  const dims: number[] = []
  let first = values
  while (Array.isArray(first)) {
    dims.push(first.length)
    first = first[0]
  }
  checkShape(where, dims)
  // Float64 holds every number that a dtype holds.
  const flat = new Float64Array(sizeOf(dims))
  const kind = flat.length === 0 ? 'number' : typeof first
  if (kind !== 'number' && kind !== 'boolean') throw failure(ArgumentError, where, `expected numbers or booleans, received ${show(first)}`)
  if (dims.length === 0) flat[0] = Number(first)
  else fill(where, values, dims, 0, kind, flat, 0)
  return [flat, dims, kind === 'boolean' ? 'bool' : 'float32']
}

/** Writes the elements of an array at `depth` from `offset` on; returns where the next one begins. */
function fill(
  where: string,
  value: unknown,
  dims: readonly number[],
  depth: number,
  kind: string,
  flat: Float64Array,
  offset: number
): number {
  if (!Array.isArray(value) || value.length !== dims[depth]) throw ragged(where, dims, depth)
  if (depth < dims.length - 1) {
    for (const item of value) offset = fill(where, item, dims, depth + 1, kind, flat, offset)
    return offset
  }
  for (const item of value) {
    if (typeof item !== kind) {
      if (Array.isArray(item)) throw ragged(where, dims, depth + 1)
      const mixed = typeof item === 'number' || typeof item === 'boolean'
      throw failure(ArgumentError, where, `expected numbers or booleans, received ${mixed ? 'both' : show(item)}`)
    }
    flat[offset++] = item
  }
  return offset
}

function ragged(where: string, dims: readonly number[], depth: number): Error {
  return failure(
    ShapeError,
    where,
    `expected nested arrays of equal lengths, as shape ${showShape(dims)} at the first elements, received another length at depth ${depth}`
  )
}

function convert(flat: TypedArray, dtype: DType): ArrayBufferView {
  const kind = typedArrayKind(flat)!
  switch (dtype) {
    case 'float32':
      return kind === 'Float32Array' ? flat : new Float32Array(flat)
    case 'bfloat16':
      return toBfloat16(new Float32Array(flat))
    case 'int32':
      if (kind === 'Int32Array') return flat
      return dtypeOfArray[kind] === 'float32' ? saturate(flat, new Int32Array(flat.length), -(2 ** 31), 2 ** 31 - 1) : new Int32Array(flat)
    case 'uint8':
      if (dtypeOfArray[kind] === 'uint8') return flat
      return dtypeOfArray[kind] === 'float32' ? saturate(flat, new Uint8Array(flat.length), 0, 255) : new Uint8Array(flat)
    case 'bool':
      return toBool(flat)
  }
}

// Loops, since `from` with a function takes some 150 ns an element.

/** As the op cast on floats: toward zero, NaN becomes 0. */
function saturate<T extends Int32Array | Uint8Array>(flat: TypedArray, out: T, low: number, high: number): T {
  for (let i = 0; i < out.length; i++) out[i] = Math.min(Math.max(flat[i]!, low), high)
  return out
}

function toBool(flat: TypedArray): Uint8Array {
  const out = new Uint8Array(flat.length)
  for (let i = 0; i < out.length; i++) out[i] = flat[i] === 0 ? 0 : 1
  return out
}

/** Rounds to nearest, ties to even; NaN stays NaN. */
function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
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
