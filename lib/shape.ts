// Shapes and dtypes as values: sizes, comparison with dimensions that are not known (NaN), and the checks of what a user gave.
import { ArgumentError, DTypeError, failure, ShapeError, show } from './errors'
import { type DType, dtypes } from './native'
import { abstractly } from './state'

/** The shape of an abstract tensor as users see it: unknown dimensions are null. */
export function publicShape(shape: readonly number[]): (number | null)[] {
  return shape.map((dim) => (Number.isNaN(dim) ? null : dim))
}

/** Product of the dimensions; NaN if one is unknown. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1
  for (let i = 0; i < shape.length; i++) size *= shape[i]!
  return size
}

/** True if the shapes may be equal: a dimension that is unknown fits any. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!sameDim(a[i]!, b[i]!)) return false
  return true
}

/** True if the dimensions may be equal: one that is unknown (NaN) fits any. */
export function sameDim(a: number, b: number): boolean {
  // biome-ignore lint/suspicious/noSelfCompare: NaN is the only number that differs from itself, and this is a hot path
  return a === b || a !== a || b !== b
}

/** A shape that a user gave. Unknown dimensions are only allowed where shapes alone are computed. */
export function checkShape(where: string, shape: unknown): readonly number[] {
  if (!Array.isArray(shape)) throw failure(ArgumentError, where, `expected a shape (an array of sizes), received ${show(shape)}`)
  if (shape.length > 8) throw failure(ShapeError, where, `expected at most 8 dimensions, received ${shape.length}: ${show(shape)}`)
  const dims: number[] = []
  for (const dim of shape) {
    if (abstractly && (dim === null || Number.isNaN(dim))) dims.push(Number.NaN)
    else if (Number.isSafeInteger(dim) && dim >= 0) dims.push(dim)
    else throw failure(ShapeError, where, `expected sizes that are integers and not negative, received ${show(shape)}`)
  }
  return dims
}

/** A dtype that a user gave. */
export function checkDType(where: string, dtype: unknown): DType {
  if (!dtypes.includes(dtype as DType)) throw failure(DTypeError, where, `expected one of ${dtypes.join(', ')}, received ${show(dtype)}`)
  return dtype as DType
}
