// The gradient of maximum pooling, in ops that an outer tape can differentiate.
import { ArgumentError, failure } from '../errors'
import { valueAndGrad } from '../tape'
import type { Tensor } from '../tensor'
import { zeros } from './creation'
import { add, equal, mul } from './elementwise-binary'
import { cast } from './elementwise-unary'
import { pad, slice } from './movement'
import type { Windows } from './pool'
import { sum } from './reduce'

/**
 * Each element of dy (N, windows…, C) at the place of its window in x (of `shape`) that `places` names: the gradient of the sum of what is taken
 * from there, a strided slice for each place in a window.
 */
export function unpooled(dy: Tensor, places: Tensor, shape: readonly number[], { window, strides, before }: Windows): Tensor {
  if (strides.includes(0)) throw failure(ArgumentError, 'maxPool', 'expected at most a first derivative of adaptive pooling')
  const borders = window.map((size, i): [number, number] => {
    const end = (dy.shape[i + 1]! - 1) * strides[i]! + size
    return [before[i]!, Math.max(0, end - before[i]! - shape[i + 1]!)]
  })
  const numbers = cast(places, 'int32')
  const x = zeros(shape, { dtype: dy.dtype, device: dy.device })
  const taken = (): Tensor => {
    const padded = pad(x, [[0, 0], ...borders, [0, 0]])
    let total: Tensor | undefined
    const from = (axis: number, place: number, starts: readonly number[]): void => {
      if (axis < window.length) {
        for (let i = 0; i < window[axis]!; i++) from(axis + 1, place * window[axis]! + i, [...starts, i])
        return
      }
      const chosen = mul(dy, cast(equal(numbers, place), dy.dtype))
      const part = sum(mul(slice(padded, [...starts, 0], dy.shape, { strides: [1, ...strides, 1] }), chosen))
      total = total === undefined ? part : add(total, part)
    }
    from(0, 0, [0])
    return total!
  }
  return valueAndGrad(taken, [x]).grads[0]!
}
