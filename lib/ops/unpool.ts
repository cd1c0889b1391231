// The gradient of maximum pooling, in ops that an outer tape can differentiate.
import { valueAndGrad } from '../tape'
import { type Tensor, tensor } from '../tensor'
import { zeros } from './creation'
import { add, equal, mul } from './elementwise-binary'
import { cast } from './elementwise-unary'
import { gather } from './indexing'
import { pad, slice } from './movement'
import type { Windows } from './pool'
import { sum } from './reduce'

/**
 * Each element of dy (N, windows…, C) at the place of its window in x (of `shape`) that `places` names: the gradient of the sum of what is taken
 * from there, for each place in a window.
 */
export function unpooled(dy: Tensor, places: Tensor, shape: readonly number[], windows: Windows): Tensor {
  const { window } = windows
  const numbers = cast(places, 'int32')
  const x = zeros(shape, { dtype: dy.dtype, device: dy.device })
  const taken = (): Tensor => {
    const elements = windows.strides.includes(0) ? adaptiveElements(x, dy.shape) : elementsOf(x, dy.shape, windows)
    let total: Tensor | undefined
    const from = (axis: number, place: number, starts: readonly number[]): void => {
      if (axis < window.length) {
        for (let i = 0; i < window[axis]!; i++) from(axis + 1, place * window[axis]! + i, [...starts, i])
        return
      }
      const chosen = mul(dy, cast(equal(numbers, place), dy.dtype))
      const part = sum(mul(elements(starts), chosen))
      total = total === undefined ? part : add(total, part)
    }
    from(0, 0, [])
    return total!
  }
  return valueAndGrad(taken, [x]).grads[0]!
}

/** The elements at one place, as (…, i, …), of all windows: (N, windows…, C). */
type Elements = (place: readonly number[]) => Tensor

/** Of windows at equal distances: a strided slice. */
function elementsOf(x: Tensor, out: readonly number[], { window, strides, before }: Windows): Elements {
  const borders = window.map((size, i): [number, number] => {
    const end = (out[i + 1]! - 1) * strides[i]! + size
    return [before[i]!, Math.max(0, end - before[i]! - x.shape[i + 1]!)]
  })
  const padded = pad(x, [[0, 0], ...borders, [0, 0]])
  return (place) => slice(padded, [0, ...place, 0], out, { strides: [1, ...strides, 1] })
}

/** Of windows that cut each axis into parts, which may differ in length by one: behind the end of a part is no place that anything is taken from. */
function adaptiveElements(x: Tensor, out: readonly number[]): Elements {
  return (place) =>
    place.reduce((elements, offset, i) => {
      const [size, parts] = [x.shape[i + 1]!, out[i + 1]!]
      const indices = Array.from({ length: parts }, (_, o) => Math.min(Math.floor((o * size) / parts) + offset, size - 1))
      return gather(elements, tensor(indices, [parts], { dtype: 'int32', device: x.device }), i + 1)
    }, x)
}
