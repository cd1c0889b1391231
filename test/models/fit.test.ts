// fit against a float64 reference: the forms of data, weights, validation, and the order of samples.
import {
  devices,
  type FitOptions,
  initializers,
  layers,
  type ModelValues,
  metrics,
  optimizers,
  regularizers,
  type Sequential,
  sequential,
  setDevice,
  setPrecision,
  setRandomSeed,
  tensor
} from '../../lib'
import { setResidentLimit } from '../../lib/data/upload'
import { onEveryDevice } from '../support/op-suite'
import { trainReference } from './training-reference'

const rows = 37
const width = 3
const x = Array.from({ length: rows }, (_, i) => Array.from({ length: width }, (_, j) => Math.sin(1 + 7 * i + 3 * j)))
const y = x.map((row, i) => row[0]! - 2 * row[1]! + 0.1 * Math.cos(i))
const flatX = new Float32Array(x.flat())
const flatY = new Float32Array(y)

function linear({ l2 = 0, rate = 0.05 } = {}): Sequential {
  const kernelInitializer = initializers.constant(0.5)
  const model = sequential([layers.dense({ units: 1, inputShape: [width], kernelInitializer, kernelRegularizer: regularizers.l2(l2) })])
  model.compile({ optimizer: optimizers.sgd({ learningRate: rate }), loss: 'mse', metrics: ['mae'] })
  return model
}
const quiet: FitOptions = { verbose: 0, shuffle: false, batchSize: 8 }

function expectClose(received: ArrayLike<number>, expected: readonly number[], tolerance = 2e-6): void {
  expect(received.length).toBe(expected.length)
  for (const [i, e] of expected.entries()) expect(Math.abs(received[i]! - e)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(e)))
}

async function weightsOf(model: Sequential): Promise<number[]> {
  const copies = model.getWeights()
  const values = await Promise.all(copies.map((t) => t.data()))
  for (const copy of copies) copy.dispose()
  return values.flatMap((v) => [...v])
}

onEveryDevice(() => {
  beforeAll(() => setPrecision('highest'))

  test('losses, metrics and weights are those of the reference', async () => {
    const model = linear()
    const { history, epoch } = await model.fit(x, y, { ...quiet, epochs: 3 })
    const expected = trainReference(x, y, { epochs: 3, batchSize: 8, rate: 0.05 })
    expect(epoch).toEqual([0, 1, 2])
    expect(Object.keys(history)).toEqual(['loss', 'mae'])
    expectClose(history.loss!, expected.loss)
    expectClose(history.mae!, expected.mae)
    expectClose(await weightsOf(model), [...expected.kernel, ...expected.bias])
    expect(model.optimizer.iterations).toBe(15)
  })

  test('a penalty is part of loss and gradient, sample weights of the loss alone', async () => {
    const weights = y.map((_, i) => (i % 3) / 2)
    const model = linear({ l2: 0.1 })
    const { history } = await model.fit(x, y, { ...quiet, epochs: 2, sampleWeight: weights })
    const expected = trainReference(x, y, { epochs: 2, batchSize: 8, rate: 0.05, l2: 0.1, weights })
    expectClose(history.loss!, expected.loss)
    expectClose(history.mae!, expected.mae)
    expectClose(await weightsOf(model), [...expected.kernel, ...expected.bias])
    const result = await model.evaluate(x, y, { sampleWeight: weights, batchSize: 5 })
    const [k, b] = [expected.kernel, expected.bias[0]!]
    const errors = x.map((row, i) => row.reduce((sum, v, j) => sum + v * k[j]!, b) - y[i]!)
    const loss = errors.reduce((sum, e, i) => sum + weights[i]! * e * e, 0) / rows + 0.1 * k.reduce((sum, w) => sum + w * w, 0)
    expectClose([result.loss!, result.mae!], [loss, errors.reduce((sum, e) => sum + Math.abs(e), 0) / rows])
  })

  test('weightedMetrics see the sample weights, metrics do not', async () => {
    const model = linear()
    model.compile({ optimizer: optimizers.sgd({ learningRate: 0 }), loss: 'mse', metrics: ['mae'], weightedMetrics: ['mse'] })
    const weights = y.map((_, i) => (i % 3) / 2)
    const { history } = await model.fit(x, y, { ...quiet, sampleWeight: weights })
    const errors = x.map((row, i) => row.reduce((sum, v) => sum + v / 2, 0) - y[i]!)
    const sum = weights.reduce((a, b) => a + b, 0)
    expectClose(history.mse!, [errors.reduce((total, e, i) => total + weights[i]! * e * e, 0) / sum])
    expectClose(history.mae!, [errors.reduce((total, e) => total + Math.abs(e), 0) / rows])
  })

  test('each metric has a key of its own', async () => {
    const model = linear()
    const sgd = optimizers.sgd({ learningRate: 0 })
    model.compile({ optimizer: sgd, loss: 'mse', metrics: ['mae'], weightedMetrics: ['mae', metrics.meanAbsoluteError({ name: 'w' })] })
    const weights = y.map((_, i) => (i % 3) / 2)
    const { history } = await model.fit(x, y, { ...quiet, sampleWeight: weights })
    expect(Object.keys(history)).toEqual(['loss', 'mae', 'weighted_mae', 'w'])
    expect(history.weighted_mae).toEqual(history.w)
    expect(history.weighted_mae).not.toEqual(history.mae)
    const named = (name: string) => metrics.meanSquaredError({ name })
    for (const same of [
      ['mae', 'mae'],
      [named('a'), named('a')],
      [named('loss')],
      [named('val_loss')],
      [named('val_mae'), 'mae'],
      ['mae', named('val_mae')]
    ]) {
      const key = typeof same.at(-1) === 'string' ? same.at(-1) : (same.at(-1) as metrics.Metric).name
      expect(() => model.compile({ loss: 'mse', metrics: same as metrics.MetricSpec[] })).toThrow(
        `[compile] expected metrics of different names, received a second ${JSON.stringify(key)}: give it a name of its own`
      )
    }
    expect(() => model.compile({ loss: 'mse', weightedMetrics: ['mae', 'mae'] })).toThrow('received a second "mae"')
  })

  test('class weights weigh by the class of the target', async () => {
    const labels = y.map((_, i) => i % 4)
    const oneHot = labels.map((c) => [0, 1, 2, 3].map((k) => (k === c ? 1 : 0)))
    const classWeight = { 1: 3, 2: 0.5 }
    const weights = labels.map((c) => (classWeight as Record<number, number>)[c] ?? 1)
    const run = async (loss: 'sparseCategoricalCrossentropy' | 'categoricalCrossentropy', targets: ModelValues, options: FitOptions) => {
      setRandomSeed(4)
      const model = sequential([layers.dense({ units: 4, activation: 'softmax', inputShape: [width] })])
      model.compile({ optimizer: 'sgd', loss })
      return (await model.fit(x, targets, { ...quiet, epochs: 2, ...options })).history.loss!
    }
    const sparse = 'sparseCategoricalCrossentropy'
    const expected = await run(sparse, new Int32Array(labels), { sampleWeight: weights })
    expect(expected).not.toEqual(await run(sparse, new Int32Array(labels), {}))
    expect(await run(sparse, new Int32Array(labels), { classWeight })).toEqual(expected)
    expect(await run(sparse, new Uint8Array(labels), { classWeight })).toEqual(expected)
    expect(
      await run(
        sparse,
        labels.map((c) => [c]),
        { classWeight }
      )
    ).toEqual(expected)
    expectClose(await run('categoricalCrossentropy', oneHot, { classWeight }), expected)
  })

  test('every form of data trains to the same bits', async () => {
    const train = async (run: (model: Sequential) => Promise<unknown>) => {
      const model = linear()
      await run(model)
      return weightsOf(model)
    }
    const options = { ...quiet, epochs: 2 }
    const expected = await train((model) => model.fit(x, y, options))
    const [tx, ty] = [tensor(x), tensor(flatY, [rows, 1])]
    function* records() {
      for (let from = 0; from < rows; from += 8) yield { x: flatX.slice(from * width, (from + 8) * width), y: flatY.slice(from, from + 8) }
    }
    async function* pairs() {
      for (const item of records()) {
        await new Promise((resolve) => setTimeout(resolve, 1))
        yield [tensor(item.x, [item.y.length, width]), tensor(item.y)] as const
      }
    }
    expect(await train((model) => model.fit(tx, ty, options))).toEqual(expected)
    expect(await train((model) => model.fit(flatX, flatY, options))).toEqual(expected)
    expect(await train((model) => model.fit(new Float64Array(flatX), new Float64Array(flatY), options))).toEqual(expected)
    expect(await train((model) => model.fit([tx], [ty], options))).toEqual(expected)
    expect(await train((model) => model.fit(records, options))).toEqual(expected)
    expect(await train((model) => model.fit(pairs, options))).toEqual(expected)
    expect([tx.disposed, ty.disposed]).toEqual([false, false])
  })

  test('data that do not fit on the device are streamed, to the same bits and in the same order', async () => {
    const run = async (limit: number | undefined, data: [ModelValues, ModelValues]) => {
      setResidentLimit(limit)
      setRandomSeed(9)
      const model = linear()
      const options = { epochs: 3, batchSize: 8, validationSplit: 0.2, sampleWeight: flatY.map(Math.abs) }
      const { history } = await model.fit(...data, { verbose: 0, ...options })
      setResidentLimit(undefined)
      return { history, weights: await weightsOf(model) }
    }
    const expected = await run(undefined, [flatX, flatY])
    expect(await run(0, [flatX, flatY])).toEqual(expected)
    expect(await run(0, [x, y])).toEqual(expected)
    expect(await run(0, [flatX, tensor(flatY)])).toEqual(expected)
  })

  test('data are those of the call, though they change after it', async () => {
    const [first, second] = [linear(), linear()]
    await first.fit(flatX, flatY, quiet)
    const [changingX, changingY] = [flatX.slice(), flatY.slice()]
    const done = second.fit(changingX, changingY, quiet)
    changingX.fill(0)
    changingY.fill(0)
    await done
    expect(await weightsOf(second)).toEqual(await weightsOf(first))
  })

  test('the validation split is the end of the data, before shuffling', async () => {
    const model = linear()
    const { history } = await model.fit(x, y, { verbose: 0, epochs: 2, batchSize: 8, validationSplit: 0.25, validationBatchSize: 4 })
    const cut = Math.floor(rows * 0.75)
    const after = await model.evaluate(x.slice(cut), y.slice(cut))
    expect(Object.keys(history)).toEqual(['loss', 'mae', 'val_loss', 'val_mae'])
    expectClose([history.val_loss![1]!, history.val_mae![1]!], [after.loss!, after.mae!])
  })

  test('validation data in all forms, at the epochs that were asked for', async () => {
    const model = linear({ rate: 0 })
    const options = { ...quiet, epochs: 4 }
    const { loss } = await model.evaluate(x, y)
    for (const validationData of [[x, y], { x, y }, () => [{ x, y }]] as NonNullable<FitOptions['validationData']>[]) {
      const { history } = await model.fit(x, y, { ...options, validationData })
      expectClose(history.val_loss!, new Array(4).fill(loss))
    }
    const twice = await model.fit(x, y, { ...options, validationData: [x, y], validationFreq: 2 })
    expect(twice.history.val_loss!.length).toBe(2)
    const validated: number[] = []
    const note = (epoch: number, logs: Record<string, number>) => {
      if ('val_loss' in logs) validated.push(epoch)
    }
    await model.fit(x, y, { ...options, validationData: [x, y], validationFreq: [1, 4], callbacks: [{ onEpochEnd: note }] })
    expect(validated).toEqual([0, 3])
  })

  test('stepsPerEpoch goes on where the epoch before ended', async () => {
    const records = () => Array.from({ length: 5 }, (_, i) => ({ x: x.slice(8 * i, 8 * i + 8), y: y.slice(8 * i, 8 * i + 8) }))
    const options = { ...quiet, epochs: 5, stepsPerEpoch: 3 }
    const [whole, arrays, generated] = [linear(), linear(), linear()]
    await whole.fit(x, y, { ...quiet, epochs: 3 })
    const { history } = await arrays.fit(x, y, options)
    expect(history.loss!.length).toBe(5)
    await generated.fit(() => records().values(), options)
    const expected = await weightsOf(whole)
    expect(await weightsOf(arrays)).toEqual(expected)
    expect(await weightsOf(generated)).toEqual(expected)
  })

  test('shuffling follows the seed; two fits at once give what each gives alone', async () => {
    const make = () => {
      const hidden = layers.dense({ units: 8, activation: 'relu', inputShape: [width] })
      const model = sequential([hidden, layers.dropout({ rate: 0.3 }), layers.dense({ units: 1 })])
      model.compile({ optimizer: 'adam', loss: 'mse' })
      return model
    }
    const options = { verbose: 0, epochs: 4, batchSize: 4 } as const
    setRandomSeed(11)
    const alone: number[][] = []
    for (const model of [make(), make()]) alone.push((await model.fit(x, y, options)).history.loss!)
    expect(alone[0]).not.toEqual(alone[1])
    setRandomSeed(11)
    const together = await Promise.all([make(), make()].map((model) => model.fit(x, y, options)))
    expect(together.map(({ history }) => history.loss)).toEqual(alone)
  })

  test('a cross-entropy behind its activation is exact where probabilities underflow', async () => {
    const model = sequential([layers.dense({ units: 2, activation: 'softmax', inputShape: [1] })])
    model.compile({ loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
    model.setWeights([[[200, 0]], [0, 0]])
    expect(await model.evaluate([[1]], [1])).toEqual({ loss: 200, accuracy: 0 })
    const binary = sequential([layers.dense({ units: 1, activation: 'sigmoid', inputShape: [1] })])
    binary.compile({ loss: 'binaryCrossentropy', metrics: ['accuracy'] })
    binary.setWeights([[[1]], [0]])
    expect(await binary.evaluate([[-300], [300]], [1, 0])).toEqual({ loss: 300, accuracy: 0 })
    expect(await binary.evaluate([[0.1], [-0.1]], [1, 0])).toMatchObject({ accuracy: 1 })
  })

  test('models without weights or without a loss of their own', async () => {
    const still = sequential([layers.flatten({ inputShape: [width, 1] })])
    still.compile({ loss: 'mse' })
    expectClose((await still.fit([[[1], [2], [3]]], [[1, 2, 4]], { verbose: 0 })).history.loss!, [1 / 3])
    const penalty = linear({ l2: 0.5 })
    penalty.compile({ optimizer: 'sgd' })
    expectClose((await penalty.fit(x, y, { verbose: 0, batchSize: rows })).history.loss!, [0.5 * 3 * 0.25])
    const nothing = sequential([layers.dense({ units: 1, inputShape: [width] })])
    nothing.compile({ optimizer: 'sgd' })
    await expect(nothing.fit(x, y, { verbose: 0 })).rejects.toMatchObject({
      name: 'ArgumentError',
      message: expect.stringMatching(/with a loss/)
    })
  })

  test('frozen layers stay as they are', async () => {
    const model = sequential([layers.dense({ units: 2, inputShape: [width] }), layers.dense({ units: 1 })])
    model.compile({ optimizer: 'adam', loss: 'mse' })
    await model.fit(x, y, quiet)
    model.layers[0]!.trainable = false
    const before = await weightsOf(model)
    await model.fit(x, y, quiet)
    const after = await weightsOf(model)
    expect(after.slice(0, 8)).toEqual(before.slice(0, 8))
    expect(after.slice(8)).not.toEqual(before.slice(8))
  })

  test('labels may be integers of any kind, x may be uint8', async () => {
    const images = Uint8Array.from(flatX, (v) => 100 + 100 * v)
    const model = sequential([layers.dense({ units: 3, activation: 'softmax', inputShape: [width] })])
    model.compile({ loss: 'sparseCategoricalCrossentropy' })
    const labels = y.map((_, i) => i % 3)
    const losses: number[] = []
    for (const targets of [Uint8Array.from(labels), Int16Array.from(labels), labels, labels.map((l) => [l])]) {
      losses.push((await model.evaluate(images, targets)).loss!)
    }
    expect(new Set(losses).size).toBe(1)
    expect((await model.evaluate(Float32Array.from(images), labels)).loss).toBe(losses[0])
  })
})

const usable = devices().filter((device) => device.usable)
const several = usable.length > 1 ? test : test.skip
several('a model is trained where its weights are, whatever the current device', async () => {
  for (const [home, other] of [
    [usable[0]!, usable[1]!],
    [usable[1]!, usable[0]!]
  ] as const) {
    setDevice(home.name)
    const model = linear()
    setDevice(other.name)
    const { history } = await model.fit(x, y, { ...quiet, epochs: 2, validationSplit: 0.2 })
    expect(model.weights[0]!.device).toBe(home.name)
    const count = rows - 8
    expectClose(history.loss!, trainReference(x.slice(0, count), y.slice(0, count), { epochs: 2, batchSize: 8, rate: 0.05 }).loss, 1e-5)
    expect((await model.predict(flatX)).device).toBe(home.name)
    await model.trainOnBatch(x, y, { classWeight: { 0: 2 } })
  }
})
