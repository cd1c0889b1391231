// Ops that pick or place elements by index.
import { type NamesOf, optionsOf } from '../arguments'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import type { DType } from '../native'
import { expectTensor, run } from '../op'
import { checkDType, checkShape, sameShape } from '../shape'
import { type Gradient, isFloat } from '../tape'
import type { Tensor } from '../tensor'
import { mul } from './elementwise-binary'
import { cast } from './elementwise-unary'
import { checkAxis, expectDType, expectNumber, numbers } from './rules'

/** Options of `gather`. */
export interface GatherOptions {
  /** A float dtype in which elements come as x · scale + offset; x is uint8, int32 or of this dtype. */
  dtype?: DType | undefined
  scale?: number | undefined
  offset?: number | undefined
}

const gatherOptions: NamesOf<GatherOptions> = { dtype: 'optional', scale: 'optional', offset: 'optional' }

/**
 * Rows of x along `axis` at int32 `indices`: the result's shape is x's with the axis replaced by the shape of `indices`.
 * An index out of range is an error of the next host read. Gradients of rows picked several times add up in the order of the indices.
 * @throws ShapeError, DTypeError
 */
export function gather(x: Tensor, indices: Tensor, axis = 0, options?: GatherOptions): Tensor {
  expectTensor('gather', 'x', x)
  expectTensor('gather', 'indices', indices)
  expectDType('gather', 'indices', indices, ['int32'])
  const { dtype, scale = 1, offset = 0 } = optionsOf('gather', options, gatherOptions)
  const a = checkAxis('gather', axis, x.rank)
  const out = dtype === undefined ? x.dtype : checkDType('gather', dtype)
  if (out !== x.dtype && !(isFloat(out) && (x.dtype === 'uint8' || x.dtype === 'int32'))) {
    throw failure(
      ArgumentError,
      'gather',
      `expected dtype to be that of x, or a float for x of uint8 or int32, received ${out} for ${x.dtype}`
    )
  }
  if (!isFloat(out) && (scale !== 1 || offset !== 0))
    throw failure(ArgumentError, 'gather', `expected scale 1 and offset 0 for dtype ${out}`)
  expectPlace('gather', x.shape, a, indices)
  const shape = [...x.shape.slice(0, a), ...indices.shape, ...x.shape.slice(a + 1)]
  if (shape.length > 8) throw failure(ShapeError, 'gather', `expected a result of at most 8 dimensions, received ${showShape(shape)}`)
  const attributes = { axis: a, scale: expectNumber('gather', 'scale', scale), offset: expectNumber('gather', 'offset', offset) }
  return run('gather', [x, indices], { shape, dtype: out, attributes, gradient: isFloat(x.dtype) ? gatherGradient : undefined })
}

/** An axis of size 0 has no element that an index could mean. */
function expectPlace(op: string, shape: readonly number[], axis: number, indices: Tensor): void {
  if (shape[axis] !== 0 || !(indices.size > 0)) return
  throw failure(ShapeError, op, `expected an axis ${axis} that is not empty for ${indices.size} indices, received ${showShape(shape)}`)
}

const gatherGradient: Gradient = (dy, { inputs, attributes }) => {
  const [x, indices] = inputs as readonly [Tensor, Tensor]
  const { axis, scale } = attributes as { axis: number; scale: number }
  return [() => scatterAdd(indices, scale === 1 ? dy : mul(dy, scale), x.shape, { axis }), null]
}

/** Options of `scatterAdd`. */
export interface ScatterAddOptions {
  /** The axis of the result that the indices count along. Default 0. */
  axis?: number | undefined
}

const scatterAddOptions: NamesOf<ScatterAddOptions> = { axis: 'optional' }

/**
 * Zeros of `shape` with `updates` added along `axis` at int32 `indices`, in the order of the indices: what `gather` picks, put back.
 * @throws ShapeError, DTypeError
 */
export function scatterAdd(indices: Tensor, updates: Tensor, shape: readonly number[], options?: ScatterAddOptions): Tensor {
  expectTensor('scatterAdd', 'indices', indices)
  expectTensor('scatterAdd', 'updates', updates)
  expectDType('scatterAdd', 'indices', indices, ['int32'])
  expectDType('scatterAdd', 'updates', updates, numbers)
  const { axis = 0 } = optionsOf('scatterAdd', options, scatterAddOptions)
  const target = checkShape('scatterAdd', shape)
  const a = checkAxis('scatterAdd', axis, target.length)
  const expected = [...target.slice(0, a), ...indices.shape, ...target.slice(a + 1)]
  if (!sameShape(updates.shape, expected)) {
    throw failure(ShapeError, 'scatterAdd', `expected updates to be ${showShape(expected)}, received ${showShape(updates.shape)}`)
  }
  expectPlace('scatterAdd', target, a, indices)
  return run('scatterAdd', [indices, updates], {
    shape: target,
    dtype: updates.dtype,
    attributes: { axis: a },
    gradient: isFloat(updates.dtype) ? (dy) => [null, () => gather(dy, indices, a)] : undefined
  })
}

/** Options of `oneHot`. */
export interface OneHotOptions {
  /** Where the classes stand. Default -1, the last axis. */
  axis?: number | undefined
  dtype?: DType | undefined
}

const oneHotOptions: NamesOf<OneHotOptions> = { axis: 'optional', dtype: 'optional' }

/**
 * 1 at the index, 0 elsewhere, in a new axis of size `depth`; an index out of range gives zeros. Indices of any integer dtype or bool.
 * @throws DTypeError, ArgumentError
 */
export function oneHot(indices: Tensor, depth: number, options?: OneHotOptions): Tensor {
  expectTensor('oneHot', 'indices', indices)
  expectDType('oneHot', 'indices', indices, ['int32', 'uint8', 'bool'])
  const { axis = -1, dtype = 'float32' } = optionsOf('oneHot', options, oneHotOptions)
  if (!Number.isSafeInteger(depth) || depth < 1)
    throw failure(ArgumentError, 'oneHot', `expected depth to be a positive integer, received ${show(depth)}`)
  const a = checkAxis('oneHot', axis, indices.rank + 1)
  const integers = indices.dtype === 'bool' ? cast(indices, 'uint8') : indices
  const last = run('oneHot', [integers], {
    shape: [...indices.shape, depth],
    dtype: checkDType('oneHot', dtype),
    attributes: { onValue: 1, offValue: 0 }
  })
  if (integers !== indices) integers.dispose()
  if (a === indices.rank) return last
  const moved = last.moveaxis(-1, a)
  last.dispose()
  return moved
}
