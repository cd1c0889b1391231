// The spatial axes of x [B, S..., C] and the windows that slide over them: how many there are, and what lies around the input.
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import { expectTensor } from '../op'
import type { Tensor } from '../tensor'

/** A size for each spatial axis, or one for all. */
export type Sizes = number | readonly number[]

/**
 * What lies around the input: nothing (`valid`); so much that there are ceil(size / stride) windows, the odd element behind (`same`); all
 * of it in front, so that no window sees what comes later (`causal`, one spatial axis); or given: one number for all sides, or
 * [before, after] for each spatial axis.
 */
export type Padding = 'valid' | 'same' | 'causal' | number | readonly (readonly [number, number])[]

export interface Window {
  /** Number of windows along each axis. */
  sizes: number[]
  /** Elements of padding in front of each axis, and behind it. */
  before: number[]
  after: number[]
}

/**
 * The sizes of the one to three spatial axes of x.
 * @throws ShapeError if there are none, or more
 */
export function spatialSizes(op: string, x: Tensor): readonly number[] {
  expectTensor(op, 'x', x)
  if (x.rank >= 3 && x.rank <= 5) return x.shape.slice(1, -1)
  throw failure(ShapeError, op, `expected x to be [B, W, C], [B, H, W, C] or [B, D, H, W, C], received ${showShape(x.shape)}`)
}

/**
 * A number per spatial axis, from one for all or one each.
 * @throws ArgumentError
 */
export function perAxis(owner: string, name: string, value: unknown, axes: number, least = 1): readonly number[] {
  const all = typeof value === 'number' ? new Array<number>(axes).fill(value) : value
  if (Array.isArray(all) && all.length === axes && all.every((n) => Number.isSafeInteger(n) && n >= least)) return all
  const list = axes === 1 ? '' : `, or ${axes} of them`
  throw failure(ArgumentError, owner, `expected ${name} to be an integer of at least ${least}${list}, received ${show(value)}`)
}

/** Elements that a window spans: (size - 1) * dilation + 1. */
export const effectiveSize = (size: number, dilation: number): number => (size - 1) * dilation + 1

/**
 * The windows over axes of these sizes. Unknown sizes (NaN) give unknown numbers of windows.
 * @throws ShapeError if a window does not fit into the padded input, ArgumentError for a padding that is none
 */
export function resolveWindow(
  op: string,
  input: readonly number[],
  window: readonly number[],
  strides: readonly number[],
  dilation: readonly number[],
  padding: Padding
): Window {
  const axes = input.length
  const explicit = explicitPadding(op, padding, axes)
  const [before, after] = [new Array<number>(axes), new Array<number>(axes)]
  const sizes = input.map((size, i) => {
    const [stride, span] = [strides[i]!, effectiveSize(window[i]!, dilation[i]!)]
    const whole = Math.ceil(size / stride)
    const total = padding === 'same' ? Math.max((whole - 1) * stride + span - size, 0) : padding === 'causal' ? span - 1 : 0
    const [front, behind] = explicit?.[i] ?? (padding === 'causal' ? [total, 0] : [Math.floor(total / 2), Math.ceil(total / 2)])
    // An unknown size with padding `same`: kernels never see it, the number of windows is all that matters.
    before[i] = front
    after[i] = behind
    const padded = size + front + behind
    if (padded < span) {
      const around = padded === size ? '' : ` (${padded} with padding)`
      throw failure(
        ShapeError,
        op,
        `expected windows of ${span} to fit into axis ${i + 1} of ${showShape([null, ...input, null])}${around}`
      )
    }
    return Math.floor((padded - span) / stride) + 1
  })
  return { sizes, before, after }
}

function explicitPadding(op: string, padding: Padding, axes: number): readonly (readonly [number, number])[] | undefined {
  if (padding === 'valid' || padding === 'same') return undefined
  if (padding === 'causal') {
    if (axes === 1) return undefined
    throw failure(ArgumentError, op, `expected padding causal on one spatial axis, received it on ${axes}`)
  }
  const isSize = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0
  const all = typeof padding === 'number' ? Array.from({ length: axes }, () => [padding, padding] as const) : padding
  if (Array.isArray(all) && all.length === axes && all.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isSize)))
    return all
  throw failure(
    ArgumentError,
    op,
    `expected padding to be valid, same, causal, a size or ${axes} pairs [before, after], received ${show(padding)}`
  )
}
