// The normalisation layers against Keras, what they refuse, and batch normalisation in a model.
import { ArgumentError, layers, type Model, optimizers, random, ShapeError, sequential, setRandomSeed, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

for (const kind of ['batch', 'layer', 'group', 'rms', 'unit']) layerSuite(`${kind}Normalization`)

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
    ]
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
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
