// Saliency against gradients that are known.
import { input, layers, memory, model, random, sequential, type Tensor, tensor, visualize } from '../../lib'
import { collected } from '../support/collected'
import { onEveryDevice } from '../support/op-suite'

// (3 features, 2 classes)
const weights = [1, -4, -2, 5, 3, -6]
const column = (c: number): number[] => [0, 1, 2].map((i) => Math.abs(weights[2 * i + c]!))

function linear(activation?: 'softmax' | 'sigmoid') {
  const net = sequential([layers.dense({ units: 2, activation, inputShape: [3] })])
  net.setWeights([tensor(weights, [3, 2]), tensor([0, 0])])
  return net
}

onEveryDevice(() => {
  test.each([undefined, 'softmax', 'sigmoid'] as const)(
    'of a linear model with %s at its end: the weights’ absolute values',
    async (activation) => {
      const net = linear(activation)
      const x = [
        [1, 1, 1], // scores 2, -5
        [0, 1, 0] // scores -2, 5
      ]
      expect(await visualize.saliency(net, x, 0).array()).toEqual([column(0), column(0)])
      expect(await visualize.saliency(net, x, 1).array()).toEqual([column(1), column(1)])
      expect(await visualize.saliency(net, x, [1, 0]).array()).toEqual([column(1), column(0)])
      // The class that each is taken for.
      expect(await visualize.saliency(net, x).array()).toEqual([column(0), column(1)])
    }
  )

  test('of what a relu lets through', async () => {
    const net = sequential([layers.dense({ units: 2, activation: 'relu', useBias: false, inputShape: [3] }), layers.dense({ units: 1 })])
    net.setWeights([tensor(weights, [3, 2]), tensor([10, 100], [2, 1]), tensor([0])])
    expect(await visualize.saliency(net, [[1, 1, 1]]).array()).toEqual([column(0).map((w) => 10 * w)])
    expect(await visualize.saliency(net, [[0, 1, 0]]).array()).toEqual([column(1).map((w) => 100 * w)])
  })

  test('of bytes, and of images with channels', async () => {
    const net = sequential([layers.rescaling({ scale: 0.25, inputShape: [1, 1, 3] }), layers.flatten(), linear()])
    const map = visualize.saliency(net, tensor([7, 8, 9], [1, 1, 1, 3], { dtype: 'uint8' }), 1)
    expect(map.dtype).toBe('float32')
    expect(map.shape).toEqual([1, 1, 1, 3])
    expect([...(await map.data())]).toEqual(column(1).map((w) => w / 4))
  })

  test('of a model that computes in bfloat16', async () => {
    const net = sequential([layers.dense({ units: 2, activation: 'softmax', dtype: 'mixed_bfloat16', inputShape: [3] })])
    net.setWeights([tensor(weights, [3, 2]), tensor([0, 0])])
    const map = visualize.saliency(net, [[1, 1, 1]])
    expect(map.dtype).toBe('float32')
    expect(await map.array()).toEqual([column(0)])
  })

  test('dropout and batch statistics rest; nothing is left behind', async () => {
    const net = sequential([
      layers.dropout({ rate: 0.9, inputShape: [3] }),
      layers.batchNormalization({ epsilon: 1e-12 }),
      layers.dense({ units: 2, useBias: false })
    ])
    net.getLayer(-1).setWeights([tensor(weights, [3, 2])])
    const x = random.normal([2, 3])
    visualize.saliency(net, x).dispose()
    await collected()
    const { tensors } = memory()
    const map: Tensor = visualize.saliency(net, x, 0)
    expect(memory().tensors).toBe(tensors + 1)
    expect(await map.array()).toEqual([column(0), column(0)])
  })
})

test('refuses models and classes that have none', () => {
  const net = linear()
  const x = [[1, 1, 1]]
  const two = [input({ shape: [1] }), input({ shape: [1] })]
  const one = input({ shape: [4] })
  const images = input({ shape: [4, 4, 1] })
  const words = input({ shape: [3], dtype: 'int32' })
  const dense = (t: typeof one) => layers.dense({ units: 1 }).apply(t)
  const refusals: [() => unknown, string, RegExp][] = [
    [
      () => visualize.saliency(net, x, 2),
      'ArgumentError',
      /^\[visualize.saliency\] expected classIndex to be an integer of at least 0 and at most 1, received 2/
    ],
    [() => visualize.saliency(net, x, -1), 'ArgumentError', /received -1/],
    [() => visualize.saliency(net, x, [0, 1]), 'ArgumentError', /one for each of 1 samples/],
    [() => visualize.saliency(net, [[1, 2]]), 'ShapeError', /received \[1, 2\]/],
    [() => visualize.saliency(model({ inputs: two, outputs: layers.add().apply(two) }), x), 'ArgumentError', /one input, received 2/],
    [
      () => visualize.saliency(model({ inputs: one, outputs: [dense(one), dense(one)] }) as never, [[1, 2, 3, 4]]),
      'ArgumentError',
      /one output, received 2/
    ],
    [
      () => visualize.saliency(model({ inputs: images, outputs: layers.identity().apply(images) }), new Float32Array(16)),
      'ShapeError',
      /expected an output of shape \[null, classes\], received \[null, 4, 4, 1\]/
    ],
    [
      () => visualize.saliency(model({ inputs: words, outputs: dense(words) }), [[1, 2, 3]]),
      'ArgumentError',
      /input is of floats, received int32/
    ]
  ]
  for (const [run, name, message] of refusals) {
    expect(run).toThrow(expect.objectContaining({ name, message: expect.stringMatching(message) }))
  }
})
