// Filters and activations as pictures: which number stands where.
import { type AnyLayer, input, layers, memory, model, random, ShapeError, sequential, type Tensor, tensor, visualize } from '../../lib'
import { collected } from '../support/collected'
import { onEveryDevice } from '../support/op-suite'

const plain = { padding: 0, scaleEach: false }
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
const range = (count: number): readonly [number, number] => [0, count - 1]

/** A built layer whose first weight counts 0, 1, 2, … and whose others are 0. */
function counting(layer: AnyLayer, inputShape: readonly number[]): AnyLayer {
  layer.build([null, ...inputShape])
  layer.setWeights(layer.weights.map((w, i) => tensor(i === 0 ? numbers(w.size) : new Float32Array(w.size), w.shape)))
  return layer
}

/** The picture's bytes as rows, turned back into the numbers that a range of `count` values was made of. */
async function rows(picture: Tensor, count: number): Promise<number[][]> {
  const [height, width] = picture.shape
  const bytes = await picture.data()
  const values = Array.from(bytes, (byte) => Math.round((byte / 255) * (count - 1)))
  return Array.from({ length: height! }, (_, y) => values.slice(y * width!, (y + 1) * width!))
}

onEveryDevice(() => {
  describe('filters', () => {
    const drawn = (layer: AnyLayer, count: number, options: visualize.GridOptions = {}): Promise<number[][]> =>
      rows(visualize.filters(layer, { ...plain, valueRange: range(count), ...options }), count)

    test('of one channel: an image each', async () => {
      const layer = counting(layers.conv2d({ filters: 3, kernelSize: [1, 2] }), [4, 4, 1])
      expect(await drawn(layer, 6, { columns: 2 })).toEqual([
        [0, 3, 1, 4],
        [2, 5, 5, 5]
      ])
    })

    test('of a layer with spectral normalisation', async () => {
      const inner = layers.conv2d({ filters: 3, kernelSize: [1, 2] })
      const layer = layers.spectralNormalization({ layer: inner })
      layer.build([null, 4, 4, 1])
      counting(inner, [4, 4, 1])
      expect(await drawn(layer, 6, { columns: 2 })).toEqual([
        [0, 3, 1, 4],
        [2, 5, 5, 5]
      ])
    })

    test('of three channels: in colour', async () => {
      const layer = counting(layers.conv2d({ filters: 2, kernelSize: 1 }), [4, 4, 3])
      const picture = visualize.filters(layer, { ...plain, valueRange: range(6), columns: 2 })
      expect(picture.shape).toEqual([1, 2, 3])
      expect([...(await picture.data())].map((byte) => Math.round((byte / 255) * 5))).toEqual([0, 2, 4, 1, 3, 5])
    })

    test('of more channels: a row for each filter, an image for each channel', async () => {
      const layer = counting(layers.conv2d({ filters: 2, kernelSize: [2, 1] }), [4, 4, 2])
      expect(await drawn(layer, 8)).toEqual([
        [0, 2],
        [4, 6],
        [1, 3],
        [5, 7]
      ])
    })

    test('in one dimension: a line for each channel', async () => {
      const layer = counting(layers.conv1d({ filters: 2, kernelSize: 3 }), [9, 2])
      expect(await drawn(layer, 12, { columns: 1 })).toEqual([
        [0, 4, 8],
        [2, 6, 10],
        [1, 5, 9],
        [3, 7, 11]
      ])
    })

    test('in three dimensions: a row of slices for each channel', async () => {
      const layer = counting(layers.conv3d({ filters: 1, kernelSize: [3, 1, 2] }), [4, 4, 4, 1])
      expect(await drawn(layer, 6)).toEqual([[0, 1, 2, 3, 4, 5]])
    })

    test('transposed, depthwise and separable', async () => {
      expect(await drawn(counting(layers.conv2dTranspose({ filters: 2, kernelSize: 1 }), [4, 4, 2]), 4)).toEqual([
        [0, 1],
        [2, 3]
      ])
      const depthwise = counting(layers.depthwiseConv2d({ kernelSize: [1, 2], depthMultiplier: 2 }), [4, 4, 2])
      expect(await drawn(depthwise, 8, { columns: 4 })).toEqual([[0, 4, 1, 5, 2, 6, 3, 7]])
      const separable = counting(layers.separableConv2d({ filters: 3, kernelSize: [1, 2] }), [4, 4, 2])
      expect(await drawn(separable, 4, { columns: 1 })).toEqual([
        [0, 2],
        [1, 3]
      ])
    })
  })

  describe('activations', () => {
    const scale = (name: string) => layers.conv2d({ filters: 2, kernelSize: 1, useBias: false, name })
    const net = sequential([
      layers.identity({ inputShape: [2, 2, 1], name: 'same' }),
      scale('first'),
      layers.flatten(),
      layers.dense({ units: 3 })
    ])
    net.getLayer('first').setWeights([tensor([1, 10], [1, 1, 1, 2])])
    const options = { ...plain, valueRange: [0, 255] as const }

    test('each channel of one image, by the names of the layers', async () => {
      const pictures = visualize.activations(net, tensor([1, 2, 3, 4], [1, 2, 2, 1]), options)
      expect(Object.keys(pictures)).toEqual(['same', 'first'])
      expect(await rows(pictures.same!, 256)).toEqual([
        [1, 2],
        [3, 4]
      ])
      expect(await rows(visualize.activations(net, tensor([1, 2, 3, 4], [1, 2, 2, 1]), { ...options, columns: 2 }).first!, 256)).toEqual([
        [1, 2, 10, 20],
        [3, 4, 30, 40]
      ])
    })

    test('a row for each of several images; layers that are chosen, also vectors', async () => {
      const x = [
        [
          [[1], [2]],
          [[3], [4]]
        ],
        [
          [[5], [6]],
          [[7], [8]]
        ]
      ]
      const pictures = visualize.activations(net, x, { ...options, layers: [net.getLayer('first'), 'flatten', 'first'] })
      expect(Object.keys(pictures)).toEqual(['first', 'flatten'])
      expect(await rows(pictures.first!, 256)).toEqual([
        [1, 2, 10, 20],
        [3, 4, 30, 40],
        [5, 6, 50, 60],
        [7, 8, 70, 80]
      ])
      expect(await rows(pictures.flatten!, 256)).toEqual([
        [1, 10, 2, 20, 3, 30, 4, 40],
        [5, 50, 6, 60, 7, 70, 8, 80]
      ])
    })

    test('sequences and volumes', async () => {
      const lines = sequential([layers.identity({ inputShape: [3, 2], name: 'same' })])
      expect(await rows(visualize.activations(lines, tensor([1, 2, 3, 4, 5, 6], [1, 3, 2]), options).same!, 256)).toEqual([
        [1, 3, 5],
        [2, 4, 6]
      ])
      const volumes = sequential([layers.identity({ inputShape: [2, 1, 2, 2], name: 'same' })])
      expect(await rows(visualize.activations(volumes, tensor(numbers(8), [1, 2, 1, 2, 2]), options).same!, 256)).toEqual([
        [0, 2, 4, 6],
        [1, 3, 5, 7]
      ])
    })

    test('a layer that is used twice, and one that another model uses too', async () => {
      const twice = layers.lambda({ function: (x: Tensor) => x.mul(2), name: 'twice' })
      const x = input({ shape: [1, 1, 1] })
      const net = model({ inputs: x, outputs: twice.apply(twice.apply(x)) })
      const pictures = visualize.activations(net, tensor([3], [1, 1, 1, 1]), options)
      expect(Object.keys(pictures)).toEqual(['twice[0][0]', 'twice[1][0]'])
      expect([await rows(pictures['twice[0][0]']!, 256), await rows(pictures['twice[1][0]']!, 256)]).toEqual([[[6]], [[12]]])
      const once = model({ inputs: x, outputs: twice.apply(x) })
      expect(Object.keys(visualize.activations(once, tensor([3], [1, 1, 1, 1])))).toEqual(['twice'])
    })

    test('layers of a model that is a layer', async () => {
      const x = input({ shape: [1, 1, 1] })
      const double = layers.lambda({ function: (t: Tensor) => t.mul(2), name: 'double' })
      const backbone = model({ inputs: x, outputs: double.apply(x), name: 'backbone' })
      const z = input({ shape: [1, 1, 1] })
      const net = model({ inputs: z, outputs: layers.softmax().apply(layers.flatten().apply(backbone.apply(backbone.apply(z)))) })
      const data = tensor([3], [1, 1, 1, 1])
      const pictures = visualize.activations(net, data, options)
      expect(Object.keys(pictures)).toEqual(['backbone/double[0][0]', 'backbone/double[1][0]'])
      expect(await rows(pictures['backbone/double[1][0]']!, 256)).toEqual([[12]])
      for (const which of ['backbone/double', 'double', double, backbone])
        expect(Object.keys(visualize.activations(net, data, { ...options, layers: [which] }))).toEqual(Object.keys(pictures))
    })

    test('errors', () => {
      const net = sequential([layers.flatten({ inputShape: [2, 2, 1] }), layers.dense({ units: 2, name: 'out' })])
      expect(() => visualize.activations(net, random.uniform([1, 2, 2, 1]))).toThrow(
        '[visualize.activations] expected a model with layers that give images, sequences or volumes'
      )
      const x = input({ shape: [2, 2, 1] })
      const strict = model({ inputs: x, outputs: net.apply(layers.identity().apply(x)) })
      expect(() => visualize.activations(strict, random.uniform([1, 3, 2, 1]))).toThrow(ShapeError)
      expect(() => visualize.saliency(strict, random.uniform([1, 3, 2, 1]))).toThrow(ShapeError)
      const layersOf = (given: unknown) => () => visualize.activations(net, random.uniform([1, 2, 2, 1]), { layers: given as string[] })
      expect(layersOf('out')).toThrow('[visualize.activations] expected layers to be an array of layers or their names, received "out"')
      expect(layersOf([7])).toThrow('[visualize.activations] expected one of the model\'s layers "flatten", "out", received 7')
    })

    test('a model that is built by its first data; nothing is left behind', async () => {
      const net = sequential([layers.conv2d({ filters: 2, kernelSize: 3, name: 'conv' })])
      const x = random.uniform([1, 8, 8, 1])
      for (const picture of Object.values(visualize.activations(net, x))) picture.dispose()
      await collected()
      const { tensors } = memory()
      const pictures = visualize.activations(net, new Float32Array(64))
      expect(memory().tensors).toBe(tensors + 1)
      expect(pictures.conv!.shape).toEqual([10, 18, 1])
    })
  })
})

test('refuses what it cannot draw', () => {
  const net = sequential([layers.dense({ units: 2, inputShape: [3], name: 'head' })])
  const two = [input({ shape: [1], name: 'left' }), input({ shape: [1], name: 'right' })]
  const merged = model({ inputs: two, outputs: layers.add().apply(two) })
  const refusals: [() => unknown, RegExp][] = [
    [() => visualize.filters(net.getLayer('head')), /^\[visualize.filters\] expected a convolution layer, received Dense/],
    [() => visualize.filters(layers.conv2d({ filters: 1, kernelSize: 1, name: 'raw' })), /expected a layer that is built, received raw/],
    [() => visualize.activations(net, [[1, 2, 3]], { layers: ['tail'] }), /expected one of the model's layers "head", received "tail"/],
    [() => visualize.activations(net, [[1, 2, 3]], { layers: [layers.flatten({ name: 'other' })] }), /"head", received other/],
    [() => visualize.activations(net.getLayer('head') as never, [[1, 2, 3]]), /expected a model, received Dense/],
    [() => visualize.activations(merged, [[1]]), /expected a model with one input, received 2 \(left, right\)/]
  ]
  for (const [run, message] of refusals) {
    expect(run).toThrow(expect.objectContaining({ name: 'ArgumentError', message: expect.stringMatching(message) }))
  }
})
