// Pooling over the spatial axes of channels-last tensors: maximum, average and sum of windows, regular or adaptive.
import { checkOptions, type NamesOf } from '../arguments'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import type { DType } from '../native'
import { type Attributes, run, runAll, type Spec } from '../op'
import { sizeOf } from '../shape'
import { type Gradient, watching } from '../tape'
import type { Tensor } from '../tensor'
import { expectDType, floats } from './rules'
import { unpooled } from './unpool'
import { type Padding, perAxis, resolveWindow, type Sizes, spatialSizes } from './windows'

export interface PoolOptions {
  /** Size of the windows. */
  poolSize: Sizes
  /** Distance between windows. Default: their size. */
  strides?: Sizes | null | undefined
  /** Default `valid`. What lies outside never wins and is not counted. Padding is smaller than the window. */
  padding?: Padding | undefined
}

const poolOptions: NamesOf<PoolOptions> = { poolSize: 'required', strides: 'optional', padding: 'optional' }

type Kind = 'maxPool' | 'averagePool' | 'sumPool'

/** How windows lie, one number per spatial axis. */
export interface Windows extends Attributes {
  readonly window: readonly number[]
  /** 0: adaptive. */
  readonly strides: readonly number[]
  readonly before: readonly number[]
}

export interface PoolPlan {
  /** Numbers of windows. */
  sizes: readonly number[]
  attributes: Windows
}

function spatialOf(name: string, x: Tensor): readonly number[] {
  const spatial = spatialSizes(name, x)
  expectDType(name, 'x', x, floats)
  return spatial
}

function regular(name: Kind, x: Tensor, options: PoolOptions): Tensor {
  checkOptions(name, options, poolOptions)
  spatialOf(name, x)
  const { sizes, attributes } = planPool(name, x.shape, options)
  return pooled(name, x, sizes, attributes)
}

/** How regular windows lie over the spatial axes of a tensor of this shape. */
export function planPool(name: Kind, shape: readonly number[], { poolSize, strides, padding = 'valid' }: PoolOptions): PoolPlan {
  const spatial = shape.slice(1, -1)
  const axes = spatial.length
  const window = perAxis(name, 'poolSize', poolSize, axes)
  const steps = perAxis(name, 'strides', strides ?? window, axes)
  const { sizes, before, after } = resolveWindow(name, spatial, window, steps, new Array<number>(axes).fill(1), padding)
  if (window.some((size, i) => before[i]! >= size || after[i]! >= size))
    throw failure(ArgumentError, name, `expected padding to be smaller than the window ${show(window)}, received ${show(padding)}`)
  expectElements(name, shape)
  return { sizes, attributes: { window, strides: steps, before } }
}

/** No window may lie over nothing. */
function expectElements(name: string, shape: readonly number[]): void {
  if (shape.slice(1, -1).includes(0)) throw failure(ShapeError, name, `expected an input that is not empty, received ${showShape(shape)}`)
}

function adaptive(name: string, kind: Kind, x: Tensor, outputSize: Sizes): Tensor {
  const spatial = spatialOf(name, x)
  const out = perAxis(name, 'outputSize', outputSize, spatial.length)
  expectElements(name, x.shape)
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
  const outputs = maxPoolOutputs(x.dtype, shape, attributes, x.tapes !== 0)
  const [y, places] = runAll('maxPool', [x], { outputs, attributes, gradient: maxPoolGradient })
  places!.dispose()
  return y!
}

/** The outputs of the native op: maxima, and where they were, which only a gradient needs. */
export function maxPoolOutputs(dtype: DType, shape: readonly number[], { window }: Windows, withGradient: boolean): Spec[] {
  const cells = sizeOf(window)
  if (cells > 2 ** 31 - 1) throw failure(ArgumentError, 'maxPool', `expected windows of less than 2³¹ places, received ${show(window)}`)
  return [
    { shape, dtype },
    { shape: withGradient ? shape : [0], dtype: cells <= 256 ? 'uint8' : 'int32' }
  ]
}

const maxPoolGradient: Gradient = (dy, { inputs, outputs, attributes }) => [
  () => maxPoolGrad(dy, outputs[1]!, inputs[0]!.shape, attributes as Windows)
]

export function maxPoolGrad(dy: Tensor, places: Tensor, shape: readonly number[], attributes: Windows): Tensor {
  if (watching) return unpooled(dy, places, shape, attributes)
  return run('maxPoolGrad', [dy, places], { shape, dtype: dy.dtype, attributes })
}

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
