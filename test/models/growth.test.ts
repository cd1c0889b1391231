// What stays behind: nothing, after many steps or many models.
import { layers, memory, random, sequential, synchronize, tensor } from '../../lib'
import { native } from '../../lib/addon'
import { currentDevice } from '../../lib/device'
import { collected } from '../support/collected'

const build = () => {
  const model = sequential([
    layers.dense({ units: 8, activation: 'relu', inputShape: [4] }),
    layers.dropout({ rate: 0.2 }),
    layers.dense({ units: 1 })
  ])
  model.compile({ optimizer: 'adam', loss: 'mse', metrics: ['mae'] })
  return model
}
const data = () => [random.normal([40, 4]), random.normal([40, 1])] as const

/** Live tensors and bytes once everything that can be collected has been. Finalizers of finalizers take turns of their own. */
async function settled() {
  for (let i = 0; i < 4; i++) await collected()
  await synchronize()
  const { tensors, bytes } = memory()
  return { tensors, bytes, heap: process.memoryUsage().heapUsed }
}

const quiet = { verbose: 0 as const, batchSize: 4 }

test('10,000 steps of training: no tensor, no byte and no block of the device more', async () => {
  const model = build()
  const [x, y] = data()
  await model.fit(x, y, { ...quiet, epochs: 10 })
  const { allocations } = native.memory(currentDevice())
  const before = await settled()
  await model.fit(x, y, { ...quiet, epochs: 1000 })
  const after = await settled()
  expect(after).toMatchObject({ tensors: before.tensors, bytes: before.bytes })
  // What grew would take a block for each of the 1,000 epochs. How many are in use at a time, and so the most there have to be, hangs on how
  // far the device and the garbage collector are behind.
  expect(native.memory(currentDevice()).allocations - allocations).toBeLessThan(500)
  // The history of 1,000 epochs is what the heap may keep for a while.
  expect(after.heap - before.heap).toBeLessThan(4 * 2 ** 20)
  model.dispose()
  for (const t of [x, y]) t.dispose()
})

test('200 models that are built, fitted, used and dropped leave nothing', async () => {
  const [x, y] = data()
  const use = async (dropped: boolean) => {
    const model = build()
    await model.fit(x, y, { ...quiet, epochs: 1, validationSplit: 0.2 })
    ;(await model.predict(x)).dispose()
    await model.evaluate(x, y)
    if (!dropped) model.dispose()
  }
  for (let i = 0; i < 4; i++) await use(i % 2 === 0)
  const before = await settled()
  for (let i = 0; i < 200; i++) await use(i % 2 === 0)
  const after = await settled()
  expect(after).toMatchObject({ tensors: before.tensors, bytes: before.bytes })
  expect(after.heap - before.heap).toBeLessThan(8 * 2 ** 20)
  for (const t of [x, y]) t.dispose()
  expect([...tensor([1]).dataSync()]).toEqual([1])
})

test('single batches leave nothing, with class weights neither', async () => {
  const model = build()
  const [x, y] = [random.normal([4, 4]), tensor([[0], [1], [1], [2]])]
  const steps = async () => {
    for (let i = 0; i < 3; i++) {
      await model.trainOnBatch(x, y, { classWeight: { 1: 2 } })
      await model.trainOnBatch(x, y, { sampleWeight: [1, 2, 3, 4] })
      await model.testOnBatch(x, y)
    }
    await expect(model.trainOnBatch(x, y, { classWeight: { 1: Number.NaN } })).rejects.toThrow('classWeight[1]')
  }
  await steps()
  const before = await settled()
  await steps()
  const after = await settled()
  expect(after).toMatchObject({ tensors: before.tensors, bytes: before.bytes })
  model.dispose()
  for (const t of [x, y]) t.dispose()
})
