// A dense network learns from a part of MNIST, on every device that is there.
import { datasets, layers, sequential, setRandomSeed } from '../../lib'
import { onEveryDevice } from '../support/op-suite'

onEveryDevice(() => {
  test('learns to read digits', async () => {
    const { train, test } = await datasets.mnist()
    expect([train.x.shape, train.x.dtype, train.y.shape, train.y.dtype]).toEqual([[60000, 28, 28], 'uint8', [60000], 'uint8'])
    expect([...(await train.y.slice([0], [5]).data())]).toEqual([5, 0, 4, 1, 9])
    setRandomSeed(1)
    const model = sequential([
      layers.rescaling({ scale: 1 / 255, inputShape: [28, 28] }),
      layers.flatten(),
      layers.dense({ units: 32, activation: 'relu' }),
      layers.dropout({ rate: 0.1 }),
      layers.dense({ units: 10, activation: 'softmax' })
    ])
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
    const [x, y] = [train.x.slice([0, 0, 0], [2000, 28, 28]), train.y.slice([0], [2000])]
    await model.fit(x, y, { epochs: 3, batchSize: 50, verbose: 0 })
    const [testX, testY] = [test.x.slice([0, 0, 0], [1000, 28, 28]), test.y.slice([0], [1000])]
    const { accuracy } = await model.evaluate(testX, testY, { batchSize: 500 })
    expect(accuracy).toBeGreaterThan(0.75)
    for (const t of [x, y, testX, testY, train.x, train.y, test.x, test.y]) t.dispose()
    model.dispose()
  })
})
