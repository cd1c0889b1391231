// Images that excite filters most: those of linear filters are known, and so are single steps.
import { input, layers, memory, model, ops, random, sequential, setPrecision, setRandomSeed, tensor, visualize } from '../../lib'
import { collected } from '../support/collected'
import { onEveryDevice } from '../support/op-suite'

beforeAll(() => setPrecision('highest'))

const edge = [1, 0, -1, 2, 0, -2, 1, 0, -1] // Sobel

/** A convolution with fixed filters (3, 3, 1 each). */
function fixed(size: number, filters: readonly (readonly number[])[], options: { strides?: number; activation?: 'relu' } = {}) {
  const net = sequential([
    layers.conv2d({ filters: filters.length, kernelSize: 3, useBias: false, name: 'conv', inputShape: [size, size, 1], ...options })
  ])
  net.setWeights([
    tensor(
      Array.from({ length: 9 * filters.length }, (_, i) => filters[i % filters.length]![Math.floor(i / filters.length)]!),
      [3, 3, 1, filters.length]
    )
  ])
  return net
}

const middle = (size: number, value = 0.5) => ops.full([1, size, size, 1], value)
const close = (received: Iterable<number>, expected: readonly number[], digits = 5): void =>
  [...received].forEach((value, i) => void expect(value).toBeCloseTo(expected[i]!, digits))

onEveryDevice(() => {
  test('of an edge filter: its own pattern, black where it is negative and white where it is positive', async () => {
    const image = await visualize.maximizeActivation(fixed(3, [edge]), 'conv', 0, { initial: middle(3) })
    expect(image.shape).toEqual([1, 3, 3, 1])
    close(
      await image.data(),
      edge.map((w) => (w > 0 ? 1 : w < 0 ? 0 : 0.5))
    )
    // Every place of stride 3 sees a patch of its own.
    const tiled = await visualize.maximizeActivation(fixed(6, [edge], { strides: 3 }), 'conv', 0, { initial: middle(6), range: [0, 1] })
    const pattern = [1, 0.5, 0, 1, 0.5, 0]
    close(
      await tiled.data(),
      [0, 1, 2, 3, 4, 5].flatMap(() => pattern)
    )
  })

  test('of several filters at once: an image each; of a dense layer: its units, without the softmax', async () => {
    const down = [1, 2, 1, 0, 0, 0, -1, -2, -1]
    const net = fixed(3, [edge, down])
    net.add(layers.flatten())
    const head = layers.dense({ units: 3, activation: 'softmax', name: 'head' })
    net.add(head)
    // Unit 2 is the first filter's opposite.
    head.setWeights([tensor([0, 0, -1, 0, 0, 0], [2, 3]), tensor([0, 0, 0])])
    const signs = (w: readonly number[]): number[] => w.map((v) => (v > 0 ? 3 : v < 0 ? -1 : 1))
    const options = { range: [-1, 3] as const, initial: middle(3, 1) }
    const images = await visualize.maximizeActivation(net, 'conv', [1, 0], options)
    expect(images.shape).toEqual([2, 3, 3, 1])
    close(await images.data(), [...signs(down), ...signs(edge)])
    close(await (await visualize.maximizeActivation(net, head, 2, options)).data(), signs(edge.map((v) => -v)))
  })

  test('one step: the gradient over its root mean square, decay towards the middle', async () => {
    const rms = Math.sqrt(edge.reduce((sum, w) => sum + w * w, 0) / 9)
    const options = { steps: 1, learningRate: 0.1, range: [-2, 2] as const, l2Decay: 0.25, initial: middle(3, 1) }
    const image = await visualize.maximizeActivation(fixed(3, [edge]), 'conv', 0, options)
    close(
      await image.data(),
      edge.map((w) => 0.75 * 1 + (0.1 * 4 * w) / rms)
    )
  })

  test('blur: a Gaussian of each channel by itself, the border continued', async () => {
    const net = sequential([layers.conv2d({ filters: 1, kernelSize: 3, kernelInitializer: 'zeros', name: 'conv', inputShape: [7, 7, 2] })])
    const sigma = 0.8
    const impulse = new Float32Array(98)
    impulse[(1 * 7 + 3) * 2] = 1
    const image = await visualize.maximizeActivation(net, 'conv', 0, { steps: 1, blur: sigma, initial: tensor(impulse, [1, 7, 7, 2]) })
    const gauss = (d: number): number => (Math.abs(d) > 3 ? 0 : Math.exp((-d * d) / (2 * sigma * sigma)))
    const total = [-3, -2, -1, 0, 1, 2, 3].reduce((sum, d) => sum + gauss(d), 0)
    const expected = Array.from({ length: 98 }, (_, i) => {
      const [y, x, c] = [Math.floor(i / 14), Math.floor(i / 2) % 7, i % 2]
      return c === 1 ? 0 : (gauss(y - 1) * gauss(x - 3)) / total ** 2
    })
    close(await image.data(), expected, 6)
    const even = await visualize.maximizeActivation(net, 'conv', 0, { steps: 3, blur: 2, initial: ops.full([1, 7, 7, 2], 0.3) })
    close(await even.data(), new Array(98).fill(0.3), 6)
  })

  test('from noise: stripes across the edge filter, within the range, the same from the same seed', async () => {
    const net = fixed(16, [edge], { activation: 'relu' })
    const run = () => {
      setRandomSeed(3)
      return visualize.maximizeActivation(net, 'conv', 0, { steps: 60 })
    }
    const image = await run()
    const values = await image.data()
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...values)).toBeLessThanOrEqual(1)
    const along = await image
      .slice([0, 0, 1, 0], [1, 16, 15, 1])
      .sub(image.slice([0, 0, 0, 0], [1, 16, 15, 1]))
      .square()
      .mean()
      .item()
    const down = await image
      .slice([0, 1, 0, 0], [1, 15, 16, 1])
      .sub(image.slice([0, 0, 0, 0], [1, 15, 16, 1]))
      .square()
      .mean()
      .item()
    expect(along).toBeGreaterThan(4 * down)
    const activation = async (x: typeof image) => (await net.predict(x)).mean().item()
    expect(await activation(image)).toBeGreaterThan(10 * (await activation(random.uniform([1, 16, 16, 1], { minval: 0.45, maxval: 0.55 }))))
    expect(await (await run()).data()).toEqual(values)
  })

  test('sequences and inputs without channels; a filter that never fires leaves its image as it is', async () => {
    const lines = sequential([layers.conv1d({ filters: 1, kernelSize: 3, useBias: false, name: 'conv', inputShape: [3, 1] })])
    lines.setWeights([tensor([1, -1, 1], [3, 1, 1])])
    close(await (await visualize.maximizeActivation(lines, 'conv', 0, { blur: 0.1 })).data(), [1, 0, 1], 3)
    const dense = sequential([layers.dense({ units: 1, activation: 'relu', biasInitializer: 'ones', name: 'dead', inputShape: [3] })])
    dense.setWeights([tensor([[-1], [-1], [-1]]), tensor([-1])])
    close(await (await visualize.maximizeActivation(dense, 'dead', 0, { initial: tensor([[0.1, 0.2, 0.3]]) })).data(), [0.1, 0.2, 0.3])
  })

  test('a model that computes in bfloat16', async () => {
    const net = sequential([
      layers.conv2d({ filters: 1, kernelSize: 3, useBias: false, name: 'conv', dtype: 'mixed_bfloat16', inputShape: [3, 3, 1] })
    ])
    net.setWeights([tensor(edge, [3, 3, 1, 1])])
    const image = await visualize.maximizeActivation(net, 'conv', 0, { initial: middle(3) })
    expect(image.dtype).toBe('float32')
    close(
      await image.data(),
      edge.map((w) => (w > 0 ? 1 : w < 0 ? 0 : 0.5))
    )
  })

  test('nothing is left behind', async () => {
    const net = fixed(8, [edge])
    ;(await visualize.maximizeActivation(net, 'conv', 0, { steps: 3 })).dispose()
    await collected()
    const { tensors } = memory()
    const image = await visualize.maximizeActivation(net, 'conv', [0, 0], { steps: 5, blur: 0.5 })
    expect(memory().tensors).toBe(tensors + 1)
    image.dispose()
  })
})

test('refuses layers, filters and options that cannot be', async () => {
  const net = fixed(3, [edge])
  const free = sequential([layers.conv2d({ filters: 1, kernelSize: 3, name: 'conv', inputShape: [null, null, 1] })])
  const x = input({ shape: [2] })
  const dense = layers.dense({ units: 2, name: 'shared' })
  const twice = model({ inputs: x, outputs: dense.apply(dense.apply(x)) })
  const cases: [() => Promise<unknown>, string, RegExp][] = [
    [
      () => visualize.maximizeActivation(net, 'dense', 0),
      'ArgumentError',
      /^\[visualize.maximizeActivation\] expected one of the model's layers "conv", received "dense"/
    ],
    [
      () => visualize.maximizeActivation(net, 'conv', 1),
      'ArgumentError',
      /filters to be an integer of at least 0 and at most 0, received 1/
    ],
    [() => visualize.maximizeActivation(net, 'conv', []), 'ArgumentError', /numbers of filters, received \[\]/],
    [() => visualize.maximizeActivation(twice, 'shared', 0), 'ArgumentError', /one use and one output, received shared/],
    [
      () => visualize.maximizeActivation(free, 'conv', 0),
      'ShapeError',
      /expected initial for an input of the shape \[null, null, null, 1\]/
    ],
    [
      () => visualize.maximizeActivation(net, 'conv', 0, { initial: middle(4) }),
      'ShapeError',
      /initial to be \[1, 3, 3, 1\], received \[1, 4, 4, 1\]/
    ],
    [() => visualize.maximizeActivation(net, 'conv', 0, { initial: [[1]] as never }), 'ArgumentError', /initial to be a tensor/],
    [() => visualize.maximizeActivation(net, 'conv', 0, { range: [1, 0] }), 'ArgumentError', /range to be two numbers/],
    [() => visualize.maximizeActivation(net, 'conv', 0, { steps: -1 }), 'ArgumentError', /steps/],
    [() => visualize.maximizeActivation(net, 'conv', 0, { learningRate: 0 }), 'ArgumentError', /learningRate/],
    [() => visualize.maximizeActivation(net, 'conv', 0, { l2Decay: 2 }), 'ArgumentError', /l2Decay/],
    [() => visualize.maximizeActivation(net, 'conv', 0, { blur: -1 }), 'ArgumentError', /blur/]
  ]
  const wrong = middle(4)
  const { tensors } = memory()
  await expect(visualize.maximizeActivation(net, 'conv', 0, { initial: wrong })).rejects.toThrow('initial')
  expect(memory().tensors).toBe(tensors)
  for (const [run, name, message] of cases) await expect(run()).rejects.toMatchObject({ name, message: expect.stringMatching(message) })
})
