// Reductions over any axes, all if none is named.

import { booleanOption, checkOptions, type NamesOf } from '../arguments'
import { failure, ShapeError, show, showShape } from '../errors'
import type { DType } from '../native'
import { expectTensor, run } from '../op'
import { scope } from '../scope'
import { type Gradient, valueAndGrad, watching } from '../tape'
import { type Tensor, view } from '../tensor'
import { div, equal, mul, sub } from './elementwise-binary'
import { cast, exp, sqrt } from './elementwise-unary'
import { pad, reshape, split, transpose } from './movement'
import { broadcast, checkAxes, checkAxis, expectDType, floats, floatsAndInt32, numbers, reducedShape } from './rules'

/** An axis, several, or all (left out or null). */
export type Axis = number | readonly number[] | null | undefined
/** Options of reductions. */
export interface ReduceOptions {
  /** Keeps the reduced axes, with size 1. Default false. */
  keepdims?: boolean | undefined
}

const reduceOptions: NamesOf<ReduceOptions> = { keepdims: 'optional' }

function keepdimsOf(name: string, options: ReduceOptions | undefined): boolean {
  return options === undefined ? false : booleanOption(name, 'keepdims', checkOptions(name, options, reduceOptions).keepdims ?? false)
}

type Derivative = (dy: Tensor, x: Tensor, y: Tensor, count: number) => Tensor

/** `derivative` gets dy and y with the reduced axes kept as 1. */
function reduce(
  name: string,
  x: Tensor,
  axis: Axis,
  options: ReduceOptions | undefined,
  allowed: readonly DType[],
  derivative?: Derivative
): Tensor {
  expectTensor(name, 'x', x)
  expectDType(name, 'x', x, allowed)
  const keepdims = keepdimsOf(name, options)
  const axes = checkAxes(name, axis, x.shape.length)
  const shape = reducedShape(x.shape, axes, keepdims)
  const gradient: Gradient | undefined =
    derivative &&
    ((dy, { inputs, outputs }) => [
      () => {
        const kept = reducedShape(x.shape, axes, true)
        const count = axes.reduce((n, a) => n * x.shape[a]!, 1)
        return derivative(view(dy, kept), inputs[0]!, view(outputs[0]!, kept), count)
      }
    ])
  return run(name, [x], { shape, dtype: x.dtype, attributes: { axes }, gradient })
}

/** The elements equal to the extreme share dy, as in TensorFlow. */
const extremeDerivative: Derivative = (dy, x, y) => {
  const mask = cast(equal(x, y), x.dtype)
  const axes = x.shape.flatMap((dim, i) => (y.shape[i] === dim ? [] : [i]))
  return mul(mask, div(dy, sum(mask, axes, { keepdims: true })))
}

/**
 * Sum over `axis`. Floats are added in float32.
 * @throws ShapeError for an axis that x does not have
 */
export function sum(x: Tensor, axis?: Axis, options?: ReduceOptions): Tensor {
  return reduce('sum', x, axis, options, floatsAndInt32, (dy, { shape }) => broadcast(dy, shape))
}

/** Mean over `axis`. */
export function mean(x: Tensor, axis?: Axis, options?: ReduceOptions): Tensor {
  return reduce('mean', x, axis, options, floats, (dy, { shape }, _y, count) => broadcast(div(dy, count), shape))
}

/** Product over `axis`. */
export function prod(x: Tensor, axis?: Axis, options?: ReduceOptions): Tensor {
  return reduce('prod', x, axis, options, floatsAndInt32, (dy, input, y) => {
    const axes = checkAxes('prod', axis, input.shape.length)
    if (watching && input.size > 0) return composedProdGrad(dy, input, axes, y.shape)
    return run('prodGrad', [dy, input], { shape: input.shape, dtype: input.dtype, attributes: { axes } })
  })
}

/** The gradient of a product by halves, which an outer tape can differentiate, also where factors are 0. */
function composedProdGrad(dy: Tensor, input: Tensor, axes: readonly number[], kept: readonly number[]): Tensor {
  const others = input.shape.map((_, i) => i).filter((i) => !axes.includes(i))
  const composed = (): Tensor => {
    const rows = others.reduce((size, i) => size * input.shape[i]!, 1)
    let factors: Tensor = reshape(transpose(cast(input, 'float32'), [...others, ...axes]), [rows, input.size / rows])
    while (factors.shape[1]! > 1) {
      const even = pad(
        factors,
        [
          [0, 0],
          [0, factors.shape[1]! % 2]
        ],
        { constantValues: 1 }
      )
      const [first, second] = split(even, 2, 1)
      factors = mul(first!, second!)
    }
    return sum(mul(reshape(factors, kept), cast(dy, 'float32')))
  }
  return valueAndGrad(composed, [input]).grads[0]!
}

/** There is no extreme of nothing. */
function expectElements(name: string, x: Tensor, axis: Axis): void {
  expectTensor(name, 'x', x)
  if (checkAxes(name, axis, x.rank).every((a) => x.shape[a] !== 0)) return
  throw failure(ShapeError, name, `expected at least one element over axis ${show(axis ?? null)}, received ${showShape(x.shape)}`)
}

/** Largest element over `axis`; NaN if there is one. @throws ShapeError over an axis of size 0 */
export function max(x: Tensor, axis?: Axis, options?: ReduceOptions): Tensor {
  expectElements('max', x, axis)
  return reduce('max', x, axis, options, numbers, extremeDerivative)
}

/** Smallest element over `axis`; NaN if there is one. @throws ShapeError over an axis of size 0 */
export function min(x: Tensor, axis?: Axis, options?: ReduceOptions): Tensor {
  expectElements('min', x, axis)
  return reduce('min', x, axis, options, numbers, extremeDerivative)
}

/** Whether all elements over `axis` are true, for bool. */
export function all(x: Tensor, axis?: Axis, options?: ReduceOptions): Tensor {
  return reduce('all', x, axis, options, ['bool'])
}

/** Whether any element over `axis` is true, for bool. */
export function any(x: Tensor, axis?: Axis, options?: ReduceOptions): Tensor {
  return reduce('any', x, axis, options, ['bool'])
}

/** ln Σ eˣ over `axis`, without overflow. */
export function logSumExp(x: Tensor, axis?: Axis, options?: ReduceOptions): Tensor {
  return reduce('logSumExp', x, axis, options, floats, (dy, input, y) => mul(dy, exp(sub(input, y))))
}

/** Population variance over `axis`: the mean squared distance from the mean. */
export function variance(x: Tensor, axis?: Axis, options?: ReduceOptions): Tensor {
  return reduce('variance', x, axis, options, floats, (dy, input, _y, count) =>
    mul(div(mul(dy, 2), count), sub(input, mean(input, axis, { keepdims: true })))
  )
}

/** Population standard deviation over `axis`. */
export function std(x: Tensor, axis?: Axis, options?: ReduceOptions): Tensor {
  const keepdims = keepdimsOf('std', options)
  return scope(() => sqrt(variance(x, axis, { keepdims })))
}

function argument(name: string, x: Tensor, axis: number | null | undefined, keepdims: boolean): Tensor {
  expectElements(name, x, axis)
  if (axis == null) {
    return scope(() => {
      const index = argument(name, view(x, [x.size]), 0, false)
      return keepdims
        ? view(
            index,
            x.shape.map(() => 1)
          )
        : index
    })
  }
  const a = checkAxis(name, axis, x.shape.length)
  return run(name, [x], { shape: reducedShape(x.shape, [a], keepdims), dtype: 'int32', attributes: { axis: a } })
}

/** Index of the largest element along `axis` (of the flattened tensor if left out), as int32: the first of equals; a NaN counts as the largest. */
export function argmax(x: Tensor, axis?: number | null, options?: ReduceOptions): Tensor {
  return argument('argmax', x, axis, keepdimsOf('argmax', options))
}

/** Index of the smallest element along `axis` (of the flattened tensor if left out), as int32: the first of equals; a NaN counts as the smallest. */
export function argmin(x: Tensor, axis?: number | null, options?: ReduceOptions): Tensor {
  return argument('argmin', x, axis, keepdimsOf('argmin', options))
}
