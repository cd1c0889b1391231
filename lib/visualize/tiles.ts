// Values with samples first and channels last as images of one channel each.
import * as ops from '../ops'
import type { Tensor } from '../tensor'

/** Images (n, H, W, 1 or 3), and how many of them belong into a row if that is fixed. */
export interface Tiles {
  images: Tensor
  columns: number | undefined
}

/**
 * The images that values consist of, sample by sample:
 * - (N, H, W, C): one image for each channel; a row for each sample if there are several. With `colour`, three channels are one image.
 * - (N, D, H, W, C): the same with a row for each channel, of its D slices.
 * - (N, W, C): one image for each sample, a line for each channel. (N, C): one line for each sample.
 */
export function tilesOf(values: Tensor, colour: boolean): Tiles {
  const shape = values.shape
  const [n, channels] = [shape[0]!, shape.at(-1)!]
  if (values.rank === 2) return { images: ops.reshape(values, [n, 1, channels, 1]), columns: 1 }
  if (values.rank === 3) return { images: ops.expandDims(ops.swapaxes(values, 1, 2), -1), columns: undefined }
  if (values.rank === 4 && (channels === 1 || (colour && channels === 3))) return { images: values, columns: undefined }
  const images = ops.reshape(ops.moveaxis(values, -1, 1), [-1, ...shape.slice(-3, -1), 1])
  if (values.rank === 5) return { images, columns: shape[1]! }
  return { images, columns: n === 1 ? undefined : channels }
}
