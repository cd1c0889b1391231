// Axes that a layer is told: counted from the start once the shape of its input is known.
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import { checkAxes } from '../ops/rules'
import type { PartialShape } from './options'

/** One axis or several. */
export type AxisOption = number | readonly number[]

/** @throws ArgumentError unless `axis` is an integer or a list of at least one */
export function axisOption(owner: string, axis: unknown): AxisOption {
  const list = Array.isArray(axis) ? axis : [axis]
  if (list.length > 0 && list.every(Number.isInteger)) return axis as AxisOption
  throw failure(ArgumentError, owner, `expected axis to be an integer or a list of integers, received ${show(axis)}`)
}

/**
 * The sizes of an input along axes, in the order of the axes.
 * @throws ShapeError if one is not known, or there is no such axis
 */
export function sizesAlong(owner: string, shape: PartialShape, axis: AxisOption): number[] {
  return checkAxes(owner, axis, shape.length).map((a) => {
    const size = shape[a]
    if (size != null) return size
    throw failure(ShapeError, owner, `expected a size that is known at axis ${a}, received ${showShape(shape)}`)
  })
}

/**
 * What is wrong about an input for weights of these sizes along axes; undefined if nothing is.
 * @throws ShapeError if there is no such axis
 */
export function misfitAlong(owner: string, shape: PartialShape, axis: AxisOption, sizes: readonly number[]): string | undefined {
  const fits = checkAxes(owner, axis, shape.length).every((a, i) => shape[a] == null || shape[a] === sizes[i])
  if (fits) return undefined
  const expected = sizes.length === 1 ? `size ${sizes[0]} along axis` : `sizes ${showShape(sizes)} along axes`
  return `expected an input of ${expected} ${show(axis)}, received ${showShape(shape)}`
}
