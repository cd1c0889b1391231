// How targets, predictions and weights are brought to one shape, shared by losses and metrics.
import { inDType } from '../dtype'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import { expectTensor } from '../op'
import * as ops from '../ops'
import { sameShape } from '../shape'
import { Tensor } from '../tensor'

/**
 * Removes or adds a last axis of size 1 where two ranks differ by one: (B) and (B, 1) both become (B, 1); (B, T) and (B, T, 1) both
 * become (B, T). As `squeeze_or_expand_to_same_rank` of Keras 3.
 */
export function toSameRank(a: Tensor, b: Tensor): [Tensor, Tensor] {
  if (a.rank === b.rank + 1 && a.shape.at(-1) === 1) return b.rank === 1 ? [a, ops.expandDims(b, -1)] : [ops.squeeze(a, -1), b]
  if (b.rank === a.rank + 1 && b.shape.at(-1) === 1) return a.rank === 1 ? [ops.expandDims(a, -1), b] : [a, ops.squeeze(b, -1)]
  return [a, b]
}

/** What a loss or metric of the user's own gave. @throws ArgumentError unless it is a tensor */
export function resultOf(owner: string, what: 'loss' | 'metric', result: unknown): Tensor {
  if (result instanceof Tensor) return result
  throw failure(ArgumentError, owner, `expected the ${what} function to return a tensor, received ${show(result)}`)
}

/** Checks what a loss or metric is called with. @throws ArgumentError for what is no tensor; DisposedError */
export function expectTensors(owner: string, yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): void {
  expectTensor(owner, 'yTrue', yTrue)
  expectTensor(owner, 'yPred', yPred)
  if (sampleWeight !== undefined) expectTensor(owner, 'sampleWeight', sampleWeight)
}

/**
 * Targets and predictions as float32 of equal shapes.
 * @param sparse the loss for class numbers, if the last axis is one of classes
 * @throws ShapeError if a last axis of size 1 is not all that differs
 */
export function matched(owner: string, yTrue: Tensor, yPred: Tensor, sparse?: string): [Tensor, Tensor] {
  const [t, p] = toSameRank(inDType(yTrue, 'float32'), inDType(yPred, 'float32'))
  if (!sameShape(t.shape, p.shape)) {
    const areNumbers = sameShape(yTrue.shape, yPred.shape.slice(0, -1)) || sameShape(yTrue.shape, [...yPred.shape.slice(0, -1), 1])
    const hint = sparse !== undefined && areNumbers ? `: class numbers are for ${sparse}` : ''
    throw failure(
      ShapeError,
      owner,
      `expected yTrue to have the shape of yPred, ${showShape(yPred.shape)}, received ${showShape(yTrue.shape)}${hint}`
    )
  }
  return [t, p]
}

/** Integer labels of the shape of `yPred` without its last axis. @throws ShapeError */
export function matchedLabels(owner: string, yTrue: Tensor, yPred: Tensor): Tensor {
  const labels = yTrue.rank === yPred.rank && yTrue.shape.at(-1) === 1 ? ops.squeeze(yTrue, -1) : yTrue
  const expected = yPred.shape.slice(0, -1)
  if (!sameShape(labels.shape, expected)) {
    const shapes = `${showShape(expected)} for yPred of shape ${showShape(yPred.shape)}, received ${showShape(yTrue.shape)}`
    const hint = sameShape(yTrue.shape, yPred.shape) ? ': one-hot rows are for categorical losses and metrics, not sparse ones' : ''
    throw failure(ShapeError, owner, `expected yTrue to hold class numbers of shape ${shapes}${hint}`)
  }
  return labels.dtype === 'uint8' ? labels : inDType(labels, 'int32')
}

/** Sample weights as float32 that broadcast over `values`: axes that they lack are added at the end. @throws ShapeError */
export function matchedWeights(owner: string, weights: Tensor, values: Tensor): Tensor {
  let w = inDType(weights, 'float32')
  if (w.rank === values.rank + 1 && w.shape.at(-1) === 1) w = ops.squeeze(w, -1)
  if (w.rank > 0 && w.rank < values.rank) w = ops.reshape(w, [...w.shape, ...Array<number>(values.rank - w.rank).fill(1)])
  if (w.rank > values.rank || w.shape.some((size, axis) => size !== 1 && size !== values.shape[axis])) {
    throw failure(
      ShapeError,
      owner,
      `expected sampleWeight to fit values of shape ${showShape(values.shape)}, received ${showShape(weights.shape)}`
    )
  }
  return w
}
