// Tensors: dense arrays on a device, their handles, and the ways in from and out to JavaScript values.
import { native, reserve, shared } from './addon'
import { booleanOption, checkOptions, type NamesOf, optionsOf, tensorOptions } from './arguments'
import { raiseConfiguration } from './config'
import type { Constraint } from './constraints'
import { currentDevice, deviceName, deviceNumber } from './device'
import {
  ArgumentError,
  DeviceError,
  DisposedError,
  DTypeError,
  failure,
  fromNative,
  OutOfMemoryError,
  ShapeError,
  show,
  showShape
} from './errors'
import { isFlat, type NestedArray, nest, type TensorData, type TensorValues, toHost, toResult } from './host-values'
import type { LayerNode } from './layers/symbolic'
import type { OpMethods } from './methods'
import { type DType, dtypes } from './native'
import { execute, expectTensor, record, run, runInPlace } from './op'
import { isRecord } from './plain'
import { releaseHandle, scope, track, trackForever } from './scope'
import { sameShape, sizeOf } from './shape'
import { abstractly, captureDevice, refuseInCapture } from './state'

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
  /** @internal Number of the last write in place, 0 before the first. */
  lastWrite = 0
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
      const { byteLength } = out
      if (byteLength <= shortBytes && native.readNow(this.handle, byteLength)) {
        const elements = sharedElements(this.dtype)
        for (let i = 0; i < out.length; i++) out[i] = elements[i]!
        return toResult(out, this.dtype)
      }
      const pending = native.read(this.handle, out)
      if (pending !== undefined) await pending
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
    refuseInCapture('dataSync()')
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
   * A copy on another device (itself under a new handle if it is there already), in the order of both devices and without waiting.
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

  /** An array for the raw elements. */
  private readable(what: string): TensorData | Uint16Array {
    expectTensor(what, 'x', this)
    const Type = rawArrays[this.dtype]
    try {
      return new Type(this.size)
    } catch (cause) {
      const bytes = this.size * Type.BYTES_PER_ELEMENT
      throw failure(OutOfMemoryError, what, `cannot allocate an array of ${bytes} bytes for shape ${showShape(this.shape)}`, cause)
    }
  }
}

const rawArrays = { float32: Float32Array, bfloat16: Uint16Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array }

/** V8 keeps an array of so many bytes in its own heap, and gives it other memory as soon as native code asks where it lies. */
const shortBytes = 64

let viewed: Float64Array | undefined
let views: Record<DType, ArrayLike<number>>

/** The elements of a tensor at the beginning of the shared buffer. */
function sharedElements(dtype: DType): ArrayLike<number> {
  if (viewed !== shared.buffer) {
    viewed = shared.buffer
    const { buffer } = viewed
    const bytes = new Uint8Array(buffer, 0, shortBytes)
    views = {
      float32: new Float32Array(buffer, 0, shortBytes / 4),
      bfloat16: new Uint16Array(buffer, 0, shortBytes / 2),
      int32: new Int32Array(buffer, 0, shortBytes / 4),
      uint8: bytes,
      bool: bytes
    }
  }
  return views[dtype]
}

/** Options of `variable`. */
export interface VariableOptions {
  name?: string | undefined
  /** Whether training changes it. Default true. */
  trainable?: boolean | undefined
  /** What optimizers bring it back to after each update: one of `constraints`. */
  constraint?: Constraint | undefined
}

const variableOptions: NamesOf<VariableOptions> = { name: 'optional', trainable: 'optional', constraint: 'optional' }

/** A tensor whose contents can be replaced, in place: weights and all other state. No scope frees it. */
export class Variable extends Tensor {
  readonly name: string
  /** What optimizers bring it back to after each update. */
  readonly constraint: Constraint | undefined
  private isTrainable: boolean

  /** @internal */
  constructor(
    handle: number,
    shape: readonly number[],
    dtype: DType,
    deviceIndex: number,
    { name = 'variable', trainable = true, constraint }: VariableOptions
  ) {
    super(handle, shape, dtype, deviceIndex)
    this.name = name
    this.isTrainable = trainable
    this.constraint = constraint
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
   * @throws ShapeError, DTypeError, DeviceError if `value` does not fit
   */
  assign(value: Tensor | TensorValues): this {
    const fitting = this.fitted(value)
    write(this, fitting)
    if (fitting !== value) fitting.dispose()
    return this
  }

  /** @internal `value` as `assign` writes it: itself, or a new tensor made of numbers. @throws as `assign` */
  fitted(value: Tensor | TensorValues): Tensor {
    expectTensor('assign', 'variable', this)
    if (!(value instanceof Tensor)) {
      value = tensor(value, isFlat(value) ? this.shape : undefined, { dtype: this.dtype, device: this.device })
    }
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
    if (value.deviceIndex !== this.deviceIndex) {
      throw failure(DeviceError, 'assign', `expected a value on ${this.device} for ${this.name}, received one on ${value.device}: use to()`)
    }
    return value
  }
}

function write(variable: Variable, value: Tensor): void {
  runInPlace('assign', [variable, value], 1, undefined)
}

/** Assigns to several variables; none is changed unless all values fit. @throws as `assign` */
export function assignAll(variables: readonly Variable[], values: readonly (Tensor | TensorValues)[]): void {
  scope(() => {
    const fitting = variables.map((variable, i) => variable.fitted(values[i]!))
    variables.forEach((variable, i) => void write(variable, fitting[i]!))
  })
}

/**
 * What `input()` and layers applied to it give: a shape in which unknown dimensions are null, and a dtype, but no elements. Ops do not
 * take it: `layers.lambda` makes a layer of a formula.
 */
export class SymbolicTensor {
  readonly shape: readonly (number | null)[]
  readonly dtype: DType
  /** @internal The use of a layer that gave it. */
  readonly node: LayerNode

  /** @internal */
  constructor(shape: readonly (number | null)[], dtype: DType, node: LayerNode) {
    this.shape = shape
    this.dtype = dtype
    this.node = node
  }

  /** Name of the layer that gave it. */
  get name(): string {
    return this.node.layer.name
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
export function tensor(values: TensorValues, shape?: readonly number[] | undefined, options?: TensorOptions): Tensor {
  if (isRecord(shape)) {
    const hint = 'options come third, as in tensor(values, undefined, { dtype })'
    throw failure(ArgumentError, 'tensor', `expected a shape (an array of sizes), received ${show(shape)}: ${hint}`)
  }
  const { dtype, device } = optionsOf('tensor', options, tensorOptions)
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
  const { name, trainable = true, constraint } = checkOptions('variable', options, variableOptions)
  if (name !== undefined && typeof name !== 'string')
    throw failure(ArgumentError, 'variable', `expected name to be a string, received ${show(name)}`)
  booleanOption('variable', 'trainable', trainable)
  const source = value instanceof Tensor ? value : tensor(value)
  expectTensor('variable', 'value', source)
  if (source.handle === 0)
    throw failure(ArgumentError, 'variable', 'expected a tensor with elements, received an abstract one: make variables in build()')
  if (constraint != null && typeof (constraint as Partial<Constraint>).constrain !== 'function') {
    throw failure(ArgumentError, 'variable', `expected constraint to be one of constraints, received ${show(constraint)}`)
  }
  execute('copy', [source], [source], source.deviceIndex, undefined)
  const result = new Variable(shared.buffer[0]!, source.shape, source.dtype, source.deviceIndex, { name, trainable, constraint })
  trackForever(result)
  if (source !== value) source.dispose()
  return result
}

/** The error for a tensor that has been disposed of. */
export function disposedError(where: string, parameter: string, x: Tensor): Error {
  return failure(
    DisposedError,
    where,
    `expected ${parameter} to be a live tensor, received one of shape ${showShape(x.shape)} that has been disposed`
  )
}
