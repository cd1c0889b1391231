// The errors that neurite throws. Each class's name is its `code`, so that a program can tell them apart without `instanceof`.

/** Where an error comes from, and what caused it. */
export interface ErrorDetails {
  op?: string | undefined
  layer?: string | undefined
  cause?: unknown
}

/** Base of all errors of this library. */
export class NeuriteError extends Error {
  /** The op that failed, as in `ops`. */
  declare readonly op?: string
  /** Name of the layer that called it. */
  declare readonly layer?: string

  constructor(message: string, { op, layer, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause })
    if (op !== undefined) this.op = op
    if (layer !== undefined) this.layer = layer
  }

  /** The name of the class. */
  get code(): string {
    return this.name
  }
}

/** A shape or rank that does not fit. */
export class ShapeError extends NeuriteError {}
/** A dtype that the op does not take, or two that differ. */
export class DTypeError extends NeuriteError {}
/** An argument out of its range, of a wrong kind, or an unknown name. */
export class ArgumentError extends NeuriteError {}
/** A device that is unknown, not usable or lost, or tensors of two devices in one op. */
export class DeviceError extends NeuriteError {}
/** Memory that the device does not have or the limit does not allow. */
export class OutOfMemoryError extends NeuriteError {}
/** Something that a captured function must not do. */
export class CaptureError extends NeuriteError {}
/** Use of a tensor, model or function after `dispose()`. */
export class DisposedError extends NeuriteError {}
/** Training or evaluating a model before `compile()`. */
export class NotCompiledError extends NeuriteError {}
/** A file that is not what it should be. */
export class FormatError extends NeuriteError {}
/** A file that cannot be read or written, for a reason that the system gives (`cause`). */
export class FileError extends NeuriteError {}
/** A file that is not there. */
export class FileNotFoundError extends FileError {}
/** The native addon is missing, broken or of another build. */
export class LoadError extends NeuriteError {}

/** The classes by their code. */
export const errorClasses = {
  NeuriteError,
  ShapeError,
  DTypeError,
  ArgumentError,
  DeviceError,
  OutOfMemoryError,
  CaptureError,
  DisposedError,
  NotCompiledError,
  FormatError,
  FileError,
  FileNotFoundError,
  LoadError
}

// On the prototype, so that the stack trace names the class too.
for (const [name, type] of Object.entries(errorClasses)) Object.defineProperty(type.prototype, 'name', { value: name })

type ErrorClass = new (message: string, details?: ErrorDetails) => NeuriteError

/** Name of the layer whose work is being done. */
export let currentLayer: string | undefined

/** Runs `fn` as part of the layer `name` (undefined: of none): errors thrown meanwhile name it, and so do those of the ops that it submits. */
export function withLayer<T>(name: string | undefined, fn: () => T): T {
  const outer = currentLayer
  currentLayer = name
  try {
    return fn()
  } finally {
    currentLayer = outer
  }
}

/** The error that `where` (an op, or a function of the API) throws: `[where] message (layer "…")`. */
export function failure(Type: ErrorClass, where: string, message: string, cause?: unknown): NeuriteError {
  const suffix = currentLayer === undefined ? '' : ` (layer "${currentLayer}")`
  return new Type(`[${where}] ${message}${suffix}`, { op: where, layer: currentLayer, cause })
}

/** Runs `fn`; an error of ours that does not say where it comes from says `where`. */
export function within<T>(where: string, fn: () => T): T {
  try {
    return fn()
  } catch (error) {
    if (!(error instanceof NeuriteError) || error.message.startsWith('[')) throw error
    throw new (error.constructor as ErrorClass)(`[${where}] ${error.message}`, { op: where, cause: error })
  }
}

/** An error of the addon (it has a `code`) as one of our classes; anything else as it is. */
export function fromNative(error: unknown, where: string): unknown {
  const code = error instanceof NeuriteError ? undefined : (error as { code?: unknown } | null)?.code
  const Type = typeof code === 'string' && Object.hasOwn(errorClasses, code) ? errorClasses[code as keyof typeof errorClasses] : undefined
  if (Type === undefined) return error
  const { message } = error as Error
  // An asynchronous failure names its own op and layer.
  const [, op, layer] = /^\[([^\]]+)\].*?(?: \(layer "(.*)"\))?$/s.exec(message) ?? []
  return op === undefined ? failure(Type, where, message, error) : new Type(message, { op, layer, cause: error })
}

/** A value as it stands in a message. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  if (typeof value === 'number') return Number.isNaN(value) ? 'NaN' : String(value)
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return value.constructor?.name ?? 'an object'
  return String(value)
}

/** A shape as it stands in a message: `[null, 28, 28]` where the first dimension is not known. */
export function showShape(shape: readonly (number | null)[]): string {
  return `[${shape.map((dim) => (dim === null || Number.isNaN(dim) ? 'null' : dim)).join(', ')}]`
}
