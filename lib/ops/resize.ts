// Images of another size: interpolated, or with channels for pixels.
import { checkOptions, type NamesOf } from '../arguments'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import { run } from '../op'
import { scope } from '../scope'
import { sizeOf } from '../shape'
import { type Gradient, isFloat } from '../tape'
import { type Tensor, view } from '../tensor'
import { transpose } from './movement'
import { expectDType, floats } from './rules'
import { perAxis, type Sizes, spatialSizes } from './windows'

/**
 * What lies between the elements: the nearest one, or a weighted mean of the two (`bilinear`) or four (`bicubic`) around a point along each
 * axis.
 */
export type Interpolation = 'nearest' | 'bilinear' | 'bicubic'
/** In the order of the enumeration in native/tensor.h. */
export const interpolations: readonly Interpolation[] = ['nearest', 'bilinear', 'bicubic']

export interface ResizeOptions {
  /** Default `bilinear`. */
  interpolation?: Interpolation | undefined
}

const resizeOptions: NamesOf<ResizeOptions> = { interpolation: 'optional' }

export interface UpsampleOptions {
  /** How many times larger: one number, or one for each spatial axis. */
  size: Sizes
  /** Default `nearest`, which repeats each element. */
  interpolation?: Interpolation | undefined
}

const upsampleOptions: NamesOf<UpsampleOptions> = { size: 'required', interpolation: 'optional' }

/**
 * x [B, S..., C] with its one to three spatial axes resized: [B, size..., C].
 *
 * As keras.ops.image.resize on PyTorch: place o of an axis lies at (o + 1/2) * in / out of the input's (half-pixel centres), what lies
 * beyond an end is the element there, bicubic is Keys' kernel with a = -3/4, and there is no antialiasing: where images get much smaller,
 * elements between the points are passed over. `nearest` takes any dtype, the others floats.
 * @throws ShapeError if x has no or more than three spatial axes, or an empty one; ArgumentError for sizes that are not positive integers;
 * DTypeError
 * @example
 * resize(images, [32, 32]) // [B, H, W, C] → [B, 32, 32, C]
 */
export function resize(x: Tensor, size: Sizes, options: ResizeOptions = {}): Tensor {
  const { interpolation = 'bilinear' } = checkOptions('resize', options, resizeOptions)
  const spatial = spatialSizes('resize', x)
  return toSize('resize', x, spatial, perAxis('resize', 'size', size, spatial.length), interpolation)
}

/**
 * x [B, S..., C] with its one to three spatial axes `size` times as large: [B, S * size..., C]. Interpolation and errors as {@link resize}.
 */
export function upsample(x: Tensor, options: UpsampleOptions): Tensor {
  const { size, interpolation = 'nearest' } = checkOptions('upsample', options, upsampleOptions)
  const spatial = spatialSizes('upsample', x)
  const factors = perAxis('upsample', 'size', size, spatial.length)
  const sizes = spatial.map((n, i) => n * factors[i]!)
  return toSize('upsample', x, spatial, sizes, interpolation)
}

function toSize(op: string, x: Tensor, spatial: readonly number[], sizes: readonly number[], interpolation: Interpolation): Tensor {
  const code = interpolations.indexOf(interpolation)
  if (code < 0)
    throw failure(ArgumentError, op, `expected interpolation to be one of ${interpolations.join(', ')}, received ${show(interpolation)}`)
  if (interpolation !== 'nearest') expectDType(op, 'x', x, floats)
  if (spatial.includes(0)) throw failure(ShapeError, op, `expected an input that is not empty, received ${showShape(x.shape)}`)
  return interpolated(x, [x.shape[0]!, ...sizes, x.shape.at(-1)!], code)
}

function interpolated(x: Tensor, shape: readonly number[], interpolation: number): Tensor {
  const gradient: Gradient = (dy) => [() => interpolatedGrad(dy, x.shape, interpolation)]
  return run('resize', [x], { shape, dtype: x.dtype, attributes: { interpolation }, gradient: isFloat(x.dtype) ? gradient : undefined })
}

function interpolatedGrad(dy: Tensor, shape: readonly number[], interpolation: number): Tensor {
  const gradient: Gradient = (ddx) => [() => interpolated(ddx, dy.shape, interpolation)]
  return run('resizeGrad', [dy], { shape, dtype: dy.dtype, attributes: { interpolation }, gradient })
}

/**
 * Channels become pixels: x [B, S..., C] → [B, S * blockSize..., C / (the product of blockSize)] on one to three spatial axes. The channels of
 * a pixel are those of its block's pixels one after the other, row by row, as in TensorFlow's depth_to_space. Any dtype.
 * @throws ShapeError if the channels do not divide; ArgumentError for a block that is not positive
 * @example
 * depthToSpace(x, 2) // [B, H, W, 4 * C] → [B, 2 * H, 2 * W, C]
 */
export function depthToSpace(x: Tensor, blockSize: Sizes): Tensor {
  const spatial = spatialSizes('depthToSpace', x)
  const axes = spatial.length
  const block = perAxis('depthToSpace', 'blockSize', blockSize, axes)
  const [images, channels] = [x.shape[0]!, x.shape[axes + 1]! / sizeOf(block)]
  if (!Number.isNaN(channels) && !Number.isInteger(channels))
    throw failure(ShapeError, 'depthToSpace', `expected channels that ${sizeOf(block)} divides, received ${showShape(x.shape)}`)
  const order = spatial.flatMap((_, i) => [1 + i, 1 + axes + i])
  return scope(() => {
    const apart = transpose(view(x, [images, ...spatial, ...block, channels]), [0, ...order, 1 + 2 * axes])
    return view(apart, [images, ...spatial.map((n, i) => n * block[i]!), channels])
  })
}

/**
 * Pixels become channels, what {@link depthToSpace} undoes: x [B, S..., C] → [B, S / blockSize..., C * (the product of blockSize)]. Any dtype.
 * @throws ShapeError if a spatial axis does not divide; ArgumentError for a block that is not positive
 */
export function spaceToDepth(x: Tensor, blockSize: Sizes): Tensor {
  const spatial = spatialSizes('spaceToDepth', x)
  const axes = spatial.length
  const block = perAxis('spaceToDepth', 'blockSize', blockSize, axes)
  const [images, channels] = [x.shape[0]!, x.shape[axes + 1]!]
  const sizes = spatial.map((n, i) => n / block[i]!)
  if (sizes.some((n) => !Number.isNaN(n) && !Number.isInteger(n)))
    throw failure(ShapeError, 'spaceToDepth', `expected spatial axes that ${show(block)} divides, received ${showShape(x.shape)}`)
  const order = [...spatial.map((_, i) => 1 + 2 * i), ...spatial.map((_, i) => 2 + 2 * i)]
  return scope(() => {
    const blocks = view(x, [images, ...sizes.flatMap((n, i) => [n, block[i]!]), channels])
    return view(transpose(blocks, [0, ...order, 1 + 2 * axes]), [images, ...sizes, channels * sizeOf(block)])
  })
}
