// The callbacks, driven by hand on a model that only remembers what was done to it.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { earlyStopping, modelCheckpoint, terminateOnNaN } from '../../lib/callbacks'
import { type Callback, CallbackList } from '../../lib/callbacks/callback'
import { History } from '../../lib/callbacks/history'
import { formatPath } from '../../lib/callbacks/model-checkpoint'
import type { Model } from '../../lib/models/model'

/** Weights are one number; `live` counts the copies that were made and not disposed of. */
class FakeModel {
  stopTraining = false
  weight = 0
  live = 0
  saved: string[] = []
  getWeights() {
    this.live++
    return [{ value: this.weight, dispose: () => this.live-- }]
  }
  setWeights([copy]: { value: number }[]) {
    this.weight = copy!.value
  }
  metricDirection(key: string) {
    return { accuracy: 'up', mae: 'down' }[key]
  }
  async save(path: string) {
    writeFileSync(path, '')
    this.saved.push(path)
  }
  async saveWeights(path: string) {
    await this.save(`${path}`)
  }
}

/** Runs epochs with these values of `key`; the weight after an epoch is its number. Returns the epochs that were run. */
async function train(callback: Callback, key: string, values: number[], fake = new FakeModel()): Promise<number> {
  const model = fake as unknown as Model
  let epoch = 0
  await callback.onTrainBegin?.({}, model)
  for (const value of values) {
    await callback.onEpochBegin?.(epoch, {}, model)
    fake.weight = epoch
    await callback.onEpochEnd?.(epoch++, { [key]: value }, model)
    if (fake.stopTraining) break
  }
  await callback.onTrainEnd?.({}, model)
  return epoch
}

test.each<[string, Parameters<typeof earlyStopping>[0], string, number[], number]>([
  ['patience 0 stops at the first epoch that is not better', {}, 'val_loss', [5, 4, 4, 3], 3],
  ['never before the second epoch', {}, 'val_loss', [Number.NaN, 3, 4], 3],
  ['patience 2', { patience: 2 }, 'val_loss', [5, 6, 4, 5, 5, 1], 5],
  ['minDelta', { minDelta: 0.5 }, 'val_loss', [5, 4.6, 1], 2],
  ['accuracy rises', { monitor: 'val_accuracy' }, 'val_accuracy', [0.1, 0.2, 0.3, 0.3, 0.9], 4],
  ['mode min', { monitor: 'own', mode: 'min' }, 'own', [3, 2, 3], 3],
  ['mode max', { monitor: 'own', mode: 'max' }, 'own', [3, 4, 3, 9], 3],
  ['a baseline that is not reached does not renew the patience', { patience: 2, baseline: 1 }, 'val_loss', [5, 4, 4.5, 3], 3],
  ['startFromEpoch', { startFromEpoch: 3 }, 'val_loss', [1, 2, 3, 4, 5, 6], 5],
  ['NaN is no improvement', { patience: 1 }, 'val_loss', [3, Number.NaN, Number.NaN, 1], 2],
  ['something after NaN is', { patience: 2 }, 'val_loss', [Number.NaN, 3, 2, 1], 4]
])('earlyStopping: %s', async (_what, options, key, values, expected) => {
  expect(await train(earlyStopping(options), key, values)).toBe(expected)
})

test('earlyStopping goes back to the best weights, stopped or not, and keeps no copies', async () => {
  for (const [values, best] of [
    [[3, 2, 4, 5], 1],
    [[3, 1, 2], 1],
    [[3, 2, 1], 2],
    [[Number.NaN, Number.NaN], 0]
  ] as [number[], number][]) {
    const model = new FakeModel()
    await train(earlyStopping({ patience: 1, restoreBestWeights: true }), 'val_loss', values, model)
    expect([model.weight, model.live]).toEqual([best, 0])
  }
})

test('earlyStopping can be used twice', async () => {
  const callback = earlyStopping({ patience: 1 })
  expect(await train(callback, 'val_loss', [1, 2, 3])).toBe(2)
  expect(await train(callback, 'val_loss', [9, 8, 7])).toBe(3)
})

test('a direction that is not known, a monitor that is not there, wrong options', async () => {
  await expect(train(earlyStopping({ monitor: 'own' }), 'own', [1])).rejects.toMatchObject({
    name: 'ArgumentError',
    message: expect.stringMatching(/"own".*mode/)
  })
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation()
  expect(await train(earlyStopping(), 'loss', [1, 2, 3])).toBe(3)
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/"val_loss", which is not in the logs: loss/), 'NeuriteWarning']])
  warn.mockRestore()
  for (const make of [
    () => earlyStopping({ patience: -1 }),
    () => earlyStopping({ mode: 'up' as 'max' }),
    () => earlyStopping({ minDelta: Number.NaN }),
    () => modelCheckpoint({ filepath: '' }),
    () => modelCheckpoint({ filepath: 'm', saveFreq: 0 })
  ]) {
    expect(make).toThrow(expect.objectContaining({ name: 'ArgumentError' }))
  }
})

test('modelCheckpoint saves every epoch, or the best', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
  const filepath = join(folder, 'deeper', '{epoch:02d}-{val_loss:.2f}.safetensors')
  const names = (model: FakeModel) => model.saved.map((path) => path.split('/').at(-1))
  const every = new FakeModel()
  await train(modelCheckpoint({ filepath }), 'val_loss', [1.234, 1.5, 0.5], every)
  expect(names(every)).toEqual(['01-1.23.safetensors', '02-1.50.safetensors', '03-0.50.safetensors'])
  const best = new FakeModel()
  await train(modelCheckpoint({ filepath, saveBestOnly: true }), 'val_loss', [1.234, 1.5, 0.5], best)
  expect(names(best)).toEqual(['01-1.23.safetensors', '03-0.50.safetensors'])
  const beaten = new FakeModel()
  await train(modelCheckpoint({ filepath, saveBestOnly: true, initialValueThreshold: 1 }), 'val_loss', [1.234, 1.5, 0.5], beaten)
  expect(names(beaten)).toEqual(['03-0.50.safetensors'])
  const batches = new FakeModel()
  const callback = modelCheckpoint({ filepath: join(folder, '{epoch}-{batch}'), saveFreq: 3, saveWeightsOnly: true })
  for (let epoch = 0; epoch < 2; epoch++) {
    await callback.onEpochBegin!(epoch, {}, batches as unknown as Model)
    for (let batch = 0; batch < 4; batch++) await callback.onTrainBatchEnd!(batch, { loss: 1 }, batches as unknown as Model)
  }
  expect(names(batches)).toEqual(['1-3', '2-2'])
  expect(existsSync(join(folder, '2-2'))).toBe(true)
  rmSync(folder, { recursive: true })
})

test('formats of Python in file names', () => {
  const values = { epoch: 3, val_loss: 0.12345, big: 12345.678 }
  const cases: [string, string][] = [
    ['{epoch}', '3'],
    ['{epoch:02d}', '03'],
    ['{epoch:3d}|', '  3|'],
    ['{val_loss:.2f}', '0.12'],
    ['{val_loss:f}', '0.123450'],
    ['{val_loss:08.3f}', '0000.123'],
    ['{big:.2e}', '1.23e+04'],
    ['{big:.3}', '12300'],
    ['{{x}} {epoch}', '{x} 3']
  ]
  for (const [template, expected] of cases) expect(formatPath(template, values)).toBe(expected)
  expect(() => formatPath('{accuracy:.2f}', values)).toThrow(/"\{accuracy:.2f\}".*epoch, val_loss, big/)
  expect(() => formatPath('{epoch:>4}', values)).toThrow(/expected a format/)
})

test('terminateOnNaN', () => {
  const lines: unknown[] = []
  const log = jest.spyOn(console, 'log').mockImplementation((line) => lines.push(line))
  const model = new FakeModel() as unknown as Model
  const callback = terminateOnNaN()
  callback.onProgress!(3, { loss: 1 }, model)
  expect(model.stopTraining).toBe(false)
  callback.onProgress!(7, { loss: Number.POSITIVE_INFINITY }, model)
  expect(model.stopTraining).toBe(true)
  const other = new FakeModel() as unknown as Model
  callback.onEpochEnd!(1, { loss: Number.NaN }, other)
  expect(other.stopTraining).toBe(true)
  log.mockRestore()
  expect(lines).toEqual([expect.stringMatching(/Batch 7.*Infinity/), expect.stringMatching(/Epoch 2.*NaN/)])
})

test('a list awaits promises, keeps the order, and knows who wants batches', async () => {
  const calls: string[] = []
  const model = {} as Model
  const slow: Callback = {
    async onEpochEnd(_epoch, logs) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      calls.push('slow')
      logs.added = 1
    }
  }
  const record = new History()
  const list = new CallbackList('fit', [slow, { onEpochEnd: (_epoch, logs) => calls.push(`fast ${logs.added}`) }, record], model)
  await list.begin('Train')
  await list.epochEnd(4, { loss: 2 })
  expect(calls).toEqual(['slow', 'fast 1'])
  expect([record.epoch, record.history]).toEqual([[4], { loss: [2], added: [1] }])
  expect(list.wantsBatches('Train')).toBe(false)
  const eager = new CallbackList('fit', [{ onTrainBatchEnd: () => {} }, { onProgress: () => {} }], model)
  expect([eager.wantsBatches('Train'), eager.wantsBatches('Test'), eager.wantsProgress]).toEqual([true, false, true])
  expect(() => new CallbackList('fit', [undefined as unknown as Callback], model)).toThrow(/expected each of callbacks to be an object/)
})

const model = {} as Model

test('hooks of Keras under their short names, the model and the parameters', async () => {
  const notes: unknown[] = []
  const note =
    (name: string) =>
    (...args: unknown[]) =>
      notes.push([name, args[0]])
  class Own {
    setModel = note('setModel')
    setParams = note('setParams')
    onBatchBegin = note('onBatchBegin')
    onBatchEnd = note('onBatchEnd')
    // The long name goes before the short one.
    onTrainBatchEnd = note('onTrainBatchEnd')
    // A name that is near no hook's is its own business.
    online = 3
  }
  const list = new CallbackList('fit', [new Own()], model)
  await list.start({ epochs: 1, steps: 2 })
  for (const kind of ['Train', 'Test'] as const) {
    await list.batchBegin(kind, 4)
    await list.batchEnd(kind, 4, {})
  }
  expect(notes).toEqual([
    ['setModel', model],
    ['setParams', { epochs: 1, steps: 2 }],
    ['onBatchBegin', 4],
    ['onTrainBatchEnd', 4]
  ])
  expect([list.wantsBatches('Train'), list.wantsBatches('Test')]).toEqual([true, false])
})

test.each<[object, string]>([
  [{ on_epoch_end: () => {} }, '[fit] expected the hook onEpochEnd of a callback, received on_epoch_end'],
  [{ onepochEnd: () => {} }, '[fit] expected the hook onEpochEnd of a callback, received onepochEnd'],
  [
    new (class {
      set_model() {}
    })(),
    '[fit] expected the hook setModel of a callback, received set_model'
  ],
  [{ onEpochEnd: 3 }, '[fit] expected the hook onEpochEnd of a callback to be a function, received 3'],
  [3 as never, '[fit] expected each of callbacks to be an object with hooks, received 3']
])('a callback whose hook would not be called is refused: %p', (callback, message) => {
  expect(() => new CallbackList('fit', [callback as Callback], model)).toThrow(message)
  expect(() => new CallbackList('fit', callback as never, model)).toThrow('[fit] expected callbacks to be an array, received')
})

test('numbers to compare with are numbers', () => {
  expect(() => earlyStopping({ baseline: Number.NaN })).toThrow('[earlyStopping] expected baseline to be a finite number, received NaN')
  expect(() => modelCheckpoint({ filepath: 'x', initialValueThreshold: Number.NaN })).toThrow(
    '[modelCheckpoint] expected initialValueThreshold to be a finite number, received NaN'
  )
})
