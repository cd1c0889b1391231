// Ops that move elements without computing: reshape and its kin, transpose, concat, split, slice, flip, pad, crop, broadcastTo, tile.
import { type NamesOf, optionsOf } from '../arguments'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import type { DType } from '../native'
import { expectTensor, run } from '../op'
import { scope } from '../scope'
import { checkShape, sameDim, sameShape } from '../shape'
import { abstractly } from '../state'
import { type Gradient, isFloat } from '../tape'
import { type Tensor, view } from '../tensor'
import { copy } from './elementwise-unary'
import { sum } from './reduce'
import { broadcast, broadcastShapes, checkAxes, checkAxis, expectNumber, expectSameDType, integerRanges } from './rules'

// ---- Another shape for the same memory

/**
 * The same elements in another shape, at no cost; one size may be -1, which is then computed. A variable is copied.
 * @throws ShapeError if the number of elements differs
 */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  expectTensor('reshape', 'x', x)
  return view(x, resolveShape(x, shape))
}

function resolveShape(x: Tensor, shape: readonly number[]): readonly number[] {
  if (!Array.isArray(shape)) throw failure(ArgumentError, 'reshape', `expected a shape (an array of sizes), received ${show(shape)}`)
  if (shape.length > 8) throw failure(ShapeError, 'reshape', `expected at most 8 dimensions, received ${show(shape)}`)
  const dims: number[] = []
  let free = -1
  let rest = 1
  for (let i = 0; i < shape.length; i++) {
    const dim = (shape[i] as number | null) ?? Number.NaN
    if (dim === -1 && free < 0) free = i
    else if (abstractly && Number.isNaN(dim)) rest = Number.NaN
    else if (Number.isSafeInteger(dim) && dim >= 0) rest *= dim
    else throw failure(ShapeError, 'reshape', `expected sizes that are not negative and at most one -1, received ${show(shape)}`)
    dims.push(dim)
  }
  const size = x.size
  // Two unknown dimensions that stand for each other (the batch, say) do not hinder computing a third: -1 from the known ones.
  if (free >= 0) dims[free] = Number.isNaN(rest) ? known(x.shape) / known(dims) : size / rest
  // Beside a size of 0 any would do.
  const missing = free >= 0 && (rest === 0 || (!Number.isNaN(dims[free]!) && !Number.isInteger(dims[free])))
  if (missing || (free < 0 && !sameDim(size, rest))) {
    throw failure(ShapeError, 'reshape', `expected a shape of ${size} elements, as ${showShape(x.shape)} has, received ${show(shape)}`)
  }
  return dims
}

/** Product of the known dimensions that are not the free one. */
function known(shape: readonly number[]): number {
  return shape.reduce((product, dim) => (Number.isNaN(dim) || dim === -1 ? product : product * dim), 1)
}

/** All elements in one dimension; a view, as `reshape`. */
export function flatten(x: Tensor): Tensor {
  expectTensor('flatten', 'x', x)
  return view(x, [x.size])
}

function expectRank(op: string, rank: number): void {
  if (rank > 8) throw failure(ShapeError, op, `expected a result of at most 8 dimensions, received ${rank}`)
}

/** A dimension of size 1 put in at `axis`; a view. @throws ShapeError if x has 8 dimensions */
export function expandDims(x: Tensor, axis: number): Tensor {
  expectTensor('expandDims', 'x', x)
  const a = checkAxis('expandDims', axis, x.rank + 1)
  expectRank('expandDims', x.rank + 1)
  return view(x, [...x.shape.slice(0, a), 1, ...x.shape.slice(a)])
}

/**
 * Dimensions of size 1 taken out: those of `axis`, or all; a view.
 * @throws ShapeError if a named dimension is not 1
 */
export function squeeze(x: Tensor, axis?: number | readonly number[] | null): Tensor {
  expectTensor('squeeze', 'x', x)
  const axes = axis == null ? x.shape.flatMap((dim, i) => (dim === 1 ? [i] : [])) : checkAxes('squeeze', axis, x.rank)
  const bad = axes.find((a) => !sameDim(x.shape[a]!, 1))
  if (bad !== undefined) throw failure(ShapeError, 'squeeze', `expected size 1 at axis ${bad}, received ${showShape(x.shape)}`)
  return view(
    x,
    x.shape.filter((_, i) => !axes.includes(i))
  )
}

// ---- Another order of the axes

/**
 * Axis i of the result is axis `axes[i]` of x; without `axes`, the reverse order.
 * @throws ShapeError unless `axes` names each axis once; ArgumentError if it is no array
 */
export function transpose(x: Tensor, axes?: readonly number[] | null): Tensor {
  expectTensor('transpose', 'x', x)
  const rank = x.rank
  if (axes != null && !Array.isArray(axes))
    throw failure(ArgumentError, 'transpose', `expected axes to be an array, received ${show(axes)}`)
  const permutation = axes == null ? Array.from({ length: rank }, (_, i) => rank - 1 - i) : axes.map((a) => checkAxis('transpose', a, rank))
  if (permutation.length !== rank || new Set(permutation).size !== rank) {
    throw failure(ShapeError, 'transpose', `expected axes to name each of the ${rank} axes once, received ${show(axes)}`)
  }
  const inverse = permutation.map((_, i) => permutation.indexOf(i))
  return run('transpose', [x], {
    shape: permutation.map((a) => x.shape[a]!),
    dtype: x.dtype,
    attributes: { permutation },
    gradient: (dy) => [() => transpose(dy, inverse)]
  })
}

/** Two axes exchanged. */
export function swapaxes(x: Tensor, axis1: number, axis2: number): Tensor {
  expectTensor('swapaxes', 'x', x)
  const [a, b] = [checkAxis('swapaxes', axis1, x.rank, 'axis1'), checkAxis('swapaxes', axis2, x.rank, 'axis2')]
  return transpose(
    x,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i))
  )
}

/** One axis moved to another place, the others in their order. */
export function moveaxis(x: Tensor, source: number, destination: number): Tensor {
  expectTensor('moveaxis', 'x', x)
  const [from, to] = [checkAxis('moveaxis', source, x.rank, 'source'), checkAxis('moveaxis', destination, x.rank, 'destination')]
  const order = x.shape.map((_, i) => i).filter((i) => i !== from)
  order.splice(to, 0, from)
  return transpose(x, order)
}

// ---- Joining and cutting

function tensorList(name: string, tensors: readonly Tensor[]): readonly [Tensor, ...Tensor[]] {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw failure(ArgumentError, name, `expected an array of at least one tensor, received ${show(tensors)}`)
  }
  // Not forEach, which passes over holes.
  for (const [i, t] of tensors.entries()) {
    expectTensor(name, `tensor ${i}`, t)
    if (i > 0) expectSameDType(name, tensors[0]!, t)
  }
  return tensors as unknown as readonly [Tensor, ...Tensor[]]
}

/**
 * Tensors one after the other along `axis`; the other dimensions are equal.
 * @throws ShapeError, DTypeError; ArgumentError for an empty array
 */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const list = tensorList('concat', tensors)
  const first = list[0]
  const a = checkAxis('concat', axis, first.rank)
  for (const t of list) {
    if (t.rank !== first.rank || t.shape.some((dim, i) => i !== a && !sameDim(dim, first.shape[i]!))) {
      throw failure(
        ShapeError,
        'concat',
        `expected shapes that are equal but for axis ${a}, received ${list.map((l) => showShape(l.shape)).join(', ')}`
      )
    }
  }
  const shape = first.shape.map((dim, i) => (i === a ? list.reduce((n, t) => n + t.shape[a]!, 0) : dim))
  const gradient: Gradient = (dy, { inputs }) => {
    let start = 0
    return inputs.map((input) => {
      const from = start
      start += input!.shape[a]!
      return () => slice(dy, only(dy.rank, a, from, 0), input!.shape)
    })
  }
  return run('concat', list, { shape, dtype: first.dtype, attributes: { axis: a }, gradient })
}

/** A list of one value per axis: `value` at `axis`, `other` elsewhere. */
function only(rank: number, axis: number, value: number, other: number): number[] {
  return Array.from({ length: rank }, (_, i) => (i === axis ? value : other))
}

/** Tensors of one shape put side by side along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  const list = tensorList('stack', tensors)
  for (const t of list) {
    if (!sameShape(t.shape, list[0].shape))
      throw failure(ShapeError, 'stack', `expected tensors of one shape, received ${list.map((l) => showShape(l.shape)).join(', ')}`)
  }
  const a = checkAxis('stack', axis, list[0].rank + 1)
  expectRank('stack', list[0].rank + 1)
  return scope(() =>
    concat(
      list.map((t) => expandDims(t, a)),
      a
    )
  )
}

/** The slices along an axis, without that axis: what `stack` undoes. */
export function unstack(x: Tensor, axis = 0): Tensor[] {
  expectTensor('unstack', 'x', x)
  const a = checkAxis('unstack', axis, x.rank)
  return scope(() => split(x, x.shape[a]!, a).map((part) => squeeze(part, a)))
}

/**
 * Cuts x along `axis`: into so many equal parts, or before the given indices (as in NumPy and Keras).
 * @throws ShapeError if the axis does not divide; ArgumentError for indices that are no integers
 */
export function split(x: Tensor, indicesOrSections: number | readonly number[], axis = 0): Tensor[] {
  expectTensor('split', 'x', x)
  const a = checkAxis('split', axis, x.rank)
  const size = x.shape[a]!
  let cuts: number[]
  if (typeof indicesOrSections === 'number') {
    const parts = indicesOrSections
    if (!Number.isSafeInteger(parts) || parts < 1 || size % parts !== 0) {
      throw failure(ShapeError, 'split', `expected a number of parts that divides ${size}, received ${parts}`)
    }
    cuts = Array.from({ length: parts - 1 }, (_, i) => ((i + 1) * size) / parts)
  } else {
    if (!Array.isArray(indicesOrSections) || !indicesOrSections.every(Number.isSafeInteger)) {
      throw failure(ArgumentError, 'split', `expected a number of parts or an array of indices, received ${show(indicesOrSections)}`)
    }
    cuts = indicesOrSections.map((i) => Math.min(Math.max(i < 0 ? i + size : i, 0), size))
  }
  return [0, ...cuts].map((start, i) => {
    const end = Math.max(cuts[i] ?? size, start)
    return slice(
      x,
      only(x.rank, a, start, 0),
      x.shape.map((dim, j) => (j === a ? end - start : dim))
    )
  })
}

/** Options of `slice`. */
export interface SliceOptions {
  /** Distance between the elements taken, one per axis; default 1. */
  strides?: readonly number[] | undefined
}

const sliceOptions: NamesOf<SliceOptions> = { strides: 'optional' }

/**
 * The block of `sizes` that begins at `starts`; a size of -1 means up to the end; with `strides`, every so manyth element.
 * @throws ShapeError if it does not lie inside x
 */
export function slice(x: Tensor, starts: readonly number[], sizes: readonly number[], options?: SliceOptions): Tensor {
  expectTensor('slice', 'x', x)
  const { strides } = optionsOf('slice', options, sliceOptions)
  const rank = x.rank
  const step = strides ?? x.shape.map(() => 1)
  for (const [what, list] of [
    ['starts', starts],
    ['sizes', sizes],
    ['strides', step]
  ] as const) {
    if (!Array.isArray(list) || list.length !== rank)
      throw failure(ShapeError, 'slice', `expected ${rank} ${what} for shape ${showShape(x.shape)}, received ${show(list)}`)
  }
  const shape = sizes.map((size, i) => {
    const [start, stride, dim] = [starts[i]!, step[i]!, x.shape[i]!]
    const length = size === -1 ? Math.ceil((dim - start) / stride) : ((size as number | null) ?? Number.NaN)
    if (abstractly && (Number.isNaN(length) || Number.isNaN(dim))) return length
    const inside =
      Number.isSafeInteger(start) && start >= 0 && Number.isSafeInteger(stride) && stride > 0 && Number.isSafeInteger(length) && length >= 0
    if (!inside || (length === 0 ? start > dim : start + (length - 1) * stride >= dim)) {
      const detail = strides === undefined ? '' : `, strides ${show(strides)}`
      throw failure(
        ShapeError,
        'slice',
        `expected a block inside ${showShape(x.shape)}, received starts ${show(starts)}, sizes ${show(sizes)}${detail}`
      )
    }
    return length
  })
  return cut(x, shape, [...starts], [...step])
}

function cut(x: Tensor, shape: readonly number[], starts: readonly number[], strides: readonly number[]): Tensor {
  return run('slice', [x], {
    shape,
    dtype: x.dtype,
    attributes: { starts, strides },
    gradient: isFloat(x.dtype) ? sliceGradient : undefined
  })
}

const sliceGradient: Gradient = (dy, { inputs, attributes }) => [
  () =>
    run('sliceGrad', [dy], {
      shape: inputs[0]!.shape,
      dtype: dy.dtype,
      attributes,
      gradient: (ddx) => [() => cut(ddx, dy.shape, attributes.starts as readonly number[], attributes.strides as readonly number[])]
    })
]

/** The order along `axis` (or axes, or all) reversed. */
export function flip(x: Tensor, axis?: number | readonly number[] | null): Tensor {
  expectTensor('flip', 'x', x)
  return backwards(x, checkAxes('flip', axis, x.rank))
}

function backwards(x: Tensor, axes: readonly number[]): Tensor {
  const starts = x.shape.map((dim, i) => (axes.includes(i) ? dim - 1 : 0))
  const strides = x.shape.map((_, i) => (axes.includes(i) ? -1 : 1))
  return run('slice', [x], {
    shape: x.shape,
    dtype: x.dtype,
    attributes: { starts, strides },
    gradient: (dy) => [() => backwards(dy, axes)]
  })
}

// ---- Larger, and back

/** What pad fills with: a number, the nearest element, or the elements mirrored at the edge (which is not repeated). */
export type PadMode = 'constant' | 'edge' | 'reflect'
const padModes: readonly PadMode[] = ['constant', 'edge', 'reflect']

export interface PadOptions {
  /** Default `constant`. */
  mode?: PadMode | undefined
  /** What `constant` fills with. Default 0. */
  constantValues?: number | undefined
}

const padOptions: NamesOf<PadOptions> = { mode: 'optional', constantValues: 'optional' }

/** How much to add, or to take away: everywhere; before and after on each axis; or a pair for each axis. */
export type PadWidth = number | readonly [number, number] | readonly (readonly [number, number])[]

/**
 * x with elements added before and after along each axis.
 * @throws ShapeError if `reflect` asks for more than the axis has; ArgumentError
 */
export function pad(x: Tensor, padWidth: PadWidth, options?: PadOptions): Tensor {
  expectTensor('pad', 'x', x)
  const { mode = 'constant', constantValues = 0 } = optionsOf('pad', options, padOptions)
  const pairs = borderPairs('pad', 'padWidth', x.rank, padWidth)
  const code = padModes.indexOf(mode)
  if (code < 0) throw failure(ArgumentError, 'pad', `expected mode to be one of ${padModes.join(', ')}, received ${show(mode)}`)
  const shape = x.shape.map((dim, i) => dim + pairs[i]![0] + pairs[i]![1])
  pairs.forEach(([before, after], i) => {
    const most = mode === 'reflect' ? x.shape[i]! - 1 : mode === 'edge' && x.shape[i] === 0 ? 0 : Number.POSITIVE_INFINITY
    if (before > most || after > most)
      throw failure(
        ShapeError,
        'pad',
        `expected at most ${most} on axis ${i} of ${showShape(x.shape)} in mode ${mode}, received ${show([before, after])}`
      )
  })
  const before = pairs.map(([b]) => b)
  return run('pad', [x], {
    shape,
    dtype: x.dtype,
    attributes: { before, mode: code, value: expectFill(x.dtype, constantValues) },
    gradient: isFloat(x.dtype) ? padGradient : undefined
  })
}

/** What pad fills with is stored as it is. */
function expectFill(dtype: DType, value: number): number {
  expectNumber('pad', 'constantValues', value)
  const [low, high] = integerRanges[dtype] ?? [-Infinity, Infinity]
  const fits = isFloat(dtype) || Number.isInteger(value)
  if (fits && value >= low && value <= high) return value
  throw failure(ArgumentError, 'pad', `expected constantValues to be a number of dtype ${dtype}, received ${value}`)
}

const padGradient: Gradient = (dy, { inputs, attributes }) => [
  () => {
    const x = inputs[0]!
    const before = attributes.before as readonly number[]
    return run('padGrad', [dy], {
      shape: x.shape,
      dtype: dy.dtype,
      attributes: { before, mode: attributes.mode! },
      gradient: (ddx) => [
        () =>
          run('pad', [ddx], {
            shape: dy.shape,
            dtype: ddx.dtype,
            attributes: { before, mode: attributes.mode!, value: 0 },
            gradient: padGradient
          })
      ]
    })
  }
]

function borderPairs(op: string, name: string, rank: number, width: PadWidth): readonly (readonly [number, number])[] {
  const isPair = (w: unknown): w is readonly [number, number] =>
    Array.isArray(w) && w.length === 2 && w.every((n) => Number.isSafeInteger(n) && n >= 0)
  const all = typeof width === 'number' ? ([width, width] as const) : width
  if (isPair(all)) return Array.from({ length: rank }, () => all)
  if (Array.isArray(all) && all.length === rank && all.every(isPair)) return all
  throw failure(
    ArgumentError,
    op,
    `expected ${name} to be a number, [before, after] or ${rank} such pairs, none negative, received ${show(width)}`
  )
}

/**
 * x without elements before and after along each axis, which `pad` with the same width had added.
 * @throws ShapeError if an axis has less; ArgumentError
 * @example
 * crop(images, [[0, 0], [1, 1], [1, 1], [0, 0]]) // [B, H, W, C] → [B, H - 2, W - 2, C]
 */
export function crop(x: Tensor, cropWidth: PadWidth): Tensor {
  expectTensor('crop', 'x', x)
  const pairs = borderPairs('crop', 'cropWidth', x.rank, cropWidth)
  const shape = x.shape.map((dim, i) => dim - pairs[i]![0] - pairs[i]![1])
  if (shape.some((dim) => dim < 0))
    throw failure(ShapeError, 'crop', `expected borders inside ${showShape(x.shape)}, received ${show(cropWidth)}`)
  return slice(
    x,
    pairs.map(([before]) => before),
    shape
  )
}

/**
 * x repeated to a shape that it broadcasts to.
 * @throws ShapeError
 */
export function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  expectTensor('broadcastTo', 'x', x)
  const target = broadcastShapes('broadcastTo', x.shape, checkShape('broadcastTo', shape))
  if (target.length !== shape.length || target.some((dim, i) => dim !== shape[i] && !Number.isNaN(dim))) {
    throw failure(ShapeError, 'broadcastTo', `expected a shape that ${show(x.shape)} broadcasts to, received ${show(shape)}`)
  }
  const result = broadcast(x, target)
  return result === x ? copy(x) : result
}

/**
 * x repeated along each axis; repeats for leading axes that x does not have make new ones.
 * @throws ArgumentError
 */
export function tile(x: Tensor, repeats: number | readonly number[]): Tensor {
  expectTensor('tile', 'x', x)
  const given = typeof repeats === 'number' ? [repeats] : repeats
  if (!Array.isArray(given) || !given.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw failure(ArgumentError, 'tile', `expected repeats that are integers and not negative, received ${show(repeats)}`)
  }
  const rank = Math.max(x.rank, given.length)
  expectRank('tile', rank)
  const dims = [...new Array<number>(rank - x.rank).fill(1), ...x.shape]
  const counts = [...new Array<number>(rank - given.length).fill(1), ...given]
  return scope(() => repeatAll(rank === x.rank ? x : view(x, dims), counts))
}

function repeatAll(x: Tensor, counts: readonly number[]): Tensor {
  // The gradient sees each axis as (count, size) and sums over the counts; rank 8 is the most there is, so one axis at a time if need be.
  const gradient: Gradient = (dy) => [
    () =>
      counts.reduce((g, count, i) => {
        if (count === 1) return g
        const [before, size, after] = [g.shape.slice(0, i), x.shape[i]!, g.shape.slice(i + 1)]
        const rows = before.reduce((a, b) => a * b, 1)
        const columns = after.reduce((a, b) => a * b, 1)
        return view(sum(view(g, [rows, count, size, columns]), 1), [...before, size, ...after])
      }, dy)
  ]
  return run('tile', [x], { shape: x.shape.map((dim, i) => dim * counts[i]!), dtype: x.dtype, gradient })
}
