// Images side by side in one picture, as bytes for a screen or a file.
import { booleanOption, checkOptions, type NamesOf, numberOption } from '../arguments'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import { expectTensor } from '../op'
import * as ops from '../ops'
import { scope } from '../scope'
import type { Tensor } from '../tensor'

/** How images are put together. */
export interface GridOptions {
  /** Images in a row. Default: as many as make the picture about square. */
  columns?: number | undefined
  /** Pixels between the images and around them. Default 2. */
  padding?: number | undefined
  /** Brightness of these pixels, 0 to 255. Default 255. */
  padValue?: number | undefined
  /** Each pixel of an image becomes a square with sides of so many. Default 1. */
  zoom?: number | undefined
  /** Whether each image is spread over black to white by itself, or all together. Default true. */
  scaleEach?: boolean | undefined
  /** The values of black and white, instead of the smallest and the largest. Bytes (uint8) have [0, 255] by default: they are shown as they are. */
  valueRange?: readonly [low: number, high: number] | undefined
}

export const gridOptions: NamesOf<GridOptions> = {
  columns: 'optional',
  padding: 'optional',
  padValue: 'optional',
  zoom: 'optional',
  scaleEach: 'optional',
  valueRange: 'optional'
}

/**
 * Images as one picture, row by row from the top left. An image of one value throughout is black, and so is NaN.
 * @param images (n, H, W), (n, H, W, 1) or, in colour, (n, H, W, 3), of any dtype
 * @returns uint8 (height, width, 1 or 3), which {@link writePng} takes
 * @throws ShapeError for another shape or no images; ArgumentError
 * @example
 * await visualize.writePng('digits.png', visualize.grid(test.x.slice([0, 0, 0], [40, 28, 28]), { columns: 10 }))
 */
export function grid(images: Tensor, options: GridOptions = {}): Tensor {
  return makeGrid('visualize.grid', images, options)
}

/** {@link grid} on behalf of `where`. */
export function makeGrid(where: string, images: Tensor, options: GridOptions): Tensor {
  const { columns, padding = 2, padValue = 255, zoom = 1, scaleEach = true, valueRange } = checkOptions(where, options, gridOptions)
  numberOption(where, 'padding', padding, { integer: true, min: 0 })
  numberOption(where, 'padValue', padValue, { integer: true, min: 0, max: 255 })
  numberOption(where, 'zoom', zoom, { integer: true, min: 1 })
  booleanOption(where, 'scaleEach', scaleEach)
  if (columns !== undefined) numberOption(where, 'columns', columns, { integer: true, min: 1 })
  expectTensor(where, 'images', images)
  const [n, h, w, c = 1] = images.shape as [number, number, number, number?]
  if (images.rank < 3 || images.rank > 4 || (c !== 1 && c !== 3) || images.size === 0) {
    throw failure(ShapeError, where, `expected images to be (n, H, W), (n, H, W, 1) or (n, H, W, 3), received ${showShape(images.shape)}`)
  }
  const range = rangeOption(where, valueRange) ?? (images.dtype === 'uint8' ? [0, 255] : undefined)
  // So many that the sides of the picture are about equal.
  const across = Math.min(columns ?? Math.ceil(Math.sqrt((n * h) / w)), n)
  const down = Math.ceil(n / across)
  return scope(() => {
    const bytes = brightness(ops.reshape(images, [n, h, w, c]), range, scaleEach)
    const zoomed = zoom === 1 ? bytes : ops.upsample(bytes, { size: zoom })
    const width = [
      [0, down * across - n],
      [0, padding],
      [0, padding],
      [0, 0]
    ] as const
    const padded = ops.pad(zoomed, width, { constantValues: padValue })
    const [height, length] = [h * zoom + padding, w * zoom + padding]
    const rows = ops.transpose(ops.reshape(padded, [down, across, height, length, c]), [0, 2, 1, 3, 4])
    const picture = ops.reshape(rows, [down * height, across * length, c])
    return ops.pad(
      picture,
      [
        [padding, 0],
        [padding, 0],
        [0, 0]
      ],
      { constantValues: padValue }
    )
  })
}

/** @throws ArgumentError unless `range` is two numbers that grow, or undefined */
export function rangeOption(
  where: string,
  range: readonly [number, number] | undefined,
  name = 'valueRange'
): readonly [number, number] | undefined {
  if (range === undefined) return undefined
  const fits = Array.isArray(range) && range.length === 2 && range.every((v) => Number.isFinite(v)) && range[0]! < range[1]!
  if (fits) return range
  throw failure(ArgumentError, where, `expected ${name} to be two numbers [low, high] with low < high, received ${show(range)}`)
}

/** Values as bytes: `range`, or the smallest and the largest of each image (n, H, W, C) or of all, become 0 and 255. */
function brightness(images: Tensor, range: readonly [number, number] | undefined, scaleEach: boolean): Tensor {
  const x = ops.cast(images, 'float32')
  if (range !== undefined) return bytesOf(ops.div(ops.sub(x, range[0]), range[1] - range[0]))
  const axes = scaleEach ? [1, 2, 3] : [0, 1, 2, 3]
  const low = ops.min(x, axes, { keepdims: true })
  const span = ops.sub(ops.max(x, axes, { keepdims: true }), low)
  return bytesOf(ops.div(ops.sub(x, low), ops.where(ops.greater(span, 0), span, 1)))
}

/** 0 to 1 as 0 to 255; what lies outside becomes the nearest of the two, NaN 0. */
export function bytesOf(x: Tensor): Tensor {
  return ops.cast(ops.round(ops.mul(x, 255)), 'uint8')
}
