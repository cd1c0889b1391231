// Pooling over the spatial axes of channels-last tensors: maximum, average and sum of windows, regular or adaptive.
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import { type Attributes, expectTensor, run, runAll } from '../op'
import { sizeOf } from '../shape'
import { type Gradient, onlyOnce } from '../tape'
import type { Tensor } from '../tensor'
import { expectDType, floats } from './rules'

/** A size for each spatial axis, or one for all. */
export type Sizes = number | readonly number[]
/** What lies outside: nothing (`valid`), as much as makes ceil(size / stride) windows (`same`), or [before, after] for each spatial axis. */
export type PoolPadding = 'valid' | 'same' | readonly (readonly [number, number])[]

export interface PoolOptions {
  /** Size of the windows. */
  poolSize: Sizes
  /** Distance between windows. Default: their size. */
  strides?: Sizes | null | undefined
  /** Default `valid`. What lies outside never wins and is not counted. Explicit padding is smaller than the window. */
  padding?: PoolPadding | undefined
}

type Kind = 'maxPool' | 'averagePool' | 'sumPool'

interface Windows extends Attributes {
  readonly window: readonly number[]
  /** 0: adaptive. */
  readonly strides: readonly number[]
  readonly before: readonly number[]
}

function spatialOf(name: string, x: Tensor): readonly number[] {
  expectTensor(name, 'x', x)
  expectDType(name, 'x', x, floats)
  if (x.rank < 3 || x.rank > 5) {
    throw failure(ShapeError, name, `expected x to be (N, spatial…, C) with 1 to 3 spatial axes, received ${showShape(x.shape)}`)
  }
  return x.shape.slice(1, -1)
}

function sizesOf(name: string, what: string, value: unknown, rank: number): readonly number[] {
  const sizes = typeof value === 'number' ? new Array<number>(rank).fill(value) : value
  if (Array.isArray(sizes) && sizes.length === rank && sizes.every((size) => Number.isSafeInteger(size) && size > 0)) return sizes
  throw failure(ArgumentError, name, `expected ${what} to be a positive integer or ${rank} of them, received ${show(value)}`)
}

/** What is added before and after each axis. */
function paddingOf(
  name: string,
  spatial: readonly number[],
  window: readonly number[],
  strides: readonly number[],
  padding: PoolPadding
): readonly (readonly [number, number])[] {
  if (padding === 'valid') return spatial.map(() => [0, 0])
  if (padding === 'same') {
    return spatial.map((size, i) => {
      const total = Math.max((Math.ceil(size / strides[i]!) - 1) * strides[i]! + window[i]! - size, 0)
      return [Math.floor(total / 2), Math.ceil(total / 2)]
    })
  }
  const isPair = (pair: unknown, i: number): boolean =>
    Array.isArray(pair) && pair.length === 2 && pair.every((n) => Number.isSafeInteger(n) && n >= 0 && n < window[i]!)
  if (Array.isArray(padding) && padding.length === spatial.length && padding.every(isPair)) return padding
  throw failure(
    ArgumentError,
    name,
    `expected padding to be 'valid', 'same' or ${spatial.length} pairs [before, after], none negative and all smaller than the window ${show(window)}, received ${show(padding)}`
  )
}

function regular(name: Kind, x: Tensor, { poolSize, strides, padding = 'valid' }: PoolOptions): Tensor {
  const spatial = spatialOf(name, x)
  const window = sizesOf(name, 'poolSize', poolSize, spatial.length)
  const steps = strides == null ? window : sizesOf(name, 'strides', strides, spatial.length)
  const around = paddingOf(name, spatial, window, steps, padding)
  const out = spatial.map((size, i) => {
    const padded = size + around[i]![0] + around[i]![1]
    if (padding !== 'same' && (size === 0 || padded < window[i]!)) {
      throw failure(ShapeError, name, `expected an input that windows of ${show(window)} fit into, received ${showShape(x.shape)}`)
    }
    return padding === 'same' ? Math.ceil(size / steps[i]!) : Math.floor((padded - window[i]!) / steps[i]!) + 1
  })
  return pooled(name, x, out, { window, strides: steps, before: around.map(([before]) => (Number.isNaN(before) ? 0 : before)) })
}

function adaptive(name: string, kind: Kind, x: Tensor, outputSize: Sizes): Tensor {
  const spatial = spatialOf(name, x)
  const out = sizesOf(name, 'outputSize', outputSize, spatial.length)
  if (spatial.includes(0)) throw failure(ShapeError, name, `expected an input that is not empty, received ${showShape(x.shape)}`)
  const window = spatial.map((size, i) => {
    let longest = 1
    for (let o = 0; o < out[i]!; o++) {
      const length = Math.ceil(((o + 1) * size) / out[i]!) - Math.floor((o * size) / out[i]!)
      if (length > longest) longest = length
    }
    return longest
  })
  const zeros = spatial.map(() => 0)
  return pooled(kind, x, out, { window, strides: zeros, before: zeros })
}

function pooled(name: Kind, x: Tensor, out: readonly number[], attributes: Windows): Tensor {
  const shape = [x.shape[0]!, ...out, x.shape.at(-1)!]
  if (name !== 'maxPool') return sums(name, x, shape, attributes)
  const cells = sizeOf(attributes.window)
  if (cells > 2 ** 31 - 1)
    throw failure(ArgumentError, name, `expected windows of less than 2³¹ places, received ${show(attributes.window)}`)
  // The positions of the maxima are only needed for a gradient.
  const position = { shape: x.tapes === 0 ? [0] : shape, dtype: cells <= 256 ? 'uint8' : 'int32' } as const
  const [y, places] = runAll('maxPool', [x], { outputs: [{ shape, dtype: x.dtype }, position], attributes, gradient: maxPoolGradient })
  places!.dispose()
  return y!
}

const maxPoolGradient: Gradient = (dy, { inputs, outputs, attributes }) => [
  () =>
    run('maxPoolGrad', [dy, outputs[1]!], {
      shape: inputs[0]!.shape,
      dtype: dy.dtype,
      attributes,
      gradient: onlyOnce('maxPool')
    })
]

function sums(name: 'averagePool' | 'sumPool', x: Tensor, shape: readonly number[], attributes: Attributes): Tensor {
  const gradient: Gradient = (dy) => [() => sumsGrad(name, dy, x.shape, attributes)]
  return run(name, [x], { shape, dtype: x.dtype, attributes, gradient })
}

function sumsGrad(name: 'averagePool' | 'sumPool', dy: Tensor, shape: readonly number[], attributes: Attributes): Tensor {
  const gradient: Gradient = (ddx) => [() => sums(name, ddx, dy.shape, attributes)]
  return run(`${name}Grad`, [dy], { shape, dtype: dy.dtype, attributes, gradient })
}

/**
 * The largest element of each window, by channel: x (N, spatial…, C) with 1 to 3 spatial axes → (N, windows…, C). NaN if the window
 * holds one. The gradient goes to the first of equals, in row-major order of the window.
 * @throws ShapeError if a window does not fit; ArgumentError for sizes that are not positive; DTypeError unless x is a float
 * @example
 * maxPool(images, { poolSize: 2 }) // (N, H, W, C) → (N, ⌊H / 2⌋, ⌊W / 2⌋, C)
 */
export function maxPool(x: Tensor, options: PoolOptions): Tensor {
  return regular('maxPool', x, options)
}

/** The mean of each window, by channel; what lies outside of x is not counted. Shapes and errors as {@link maxPool}. */
export function averagePool(x: Tensor, options: PoolOptions): Tensor {
  return regular('averagePool', x, options)
}

/** The sum of each window, by channel. Shapes and errors as {@link maxPool}. */
export function sumPool(x: Tensor, options: PoolOptions): Tensor {
  return regular('sumPool', x, options)
}

/**
 * As {@link maxPool} with windows that cut each axis into `outputSize` parts: part i of n is [⌊i · size / n⌋, ⌈(i + 1) · size / n⌉), as
 * in PyTorch and Keras.
 * @throws ShapeError if a spatial axis is empty; ArgumentError for sizes that are not positive; DTypeError unless x is a float
 */
export function adaptiveMaxPool(x: Tensor, outputSize: Sizes): Tensor {
  return adaptive('adaptiveMaxPool', 'maxPool', x, outputSize)
}

/** The mean of each part, with parts as in {@link adaptiveMaxPool}. */
export function adaptiveAveragePool(x: Tensor, outputSize: Sizes): Tensor {
  return adaptive('adaptiveAveragePool', 'averagePool', x, outputSize)
}
