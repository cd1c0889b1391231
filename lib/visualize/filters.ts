// The filters of a convolution layer as a picture.
import { ArgumentError, failure, show } from '../errors'
import { Convolution } from '../layers/convolution'
import type { AnyLayer } from '../layers/layer'
import { SpectralNormalization } from '../layers/spectral-normalization'
import { scope } from '../scope'
import type { Tensor } from '../tensor'
import { type GridOptions, makeGrid } from './grid'
import { tilesOf } from './tiles'

/**
 * The filters of a convolution layer, plain, transposed, depthwise or separable (its depthwise part), as one picture. In two dimensions a filter of
 * one channel is an image in grey, one of three in colour, and one of more a row with an image for each channel; in one dimension a filter is an
 * image with a line for each channel, in three a row of slices for each channel.
 * @returns uint8 (height, width, 1 or 3), which {@link writePng} takes
 * @throws ArgumentError for another layer, or one that is not built
 * @example
 * await visualize.writePng('filters.png', visualize.filters(model.getLayer('conv1'), { zoom: 8 }))
 */
export function filters(of: AnyLayer, options: GridOptions = {}): Tensor {
  const where = 'visualize.filters'
  const layer = of instanceof SpectralNormalization ? of.layer : of
  if (!(layer instanceof Convolution)) {
    throw failure(ArgumentError, where, `expected a convolution layer, received ${show(layer)}`)
  }
  if (!layer.built) throw failure(ArgumentError, where, `expected a layer that is built, received ${layer.name} without weights`)
  return scope(() => {
    const { images, columns } = tilesOf(layer.filterBank(), true)
    return makeGrid(where, images, { columns, ...options })
  })
}
