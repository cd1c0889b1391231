// Tensors from nothing: constants and ranges. Their elements are written on the device.
import { type NamesOf, optionsOf, tensorOptions } from '../arguments'
import { deviceNumber } from '../device'
import { ArgumentError, DTypeError, failure, ShapeError } from '../errors'
import type { DType } from '../native'
import { expectTensor, run } from '../op'
import { scope } from '../scope'
import { checkDType, checkShape } from '../shape'
import type { Tensor, TensorOptions } from '../tensor'
import { equal } from './elementwise-binary'
import { cast } from './elementwise-unary'
import { expectNumber, integerRanges } from './rules'

function fill(where: string, shape: readonly number[], value: number, options?: TensorOptions): Tensor {
  const dims = checkShape(where, shape)
  const { dtype = 'float32', device } = optionsOf(where, options, tensorOptions)
  return run('fill', [], {
    shape: dims,
    dtype: checkDType(where, dtype),
    attributes: { value },
    device: device === undefined ? undefined : deviceNumber(device, where)
  })
}

/**
 * Zeros of a shape; float32 unless told otherwise.
 * @throws ShapeError for sizes that are no integers or negative; OutOfMemoryError
 */
export function zeros(shape: readonly number[], options?: TensorOptions): Tensor {
  return fill('zeros', shape, 0, options)
}

/** Ones of a shape; float32 unless told otherwise. */
export function ones(shape: readonly number[], options?: TensorOptions): Tensor {
  return fill('ones', shape, 1, options)
}

/** A shape filled with one number; float32 unless told otherwise. */
export function full(shape: readonly number[], value: number, options?: TensorOptions): Tensor {
  if (typeof value !== 'number') throw failure(ArgumentError, 'full', `expected value to be a number, received ${typeof value}`)
  return fill('full', shape, value, options)
}

/** Options of functions that make a tensor like another. */
export interface LikeOptions {
  /** Default: that of the other. */
  dtype?: DType | undefined
}

const likeOptions: NamesOf<LikeOptions> = { dtype: 'optional' }

function like(where: string, x: Tensor, value: number, options?: LikeOptions): Tensor {
  expectTensor(where, 'x', x)
  const { dtype } = optionsOf(where, options, likeOptions)
  return run('fill', [], {
    shape: x.shape,
    dtype: dtype === undefined ? x.dtype : checkDType(where, dtype),
    attributes: { value },
    device: x.deviceIndex
  })
}

/** Zeros of the shape, dtype and device of `x`. */
export function zerosLike(x: Tensor, options?: LikeOptions): Tensor {
  return like('zerosLike', x, 0, options)
}

/** Ones of the shape, dtype and device of `x`. */
export function onesLike(x: Tensor, options?: LikeOptions): Tensor {
  return like('onesLike', x, 1, options)
}

/** One number in the shape, dtype and device of `x`. */
export function fullLike(x: Tensor, value: number, options?: LikeOptions): Tensor {
  return like('fullLike', x, expectNumber('fullLike', 'value', value), options)
}

/**
 * start, start + step, … up to but not including stop; `arange(stop)` starts at 0. int32 if all three are integers, else float32.
 * @throws ArgumentError if step is 0, a number is not finite or one is out of the dtype's range; DTypeError for bool
 */
export function arange(start: number, stop?: number, step = 1, options?: TensorOptions): Tensor {
  const { dtype, device } = optionsOf('arange', options, tensorOptions)
  const [from, to] = stop === undefined ? [0, start] : [start, stop]
  if (![from, to, step].every(Number.isFinite) || step === 0) {
    throw failure(ArgumentError, 'arange', `expected finite numbers and a step that is not 0, received ${from}, ${to}, ${step}`)
  }
  const natural = [from, to, step].every(Number.isInteger) ? 'int32' : 'float32'
  return iota('arange', Math.max(0, Math.ceil((to - from) / step)), from, step, dtype ?? natural, device)
}

/** `num` numbers (50 unless told otherwise) from `start` to `stop` at equal distances, both ends included. @throws as `arange` */
export function linspace(start: number, stop: number, num = 50, options?: TensorOptions): Tensor {
  const { dtype = 'float32', device } = optionsOf('linspace', options, tensorOptions)
  expectNumber('linspace', 'start', start)
  expectNumber('linspace', 'stop', stop)
  if (!Number.isSafeInteger(num) || num < 1)
    throw failure(ArgumentError, 'linspace', `expected num to be a positive integer, received ${num}`)
  return iota('linspace', num, start, num === 1 ? 0 : (stop - start) / (num - 1), dtype, device)
}

function iota(where: string, length: number, start: number, step: number, dtype: DType, device: string | undefined): Tensor {
  checkDType(where, dtype)
  if (length > 0) expectRange(where, start, start + (length - 1) * step, dtype)
  return run('iota', [], {
    shape: [length],
    dtype,
    attributes: { start, step },
    device: device === undefined ? undefined : deviceNumber(device, where)
  })
}

/** Refuses a range that the dtype cannot hold; of bool there is none. */
function expectRange(where: string, first: number, last: number, dtype: DType): void {
  if (dtype === 'bool') throw failure(DTypeError, where, 'expected a dtype of numbers, received bool')
  const [low, high] = integerRanges[dtype] ?? [-Infinity, Infinity]
  if (Math.min(first, last) >= low && Math.max(first, last) <= high) return
  throw failure(ArgumentError, where, `expected numbers from ${low} to ${high} for dtype ${dtype}, received ${first} to ${last}`)
}

/** The identity matrix of n rows and m (default n) columns. */
export function eye(n: number, m: number = n, options?: TensorOptions): Tensor {
  const { dtype = 'float32', device } = optionsOf('eye', options, tensorOptions)
  if (![n, m].every((size) => Number.isSafeInteger(size) && size >= 0))
    throw failure(ShapeError, 'eye', `expected sizes that are not negative, received ${n} and ${m}`)
  return scope(() => {
    const rows = iota('eye', n, 0, 1, 'int32', device).reshape([n, 1])
    return cast(equal(rows, iota('eye', m, 0, 1, 'int32', device)), checkDType('eye', dtype))
  })
}
