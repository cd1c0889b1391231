// What shape rules share: broadcasting, axes, and the sum that undoes a broadcast.
import { ArgumentError, DTypeError, failure, ShapeError, show, showShape } from '../errors'
import type { DType } from '../native'
import { run } from '../op'
import { sameDim, sameShape } from '../shape'
import { type Tensor, view } from '../tensor'

export const floats: readonly DType[] = ['float32', 'bfloat16']
export const floatsAndInt32: readonly DType[] = ['float32', 'bfloat16', 'int32']
export const numbers: readonly DType[] = ['float32', 'bfloat16', 'int32', 'uint8']

/**
 * Checks the dtype of an operand.
 * @throws DTypeError
 */
export function expectDType(op: string, parameter: string, x: Tensor, allowed: readonly DType[]): void {
  if (!allowed.includes(x.dtype)) {
    throw failure(DTypeError, op, `expected ${parameter} to be ${allowed.join(' or ')}, received ${x.dtype}: use cast`)
  }
}

/**
 * Checks that two operands have one dtype.
 * @throws DTypeError that names cast
 */
export function expectSameDType(op: string, a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) throw failure(DTypeError, op, `expected tensors of one dtype, received ${a.dtype} and ${b.dtype}: use cast`)
}

/**
 * The shape that shapes broadcast to, by NumPy's rules: aligned at the last axis, a dimension of 1 is repeated.
 * @throws ShapeError
 */
export function broadcastShapes(op: string, a: readonly number[], b: readonly number[]): readonly number[] {
  if (a === b) return a
  const rank = Math.max(a.length, b.length)
  const shape = new Array<number>(rank)
  for (let i = 1; i <= rank; i++) {
    const m = i > a.length ? 1 : a[a.length - i]!
    const n = i > b.length ? 1 : b[b.length - i]!
    if (m !== 1 && n !== 1 && !sameDim(m, n))
      throw failure(ShapeError, op, `expected shapes that broadcast, received ${showShape(a)} and ${showShape(b)}`)
    shape[rank - i] = m === 1 ? n : n === 1 || Number.isNaN(n) ? m : n
  }
  return shape
}

/** Sums over the axes that a broadcast from `shape` has repeated. */
export function unbroadcast(dy: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(dy.shape, shape)) return dy
  const extra = dy.shape.length - shape.length
  const axes: number[] = []
  for (let i = 0; i < dy.shape.length; i++) if (i < extra || (shape[i - extra] === 1 && dy.shape[i] !== 1)) axes.push(i)
  return axes.length === 0
    ? view(dy, shape)
    : run('sum', [dy], { shape, dtype: dy.dtype, attributes: { axes }, gradient: (ddy) => [() => broadcast(ddy, dy.shape, shape)] })
}

/** Repeats `x`, seen as of shape `as`, to `shape`. */
export function broadcast(x: Tensor, shape: readonly number[], as: readonly number[] = x.shape): Tensor {
  const source = sameShape(as, x.shape) ? x : view(x, as)
  if (sameShape(source.shape, shape)) return source
  return run('broadcastTo', [source], { shape, dtype: x.dtype, gradient: (dy) => [() => unbroadcast(dy, as)] })
}

/**
 * An axis counted from the start.
 * @throws ShapeError if the tensor has no such axis, ArgumentError if it is no integer
 */
export function checkAxis(op: string, axis: unknown, rank: number, name = 'axis'): number {
  if (!Number.isInteger(axis)) throw failure(ArgumentError, op, `expected ${name} to be an integer, received ${show(axis)}`)
  const a = axis as number
  if (a < -rank || a >= rank) {
    const range = rank === 0 ? 'no axis, since the tensor is a scalar' : `${name} in [${-rank}, ${rank - 1}]`
    throw failure(ShapeError, op, `expected ${range}, received ${name} ${a}`)
  }
  return a < 0 ? a + rank : a
}

/**
 * Axes counted from the start, sorted; all if left out.
 * @throws as checkAxis; ArgumentError for an axis that stands there twice
 */
export function checkAxes(op: string, axis: number | readonly number[] | null | undefined, rank: number): number[] {
  if (axis == null) return Array.from({ length: rank }, (_, i) => i)
  const axes = (typeof axis === 'number' ? [axis] : Array.isArray(axis) ? [...axis] : [axis])
    .map((a) => checkAxis(op, a, rank))
    .sort((a, b) => a - b)
  if (axes.some((a, i) => a === axes[i - 1]))
    throw failure(ArgumentError, op, `expected axis to name each axis once, received ${show(axis)}`)
  return axes
}

/** A shape without the axes, or with 1 in their places. */
export function reducedShape(shape: readonly number[], axes: readonly number[], keepdims: boolean): number[] {
  return keepdims ? shape.map((dim, i) => (axes.includes(i) ? 1 : dim)) : shape.filter((_, i) => !axes.includes(i))
}

/** The smallest and the largest number of an integer dtype. */
export const integerRanges: Partial<Record<DType, readonly [low: number, high: number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint8: [0, 255],
  bool: [0, 1]
}

/**
 * Checks a number that must be finite.
 * @throws ArgumentError
 */
export function expectNumber(op: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || Number.isNaN(value))
    throw failure(ArgumentError, op, `expected ${name} to be a number, received ${show(value)}`)
  return value
}
