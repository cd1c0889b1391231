// What the layers of a model make of an input, as pictures.
import { checkOptions, type NamesOf } from '../arguments'
import { makeBatch } from '../data/streams'
import type { ModelValues } from '../data/values'
import { ArgumentError, failure, show } from '../errors'
import type { AnyLayer } from '../layers/layer'
import type { AnyModel } from '../models/model'
import { scope } from '../scope'
import type { Tensor } from '../tensor'
import { type GridOptions, gridOptions, makeGrid } from './grid'
import { checkModel, Inside } from './inner'
import { tilesOf } from './tiles'

export interface ActivationsOptions extends GridOptions {
  /** Layers, or their names, also `model/name`. Default: all that give images, sequences or volumes. */
  layers?: readonly (string | AnyLayer)[] | undefined
}

const activationsOptions: NamesOf<ActivationsOptions> = { ...gridOptions, layers: 'optional' }

/**
 * What layers give for an input, each as one picture, by the names of the layers: `name[use][output]` where a layer is used several times,
 * `model/name` in a model that is a layer. Outputs have their channels last. Of one image (1, H, W, C) each channel is an image; with several images, each has a row. A sequence is an image with a
 * line for each channel, a vector one line.
 * @param x input as `predict` takes it; a few samples
 * @returns uint8 (height, width, 1) each, which {@link writePng} takes
 * @throws ArgumentError for a model with several inputs, or layers that it does not have; ShapeError for data that do not fit
 * @example
 * const pictures = visualize.activations(model, digit, { layers: ['conv1', 'conv2'], zoom: 4 })
 * await visualize.writePng('conv1.png', pictures.conv1!)
 */
export function activations(model: AnyModel, x: ModelValues, options: ActivationsOptions = {}): Record<string, Tensor> {
  const where = 'visualize.activations'
  const { layers, ...ofGrid } = checkOptions(where, options, activationsOptions)
  if (layers !== undefined && !Array.isArray(layers)) {
    throw failure(ArgumentError, where, `expected layers to be an array of layers or their names, received ${show(layers)}`)
  }
  checkModel(where, model)
  const { xs, owned } = makeBatch(model.dataShapes(where, false), { x })
  try {
    return scope(() => {
      model.admit(xs[0]!.shape)
      const inside = new Inside(model)
      const drawable = inside.uses.flatMap(({ outputs }) => outputs.filter(({ rank }) => rank >= 3 && rank <= 5))
      const wanted = [...new Set(layers?.flatMap((layer) => inside.outputsOf(where, layer)) ?? drawable)]
      if (wanted.length === 0) throw failure(ArgumentError, where, 'expected a model with layers that give images, sequences or volumes')
      const values = inside.function(wanted)(xs)
      return Object.fromEntries(
        wanted.map((t, i) => {
          const { images, columns } = tilesOf(values[i]!, false)
          return [inside.nameOf(t, wanted), makeGrid(where, images, { columns, ...ofGrid })]
        })
      )
    })
  } finally {
    for (const tensor of owned) tensor.dispose()
  }
}
