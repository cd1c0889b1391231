// Tensors: dense arrays on a device, their handles, and the ways in from and out to JavaScript values.
import { native, reserve, shared } from './addon'
import { currentDevice, deviceName, deviceNumber } from './device'
import { ArgumentError, DisposedError, DTypeError, failure, fromNative, OutOfMemoryError, ShapeError, show, showShape } from './errors'
import { type DType, dtypes } from './native'
import { execute, expectTensor, record, run, runInPlace } from './op'
import type { OpMethods } from './methods'
import { raiseConfiguration } from './config'
import { releaseHandle, track, trackForever } from './scope'
import { abstractly, captureDevice, refuseInCapture } from './state'

/** What `data()` gives: float32 and bfloat16 as Float32Array, int32 as Int32Array, uint8 and bool as Uint8Array. */
export type TensorData = Float32Array | Int32Array | Uint8Array
/** Typed arrays that a tensor can be made from. */
export type TypedArray = Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | Uint8Array | Uint8ClampedArray
/** Nested arrays of numbers or booleans, the same depth everywhere. */
export type NestedArray = number | boolean | readonly NestedArray[]
/** What `tensor()` takes. */
export type TensorValues = NestedArray | TypedArray
/** Options of functions that make tensors. */
export interface TensorOptions {
  dtype?: DType | undefined
  /** Name of the device; default: the one chosen by `setDevice`. */
  device?: string | undefined
}

// The prototype's methods are the functions of lib/ops whose first parameter is a tensor (see methods.ts).
export interface Tensor extends OpMethods {}

let births = 0

/**
 * A dense array of numbers on a device. Its contents never change (a `Variable`'s do). Made by `tensor`, `zeros`, … and by every op;
 * freed by `dispose()`, `using`, the `scope` around it, or when it is garbage.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: methods.ts puts every op on the prototype
export class Tensor {
  /** Sizes of the dimensions. */
  readonly shape: readonly number[]
  readonly dtype: DType
  /** @internal Number of the device. */
  readonly deviceIndex: number
  /** @internal 0: abstract, or given back. */
  handle: number
  /** @internal Serial number of the tensor that first had this memory: views share it. */
  origin: number
  /** @internal A bit for each active tape that watches this tensor. */
  tapes = 0
  /** @internal How many tape nodes and gradients need the memory after a `dispose()`. */
  holds = 0
  /** @internal False after `dispose()`. */
  alive = true
  /** @internal Marked as a result, which scopes do not free. */
  kept = false
  /** @internal Registered with the finalizers. */
  finalized = false

  /** @internal */
  constructor(handle: number, shape: readonly number[], dtype: DType, deviceIndex: number) {
    this.handle = handle
    this.shape = shape
    this.dtype = dtype
    this.deviceIndex = deviceIndex
    this.origin = ++births
  }

  /** Name of the device that holds it. */
  get device(): string {
    return deviceName(this.deviceIndex)
  }

  /** Number of dimensions. */
  get rank(): number {
    return this.shape.length
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape)
  }

  /** True after `dispose()`. */
  get disposed(): boolean {
    return !this.alive
  }

  /**
   * Reads the elements in row-major order, without blocking: resolves when everything submitted before has run.
   * @throws DisposedError; CaptureError inside a captured function; the error of a failed op that this tensor depends on
   */
  data(): Promise<TensorData> {
    // Thrown, not rejected: the captured function that called this must stop here.
    refuseInCapture('data()')
    return this.read()
  }

  private async read(): Promise<TensorData> {
    const out = this.readable('data')
    try {
      await native.read(this.handle, out)
    } catch (error) {
      throw fromNative(error, 'data')
    }
    return toResult(out, this.dtype)
  }

  /**
   * Reads the elements in row-major order, blocking until they are there: prefer `data()`.
   * @throws as `data()`
   */
  dataSync(): TensorData {
    const out = this.readable('dataSync')
    try {
      native.readSync(this.handle, out)
    } catch (error) {
      throw fromNative(error, 'dataSync')
    }
    return toResult(out, this.dtype)
  }

  /**
   * The only element, as a number.
   * @throws ShapeError if there are more
   */
  item(): Promise<number> {
    refuseInCapture('item()')
    return this.readItem()
  }

  private async readItem(): Promise<number> {
    if (this.size !== 1) throw failure(ShapeError, 'item', `expected a tensor of one element, received shape ${showShape(this.shape)}`)
    return (await this.data())[0]!
  }

  /** The elements as nested arrays (a number if the rank is 0). */
  array(): Promise<NestedArray> {
    refuseInCapture('array()')
    return this.read().then((data) => nest(data, this.shape))
  }

  /**
   * A copy on another device (itself under a new handle if it is there already).
   * @throws DeviceError if the device cannot be used
   */
  to(device: string): Tensor {
    const target = deviceNumber(device, 'to')
    expectTensor('to', 'x', this)
    if (target === this.deviceIndex) return view(this, this.shape)
    if (captureDevice >= 0) refuseInCapture('a copy to another device')
    const source = this.device
    let handle: number
    try {
      handle = native.transfer(this.handle, target)
    } catch (error) {
      throw fromNative(error, 'to')
    }
    const result = new Tensor(handle, this.shape, this.dtype, target)
    track(result)
    record([this], [result], undefined, (dy) => [() => dy.to(source)])
    return result
  }

  /** Gives the memory back, in stream order. A second call does nothing. */
  dispose(): void {
    if (!this.alive) return
    this.alive = false
    if (this.holds === 0 && this.handle !== 0) releaseHandle(this)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  toString(): string {
    const state = this.alive ? '' : ', disposed'
    return `${this.constructor.name}(${this.dtype}, ${showShape(this.shape)}, ${this.device}${state})`
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }

  /** An array for the raw elements, after the checks of a host read. */
  private readable(what: string): ArrayBufferView {
    refuseInCapture(`${what}()`)
    expectTensor(what, 'x', this)
    const Type = { float32: Float32Array, bfloat16: Uint16Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array }[this.dtype]
    try {
      return new Type(this.size)
    } catch (cause) {
      const bytes = this.size * Type.BYTES_PER_ELEMENT
      throw failure(OutOfMemoryError, what, `cannot allocate an array of ${bytes} bytes for shape ${showShape(this.shape)}`, cause)
    }
  }
}

/** Options of `variable`. */
export interface VariableOptions {
  name?: string | undefined
  /** Whether training changes it. Default true. */
  trainable?: boolean | undefined
}

/** A tensor whose contents can be replaced, in place: weights and all other state. No scope frees it. */
export class Variable extends Tensor {
  readonly name: string
  private isTrainable: boolean

  /** @internal */
  constructor(
    handle: number,
    shape: readonly number[],
    dtype: DType,
    deviceIndex: number,
    { name = 'variable', trainable = true }: VariableOptions
  ) {
    super(handle, shape, dtype, deviceIndex)
    this.name = name
    this.isTrainable = trainable
  }

  /** Whether training changes it. */
  get trainable(): boolean {
    return this.isTrainable
  }

  set trainable(value: boolean) {
    if (value === this.isTrainable) return
    this.isTrainable = value
    raiseConfiguration()
  }

  /**
   * Replaces the contents. Numbers and arrays are converted to the variable's dtype and device.
   * @throws ShapeError, DTypeError if `value` does not fit
   */
  assign(value: Tensor | TensorValues): this {
    expectTensor('assign', 'variable', this)
    if (value instanceof Tensor) this.write(value)
    else {
      const converted = tensor(value, isFlat(value) ? this.shape : undefined, { dtype: this.dtype, device: this.device })
      this.write(converted)
      converted.dispose()
    }
    return this
  }

  private write(value: Tensor): void {
    if (!sameShape(value.shape, this.shape)) {
      throw failure(
        ShapeError,
        'assign',
        `expected a value of shape ${showShape(this.shape)} for ${this.name}, received ${showShape(value.shape)}`
      )
    }
    if (value.dtype !== this.dtype) {
      throw failure(DTypeError, 'assign', `expected a value of dtype ${this.dtype} for ${this.name}, received ${value.dtype}: use cast`)
    }
    runInPlace('assign', [this, value], 1, undefined)
  }
}

/**
 * What `input()` and layers applied to it give: a shape in which unknown dimensions are null, and a dtype, but no elements. Ops do not
 * take it: `layers.lambda` makes a layer of a formula.
 */
export class SymbolicTensor {
  readonly shape: readonly (number | null)[]
  readonly dtype: DType
  readonly name: string

  /** @internal */
  constructor(shape: readonly (number | null)[], dtype: DType, name: string) {
    this.shape = shape
    this.dtype = dtype
    this.name = name
  }

  /** Number of dimensions. */
  get rank(): number {
    return this.shape.length
  }

  toString(): string {
    return `SymbolicTensor(${this.dtype}, ${showShape(this.shape)}, ${this.name})`
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

/** A tensor without elements for use inside `runAbstractly`; unknown dimensions (null) become NaN. */
export function abstractTensor(shape: readonly (number | null)[], dtype: DType): Tensor {
  return new Tensor(
    0,
    shape.map((dim) => dim ?? Number.NaN),
    dtype,
    currentDevice()
  )
}

/** The shape of an abstract tensor as users see it: unknown dimensions are null. */
export function publicShape(shape: readonly number[]): (number | null)[] {
  return shape.map((dim) => (Number.isNaN(dim) ? null : dim))
}

/** Product of the dimensions; NaN if one is unknown. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1
  for (let i = 0; i < shape.length; i++) size *= shape[i]!
  return size
}

/** True if the shapes may be equal: a dimension that is unknown fits any. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!sameDim(a[i]!, b[i]!)) return false
  return true
}

/** True if the dimensions may be equal: one that is unknown (NaN) fits any. */
export function sameDim(a: number, b: number): boolean {
  // biome-ignore lint/suspicious/noSelfCompare: NaN is the only number that differs from itself, and this is a hot path
  return a === b || a !== a || b !== b
}

/** Another handle on a tensor's memory with another shape of equal size. What is written in place (a variable) is copied instead. */
export function view(x: Tensor, shape: readonly number[]): Tensor {
  const inputShape = x.shape
  const gradient = (dy: Tensor) => [() => view(dy, inputShape)]
  if (abstractly || x instanceof Variable) return run('copy', [x], { shape, dtype: x.dtype, gradient })
  const result = alias(x, shape)
  record([x], [result], undefined, gradient)
  return result
}

/** A view that no tape sees. */
export function alias(x: Tensor, shape: readonly number[]): Tensor {
  expectTensor('reshape', 'x', x)
  const buffer = reserve(shape.length + 1)
  buffer[0] = shape.length
  for (let i = 0; i < shape.length; i++) buffer[i + 1] = shape[i]!
  let handle: number
  try {
    handle = native.view(x.handle)
  } catch (error) {
    throw fromNative(error, 'reshape')
  }
  const result = new Tensor(handle, shape, x.dtype, x.deviceIndex)
  result.origin = x.origin
  track(result)
  return result
}

/**
 * A tensor from numbers: nested arrays of equal lengths, or a flat or typed array and a shape.
 * `number[]`, Float32Array and Float64Array become float32; Int8Array, Int16Array and Int32Array int32; Uint8Array and
 * Uint8ClampedArray uint8; booleans bool; `dtype` asks for another.
 * @throws ShapeError for ragged arrays or a length that the shape does not have; ArgumentError for other values
 * @example
 * const x = tensor([[1, 2], [3, 4]])
 * const image = tensor(new Uint8Array(28 * 28), [28, 28, 1])
 */
export function tensor(values: TensorValues, shape?: readonly number[] | undefined, { dtype, device }: TensorOptions = {}): Tensor {
  const [data, dims, type] = toHost('tensor', values, shape, dtype)
  const target = device === undefined ? currentDevice() : deviceNumber(device, 'tensor')
  if (abstractly) return new Tensor(0, dims, type, target)
  const handle = upload('tensor', data, dims, type, target)
  const result = new Tensor(handle, dims, type, target)
  track(result)
  return result
}

function upload(where: string, data: ArrayBufferView, dims: readonly number[], dtype: DType, device: number): number {
  const buffer = reserve(dims.length + 1)
  buffer[0] = dims.length
  for (let i = 0; i < dims.length; i++) buffer[i + 1] = dims[i]!
  try {
    return native.upload(device, dtypes.indexOf(dtype), data)
  } catch (error) {
    throw fromNative(error, where)
  }
}

/**
 * A variable with a copy of `value` on its device (or a tensor made from numbers).
 * @throws DisposedError
 * @example
 * const w = variable(random.normal([784, 10], { stddev: 0.05 }), { name: 'w' })
 */
export function variable(value: Tensor | TensorValues, options: VariableOptions = {}): Variable {
  const source = value instanceof Tensor ? value : tensor(value)
  expectTensor('variable', 'value', source)
  if (source.handle === 0)
    throw failure(ArgumentError, 'variable', 'expected a tensor with elements, received an abstract one: make variables in build()')
  execute('copy', [source], [source], source.deviceIndex, undefined)
  const result = new Variable(shared.buffer[0]!, source.shape, source.dtype, source.deviceIndex, options)
  trackForever(result)
  if (source !== value) source.dispose()
  return result
}

/** A shape that a user gave. Unknown dimensions are only allowed where shapes alone are computed. */
export function checkShape(where: string, shape: unknown): readonly number[] {
  if (!Array.isArray(shape)) throw failure(ArgumentError, where, `expected a shape (an array of sizes), received ${show(shape)}`)
  if (shape.length > 8) throw failure(ShapeError, where, `expected at most 8 dimensions, received ${shape.length}: ${show(shape)}`)
  const dims: number[] = []
  for (const dim of shape) {
    if (abstractly && (dim === null || Number.isNaN(dim))) dims.push(Number.NaN)
    else if (Number.isSafeInteger(dim) && dim >= 0) dims.push(dim)
    else throw failure(ShapeError, where, `expected sizes that are integers and not negative, received ${show(shape)}`)
  }
  return dims
}

/** A dtype that a user gave. */
export function checkDType(where: string, dtype: unknown): DType {
  if (!dtypes.includes(dtype as DType)) throw failure(DTypeError, where, `expected one of ${dtypes.join(', ')}, received ${show(dtype)}`)
  return dtype as DType
}

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

function isFlat(value: TensorValues): boolean {
  return typeof value !== 'number' && typeof value !== 'boolean' && (ArrayBuffer.isView(value) || !Array.isArray(value[0]))
}

/** Elements in the tensor's own representation, dimensions and dtype. */
function toHost(
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

function toResult(raw: ArrayBufferView, dtype: DType): TensorData {
  if (dtype !== 'bfloat16') return raw as TensorData
  const halves = raw as Uint16Array
  const words = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) words[i] = halves[i]! << 16
  return new Float32Array(words.buffer)
}

function nest(data: TensorData, shape: readonly number[]): NestedArray {
  if (shape.length === 0) return data[0]!
  const inner = shape.slice(1)
  const stride = sizeOf(inner)
  return Array.from({ length: shape[0]! }, (_, i) => nest(data.subarray(i * stride, (i + 1) * stride), inner))
}

/** The error for a tensor that has been disposed of. */
export function disposedError(where: string, parameter: string, x: Tensor): Error {
  return failure(
    DisposedError,
    where,
    `expected ${parameter} to be a live tensor, received one of shape ${showShape(x.shape)} that has been disposed`
  )
}
