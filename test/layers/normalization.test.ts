// The normalisation layers against Keras, what they refuse, and batch and spectral normalisation in a model.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ArgumentError,
  layers,
  loadModel,
  type Model,
  optimizers,
  random,
  ShapeError,
  sequential,
  setRandomSeed,
  valueAndGrad,
  zeros
} from '../../lib'
import { layerSuite } from '../support/layer-suite'

for (const kind of ['batch', 'layer', 'group', 'rms', 'unit', 'spectral']) layerSuite(`${kind}Normalization`)

test('errors name the layer and what it expects', () => {
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [
      ArgumentError,
      () => layers.batchNormalization({ momentum: 2 }),
      '[batchNormalization] expected momentum to be a finite number of at least 0 and at most 1, received 2'
    ],
    [
      ArgumentError,
      () => layers.layerNormalization({ epsilon: 0 }),
      '[layerNormalization] expected epsilon to be a finite number greater than 0, received 0'
    ],
    [
      ArgumentError,
      () => layers.groupNormalization({ groups: 0 }),
      '[groupNormalization] expected groups to be a positive integer or -1, received 0'
    ],
    [
      ShapeError,
      () => layers.groupNormalization({ groups: 4, name: 'g' }).apply(zeros([1, 6])),
      '[groupNormalization "g"] expected channels that 4 groups divide, received 6'
    ],
    [
      ShapeError,
      () => layers.batchNormalization({ axis: 3, name: 'b' }).apply(zeros([1, 6])),
      '[batchNormalization] expected axis in [-2, 1], received axis 3 (layer "b")'
    ],
    ...(['batchNormalization', 'groupNormalization', 'layerNormalization', 'rmsNormalization'] as const).flatMap((kind): typeof bad => {
      const built = (options: object) => {
        const layer = layers[kind]({ name: 'n', ...options })
        layer.apply(zeros([2, 3, 4]))
        return layer
      }
      const groups = kind === 'groupNormalization' ? { groups: 1 } : {}
      return [
        [
          ShapeError,
          () => built(groups).apply(zeros([2, 4, 3])),
          `[${kind} "n"] expected an input of size 4 along axis -1, received [2, 4, 3]`
        ],
        [
          ShapeError,
          () => built({ ...groups, axis: 1 }).apply(zeros([2, 4, 3])),
          'expected an input of size 3 along axis 1, received [2, 4, 3]'
        ]
      ]
    }),
    [
      ShapeError,
      () => {
        const layer = layers.layerNormalization({ axis: [1, -1] })
        layer.apply(zeros([2, 3, 4]))
        layer.apply(zeros([2, 4, 4]))
      },
      'expected an input of sizes [3, 4] along axes [1, -1], received [2, 4, 4]'
    ],
    [ShapeError, () => layers.batchNormalization().build([null, null]), 'expected a size that is known at axis 1, received [null, null]'],
    [
      ArgumentError,
      () => layers.rmsNormalization({ axis: 0.5 }),
      '[rmsNormalization] expected axis to be an integer or a list of integers, received 0.5'
    ],
    [
      ShapeError,
      () => layers.batchNormalization().apply(zeros([0, 2]), { training: true }),
      '[batchNormTraining] expected a batch that is not empty, received [0, 2]'
    ],
    [
      ArgumentError,
      () => layers.batchNormalization({ synchronized: true }),
      '[batchNormalization] expected synchronized to be false, since a model runs on one device, received true'
    ],
    [
      ArgumentError,
      () => layers.batchNormalization({ renorm: true, renormClipping: { rmin: 2, rmax: 1 } }),
      '[batchNormalization] expected renormClipping.rmax to be a finite number of at least 2, received 1'
    ],
    [
      ArgumentError,
      () => layers.batchNormalization({ renormClipping: { max: 1 } as object }),
      "[batchNormalization.renormClipping] unknown option 'max': did you mean 'rmax'?"
    ],
    [
      ArgumentError,
      () => layers.spectralNormalization({ layer: 'dense' as never }),
      '[spectralNormalization] expected layer to be a layer, received "dense"'
    ],
    [
      ArgumentError,
      () => layers.spectralNormalization({ layer: layers.dense({ units: 1 }), powerIterations: 0 }),
      '[spectralNormalization] expected powerIterations to be an integer of at least 1, received 0'
    ],
    [
      ArgumentError,
      () => layers.spectralNormalization({ name: 's', layer: layers.flatten({ name: 'flat' }) }).apply(zeros([1, 2])),
      '[spectralNormalization "s"] expected a layer with a weight kernel or embeddings, received "flat" without one'
    ]
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})

test('spectral normalisation: largest singular value 1 in training, state in files, a kernel of zeros stays', async () => {
  setRandomSeed(4)
  const inner = layers.dense({ units: 3, kernelInitializer: 'randomNormal' })
  using net = sequential([layers.spectralNormalization({ layer: inner, powerIterations: 50, inputShape: [3] })])
  expect(net.weights.map(({ name }) => name)).toEqual(['kernel', 'vector_u', 'bias'])
  expect(net.trainableVariables.map(({ name }) => name)).toEqual(['kernel', 'bias'])
  inner.kernel!.assign([
    [0, 3, 0],
    [2, 0, 0],
    [0, 0, -1]
  ])
  net.compile({ optimizer: optimizers.sgd({ learningRate: 0 }), loss: 'mse' })
  const [x, y] = [random.normal([8, 3]), zeros([8, 3])]
  await net.predict(x)
  expect(await inner.kernel!.max().item()).toBe(3)
  await net.fit(x, y, { epochs: 2, batchSize: 4, verbose: 0 })
  const kernel = [...(await inner.kernel!.data())]
  for (const [i, expected] of [0, 1, 0, 2 / 3, 0, 0, 0, 0, -1 / 3].entries()) expect(kernel[i]).toBeCloseTo(expected, 5)

  const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
  await net.save(join(folder, 'net.safetensors'))
  using again = await loadModel(join(folder, 'net.safetensors'))
  rmSync(folder, { recursive: true })
  for (const [i, w] of net.weights.entries()) expect(await again.weights[i]!.data()).toEqual(await w.data())
  expect(again.layers[0]).toBeInstanceOf(layers.SpectralNormalization)

  inner.kernel!.assign(zeros([3, 3]))
  const u = await net.weights[1]!.data()
  net.apply(x, { training: true })
  expect([...(await inner.kernel!.data()), ...(await net.weights[1]!.data())]).toEqual([...new Array(9).fill(0), ...u])
})

test('spectral normalisation: a layer that is used twice under one tape has one kernel there', async () => {
  using layer = layers.spectralNormalization({ layer: layers.dense({ units: 2 }) })
  using x = random.normal([4, 3])
  layer.apply(x).dispose()
  layer.layer.setWeights([random.normal([3, 2], { stddev: 5 }), zeros([2])])
  let kernel: number[] = []
  const { grads } = valueAndGrad(() => {
    const first = layer.apply(x, { training: true })
    kernel = [...layer.layer.weights[0]!.dataSync()]
    return first.sum().add(layer.apply(x.mul(0), { training: true }).sum())
  }, [x])
  const dx = await grads[0]!.data()
  // dx of a sum is the sum of each of the kernel's rows.
  for (let i = 0; i < 3; i++) expect(dx[i]).toBeCloseTo(kernel[2 * i]! + kernel[2 * i + 1]!, 5)
})

test('spectral normalisation: weights in files have the same names whatever was made before', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'spectral-'))
  try {
    const make = () => sequential([layers.spectralNormalization({ layer: layers.dense({ units: 3 }), inputShape: [3] })])
    using a = make()
    using b = make()
    await a.saveWeights(join(folder, 'w.safetensors'))
    await b.loadWeights(join(folder, 'w.safetensors'))
    expect([...(await b.weights[0]!.data())]).toEqual([...(await a.weights[0]!.data())])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a model learns through batch normalisation and predicts with the moving statistics', async () => {
  setRandomSeed(3)
  const model: Model = sequential([
    layers.dense({ units: 8, inputShape: [4] }),
    layers.batchNormalization({ momentum: 0.5 }),
    layers.activation({ activation: 'relu' }),
    layers.dense({ units: 1 })
  ])
  model.compile({ optimizer: optimizers.adam({ learningRate: 0.05 }), loss: 'meanSquaredError' })
  const x = random.normal([64, 4])
  const y = x.sum(1, { keepdims: true })
  await model.fit(x, y, { epochs: 60, batchSize: 32, verbose: 0 })
  const { loss } = await model.evaluate(x, y)
  expect(loss).toBeLessThan(0.2)
  const alone = model.predict(x.slice([0, 0], [1, 4]))
  const together = model.predict(x)
  expect((await (await alone).data())[0]).toBeCloseTo((await (await together).data())[0]!, 4)
  model.dispose()
})
