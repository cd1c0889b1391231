// What layers make of data that are bad or scarce: NaN reaches whatever depends on it and nothing else, an empty batch gives an empty
// one, a batch of one is its own statistics.
import {
  ArgumentError,
  type Layer,
  layers,
  ops,
  ShapeError,
  sequential,
  setPrecision,
  type Tensor,
  tensor,
  valueAndGrad,
  zeros
} from '../../lib'
import { onEveryDevice } from '../support/op-suite'

/** Layers with the shape of a sample that they take. */
const cases: [what: string, sample: readonly number[], make: () => Layer][] = [
  ['conv1d', [9, 5], () => layers.conv1d({ filters: 3, kernelSize: 3, padding: 'causal' })],
  ['conv2d of few channels', [6, 7, 3], () => layers.conv2d({ filters: 4, kernelSize: 3, strides: 2, activation: 'relu' })],
  ['conv2d of many channels', [6, 7, 33], () => layers.conv2d({ filters: 34, kernelSize: 3, padding: 'same', activation: 'relu' })],
  ['conv2d of one pixel', [6, 7, 33], () => layers.conv2d({ filters: 17, kernelSize: 1, activation: 'tanh' })],
  ['conv2d in groups', [6, 7, 8], () => layers.conv2d({ filters: 8, kernelSize: 3, groups: 2, dilationRate: 2 })],
  ['conv3d', [4, 3, 5, 2], () => layers.conv3d({ filters: 3, kernelSize: 2, padding: 'same' })],
  ['conv2dTranspose', [3, 4, 5], () => layers.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2, activation: 'relu' })],
  ['depthwiseConv2d', [6, 7, 9], () => layers.depthwiseConv2d({ kernelSize: 3, padding: 'same', activation: 'relu' })],
  ['separableConv2d', [6, 7, 3], () => layers.separableConv2d({ filters: 4, kernelSize: 3 })],
  ...(['max', 'average', 'sum'] as const).flatMap((kind): typeof cases => [
    [`${kind}Pooling1d`, [7, 3], () => layers[`${kind}Pooling1d`]({ poolSize: 3, strides: 2, padding: 'same' })],
    [`${kind}Pooling2d`, [6, 7, 33], () => layers[`${kind}Pooling2d`]()]
  ]),
  ...(['Max', 'Average'] as const).flatMap((kind): typeof cases => [
    [`global${kind}Pooling2d`, [5, 4, 3], () => layers[`global${kind}Pooling2d`]()],
    [`adaptive${kind}Pooling2d`, [5, 4, 3], () => layers[`adaptive${kind}Pooling2d`]({ outputSize: 2 })]
  ]),
  ['layerNormalization', [5, 33], () => layers.layerNormalization()],
  ['groupNormalization', [5, 6], () => layers.groupNormalization({ groups: 3 })],
  ['rmsNormalization', [5, 6], () => layers.rmsNormalization()],
  ['unitNormalization', [5, 6], () => layers.unitNormalization()],
  ['upSampling2d', [3, 4, 2], () => layers.upSampling2d()],
  ['zeroPadding2d', [3, 4, 2], () => layers.zeroPadding2d()],
  ['cropping1d', [5, 2], () => layers.cropping1d()]
]
const normalization: typeof cases = [['batchNormalization', [4, 3, 33], () => layers.batchNormalization()]]

onEveryDevice(() => {
  afterAll(() => setPrecision('highest'))

  /** Two samples whose element in the middle of the second is `value`. */
  const samples = (sample: readonly number[], value: number): Tensor => {
    const size = sample.reduce((a, b) => a * b, 1)
    const values = Float32Array.from({ length: 2 * size }, (_, i) => Math.sin(1.7 * i))
    values[size + Math.floor(size / 2)] = value
    return tensor(values, [2, ...sample])
  }

  for (const precision of ['highest', 'high', 'medium'] as const) {
    test.each([...cases, ...normalization])(
      `%s, ${precision}: NaN reaches what depends on it, and nothing else`,
      async (_, sample, make) => {
        setPrecision(precision)
        using layer = make()
        const outputs: Float32Array[] = []
        for (const value of [9e4, -8e4, Number.NaN, Number.POSITIVE_INFINITY]) {
          using x = samples(sample, value)
          using y = layer.apply(x, { training: true })
          outputs.push((await y.data()) as Float32Array)
        }
        const [high, low, received, infinite] = outputs as [Float32Array, Float32Array, Float32Array, Float32Array]
        const dependent = high.map((v, i) => Number(v !== low[i]))
        expect(dependent).toContain(1)
        received.forEach((v, i) => void expect([i, v]).toEqual([i, dependent[i] ? Number.NaN : high[i]]))
        infinite.forEach((v, i) => void (dependent[i] || expect([i, v]).toEqual([i, high[i]])))
      }
    )
  }

  test.each(cases)('%s: an empty batch gives an empty one, and no gradient', async (_, sample, make) => {
    using layer = make()
    using x = zeros([0, ...sample])
    layer.build(x.shape)
    using full = layer.apply(zeros([1, ...sample]))
    const variables = layer.trainableVariables
    const { value, aux, grads } = valueAndGrad(() => {
      const y = layer.apply(x, { training: true })
      return [y.sum(), y]
    }, [x, ...variables])
    expect([await value.item(), aux[0]!.shape, grads[0]!.shape]).toEqual([0, [0, ...full.shape.slice(1)], x.shape])
    for (const g of grads) expect((await g.data()).every((v) => v === 0)).toBe(true)
    for (const t of [value, ...aux, ...grads]) t.dispose()
  })

  test('batchNormalization: a batch of one is its own mean, an empty one has none', async () => {
    using layer = layers.batchNormalization({ name: 'norm', momentum: 0.5, betaInitializer: 'ones' })
    using x = tensor([[3, -4]])
    layer.build(x.shape)
    const { value, grads } = valueAndGrad(() => layer.apply(x, { training: true }).sum(), [x, ...layer.trainableVariables])
    expect([value, ...grads].map((t) => [...t.dataSync()])).toEqual([[2], [0, 0], [0, 0], [1, 1]])
    expect([layer.movingMean!, layer.movingVariance!].map((t) => [...t.dataSync()])).toEqual([
      [1.5, -2],
      [0.5, 0.5]
    ])
    using empty = zeros([0, 2])
    expect(layer.apply(empty).shape).toEqual([0, 2])
    const refused = expect(() => layer.apply(empty, { training: true }))
    refused.toThrow(ShapeError)
    refused.toThrow('[batchNormTraining] expected a batch that is not empty, received [0, 2] (layer "norm")')
    expect([...layer.movingMean!.dataSync()]).toEqual([1.5, -2])
  })

  test('a model: NaN in a sample is a loss of NaN, no sample is an error', async () => {
    using net = sequential([
      layers.conv2d({ filters: 2, kernelSize: 3, activation: 'relu', inputShape: [6, 6, 1] }),
      layers.batchNormalization(),
      layers.maxPooling2d(),
      layers.flatten(),
      layers.dense({ units: 1 })
    ])
    net.compile({ loss: 'mse', optimizer: 'sgd' })
    using x = samples([6, 6, 1], Number.NaN)
    using y = zeros([2, 1])
    const predicted = await net.predict(x)
    expect([...(await predicted.data())].map(Number.isNaN)).toEqual([false, true])
    expect((await net.evaluate(x, y)).loss).toBeNaN()
    expect((await net.fit(x, y, { verbose: 0 })).history.loss).toEqual([Number.NaN])
    using none = zeros([0, 6, 6, 1])
    for (const run of [
      () => net.predict(none),
      () => net.fit(none, zeros([0, 1]), { verbose: 0 }),
      () => net.trainOnBatch(none, zeros([0, 1]))
    ])
      await expect(run()).rejects.toThrow(ArgumentError)
    await expect(net.evaluate(none, zeros([0, 1]))).rejects.toThrow('[evaluate] expected x to have at least one sample, received none')
  })
})

test('an axis of no elements', () => {
  const empty = zeros([1, 0, 4, 2])
  const bad: [() => unknown, string][] = [
    [
      () => layers.groupNormalization({ name: 'g' }).apply(zeros([2, 0])),
      '[groupNorm] expected x of at least one channel, received [2, 0]'
    ],
    [() => layers.conv2d({ filters: 1, kernelSize: 1, name: 'c' }).apply(empty), '[conv] expected x to have at least one element on each'],
    [
      () => layers.conv2dTranspose({ filters: 1, kernelSize: 2, name: 'c' }).apply(empty),
      '[convTranspose] expected x to have at least one'
    ],
    [() => layers.conv2d({ filters: 1, kernelSize: 1, name: 'c' }).apply(zeros([1, 3, 4, 0])), '[conv2d "c"] expected an input of rank 4'],
    [() => ops.conv(zeros([1, 3, 3, 1]), zeros([0, 2, 1, 1])), '[conv] expected w to be a kernel of at least one element on each axis'],
    [() => layers.maxPooling2d({ name: 'p' }).apply(empty), '[maxPool] expected windows of 2 to fit into axis 1 of [null, 0, 4, null]'],
    [
      () => layers.globalMaxPooling2d({ name: 'p' }).apply(empty),
      '[globalMaxPooling2d "p"] expected at least one element on each spatial axis'
    ],
    [() => layers.globalAveragePooling2d({ name: 'p' }).apply(empty), '[globalAveragePooling2d "p"] expected at least one element on each'],
    [() => layers.adaptiveMaxPooling2d({ outputSize: 1, name: 'p' }).apply(empty), '[adaptiveMaxPool] expected an input that is not empty'],
    [
      () => layers.adaptiveAveragePooling2d({ outputSize: 1, name: 'p' }).apply(empty),
      '[adaptiveAveragePool] expected an input that is not'
    ]
  ]
  for (const [run, message] of bad) {
    expect(run).toThrow(ShapeError)
    expect(run).toThrow(message)
  }
})
