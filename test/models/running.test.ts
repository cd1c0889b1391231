// How a fit runs: hooks, stopping, the event loop, memory, and captured steps against eager ones.
import {
  type Callback,
  callbacks,
  devices,
  layers,
  type Model,
  memory,
  optimizers,
  random,
  type Sequential,
  sequential,
  setMemoryLimit,
  setPrecision,
  type Tensor,
  tensor
} from '../../lib'
import { native } from '../../lib/addon'
import { currentDevice } from '../../lib/device'
import { collected } from '../support/collected'
import { onEveryDevice } from '../support/op-suite'

const rows = 37
const x = Float32Array.from({ length: 3 * rows }, (_, i) => Math.sin(i))
const y = Float32Array.from({ length: rows }, (_, i) => Math.cos(i))

function make(): Sequential {
  const hidden = layers.dense({ units: 4, activation: 'relu', inputShape: [3] })
  const model = sequential([hidden, layers.dropout({ rate: 0.1 }), layers.dense({ units: 1 })])
  model.compile({ optimizer: 'adam', loss: 'mse', metrics: ['mae'] })
  return model
}

const tensorOf = (values: Float32Array, columns: number): Tensor => tensor(values, [values.length / columns, columns])

/** A callback that notes every hook in order, with its number and the keys of its logs. */
function recorder(names: readonly string[], notes: string[]): Callback {
  const callback: Record<string, unknown> = {}
  for (const name of names) {
    callback[name] = async (...args: unknown[]) => {
      const number = typeof args[0] === 'number' ? ` ${args.shift()}` : ''
      await new Promise((resolve) => setTimeout(resolve, 0))
      notes.push(`${name}${number} ${Object.keys(args[0] as object)}`.trim())
    }
  }
  return callback
}
const lifecycle = ['Begin', 'End'].flatMap((when) => [`onTrain${when}`, `onEpoch${when}`, `onTest${when}`, `onPredict${when}`])
const batches = ['Train', 'Test', 'Predict'].flatMap((kind) => [`on${kind}BatchBegin`, `on${kind}BatchEnd`])

onEveryDevice(() => {
  beforeAll(() => setPrecision('highest'))

  test('hooks come in the order of Keras, and promises are awaited', async () => {
    const notes: string[] = []
    await make().fit(x, y, { verbose: 0, batchSize: 30, validationSplit: 0.1, epochs: 2, callbacks: [recorder(lifecycle, notes)] })
    const epoch = (n: number) => [`onEpochBegin ${n}`, 'onTestBegin', 'onTestEnd loss,mae', `onEpochEnd ${n} loss,mae,val_loss,val_mae`]
    expect(notes).toEqual(['onTrainBegin', ...epoch(0), ...epoch(1), 'onTrainEnd loss,mae,val_loss,val_mae'])
  })

  test('hooks of batches get the logs of their batch', async () => {
    const notes: string[] = []
    const model = make()
    await model.fit(x, y, { verbose: 0, batchSize: 20, callbacks: [recorder(batches, notes)] })
    await model.evaluate(x, y, { batchSize: 37, callbacks: [recorder(batches, notes)] })
    ;(await model.predict(x, { batchSize: 20, callbacks: [recorder([...lifecycle, ...batches], notes)] })).dispose()
    const pair = (kind: string, n: number, logs: string) => [`on${kind}BatchBegin ${n}`, `on${kind}BatchEnd ${n} ${logs}`.trim()]
    expect(notes).toEqual([
      ...pair('Train', 0, 'loss,mae'),
      ...pair('Train', 1, 'loss,mae'),
      ...pair('Test', 0, 'loss,mae'),
      'onPredictBegin',
      ...pair('Predict', 0, ''),
      ...pair('Predict', 1, ''),
      'onPredictEnd'
    ])
  })

  test('verbose prints a line for each epoch, evaluation and prediction', async () => {
    const lines: string[] = []
    const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0)
    try {
      const model = make()
      await model.fit(x, y, { verbose: 2, epochs: 2, batchSize: 20, validationSplit: 0.1 })
      await model.evaluate(x, y, { verbose: 2 })
      await model.predict(x, { verbose: 2 })
      await model.fit(x, y, { verbose: 0 })
    } finally {
      write.mockRestore()
    }
    const logs = String.raw`loss: \S+ - mae: \S+`
    const epoch = (n: number) => new RegExp(`^Epoch ${n}/2 - 2/2 - \\d+s - \\S+/step - ${logs} - val_loss: \\S+ - val_mae: \\S+\n$`)
    expect(lines.length).toBe(4)
    for (const [i, pattern] of [epoch(1), epoch(2), new RegExp(`^2/2 - .*${logs}\n$`), /^2\/2 - \d+s - \S+\/step\n$/].entries()) {
      expect(lines[i]).toMatch(pattern)
    }
  })

  test('the lines say how many steps there were where only the end of the batches tells', async () => {
    const lines: string[] = []
    const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0)
    const params: unknown[] = []
    try {
      const model = make()
      function* batches(): Generator<[Tensor, Tensor]> {
        for (let i = 0; i < 3; i++) yield [tensorOf(x, 3), tensorOf(y, 1)]
      }
      const callback = { setParams: (given: unknown) => params.push(given) }
      await model.fit(batches, { verbose: 2, epochs: 2, callbacks: [callback], validationData: [x, y] })
      await model.evaluate(batches, { verbose: 2 })
      await model.predict(() => [[tensorOf(x, 3)]], { verbose: 2 })
    } finally {
      write.mockRestore()
    }
    expect(lines.map((line) => /\d+\/\d+ - \d+s/.exec(line)?.[0].split(' ')[0])).toEqual(['3/3', '3/3', '3/3', '1/1'])
    expect(params).toEqual([undefined, 3, 3].map((steps) => ({ epochs: 2, steps })))
  })

  test('options behind a place for targets count for batches too', async () => {
    const model = make()
    const batches = () => [[tensorOf(x, 3), tensorOf(y, 1)] as [Tensor, Tensor]]
    for (const nothing of [undefined, null]) {
      expect((await model.fit(batches, nothing, { epochs: 3, verbose: 0 })).epoch.length).toBe(3)
      const ended: string[] = []
      await model.evaluate(batches, nothing, { callbacks: [{ onTestEnd: () => ended.push('end') }] })
      expect(ended).toEqual(['end'])
    }
    expect((await model.fit(batches, { epochs: 2, verbose: 0 })).epoch.length).toBe(2)
  })

  test('the logs of a batch are the means so far', async () => {
    const losses: number[] = []
    const net = sequential([layers.dense({ units: 1, inputShape: [3] })])
    net.compile({ optimizer: optimizers.sgd({ learningRate: 0 }), loss: 'mse' })
    const onTrainBatchEnd: Callback['onTrainBatchEnd'] = (_batch, logs) => losses.push(logs.loss!)
    await net.fit(x, y, { verbose: 0, batchSize: 10, shuffle: false, callbacks: [{ onTrainBatchEnd }] })
    const expected: number[] = []
    for (const n of [10, 20, 30, 37]) expected.push((await net.evaluate(x.slice(0, 3 * n), y.slice(0, n))).loss!)
    for (const [i, loss] of losses.entries()) expect(loss).toBeCloseTo(expected[i]!, 6)
    expect(losses.length).toBe(4)
  })

  test('stopTraining ends the training before the next step, or the next epoch', async () => {
    const model = make()
    let seen = 0
    const stop = (_: number, __: unknown, m: Model) => {
      seen++
      m.stopTraining = true
    }
    const { epoch } = await model.fit(x, y, { verbose: 0, batchSize: 1, epochs: 5, callbacks: [{ onTrainBatchEnd: stop }] })
    expect([epoch, seen, model.optimizer.iterations]).toEqual([[0], 1, 1])
    const again = await model.fit(x, y, { verbose: 0, epochs: 5, initialEpoch: 2, callbacks: [{ onEpochEnd: stop }] })
    expect([again.epoch, seen]).toEqual([[2], 2])
  })

  test('a training that turns to NaN is terminated', async () => {
    const model = sequential([layers.dense({ units: 1, inputShape: [3] })])
    model.compile({ optimizer: optimizers.sgd({ learningRate: 1e30 }), loss: 'mse' })
    const log = jest.spyOn(console, 'log').mockImplementation()
    const { epoch } = await model.fit(x, y, { verbose: 0, epochs: 50, callbacks: [callbacks.terminateOnNaN()] })
    expect(epoch.length).toBeLessThan(10)
    expect(log).toHaveBeenCalledTimes(1)
    log.mockRestore()
  })

  test('a signal stops fit, evaluate and predict, also while they wait for data; the model stays usable', async () => {
    const model = make()
    const aborted = { name: 'AbortError' }
    await expect(model.fit(x, y, { verbose: 0, signal: AbortSignal.abort() })).rejects.toMatchObject(aborted)
    const stop = new AbortController()
    const abort: Callback[] = [{ onEpochEnd: (epoch) => (epoch === 3 ? stop.abort() : undefined) }]
    const fit = model.fit(x, y, { verbose: 0, epochs: 1e6, signal: stop.signal, callbacks: abort })
    await expect(fit).rejects.toMatchObject(aborted)
    expect(model.optimizer.iterations).toBe(4 * 2)
    let left = false
    async function* stuck() {
      try {
        yield { x, y }
        // Not while it stands at the yield, where it could be left.
        setImmediate(() => waiting.abort())
        await new Promise(() => {})
      } finally {
        left = true
      }
    }
    const waiting = new AbortController()
    await expect(model.fit(stuck, { verbose: 0, signal: waiting.signal })).rejects.toMatchObject(aborted)
    expect(left).toBe(false)
    const { signal } = stop
    await expect(model.evaluate(x, y, { signal })).rejects.toMatchObject(aborted)
    await expect(model.predict(x, { signal })).rejects.toMatchObject(aborted)
    expect((await model.predict(x)).shape).toEqual([rows, 1])
    expect((await model.fit(x, y, { verbose: 0 })).epoch).toEqual([0])
  })

  test('a hook or an iterable that throws ends the fit with its error', async () => {
    const model = make()
    const fail = () => {
      throw new RangeError('mine')
    }
    await expect(model.fit(x, y, { verbose: 0, callbacks: [{ onEpochEnd: fail }] })).rejects.toThrow(new RangeError('mine'))
    await expect(model.fit(x, y, { verbose: 0, callbacks: [{ onTrainBatchEnd: async () => fail() }] })).rejects.toThrow('mine')
    let closed = 0
    function* items() {
      try {
        yield { x, y }
        yield { x, y: y.slice(1) }
      } finally {
        closed++
      }
    }
    await expect(model.fit(items, { verbose: 0 })).rejects.toMatchObject({ name: 'ShapeError' })
    expect(closed).toBe(1)
    expect((await model.fit(x, y, { verbose: 0 })).epoch).toEqual([0])
  })

  test('progress gets logs now and then, without batch hooks', async () => {
    const model = make()
    const seen: [number, number][] = []
    const onProgress: Callback['onProgress'] = (batch, logs, m) => {
      seen.push([batch, logs.loss!])
      m.stopTraining = seen.length === 2
    }
    const many = 100_000
    await model.fit(random.normal([many, 3]), random.normal([many]), {
      verbose: 0,
      epochs: 1000,
      batchSize: 1,
      callbacks: [{ onProgress }]
    })
    expect(seen.length).toBe(2)
    for (const [batch, loss] of seen) expect(batch > 0 && batch <= many && Number.isFinite(loss)).toBe(true)
  })

  test('steps end an evaluation or prediction early, and the data end it too', async () => {
    const model = make()
    const first = await model.evaluate(x.slice(0, 60), y.slice(0, 20), { batchSize: 10 })
    expect(await model.evaluate(x, y, { batchSize: 10, steps: 2 })).toEqual(first)
    expect(await model.evaluate(x, y, { batchSize: 10, steps: 100 })).toEqual(await model.evaluate(x, y, { batchSize: 10 }))
    expect((await model.predict(x, { batchSize: 10, steps: 100 })).shape).toEqual([rows, 1])
    const { history } = await model.fit(x, y, {
      verbose: 0,
      validationData: [x, y],
      validationSteps: 1,
      validationBatchSize: 20,
      epochs: 2
    })
    expect(history.val_loss![1]).toBeCloseTo((await model.evaluate(x.slice(0, 60), y.slice(0, 20))).loss!, 6)
  })

  test('a step that fails on the device ends the fit with its error; the next one is well', async () => {
    const model = sequential([layers.dense({ units: 3, activation: 'softmax', inputShape: [3] })])
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' })
    const labels = Uint8Array.from(y, (_, i) => (i === 30 ? 7 : i % 3))
    await expect(model.fit(x, labels, { verbose: 0, batchSize: 2, epochs: 3 })).rejects.toMatchObject({
      name: 'ArgumentError',
      message: expect.stringMatching(/sparseSoftmaxCrossEntropy.*from 0 to 2, received 7/)
    })
    labels[30] = 0
    expect((await model.fit(x, labels, { verbose: 0 })).epoch).toEqual([0])
  })

  test('a fit without enough memory ends with an error that says so; the next one is well', async () => {
    const model = make()
    await model.fit(x, y, { verbose: 0 })
    const wide = sequential([layers.dense({ units: 4096, inputShape: [3] }), layers.dense({ units: 1 })])
    wide.compile({ optimizer: 'sgd', loss: 'mse' })
    await collected()
    const device = devices()[currentDevice()]!
    setMemoryLimit(memory().bytes + 300_000, { device: device.name })
    try {
      await expect(wide.fit(x, y, { verbose: 0, batchSize: rows })).rejects.toMatchObject({ name: 'OutOfMemoryError' })
      expect((await model.fit(x, y, { verbose: 0 })).epoch).toEqual([0])
    } finally {
      setMemoryLimit(device.memory, { device: device.name })
    }
    expect((await wide.fit(x, y, { verbose: 0, batchSize: rows })).epoch).toEqual([0])
  })

  test('one fit of a model at a time; what would disturb it is refused', async () => {
    const model = make()
    const refused = { name: 'ArgumentError', message: expect.stringMatching(/training/) }
    const first = model.fit(x, y, { verbose: 0, epochs: 3 })
    await expect(model.fit(x, y, { verbose: 0 })).rejects.toMatchObject(refused)
    await expect(model.trainOnBatch(x, y)).rejects.toMatchObject(refused)
    expect(() => model.dispose()).toThrow(expect.objectContaining(refused))
    expect(() => model.compile({ loss: 'mse' })).toThrow(expect.objectContaining(refused))
    const during = await Promise.all([model.evaluate(x, y), model.evaluate(x, y, { batchSize: 5 }), model.predict(x)])
    expect(Object.keys(during[0])).toEqual(['loss', 'mae'])
    expect((await first).epoch).toEqual([0, 1, 2])
  })

  test('evaluations at the same time do not disturb one another', async () => {
    const model = make()
    const parts = [0, 1, 2].map((i) => [x.slice(30 * i, 30 * i + 30), y.slice(10 * i, 10 * i + 10)] as const)
    const alone: unknown[] = []
    for (const [px, py] of parts) alone.push(await model.evaluate(px, py, { batchSize: 3 }))
    expect(await Promise.all(parts.map(([px, py]) => model.evaluate(px, py, { batchSize: 3 })))).toEqual(alone)
  })

  test('replays are bit for bit what eager steps give', async () => {
    process.env.NEURITE_CHECK_CAPTURE = '1'
    try {
      const model = sequential([
        layers.rescaling({ scale: 1 / 255, inputShape: [6] }),
        layers.dense({ units: 8, activation: 'relu', kernelRegularizer: 'l2' }),
        layers.dropout({ rate: 0.5 }),
        layers.dense({ units: 4, activation: 'softmax' })
      ])
      model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
      const images = Uint8Array.from({ length: 6 * rows }, (_, i) => (i * 37) % 256)
      const labels = Uint8Array.from(y, (_, i) => i % 4)
      const { history } = await model.fit(images, labels, { verbose: 0, batchSize: 4, epochs: 2, validationSplit: 0.2 })
      expect(history.loss!.every(Number.isFinite)).toBe(true)
    } finally {
      delete process.env.NEURITE_CHECK_CAPTURE
    }
  })

  test('the steady loop asks the device for no memory', async () => {
    const model = make()
    const allocations = () => native.memory(currentDevice()).allocations
    const [epochs, steps]: [number[], number[]] = [[], []]
    const onEpochEnd = () => epochs.push(allocations())
    await model.fit(x, y, { verbose: 0, epochs: 100, batchSize: 4, validationSplit: 0.2, callbacks: [{ onEpochEnd }] })
    // What grew would take a block for each epoch; a few may come late, whenever the device is further behind than before.
    expect(epochs.at(-1)! - epochs[1]!).toBeLessThan(49)
    const onTrainBatchEnd = () => steps.push(allocations())
    await model.fit(x, y, { verbose: 0, batchSize: 1, callbacks: [{ onTrainBatchEnd }] })
    expect(new Set(steps.slice(1)).size).toBe(1)
  })

  test('models that are fitted and disposed of, or dropped, leave nothing', async () => {
    const once = async (dispose: boolean) => {
      const model = make()
      await model.fit(x, y, { verbose: 0, validationSplit: 0.2, callbacks: [{ onTrainBatchEnd: () => {} }] })
      ;(await model.predict(x, { batchSize: 10 })).dispose()
      await model.evaluate(x, y)
      if (dispose) model.dispose()
    }
    await once(true)
    for (let i = 0; i < 5; i++) await collected()
    const before = memory()
    for (const dispose of [true, false]) {
      for (let i = 0; i < 20; i++) await once(dispose)
      for (let i = 0; i < 5; i++) await collected()
      expect(memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes })
    }
  })

  test('the event loop turns while the model is trained', async () => {
    const model = sequential([layers.dense({ units: 256, inputShape: [64] }), layers.dense({ units: 1 })])
    model.compile({ optimizer: 'sgd', loss: 'mse' })
    const [big, target] = [random.normal([512, 64]), random.normal([512, 1])]
    let turns = 0
    const turn = (): void => {
      model.stopTraining = ++turns > 10
      if (!model.stopTraining) setTimeout(turn, 0)
    }
    setTimeout(turn, 0)
    await model.fit(big, target, { verbose: 0, epochs: 1e6, batchSize: 16 })
    expect(turns).toBeGreaterThan(10)
  })
})
