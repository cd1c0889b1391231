// What training alone uses: in-place writes of variables, optimizer state and totals, and the rows of a batch. Internal, not part of `ops`.
import { expectTensor, run, runInPlace } from '../op'
import type { Tensor } from '../tensor'

/** target = value, in place; same shape and dtype. */
export function assign(target: Tensor, value: Tensor): void {
  runInPlace('assign', [target, value], 1, undefined)
}

/** Adds `by` to every element of an int32 or float32 tensor, in place. */
export function increment(target: Tensor, by: number): void {
  runInPlace('increment', [target], 1, { by })
}

/**
 * Adds to `total`, float32 [3] = (sum, its compensation, count): the sum of values · weights and the sum of weights (or the number of
 * values without weights), by Kahan's summation.
 */
export function accumulate(total: Tensor, values: Tensor, weights: Tensor | null = null): void {
  runInPlace('accumulate', [total, values, weights], 1, undefined)
}

/** target = target · momentum + value · (1 - momentum), in place, for two targets and values of float32. */
export function movingAverages(targets: readonly [Tensor, Tensor], values: readonly [Tensor, Tensor], momentum: number): void {
  runInPlace('movingAverage', [...targets, ...values], 2, { momentum })
}

/** order[position : position + count] of int32 order [N] and position [1], clamped to the last element: the rows of a batch. */
export function batchIndices(order: Tensor, position: Tensor, count: number): Tensor {
  expectTensor('batchIndices', 'order', order)
  expectTensor('batchIndices', 'position', position)
  return run('batchIndices', [order, position], { shape: [count], dtype: 'int32' })
}

/** Sum of squares of each gradient: float32 [n]. */
export function squaredNorms(gradients: readonly Tensor[]): Tensor {
  for (const [i, g] of gradients.entries()) expectTensor('squaredNorms', `gradient ${i}`, g)
  return run('squaredNorms', gradients, { shape: [gradients.length], dtype: 'float32' })
}

/** How gradients are clipped before an update. */
export type Clip = 'none' | 'value' | 'norm' | 'globalNorm'
/** By their numbers in native/tensor.h. */
const clips: readonly Clip[] = ['none', 'value', 'norm', 'globalNorm']

/** What every optimizer's update takes. */
export interface Update {
  /** float32 [1] */
  learningRate: Tensor
  /** int32 [1]: steps done before this one */
  iterations: Tensor
  /** From `squaredNorms`, if `clip` is norm or globalNorm. */
  squaredNorms: Tensor | null
  /** Per variable: the variable, its gradient, and its slots in the op's order. */
  groups: readonly (readonly [variable: Tensor, gradient: Tensor, ...slots: Tensor[]])[]
  /** Decoupled: w -= w · weightDecay · learningRate. */
  weightDecay: number
  clip: Clip
  clipLimit: number
}

function update(
  name: string,
  { learningRate, iterations, squaredNorms, groups, weightDecay, clip, clipLimit }: Update,
  own: Record<string, number | boolean>
): void {
  const inputs = [learningRate, iterations, squaredNorms, ...groups.flat()]
  runInPlace(name, inputs, Number.POSITIVE_INFINITY, { ...own, weightDecay, clip: clips.indexOf(clip), clipLimit })
}

/** One step of SGD for all variables in one launch; the slot m if momentum > 0. */
export function sgd(step: Update, attributes: { momentum: number; nesterov: boolean }): void {
  update('sgd', step, attributes)
}

/** One step of Adam for all variables in one launch; slots m, v, and vMax if amsgrad. */
export function adam(step: Update, attributes: { beta1: number; beta2: number; epsilon: number; amsgrad: boolean }): void {
  update('adam', step, attributes)
}

/** One step of RMSprop for all variables in one launch; slots v, mean if centered, m if momentum > 0. */
export function rmsprop(step: Update, attributes: { rho: number; momentum: number; epsilon: number; centered: boolean }): void {
  update('rmsprop', step, attributes)
}
