// Larger images: each element repeated along the spatial axes.
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import { expectTensor } from '../op'
import { scope } from '../scope'
import { type Tensor, view } from '../tensor'
import { broadcast } from './rules'
import { perAxis } from './windows'

export interface UpsampleOptions {
  /** How often each element is repeated: one number, or one for each spatial axis. */
  size: number | readonly number[]
  /** Default `nearest`, the only one there is. */
  interpolation?: 'nearest' | undefined
}

/**
 * x [B, S..., C] with each element repeated along the one to three spatial axes: [B, S * size..., C].
 * @throws ShapeError if x has no or more than three spatial axes; ArgumentError
 */
export function upsample(x: Tensor, { size, interpolation = 'nearest' }: UpsampleOptions): Tensor {
  expectTensor('upsample', 'x', x)
  const axes = x.rank - 2
  if (axes < 1 || axes > 3)
    throw failure(ShapeError, 'upsample', `expected x to be [B, W, C], [B, H, W, C] or [B, D, H, W, C], received ${showShape(x.shape)}`)
  if (interpolation !== 'nearest')
    throw failure(ArgumentError, 'upsample', `expected interpolation to be nearest, received ${show(interpolation)}`)
  const sizes = perAxis('upsample', 'size', size, axes)
  const [images, channels] = [x.shape[0]!, x.shape[axes + 1]!]
  const spatial = x.shape.slice(1, -1)
  return scope(() => {
    const apart = view(x, [images, ...spatial.flatMap((n) => [n, 1]), channels])
    const repeated = broadcast(apart, [images, ...spatial.flatMap((n, i) => [n, sizes[i]!]), channels])
    return view(repeated, [images, ...spatial.map((n, i) => n * sizes[i]!), channels])
  })
}
