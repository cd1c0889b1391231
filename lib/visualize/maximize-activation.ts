// The image that excites a filter most, by gradient ascent (Erhan, Bengio, Courville and Vincent 2009).
import { checkOptions, type NamesOf, numberOption } from '../arguments'
import { capture } from '../capture'
import { fence } from '../data/fence'
import { inDType } from '../dtype'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import type { AnyLayer } from '../layers/layer'
import type { AnyModel } from '../models/model'
import { Pacer } from '../models/pacer'
import { expectTensor } from '../op'
import * as ops from '../ops'
import { uniform } from '../random'
import { scope } from '../scope'
import { refuseInCapture } from '../state'
import { valueAndGrad } from '../tape'
import { type Tensor, tensor } from '../tensor'
import { rangeOption } from './grid'
import { checkModel, Inside } from './inner'
import { checkDifferentiable } from './saliency'

export interface MaximizeActivationOptions {
  /** The values that inputs have: images stay between them. Default [0, 1]. */
  range?: readonly [low: number, high: number] | undefined
  /** How many steps. Default 100. */
  steps?: number | undefined
  /** How far a step goes: the root mean square of the change, as a part of the range. Default 0.02. */
  learningRate?: number | undefined
  /** How much nearer to the middle of the range each step brings values, as a part of the distance: what does not matter stays grey. Default 0. */
  l2Decay?: number | undefined
  /** Standard deviation, in pixels, of the Gaussian blur after each step: keeps fine patterns down that only the network sees. Default 0. */
  blur?: number | undefined
  /** Where to begin: (filters, ...) or (1, ...), as the model's input. Default: the middle of the range with a tenth of it as noise. */
  initial?: Tensor | undefined
}

const maximizeActivationOptions: NamesOf<MaximizeActivationOptions> = {
  range: 'optional',
  steps: 'optional',
  learningRate: 'optional',
  l2Decay: 'optional',
  blur: 'optional',
  initial: 'optional'
}

/**
 * Images that excite filters of a layer most, by gradient ascent on the mean of the filter's output over all places (Erhan et al. 2009); of a dense
 * layer, each unit is a filter, without a softmax or sigmoid at its end. The gradient is normalised by its root mean square; decay and blur are those
 * of Yosinski et al. (2015, arXiv 1506.06579). Filters of deeper layers prefer larger and more involved shapes, since they see more of the image.
 * A filter whose activation is 0 everywhere at the start (a relu that never fires) gives no gradient, and its image does not change.
 * @param layer one of the model's layers, or its name; `model/name` in a model that is a layer
 * @param filters numbers of the filters: one or several
 * @returns float32 (filters, ...input): an image for each filter, in the range, which the caller owns
 * @throws ArgumentError for a layer, filter or option that cannot be, or a model of several inputs; ShapeError if sizes of the input are not known
 * and there is no `initial`
 * @example
 * const images = await visualize.maximizeActivation(model, 'conv2', [0, 1, 2, 3], { blur: 0.5 })
 * await visualize.writePng('conv2.png', visualize.grid(images, { zoom: 4 }))
 */
export async function maximizeActivation(
  model: AnyModel,
  layer: string | AnyLayer,
  filters: number | readonly number[],
  options: MaximizeActivationOptions = {}
): Promise<Tensor> {
  const where = 'visualize.maximizeActivation'
  refuseInCapture(where)
  const { steps = 100, learningRate = 0.02, l2Decay = 0, blur = 0, initial } = checkOptions(where, options, maximizeActivationOptions)
  numberOption(where, 'steps', steps, { integer: true, min: 0 })
  numberOption(where, 'learningRate', learningRate, { above: 0 })
  numberOption(where, 'l2Decay', l2Decay, { min: 0, max: 1 })
  numberOption(where, 'blur', blur, { min: 0 })
  const [low, high] = rangeOption(where, options.range, 'range') ?? [0, 1]
  const [middle, width] = [(low + high) / 2, high - low]
  checkModel(where, model)
  checkDifferentiable(where, model)
  const inside = new Inside(model)
  const [output, ...others] = inside.outputsOf(where, layer)
  if (others.length > 0) throw failure(ArgumentError, where, `expected a layer with one use and one output, received ${output!.name}`)
  const chosen = filterTensor(where, filters, output!.shape.at(-1)!, model.device)
  const forward = inside.function([output!], true)

  /** The gradient of the mean activations of all images' filters. */
  const gradient = (x: Tensor): Tensor => {
    const { grads } = valueAndGrad(() => {
      const y = inDType(forward([x])[0]!, 'float32')
      const [n, channels] = [y.shape[0]!, y.shape.at(-1)!]
      const mean = ops.mean(ops.reshape(y, [n, -1, channels]), 1)
      return ops.sum(ops.mul(mean, ops.oneHot(chosen, channels)))
    }, [x])
    return grads[0]!
  }
  const step = capture((x: Tensor): Tensor => {
    const dx = gradient(x)
    const axes = dx.shape.map((_, i) => i).slice(1)
    const rms = ops.sqrt(ops.mean(ops.square(dx), axes, { keepdims: true }))
    const decayed = ops.add(ops.mul(ops.sub(x, middle), 1 - l2Decay), middle)
    const moved = ops.add(decayed, ops.mul(ops.div(dx, ops.add(rms, 1e-12)), learningRate * width))
    return ops.clip(blur > 0 ? gaussianBlur(moved, blur) : moved, low, high)
  })
  let x: Tensor
  try {
    x = scope(() => ops.clip(startOf(where, model, chosen.size, initial, [middle, width]), low, high))
  } catch (error) {
    chosen.dispose()
    throw error
  }
  const pacer = new Pacer(() => fence(x))
  try {
    for (let i = 0; i < steps; i++) {
      const next = step(x)
      x.dispose()
      x = next
      if (pacer.step()) await pacer.pause()
    }
    await pacer.drain()
    return x
  } catch (error) {
    x.dispose()
    throw error
  } finally {
    step.dispose()
    chosen.dispose()
  }
}

/** int32 (filters) */
function filterTensor(where: string, filters: number | readonly number[], count: number, device: string): Tensor {
  const list = typeof filters === 'number' ? [filters] : filters
  if (!Array.isArray(list) || list.length === 0) {
    throw failure(ArgumentError, where, `expected filters to be numbers of filters, received ${show(filters)}`)
  }
  for (const filter of list) numberOption(where, 'filters', filter, { integer: true, min: 0, max: count - 1 })
  return tensor(list, [list.length], { dtype: 'int32', device })
}

/** Where the ascent begins: (count, ...input) */
function startOf(where: string, model: AnyModel, count: number, initial: Tensor | undefined, [middle, width]: [number, number]): Tensor {
  const wanted = model.inputShapes[0]!.slice(1)
  if (initial === undefined) {
    if (wanted.includes(null)) {
      throw failure(
        ShapeError,
        where,
        `expected initial for an input of the shape ${showShape([null, ...wanted])}, whose sizes are not all known`
      )
    }
    const [minval, maxval] = [middle - width / 20, middle + width / 20]
    return uniform([count, ...(wanted as number[])], { minval, maxval, device: model.device })
  }
  expectTensor(where, 'initial', initial)
  const { shape } = initial
  const fits = shape.length === wanted.length + 1 && wanted.every((size, i) => size === null || size === shape[i + 1])
  if (!fits || (shape[0] !== 1 && shape[0] !== count)) {
    throw failure(ShapeError, where, `expected initial to be ${showShape([count, ...wanted])}, received ${showShape(shape)}`)
  }
  return ops.broadcastTo(inDType(initial, 'float32'), [count, ...shape.slice(1)])
}

/** x (N, S..., C) with each channel blurred along its spatial axes; beyond the border lie the nearest values. */
function gaussianBlur(x: Tensor, sigma: number): Tensor {
  const radius = Math.ceil(3 * sigma)
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)))
  const sum = weights.reduce((a, b) => a + b)
  const channels = x.shape.at(-1)!
  const axis = tensor(
    weights.map((w) => w / sum),
    [weights.length, 1],
    { device: x.device }
  )
  const kernel = ops.broadcastTo(axis, [weights.length, channels])
  const spatial = x.rank - 2
  let y = x
  for (let i = 0; i < spatial; i++) {
    const padding = x.shape.map((_, at) => (at === i + 1 ? ([radius, radius] as const) : ([0, 0] as const)))
    const sizes = Array.from({ length: spatial }, (_, at) => (at === i ? weights.length : 1))
    y = ops.conv(ops.pad(y, padding, { mode: 'edge' }), ops.reshape(kernel, [...sizes, 1, channels]), { groups: channels })
  }
  return y
}
