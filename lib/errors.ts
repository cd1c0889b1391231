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
  readonly op?: string
  /** Name of the layer that called it. */
  readonly layer?: string

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
/** A file that is not there. */
export class FileNotFoundError extends NeuriteError {}
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
  FileNotFoundError,
  LoadError
}

// On the prototype, so that the stack trace names the class too.
for (const [name, type] of Object.entries(errorClasses)) Object.defineProperty(type.prototype, 'name', { value: name })
